"""What activities are called, and what their datasets share."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from scopeline.domain.files import DatasetType, FileStatus
from scopeline.records.groups import group

Make = Callable[..., Any]
IMAGE, CUBE, SPECTRUM, PATTERN = (
    DatasetType.IMAGE, DatasetType.SPECTRUM_IMAGE, DatasetType.SPECTRUM, DatasetType.DIFFRACTION
)  # fmt: skip


@pytest.mark.parametrize(
    ("datasets", "title"),
    [
        ([("TEM", IMAGE, "UltraScan")], "TEM image"),
        ([("STEM", IMAGE, "HAADF")] * 2, "STEM HAADF images"),
        ([("STEM", IMAGE, "HAADF"), ("STEM", IMAGE, "BF")], "STEM images"),
        ([("SEM", IMAGE, "ETD")], "SEM ETD image"),
        ([("EDS", SPECTRUM, "SuperX")] * 2, "EDS spectra"),
        (
            [("STEM", IMAGE, "HAADF"), ("EDS", CUBE, "SuperX"), ("EDS", CUBE, "SuperX")],
            "EDS spectrum images and STEM HAADF image",
        ),
        ([("Diffraction", PATTERN, None)], "Diffraction pattern"),
        ([(None, IMAGE, None)] * 3, "Images"),
        (
            [("A", IMAGE, None), ("B", IMAGE, None), ("C", IMAGE, None), ("D", IMAGE, None)],
            "A image, B image, C image and more",
        ),
    ],
)
def test_title_says_what_was_done(
    datasets: list[tuple[str | None, DatasetType, str | None]], title: str, make_record: Make, make_file: Make
) -> None:
    # One moment: however different, they are one activity.
    files = [
        make_file(f"{n}.x", 1, {"Detector": (detector, None)} if detector else None)
        for n, (_, _, detector) in enumerate(datasets)
    ]
    for file, (technique, kind, _) in zip(files, datasets, strict=True):
        file.datasets[0].technique, file.datasets[0].type = technique, kind
    (activity,) = group(make_record(files))
    assert activity.title == title


def test_unread_files_are_in_the_title_only_where_nothing_else_is(make_record: Make, make_file: Make) -> None:
    broken = make_file("b.dm3", 1, datasets=[], status=FileStatus.UNREADABLE, reason="cut off")
    assert [a.title for a in group(make_record([broken]))] == ["Unread file"]
    assert [a.title for a in group(make_record([broken, make_file("a.dm3", 1)]))] == ["TEM image"]


def test_notes_neither_name_an_activity_nor_end_what_its_datasets_share(make_record: Make, make_file: Make) -> None:
    note = make_file("notes.txt", 1, {"Lines": (3, None)})
    note.datasets[0].technique, note.datasets[0].type = None, DatasetType.NOTES
    assert [a.title for a in group(make_record([note]))] == ["Note"]
    (activity,) = group(make_record([note, make_file("a.dm3", 1)]))
    assert activity.title == "TEM image"
    assert activity.setup["Accelerating Voltage"].value == 300


def test_datasets_own_parameters_are_those_not_shared(make_record: Make, make_file: Make) -> None:
    (activity,) = group(make_record([make_file("a.dm3", 1, {"X": (1, "nm")}), make_file("b.dm3", 2, {"X": (2, "nm")})]))
    assert [set(member.parameters) for member in activity.members] == [{"X"}, {"X"}]
    assert "X" not in activity.setup
    assert activity.setup["Accelerating Voltage"].value == 300
