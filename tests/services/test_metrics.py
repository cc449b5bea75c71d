"""What waits, what gave up, how loggers and the sweep are."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest

from scopeline.adapters.embedded.event_worker import run_once
from scopeline.domain.errors import InvalidInput, Unavailable
from scopeline.domain.events import Event, Topic
from scopeline.domain.files import File, FileStatus
from scopeline.domain.findings import Finding
from scopeline.domain.sessions import RecordState, Session, SessionState
from scopeline.domain.sweeps import SweepState
from scopeline.ports import Catalog, Parked
from scopeline.services import announcements, metrics
from scopeline.services.announcements import Announcement
from scopeline.services.changes import change
from scopeline.services.health import note_heartbeat
from scopeline.services.metrics import GaveUp, Logger, TaskState, Waiting, measure


class CountingCatalog:
    """Counts what is asked of a catalog."""

    def __init__(self, catalog: Catalog) -> None:
        self._catalog = catalog
        self.counts = 0
        self.documents = 0

    def __getattr__(self, name: str) -> Any:
        return getattr(self._catalog, name)

    def count(self, *given: Any, **named: Any) -> int:
        self.counts += 1
        return self._catalog.count(*given, **named)

    def find(self, *given: Any, **named: Any) -> Any:
        page = self._catalog.find(*given, **named)
        self.documents += max(1, len(page.items))
        return page


def waiting(desk: Any) -> dict[str, tuple[int, float | None]]:
    return {each.kind: (each.count, each.oldest_seconds) for each in measure(desk.backend).waiting}


def announce(desk: Any, *names: str) -> list[str]:
    told = [Announcement("data", name, 5, desk.now) for name in names]
    answers = announcements.announce_files(desk.backend, desk.caller, desk.start().id, told)
    return [str(answer.file) for answer in answers]


def test_where_nothing_happens_nothing_waits(desk: Any) -> None:
    measured = measure(desk.backend)
    assert measured.waiting == [Waiting(kind, 0, None) for kind in ("announced", "stored", "no_record", "unpublished")]
    assert (measured.gave_up, measured.sweeps) == ([], [])
    assert measured.loggers == [Logger("titan-pc", None, None)]


def test_files_wait_to_come_and_to_be_read(desk: Any) -> None:
    first, _ = announce(desk, "a.dm3", "b.dm3")
    desk.forward(minutes=10)
    assert waiting(desk)["announced"] == (2, 600.0)
    desk.backend.catalog.update(*stored(desk, first))
    desk.forward(seconds=30)
    assert waiting(desk)["announced"] == (1, 630.0)
    assert waiting(desk)["stored"] == (1, 30.0)


def stored(desk: Any, file: str) -> tuple[Any, str]:
    found = desk.backend.catalog.get(File, f"files/{file}")
    found.document.status, found.document.updated_at = FileStatus.STORED, desk.now
    return found.document, found.revision


def test_a_session_waits_for_its_record_and_the_record_for_the_site(desk: Any) -> None:
    session = desk.start()
    assert waiting(desk)["no_record"] == (0, None)
    desk.forward(hours=1)
    desk.end()
    desk.forward(minutes=1)
    assert waiting(desk)["no_record"] == (1, 60.0)

    def built(document: Session) -> None:
        document.state = SessionState.RECORDED
        document.record = RecordState(version=1, inputs="1", pid="p", built_at=desk.now)

    change(desk.backend.catalog, Session, session.key, built)
    desk.forward(seconds=5)
    assert waiting(desk)["no_record"] == (0, None)
    assert waiting(desk)["unpublished"] == (1, 5.0)

    def published(document: Session) -> None:
        assert document.record is not None
        document.record = document.record.model_copy(update={"published_version": 1, "published_at": desk.now})

    change(desk.backend.catalog, Session, session.key, published)
    assert waiting(desk)["unpublished"] == (0, None)


def test_what_gave_up_is_counted_by_topic_code_and_whether_it_may_pass(desk: Any) -> None:
    def fail(event: Event) -> None:
        raise (Unavailable if event.key.startswith("t") else InvalidInput)("No.", code="site_unavailable")

    for key in ("p1", "p2"):
        desk.backend.events.publish(Event(type=Topic.RECORD_BUILT, key=key, at=desk.now))
        run_once(desk.edition.events, {Topic.RECORD_BUILT: fail})
        desk.forward(seconds=10)
    assert measure(desk.backend).gave_up == [GaveUp("record.built", "site_unavailable", False, 2, 20.0)]


def test_a_version_that_differs_from_the_catalog_counts_too(desk: Any) -> None:
    desk.backend.catalog.create(
        Finding(file="f", generation=1, object="titan/f", code="bytes_differ", reason="It differs.", since=desk.now)
    )
    desk.forward(seconds=7)
    assert measure(desk.backend).gave_up == [GaveUp("object.finalized", "bytes_differ", False, 1, 7.0)]


@pytest.mark.parametrize("parked", [3, 10])
def test_of_what_gave_up_no_more_is_read_than_is_counted(
    desk: Any, monkeypatch: pytest.MonkeyPatch, parked: int
) -> None:
    monkeypatch.setattr(metrics, "MOST_COUNTED", 5)
    for n in range(parked):
        events = desk.edition.events
        desk.backend.events.publish(Event(type=Topic.RECORD_BUILT, key=f"{n}", at=desk.now))
        events.fail(events.claim([Topic.RECORD_BUILT]), InvalidInput("No.", code="invalid_record"))
        desk.forward(seconds=1)
    read = []

    class Events:
        def parked(self, **given: Any) -> Iterator[Parked]:
            for each in desk.backend.events.parked(**given):
                read.append(each.id)
                yield each

    measured = measure(replace(desk.backend, events=Events()))
    assert measured.gave_up == [GaveUp("record.built", "invalid_record", False, min(parked, 5), float(parked))]
    assert measured.gave_up_at_least is (parked == 10)
    assert len(read) == min(parked, 5)


def test_loggers_and_sweeps_are_told_with_their_age(desk: Any) -> None:
    note_heartbeat(desk.backend, desk.caller, at=desk.now, version="1", queue={})
    desk.backend.catalog.create(SweepState(task="stuck", finished_at=desk.now, found=3))
    desk.backend.catalog.create(SweepState(task="checksums", cursor="f", began_at=desk.now))
    desk.forward(minutes=2)
    measured = measure(desk.backend)
    assert measured.loggers == [Logger("titan-pc", 120.0, 0.0)]
    assert measured.sweeps == [TaskState("checksums", None, True, 0), TaskState("stuck", 120.0, False, 3)]


@pytest.mark.parametrize("files", [1, 300])
def test_measuring_costs_the_same_however_much_there_is(desk: Any, files: int) -> None:
    announce(desk, *(f"{n}.dm3" for n in range(files)))
    desk.end()
    catalog = CountingCatalog(desk.backend.catalog)
    measure(replace(desk.backend, catalog=catalog))
    # Of documents: announced, ended, one client; no sweep and no finding, which are asked for.
    assert (catalog.counts, catalog.documents) == (4, 5)
