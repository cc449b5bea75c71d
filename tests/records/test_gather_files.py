"""Files are taken in one after the other, whatever their order, and only what the record shows of them is kept."""

from __future__ import annotations

import json
import weakref
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from scopeline.domain.files import Dataset, DatasetType, File, FileStatus
from scopeline.domain.records import Edit, Overlay
from scopeline.records.gather_files import PARAMETERS_COMPARED
from scopeline.records.inputs import LAYOUT, RecordInputs

Make = Callable[..., Any]
YEARS = 3 * 365 * 24 * 60.0

# LAYOUT -> hash of the inputs made of `a_bit_of_everything`: records that stand keep their version.
DIGESTS = {1: "57a49646b737571bf0d77107181e89b17366d02d9a149fdd15d70b13f278a3ae"}


def a_bit_of_everything(make_file: Make) -> list[File]:
    two = make_file("b/two.dm4", 70, {"Stage X": (-0.0, "µm"), "Frames": (1, None), "Averaged": (True, None)})
    two.datasets = [*two.datasets, Dataset(index=1, type=DatasetType.SPECTRUM, warnings=["odd", "odd"])]
    return [
        make_file("a.dm3", 60, {"Stage X": (0.0, "µm"), "Frames": (1.0, None), "Comment": ("ü", None)}),
        two,
        make_file("c.dm3", -YEARS, warnings=["The file ends early."]),
        make_file("d.png", 80, datasets=[], reader=None, status=FileStatus.UNSUPPORTED),
        make_file("e.dm3", 90, datasets=[], status=FileStatus.ANNOUNCED, generation=None),
        make_file("f.dm3", 91, datasets=[], status=FileStatus.DELETED, generation=None),
        make_file("g.emi", 92, companion_of="g.ser"),
        make_file("h.dm3", 93),
    ]


def overlay_for(files: list[File]) -> Overlay:
    now = files[0].updated_at
    edits = [
        Edit(target=f"{files[-1].id}.0", field="hidden", value=True, who="Ned", at=now),
        Edit(target=f"{files[0].id}.0", field="rating", value=4, who="Ned", at=now),
    ]
    return Overlay(session="20181113-titan-abcdef", edits=edits)


def test_hash_of_the_same_files_changes_only_with_the_layout(make_record: Make, make_file: Make) -> None:
    files = a_bit_of_everything(make_file)
    assert make_record(files, overlay_for(files)).digest() == DIGESTS[LAYOUT]


def test_no_file_is_kept(make_record: Make, make_file: Make) -> None:
    given: list[weakref.ref[File]] = []

    def stream() -> Iterator[File]:
        for number in range(50):
            file = make_file(f"{number}.dm3", number)
            given.append(weakref.ref(file))
            yield file
            del file
            # The one that is taken in may still be in somebody's hands.
            assert sum(one() is not None for one in given) <= 1

    inputs = make_record(stream())
    assert len(inputs.files) == len(given) == 50


def test_parameters_that_files_share_are_kept_once(make_record: Make, make_file: Make) -> None:
    def parameter() -> Any:
        return {"Spot " + str(7): (float("1.5"), "n" + "m")}

    first, second = make_record([make_file("a.dm3", 1, parameter()), make_file("b.dm3", 2, parameter())]).files
    ours, theirs = first.datasets[0].parameters, second.datasets[0].parameters
    assert [id(name) for name in ours] == [id(name) for name in theirs]
    assert [id(value) for value in ours.values()] == [id(value) for value in theirs.values()]


@pytest.mark.parametrize(("one", "other"), [(1, True), (0, False), (1, 1.0), (0.0, -0.0), ("1", 1)])
def test_values_that_only_compare_equal_stay_what_they_are(
    one: Any, other: Any, make_record: Make, make_file: Make
) -> None:
    files = [make_file("a.dm3", 1, {"P": (one, None)}), make_file("b.dm3", 2, {"P": (other, None)})]
    for ordered in (files, files[::-1]):
        found = [file.datasets[0].parameters["P"].value for file in make_record(ordered).files]
        assert [repr(value) for value in found] == [repr(one), repr(other)]


def test_more_different_parameters_than_are_compared_stay_what_they_are(make_record: Make, make_file: Make) -> None:
    per_file = PARAMETERS_COMPARED // 4
    files = [make_file(f"{n}.dm3", n, {f"P{p}": (p * 10 + n, "nm") for p in range(per_file)}) for n in range(6)]
    for number, file in enumerate(make_record(files).files):
        parameters = file.datasets[0].parameters
        assert [parameters[f"P{p}"].value for p in range(per_file)] == [p * 10 + number for p in range(per_file)]


@settings(max_examples=30, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(data=st.data(), old=st.integers(0, 5))
def test_order_of_the_files_changes_nothing(data: st.DataObject, old: int, make_record: Make, make_file: Make) -> None:
    """Also where the last file decides whether most of them are of another time."""
    files = [
        *a_bit_of_everything(make_file),
        *(make_file(f"old {n}.dm3", n - YEARS, first_seen=None) for n in range(old)),
    ]
    shuffled = data.draw(st.permutations(files))
    inputs, other = (make_record(given, overlay_for(files)) for given in (files, shuffled))
    assert other == inputs
    assert other.digest() == inputs.digest()


def test_files_seen_before_most_turn_out_to_miss_the_session_are_shown_like_the_others(
    make_record: Make, make_file: Make
) -> None:
    seen = make_file("now.dm3").first_seen
    early, late = make_file("a.dm3", -YEARS, first_seen=seen), make_file("b.dm3", 1 - YEARS, first_seen=seen)
    (alone,) = make_record([early]).files[0].datasets
    assert (alone.time, alone.doubtful_time) == (seen, True)
    shown = [file.datasets[0] for file in make_record([early, late]).files]
    assert [(dataset.time, dataset.doubtful_time) for dataset in shown] == [(early.mtime, False), (late.mtime, False)]


@pytest.mark.parametrize("count", [0, 1, 3])
def test_canonical_form_is_one_json_text_however_many_files_there_are(
    count: int, make_record: Make, make_file: Make
) -> None:
    inputs: RecordInputs = make_record([make_file(f"ü {n}.dm3", n) for n in range(count)])
    text = "".join(inputs.canonical())
    read = json.loads(text)
    assert json.dumps(read, sort_keys=True, separators=(",", ":")) == text
    assert [file["path"] for file in read["files"]] == [file.path for file in inputs.files]
