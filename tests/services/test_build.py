"""When sessions become records, and that there is exactly one current record whatever happens on the way."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from lxml import etree

from scopeline.bootstrap import Embedded, embedded
from scopeline.domain.errors import NotFound
from scopeline.domain.events import Event, Topic
from scopeline.domain.files import Acquired, Dataset, DatasetType, File, FileStatus, Parameter
from scopeline.domain.instruments import Instrument
from scopeline.domain.records import Edit, Overlay, Record
from scopeline.domain.sessions import RecordState, Session, SessionState, Stamp
from scopeline.ports import RECORD_VERSIONS, find_all
from scopeline.records.schema import RecordInvalid
from scopeline.services import build
from scopeline.services.backend import Backend
from scopeline.services.build import BuildOvertaken, build_session, current_record, record_json, window_for
from scopeline.settings import load_settings

SESSION = "20260206-titan-7f3k2a"
START = datetime(2026, 2, 6, 8, 0, tzinfo=UTC)
END = START + timedelta(hours=3)
NX = {"n": "https://data.nist.gov/od/dm/nexus/experiment/v1.0"}


class Clock:
    def __init__(self) -> None:
        self.now = END + timedelta(minutes=1)

    def __call__(self) -> datetime:
        return self.now


@dataclass
class Lab:
    """An embedded back end with one session in it."""

    parts: Embedded
    clock: Clock

    @property
    def backend(self) -> Backend:
        return self.parts.backend

    def session(self) -> Session:
        stored = self.backend.catalog.get(Session, f"sessions/{SESSION}")
        assert stored is not None
        return stored.document

    def change(self, **fields: Any) -> None:
        stored = self.backend.catalog.get(Session, f"sessions/{SESSION}")
        assert stored is not None
        self.backend.catalog.update(stored.document.model_copy(update=fields), stored.revision)

    def add_file(self, name: str, minutes: float = 30, **fields: Any) -> File:
        at = START + timedelta(minutes=minutes)
        dataset = Dataset(
            index=0,
            type=DatasetType.IMAGE,
            technique="TEM",
            acquired=Acquired(value=at, source="utc"),
            parameters={"Accelerating Voltage": Parameter(value=300, unit="kV")},
        )
        given = {
            "bucket": "raw", "object": f"titan/{SESSION}/titan-pc/data/{name}", "session": SESSION,
            "instrument": "titan", "client": "titan-pc", "root": "data", "path": name, "generation": 1, "mtime": at,
            "status": FileStatus.EXTRACTED, "datasets": [dataset], "updated_at": at,
        }  # fmt: skip
        file = File(**{**given, **fields})
        assert self.backend.catalog.create(file)
        return file

    def settle(self, file: File) -> None:
        stored = self.backend.catalog.get(File, file.key)
        assert stored is not None
        self.backend.catalog.update(
            file.model_copy(update={"status": FileStatus.EXTRACTED, "generation": 1}), stored.revision
        )

    def build(self, backend: Backend | None = None) -> None:
        build_session(backend or self.backend, Event(type=Topic.SESSION_CHANGED, key=SESSION, at=self.clock()))

    def versions(self) -> list[Record]:
        return list(find_all(self.backend.catalog, Record, RECORD_VERSIONS, parent=SESSION))

    def published(self) -> list[int]:
        """The versions that `record.built` names, taken from the queue."""
        found = []
        self.clock.now += timedelta(seconds=1)
        while delivery := self.parts.events.claim([Topic.RECORD_BUILT]):
            found.append(delivery.event.data["version"])
            self.parts.events.acknowledge(delivery)
        return found

    def names(self) -> list[str]:
        root = etree.fromstring(current_record(self.backend, SESSION).xml)
        return [element.text for element in root.findall(".//n:dataset/n:name", NX)]


def stamp(moment: datetime) -> Stamp:
    return Stamp(at=moment, sent=moment, received=moment)


@pytest.fixture
def lab(tmp_path: Path) -> Iterator[Lab]:
    clock = Clock()
    settings = load_settings(data_dir=tmp_path / "data", pid_prefix="hdl:1/")
    with embedded(settings, clock=clock) as parts:
        made = Lab(parts, clock)
        parts.backend.catalog.create(Instrument(id="titan", name="Titan", zone="Europe/Berlin"))
        parts.backend.catalog.create(
            Session(
                id=SESSION,
                instrument="titan",
                local_id="0d5ef1c0-0000-4000-8000-000000000001",
                client="titan-pc",
                start=stamp(START),
                end=stamp(END),
                state=SessionState.ENDED,
                updated_at=END,
            )
        )
        yield made


# --------------------------------------------------------------------------------------------------------------- when


def test_open_session_has_no_record_but_one_made_when_asked(lab: Lab) -> None:
    lab.add_file("a.dm3")
    lab.change(state=SessionState.OPEN, end=None)
    lab.build()
    assert lab.session().record is None
    assert current_record(lab.backend, SESSION).version is None
    assert lab.names() == ["a.dm3"]
    assert record_json(lab.backend, SESSION)["version"] is None


@pytest.mark.parametrize("waiting", [FileStatus.ANNOUNCED, FileStatus.STORED])
def test_first_record_waits_for_the_last_announced_file(lab: Lab, waiting: FileStatus) -> None:
    lab.add_file("a.dm3")
    late = lab.add_file("b.dm3", 31, status=waiting)
    lab.build()
    assert lab.session().record is None
    lab.settle(late)
    lab.build()
    assert lab.names() == ["a.dm3", "b.dm3"]
    assert lab.session().state is SessionState.RECORDED
    assert lab.published() == [1]


def test_first_record_waits_for_files_that_end_announced_and_nobody_has_listed_yet(lab: Lab) -> None:
    lab.add_file("a.dm3")
    lab.change(announced={"titan-pc": 2})
    lab.build()
    assert lab.session().record is None
    lab.add_file("b.dm3")
    lab.build()
    assert lab.session().record is not None


def test_record_is_built_two_hours_after_end_although_files_are_missing(lab: Lab) -> None:
    lab.add_file("a.dm3")
    lab.add_file("b.dm3", status=FileStatus.ANNOUNCED, generation=None, datasets=[])
    lab.clock.now = END + timedelta(hours=2) - timedelta(seconds=1)
    lab.build()
    assert lab.session().record is None
    lab.clock.now = END + timedelta(hours=2)
    lab.build()
    assert lab.names() == ["a.dm3"]
    assert b"1 announced file never arrived: b.dm3." in current_record(lab.backend, SESSION).xml


def test_session_without_files_gets_a_record(lab: Lab) -> None:
    lab.build()
    assert lab.session().record is not None
    assert lab.names() == []


def test_session_that_is_not_there_is_an_error(lab: Lab) -> None:
    with pytest.raises(NotFound, match="nowhere"):
        build_session(lab.backend, Event(type=Topic.SESSION_ENDED, key="nowhere", at=END))


def test_window_is_nothing_first_then_doubles_to_an_hour(lab: Lab) -> None:
    session = lab.session()
    assert window_for(session) == timedelta(0)
    seconds = []
    for version in (1, 2, 3, 7, 8, 5000):
        session.record = RecordState(version=version, inputs="x", pid="p", built_at=END)
        seconds.append(window_for(session).total_seconds())
    assert seconds == [30, 60, 120, 1920, 3600, 3600]


# ------------------------------------------------------------------------------------------------------------ versions


def test_late_file_makes_version_two_and_the_first_stays(lab: Lab) -> None:
    lab.add_file("a.dm3")
    lab.build()
    first = current_record(lab.backend, SESSION)
    lab.add_file("late.dm3", 40)
    lab.build()
    assert lab.names() == ["a.dm3", "late.dm3"]
    assert [record.version for record in lab.versions()] == [1, 2]
    one = lab.backend.derived.stat(build.object_name(SESSION, 1))
    assert one is not None
    with lab.backend.derived.open(one.name, one.generation) as body:
        assert body.read() == first.xml


def test_edit_makes_a_new_version(lab: Lab) -> None:
    file = lab.add_file("a.dm3")
    lab.build()
    edit = Edit(target=f"{file.id}.0", field="rating", value=5, who="Ned", at=END)
    lab.backend.catalog.create(Overlay(session=SESSION, edits=[edit]))
    lab.build()
    assert current_record(lab.backend, SESSION).version == 2
    assert b"<rating>5</rating>" in current_record(lab.backend, SESSION).xml


def test_same_inputs_make_no_new_version_and_are_published_again_until_published(lab: Lab) -> None:
    lab.add_file("a.dm3")
    lab.build()
    lab.build()
    assert [record.version for record in lab.versions()] == [1]
    assert lab.published() == [1, 1]
    record = lab.session().record
    assert record is not None
    lab.change(record=record.model_copy(update={"published_version": 1, "published_at": END}))
    lab.build()
    assert lab.published() == []


def test_record_of_a_session_that_went_on_is_built_at_its_next_end(lab: Lab) -> None:
    lab.add_file("a.dm3")
    lab.build()
    lab.change(state=SessionState.OPEN, end=None)
    lab.add_file("b.dm3", 200)
    assert current_record(lab.backend, SESSION).version is None
    lab.build()
    assert [record.version for record in lab.versions()] == [1]
    lab.change(state=SessionState.ENDED, end=stamp(END + timedelta(hours=1)))
    lab.build()
    assert current_record(lab.backend, SESSION).version == 2
    assert lab.session().state is SessionState.RECORDED


def test_session_that_went_on_without_a_change_is_recorded_again(lab: Lab) -> None:
    lab.build()
    lab.change(state=SessionState.ENDED)
    lab.build()
    assert lab.session().state is SessionState.RECORDED
    assert [record.version for record in lab.versions()] == [1]


def test_invalid_record_is_kept_back(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(build, "build_xml", lambda inputs: b"<Experiment/>")
    with pytest.raises(RecordInvalid):
        lab.build()
    assert lab.session().record is None
    assert lab.versions() == []
    assert list(lab.backend.derived.list()) == []


def test_json_names_the_version_that_it_equals(lab: Lab) -> None:
    lab.add_file("a.dm3")
    lab.build()
    assert record_json(lab.backend, SESSION)["version"] == 1
    lab.add_file("b.dm3")
    assert record_json(lab.backend, SESSION)["version"] is None


def test_files_are_read_once_in_a_build(lab: Lab) -> None:
    for number in range(7):
        lab.add_file(f"{number}.dm3", number)
    steps = Steps()
    lab.build(watched(lab.backend, steps))
    assert steps.reads.count("find") == 1
    assert len(steps.reads) <= 10


def test_a_file_that_was_announced_after_the_record_is_told_to_be_missing_when_its_time_is_over(lab: Lab) -> None:
    waited = Event(type=Topic.SESSION_ENDED, key=SESSION, at=END, data={build.COUNTED: True})
    lab.add_file("a.dm3")
    lab.build()
    lab.add_file("b.dm3", status=FileStatus.ANNOUNCED, generation=None, datasets=[])
    lab.clock.now = END + timedelta(hours=2)
    build_session(lab.backend, waited)
    assert b"1 announced file never arrived: b.dm3." in current_record(lab.backend, SESSION).xml


# --------------------------------------------------------------------------------------------------------- interrupted


class Killed(BaseException):
    """The process ends here: nothing may catch it."""


class Steps:
    """Counts the writes to all ports and ends the process at one of them."""

    def __init__(self, end_at: int | None = None, *, after: bool = False) -> None:
        self.writes: list[str] = []
        self.reads: list[str] = []
        self._end_at = end_at
        self._after = after
        self.between: Callable[[str], None] = lambda name: None

    def run(self, name: str, call: Callable[[], Any]) -> Any:
        self.writes.append(name)
        last = len(self.writes) - 1 == self._end_at
        if last and not self._after:
            raise Killed(name)
        self.between(name)
        answer = call()
        if last:
            raise Killed(name)
        return answer


class Watched:
    """A port whose writes go through `Steps`."""

    def __init__(self, port: Any, steps: Steps) -> None:
        self._port = port
        self._steps = steps

    def __getattr__(self, name: str) -> Any:
        method = getattr(self._port, name)
        if name in ("get", "find", "count", "stat", "open"):
            self._steps.reads.append(name)
        if name not in ("write", "create", "update", "publish"):
            return method
        return lambda *given, **named: self._steps.run(name, lambda: method(*given, **named))


def watched(backend: Backend, steps: Steps) -> Backend:
    return replace(
        backend,
        derived=Watched(backend.derived, steps),
        catalog=Watched(backend.catalog, steps),
        events=Watched(backend.events, steps),
    )


def test_a_build_writes_object_record_session_and_then_publishes(lab: Lab) -> None:
    steps = Steps()
    lab.build(watched(lab.backend, steps))
    assert steps.writes == ["update", "write", "create", "update", "publish"]


@pytest.mark.parametrize("after", [False, True])
@pytest.mark.parametrize("step", range(5))
@pytest.mark.parametrize("changed_meanwhile", [False, True])
def test_build_that_is_killed_anywhere_ends_in_one_current_record(
    lab: Lab, step: int, after: bool, changed_meanwhile: bool
) -> None:
    lab.add_file("a.dm3")
    with pytest.raises(Killed):
        lab.build(watched(lab.backend, Steps(step, after=after)))
    if changed_meanwhile:
        lab.add_file("b.dm3", 31)
    lab.clock.now += timedelta(minutes=1)
    lab.build()
    record = lab.session().record
    assert record is not None
    assert lab.names() == (["a.dm3", "b.dm3"] if changed_meanwhile else ["a.dm3"])
    assert lab.published()[-1] == record.version
    current = next(r for r in lab.versions() if r.version == record.version)
    assert (current.inputs, current.pid, current.built_at) == (record.inputs, record.pid, record.built_at)
    assert current.pid == f"hdl:1/{SESSION}"
    if not changed_meanwhile:
        assert record.version == 1
    versions = [r.version for r in lab.versions()]
    lab.build()
    assert [r.version for r in lab.versions()] == versions


def test_build_that_was_overtaken_is_built_again_from_there(lab: Lab) -> None:
    lab.add_file("a.dm3")
    steps = Steps()

    def overtake(name: str) -> None:
        if name == "write":
            steps.between = lambda name: None
            lab.add_file("b.dm3", 31)
            lab.build()

    steps.between = overtake
    with pytest.raises(BuildOvertaken) as raised:
        lab.build(watched(lab.backend, steps))
    assert raised.value.transient
    assert lab.names() == ["a.dm3", "b.dm3"]
    lab.build()
    assert lab.names() == ["a.dm3", "b.dm3"]


def test_session_that_goes_on_during_the_build_stays_open(lab: Lab) -> None:
    steps = Steps()

    def go_on(name: str) -> None:
        if name == "write":
            lab.change(state=SessionState.OPEN, end=None)

    steps.between = go_on
    lab.build(watched(lab.backend, steps))
    assert lab.session().state is SessionState.OPEN
    assert lab.session().record is None


def test_builds_at_the_same_time_end_in_one_current_record(lab: Lab) -> None:
    lab.add_file("a.dm3")
    ready = threading.Barrier(4)
    failures: list[BaseException] = []

    def one_build() -> None:
        ready.wait(timeout=30)
        try:
            lab.build()
        except BuildOvertaken:
            lab.build()
        except BaseException as error:
            failures.append(error)
            raise

    threads = [threading.Thread(target=one_build) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=60)
    assert failures == []
    assert [record.version for record in lab.versions()] == [1]
    assert set(lab.published()) == {1}
