"""Documents to make records from: small, plausible, and changed where a test needs it."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from scopeline.domain.files import Acquired, Dataset, DatasetType, File, FileStatus, Parameter, Preview
from scopeline.domain.instruments import Instrument
from scopeline.domain.sessions import EventKind, Person, Sample, Session, SessionEvent, SessionState, Stamp
from scopeline.records.inputs import RecordInputs

START = datetime(2018, 11, 13, 17, 0, tzinfo=UTC)


def stamp(minutes: float) -> Stamp:
    moment = START + timedelta(minutes=minutes)
    return Stamp(at=moment, sent=moment, received=moment)


@pytest.fixture
def instrument() -> Instrument:
    return Instrument(id="titan", name="FEI Titan TEM", pid="FEI-Titan-TEM", zone="America/Denver")


@pytest.fixture
def make_session() -> Callable[..., Session]:
    def make(**changed: Any) -> Session:
        given = {
            "id": "20181113-titan-abcdef",
            "instrument": "titan",
            "local_id": "0d5ef1c0-0000-4000-8000-000000000001",
            "client": "titan-pc",
            "people": [Person(person="Ned Land"), Person(person="Conseil", role="collaborator")],
            "motivation": "Grain boundaries",
            "start": stamp(0),
            "end": stamp(300),
            "samples": [Sample(name="Lamella 3", description="Ni alloy", elements=["Ni", "Al"])],
            "events": [
                SessionEvent(
                    id="e1", kind=EventKind.NOTE, stamp=stamp(52), person="Ned Land", text="Drift,\nre-aligned"
                )
            ],
            "state": SessionState.ENDED,
            "updated_at": START,
        }
        return Session(**{**given, **changed})

    return make


@pytest.fixture
def make_file() -> Callable[..., File]:
    """A file with one image, acquired `minutes` after START; `parameters` as {name: (value, unit)}."""

    def make(path: str, /, minutes: float = 60, parameters: dict[str, Any] | None = None, **changed: Any) -> File:
        at = START + timedelta(minutes=minutes)
        image = Dataset(
            index=0,
            type=DatasetType.IMAGE,
            technique="TEM",
            shape=[2048, 2048],
            acquired=Acquired(value=at, source="utc"),
            parameters={
                "Accelerating Voltage": Parameter(value=300, unit="kV", origin="tag"),
                **{name: Parameter(value=v, unit=u) for name, (v, u) in (parameters or {}).items()},
            },
            preview=Preview(object="p.png", width=512, height=512),
        )
        given = {
            "bucket": "raw",
            "object": f"titan/20181113-titan-abcdef/titan-pc/data/{path}",
            "session": "20181113-titan-abcdef",
            "instrument": "titan",
            "client": "titan-pc",
            "root": "data",
            "path": path,
            "generation": 17,
            "size": 17_385_187,
            "mtime": at + timedelta(seconds=2),
            "first_seen": at + timedelta(seconds=12),
            "status": FileStatus.EXTRACTED,
            "reader": "DigitalMicrograph",
            "datasets": [image],
            "updated_at": START,
        }
        return File(**{**given, **changed})

    return make


@pytest.fixture
def make_record(make_session: Callable[..., Session], instrument: Instrument) -> Callable[..., RecordInputs]:
    """The inputs of a record of the files; `session` changes the session."""
    from scopeline.records.gather import make_inputs

    def make(files: list[File], overlay: Any = None, **session: Any) -> RecordInputs:
        return make_inputs(make_session(**session), instrument, files, overlay, pid_prefix="hdl:20.500/")

    return make
