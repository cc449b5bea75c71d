"""An erasure that was asked for is done, though the request was killed on its way or its event was lost."""

from __future__ import annotations

from typing import Any

import pytest

from scopeline.domain.erasure import Tombstone
from scopeline.domain.errors import InvalidInput, Unavailable
from scopeline.domain.events import Event, Topic
from scopeline.domain.names import raw_object_name
from scopeline.domain.sessions import Session
from scopeline.services.backend import Backend
from scopeline.services.erase import SECOND_LOOK, request_erasure
from scopeline.services.replay import dismiss, failures
from scopeline.services.sweep import sweep
from scopeline.services.sweeping import erasures
from scopeline.services.sweeping.erasures import UNFINISHED_ERASURES


def run(desk: Any, backend: Backend | None = None) -> int:
    """How many erasures a sweep began again."""
    done = sweep(backend or desk.backend, lambda event, code, reason: None, tasks=[UNFINISHED_ERASURES]).tasks
    if not done:
        return 0
    report = done["unfinished_erasures"]
    assert (report.failed, report.stopped_by, report.round_ended) == (0, None, True)
    return report.found


def erase(desk: Any, session: Session, backend: Backend | None = None) -> None:
    request_erasure(backend or desk.backend, "facility-admin", session.id, "wish of its owner")


def is_erased(desk: Any, session: Session) -> bool:
    tombstone: Tombstone = desk.backend.catalog.get(Tombstone, f"tombstones/{session.id}").document
    gone = desk.backend.catalog.get(Session, session.key) is None and not list(desk.backend.raw.versions(""))
    assert gone or tombstone.erased_at is None
    return gone and tombstone.erased_at is not None


def waiting(desk: Any) -> list[float]:
    """In how many seconds the deliveries that erase are due, at once first."""
    return sorted(seconds for topic, _, seconds in desk.waiting() if topic == Topic.SESSION_ERASED)


def lose_events(desk: Any) -> None:
    """Take out of the queue what waits, due or not."""
    with desk.edition.database.transaction() as transaction:
        transaction.connection.execute("DELETE FROM deliveries WHERE parked_at IS NULL")


def give_up(desk: Any, error: Exception) -> None:
    """Park what waits for being erased."""
    event = Event(type=Topic.SESSION_ERASED, key="", at=desk.now)
    desk.edition.events.fail(desk.edition.events.claim([event.type]), error)


@pytest.fixture
def session(desk: Any, work: Any) -> Session:
    """A session with a file and a record on the site."""
    made: Session = desk.start()
    desk.backend.raw.write(raw_object_name("titan", made.id, "titan-pc", "data", "a.dm3"), b"bytes")
    work.deliver()
    desk.end()
    desk.forward(hours=3)
    work.deliver()
    assert work.published == {made.id: 1}
    lose_events(desk)
    return made


# The writes of a request: the tombstone, the second look, the mark in the session, the event.
@pytest.mark.parametrize(
    ("at", "after"), [(1, True), (2, False), (2, True), (3, False), (3, True), (4, False), (4, True)]
)
def test_a_request_that_was_killed_after_its_tombstone_is_carried_out(
    desk: Any, work: Any, session: Session, at: int, after: bool
) -> None:
    assert desk.cut_at(lambda backend: erase(desk, session, backend), at, after=after)
    desk.forward(minutes=20)
    assert run(desk) == 1
    desk.forward(seconds=3)
    work.deliver()
    assert is_erased(desk, session)
    assert work.published == {}
    # What was under way when the session was closed may still write: it is looked at once more.
    assert waiting(desk)
    assert all(0 < seconds <= SECOND_LOOK.total_seconds() for seconds in waiting(desk))
    desk.forward(hours=2)
    assert run(desk) == 0
    work.deliver()
    assert (waiting(desk), list(failures(desk.backend))) == ([], [])


def test_a_sweep_that_is_killed_at_any_write_leaves_the_rest_to_the_next_one(desk: Any, work: Any) -> None:
    sessions: list[Session] = []

    def again() -> None:
        desk.forward(hours=2)
        run(desk)
        desk.forward(hours=2)
        work.deliver()
        assert all(is_erased(desk, session) for session in sessions)
        another()

    def another() -> None:
        number = len(sessions)
        sessions.append(desk.start(f"7d9f1f54-9d5a-4d0f-8f55-{number:012d}"))
        assert desk.cut_at(lambda backend: erase(desk, sessions[-1], backend), 1, after=True)
        desk.forward(hours=2)

    another()
    assert desk.cut_at_each_write(lambda backend: run(desk, backend), again) >= 4


def test_an_erasure_whose_events_were_lost_is_done(desk: Any, work: Any, session: Session) -> None:
    erase(desk, session)
    lose_events(desk)
    desk.forward(hours=1)
    assert run(desk) == 1
    desk.forward(seconds=3)
    work.deliver()
    assert is_erased(desk, session)


def test_an_erasure_that_has_just_been_asked_for_is_left_alone(desk: Any, session: Session) -> None:
    erase(desk, session)
    before = waiting(desk)
    desk.forward(minutes=15)
    assert run(desk) == 0
    assert len(waiting(desk)) == len(before)


def test_an_erasure_that_takes_long_is_not_begun_by_every_sweep(desk: Any, session: Session) -> None:
    erase(desk, session)
    lose_events(desk)
    begun = []
    for minute in range(180):
        begun += [minute] * run(desk)
        desk.forward(minutes=1)
    assert begun == [60, 120]
    assert len(waiting(desk)) == 1


@pytest.mark.parametrize("error", [InvalidInput("It is held.", code="retained"), Unavailable("The site is away.")])
def test_an_erasure_that_gave_up_is_left_to_its_replay(
    desk: Any, work: Any, session: Session, error: InvalidInput | Unavailable
) -> None:
    erase(desk, session)
    while not list(failures(desk.backend)):
        desk.forward(minutes=11)
        give_up(desk, error)
    lose_events(desk)
    for _ in range(3):
        desk.forward(hours=12)
        assert run(desk) == 0
    (failure,) = failures(desk.backend)
    assert desk.backend.events.replay(failure.id)
    work.deliver()
    assert is_erased(desk, session)


def test_dismissing_what_gave_up_does_not_take_the_request_back(desk: Any, work: Any, session: Session) -> None:
    erase(desk, session)
    give_up(desk, InvalidInput("It is held.", code="retained"))
    lose_events(desk)
    (failure,) = failures(desk.backend)
    assert dismiss(desk.backend, failure.id, "ada")
    desk.forward(hours=1)
    assert run(desk) == 1
    desk.forward(seconds=3)
    work.deliver()
    assert is_erased(desk, session)


def test_more_tombstones_than_one_portion_are_all_looked_at(desk: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(erasures, "PAGE", 2)
    for number in range(7):
        done = {"erased_at": desk.now} if number % 2 else {}
        tombstone = Tombstone(session=f"20260206-titan-aaaaa{number}", reason="x", who="ada", at=desk.now, **done)
        assert desk.backend.catalog.create(tombstone)
    desk.forward(hours=1)
    assert run(desk) == 4
    assert sorted(key[-1] for topic, key, _ in desk.waiting() if topic == Topic.SESSION_ERASED) == list("0246")
