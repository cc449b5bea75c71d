"""Which changes make another record, and which do not."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import fields, replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from scopeline.domain.files import Acquired, File, Parameter, Preview
from scopeline.domain.records import Edit, Overlay
from scopeline.domain.sessions import Person, Project, Reservation, Sample
from scopeline.records.builder import build_xml
from scopeline.records.inputs import DatasetInput, FileInput, NoteInput, ParameterInput, RecordInputs, SampleInput

NOW = datetime(2018, 11, 13, 18, 0, tzinfo=UTC)
LATER = NOW + timedelta(days=9)

Make = Callable[..., Any]

# One change of every field of the inputs.
PARAMETER = ParameterInput(300, "kV", "odd")
DATASET = DatasetInput(
    id="f.0", index=0, name="a.dm3", type="Image", time=NOW, parameters={"P": PARAMETER}, shape=(2, 2), joins=None
)
FILE = FileInput(id="f", path="a.dm3", generation=1, format="DM", sample="sample-1", datasets=(DATASET,))
INPUTS = RecordInputs(
    id="s",
    pid="p",
    title="T",
    zone="UTC",
    instrument="Titan",
    instrument_pid="titan",
    experimenters=("Ned",),
    collaborators=(),
    start=NOW,
    end=None,
    reservation_ref=None,
    motivation=None,
    samples=(SampleInput("sample-1", "S", (), (), ()),),
    projects=(),
    files=(FILE,),
    notes=(),
)
CHANGED: dict[type, dict[str, Any]] = {
    RecordInputs: {
        "id": "t", "pid": "q", "title": None, "zone": "America/Denver", "instrument": "Helios", "instrument_pid": "h",
        "experimenters": ("Ned", "Conseil"), "collaborators": ("Conseil",), "start": LATER, "end": LATER,
        "reservation_ref": "https://r.example", "motivation": "m", "samples": (), "projects": (Project(name="P"),),
        "files": (), "notes": (NoteInput("n", "s"),), "layout": 2,
    },
    FileInput: {
        "id": "g", "path": "b.dm3", "generation": 2, "format": None, "sample": None, "datasets": (DATASET, DATASET),
    },
    DatasetInput: {
        "id": "f.1", "index": 1, "name": "b", "type": "Spectrum", "role": "Derived", "title": "t", "technique": "TEM",
        "shape": (2, 3), "time": LATER, "acquired": NOW, "doubtful_time": True, "parameters": {}, "warnings": ("w",),
        "preview": True, "description": "d", "notes": "n", "rating": 4, "featured": True, "joins": "g.0",
    },
    ParameterInput: {"value": 301, "unit": "V", "warning": None},
}  # fmt: skip


def with_dataset(dataset: DatasetInput) -> RecordInputs:
    return replace(INPUTS, files=(replace(FILE, datasets=(dataset,)),))


PLACES: dict[type, Callable[[Any], RecordInputs]] = {
    RecordInputs: lambda value: value,
    FileInput: lambda value: replace(INPUTS, files=(value,)),
    DatasetInput: with_dataset,
    ParameterInput: lambda value: with_dataset(replace(DATASET, parameters={"P": value})),
}
BASES: dict[type, Any] = {RecordInputs: INPUTS, FileInput: FILE, DatasetInput: DATASET, ParameterInput: PARAMETER}


@pytest.mark.parametrize("kind", CHANGED)
def test_each_field_changes_the_hash(kind: type) -> None:
    assert set(CHANGED[kind]) == {f.name for f in fields(kind)}
    digests = {INPUTS.digest()}
    for name, value in CHANGED[kind].items():
        digests.add(PLACES[kind](replace(BASES[kind], **{name: value})).digest())
    assert len(digests) == len(CHANGED[kind]) + 1


@pytest.mark.parametrize(
    "change",
    [
        {"updated_at": LATER},
        {"bucket": "raw", "md5": "0" * 32},
        {"size": 1},
        {"client": "other-pc"},
        {"metadata_object": "x.json"},
    ],
)
def test_what_no_record_shows_does_not_change_the_hash(
    change: dict[str, Any], make_record: Make, make_file: Make
) -> None:
    before, after = make_record([make_file("a.dm3")]), make_record([make_file("a.dm3", **change)])
    assert before.digest() == after.digest()
    assert build_xml(before) == build_xml(after)


def test_origin_of_a_parameter_and_who_edited_do_not_change_the_hash(make_record: Make, make_file: Make) -> None:
    one, other = make_file("a.dm3"), make_file("a.dm3")
    other.datasets[0].parameters["Accelerating Voltage"].origin = "elsewhere"
    overlays = [
        Overlay(session="s", edits=[Edit(target=f"{one.id}.0", field="rating", value=4, who=who, at=NOW)])
        for who in ("Ned", "Conseil")
    ]
    assert make_record([one], overlays[0]).digest() == make_record([other], overlays[1]).digest()


def _acquired(file: File) -> None:
    file.datasets[0].acquired = Acquired(value=NOW + timedelta(seconds=1), source="utc")


def _parameter(file: File) -> None:
    file.datasets[0].parameters["Accelerating Voltage"] = Parameter(value=200, unit="kV")


def _preview(file: File) -> None:
    file.datasets[0].preview = None


def _generation(file: File) -> None:
    file.generation = 18


@pytest.mark.parametrize("change", [_acquired, _parameter, _preview, _generation])
def test_what_a_file_shows_changes_hash_and_bytes(
    change: Callable[[File], None], make_record: Make, make_file: Make
) -> None:
    file = make_file("a.dm3", 60)
    before = make_record([file])
    changed = file.model_copy(deep=True)
    change(changed)
    after = make_record([changed])
    assert before.digest() != after.digest()
    assert build_xml(before) != build_xml(after)


@pytest.mark.parametrize(
    "change",
    [
        {"title": "T"},
        {"motivation": "M"},
        {"people": [Person(person="Aronnax")]},
        {"samples": [Sample(name="Other")]},
        {"project": Project(name="P")},
        {"events": []},
        {"reservation": Reservation(id="1", source="nemo", start=NOW, end=LATER)},
    ],
)
def test_what_a_session_shows_changes_hash_and_bytes(
    change: dict[str, Any], make_record: Make, make_file: Make
) -> None:
    before, after = make_record([make_file("a.dm3")]), make_record([make_file("a.dm3")], **change)
    assert before.digest() != after.digest()
    assert build_xml(before) != build_xml(after)


def test_preview_picture_itself_is_not_in_the_record(make_record: Make, make_file: Make) -> None:
    one, other = make_file("a.dm3"), make_file("a.dm3")
    other.datasets[0].preview = Preview(object="redrawn.png", width=1, height=1)
    assert make_record([one]).digest() == make_record([other]).digest()


def test_values_that_json_cannot_write_still_tell_apart(make_record: Make, make_file: Make) -> None:
    records = [make_record([make_file("a.dm3", 1, {"P": (float(v), None)})]) for v in ("nan", "inf", "-inf")]
    assert len({record.digest() for record in records}) == 3
