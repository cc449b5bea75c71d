"""The same inputs give the same bytes until LAYOUT says otherwise, also in a later version of the code."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from datetime import UTC, datetime, timedelta

from scopeline.records.builder import build_xml
from scopeline.records.inputs import (
    LAYOUT,
    DatasetInput,
    FileInput,
    NoteInput,
    ParameterInput,
    RecordInputs,
    SampleInput,
)

START = datetime(2026, 2, 6, 8, 0, tzinfo=UTC)
# What is grouped and named belongs to the bytes: imaging, maps, a diffraction pattern, notes, a sample change, a pause.
SHOTS = (
    (5, "TEM", "Image", "s1", {"Magnification": 13000}),
    (6, "TEM", "Image", "s1", {"Magnification": 13000}),
    (7, "TEM", "Image", "s1", {"Magnification": 245000}),
    (40, "STEM", "Image", "s1", {"Detector": "HAADF"}),
    (42, "EDS", "SpectrumImage", "s1", {"Detector": "SuperX"}),
    (55, "EDS", "SpectrumImage", "s1", {"Detector": "SuperX"}),
    (80, "TEM", "Diffraction", "s2", {"Camera Length": 520}),
    (81, None, "Notes", "s2", {}),
    (82, None, "Unknown", "s2", {}),
)
# LAYOUT -> MD5 of the XML. A change of the bytes needs a new LAYOUT (scopeline/records/inputs.py) and its line here:
# otherwise records that stand are taken for up to date.
BYTES = {1: "b91cef0e5ba67bf95e8cadedb8b45063"}
# LAYOUT -> SHA-256 of the inputs' canonical form. A build compares it with the record's: where it moved without a
# change of the inputs, every record would get a new version.
DIGESTS = {1: "22e8a9d1b73c89d97fa6fa0a8261d8a66c59b531f7c89ec0fcbcaa5ae25546b0"}


def inputs() -> RecordInputs:
    files = []
    for number, (minute, technique, kind, sample, parameters) in enumerate(SHOTS):
        at = START + timedelta(minutes=minute)
        dataset = DatasetInput(
            id=f"file{number}.0",
            index=0,
            name=f"shot {number}.dm4",
            type=kind,
            technique=technique,
            shape=(512, 512),
            time=at,
            acquired=at if technique else None,
            parameters={
                "Accelerating Voltage": ParameterInput(300, "kV"),
                **{name: ParameterInput(value) for name, value in parameters.items()},
            }
            if technique
            else {},
            warnings=("The file ends after 58 bytes.",) if kind == "Unknown" else (),
            preview=True,
        )
        files.append(FileInput(f"file{number}", f"shot {number}.dm4", 7, "digitalmicrograph", sample, (dataset,)))
    return RecordInputs(
        id="20260206-titan-7f3k2a",
        pid="facility/20260206-titan-7f3k2a",
        title=None,
        zone="Europe/Berlin",
        instrument="Titan",
        instrument_pid="titan",
        experimenters=("Ada",),
        collaborators=("Grace",),
        start=START,
        end=START + timedelta(hours=2),
        reservation_ref=None,
        motivation="Where is the gold?",
        samples=(SampleInput("s1", "Lamella", ("cut",), ("Sr", "Ti"), ()), SampleInput("s2", "Powder", (), (), ())),
        projects=(),
        files=tuple(files),
        notes=(NoteInput("Drift.", "Ada", START + timedelta(minutes=6)), NoteInput("A remark.", "Scopeline")),
    )


def test_bytes_change_only_with_the_layout() -> None:
    assert hashlib.md5(build_xml(inputs())).hexdigest() == BYTES[LAYOUT]


def test_hash_of_the_same_inputs_changes_only_with_the_layout() -> None:
    assert inputs().digest() == DIGESTS[LAYOUT]


def test_the_layout_is_part_of_the_hash() -> None:
    assert inputs().digest() != replace(inputs(), layout=LAYOUT + 1).digest()
