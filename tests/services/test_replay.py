"""What gave up is listed; for a transient reason it is tried again for two weeks, and else when a person says so."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest

from scopeline.adapters.embedded.event_worker import run_once
from scopeline.domain.errors import InvalidInput, Unavailable
from scopeline.domain.events import Event, Topic
from scopeline.ports import Parked
from scopeline.services.replay import dismiss, list_failures, replay, replay_transient
from scopeline.services.sweep import sweep
from scopeline.services.sweeping import replayed, stuck


class Site:
    """A handler that raises until it is told not to."""

    def __init__(self) -> None:
        self.error: Exception | None = Unavailable("The web site is away.", code="site_unavailable")
        self.handled: list[str] = []

    def __call__(self, event: Event) -> None:
        if self.error is not None:
            raise self.error
        self.handled.append(event.key)


def publish(desk: Any, key: str) -> None:
    desk.backend.events.publish(Event(type=Topic.RECORD_BUILT, key=key, at=desk.backend.clock()))


def fail_for_good(desk: Any, site: Site) -> None:
    """Let all attempts fail."""
    for _ in range(desk.backend.settings.attempts):
        run_once(desk.edition.events, {Topic.RECORD_BUILT: site})
        desk.forward(minutes=10)


def test_transient_failure_is_tried_again_and_done_when_its_reason_has_passed(desk: Any) -> None:
    site = Site()
    publish(desk, "s")
    fail_for_good(desk, site)
    assert replay_transient(desk.backend) == 1
    fail_for_good(desk, site)
    site.error = None
    assert replay_transient(desk.backend) == 1
    assert run_once(desk.edition.events, {Topic.RECORD_BUILT: site}) == 1
    assert site.handled == ["s"]
    assert list(desk.backend.events.parked()) == []
    assert replay_transient(desk.backend) == 0


def test_permanent_failure_waits_for_a_person(desk: Any) -> None:
    site = Site()
    site.error = InvalidInput("The record is refused.", code="invalid_record")
    publish(desk, "s")
    fail_for_good(desk, site)
    assert replay_transient(desk.backend) == 0
    (failure,) = list_failures(desk.backend, limit=10, cursor=None)[0]
    assert (failure.code, failure.transient, failure.replayable) == ("invalid_record", False, False)


def test_two_weeks_after_its_first_failure_a_transient_one_waits_for_a_person_too(desk: Any) -> None:
    site = Site()
    publish(desk, "s")
    first = desk.now
    replays = 0
    while replay_transient(desk.backend) or not replays:
        replays += 1
        fail_for_good(desk, site)
        (failure,) = list_failures(desk.backend, limit=10, cursor=None)[0]
        assert (failure.since, failure.transient) == (first, True)
        assert failure.replayable is ((desk.now - first).days < 14)
        desk.forward(hours=40)
        assert (desk.now - first).days < 20
    assert (desk.now - first).days >= 14
    assert replays >= 7


def park(desk: Any, key: str, error: Exception) -> None:
    events = desk.edition.events
    desk.backend.events.publish(Event(type=Topic.SESSION_CHANGED, key=key, at=desk.backend.clock()))
    for _ in range(desk.backend.settings.attempts):
        delivery = events.claim([Topic.SESSION_CHANGED])
        if delivery is not None:
            events.fail(delivery, error)
        desk.forward(hours=1)


def test_failures_say_whether_the_service_tries_them_again(desk: Any) -> None:
    park(desk, "full", Unavailable("The disk is full.", code="disk_full"))
    park(desk, "bad", InvalidInput("It is nonsense."))
    found, _ = list_failures(desk.backend, limit=10, cursor=None)
    assert [(one.subject, one.transient, one.replayable) for one in found] == [
        ("full", True, True),
        ("bad", False, False),
    ]


def test_failures_of_one_moment_come_page_by_page_each_once(desk: Any) -> None:
    events = desk.edition.events
    for n in range(12):
        desk.backend.events.publish(Event(type=Topic.SESSION_CHANGED, key=f"{n}", at=desk.backend.clock()))
        events.fail(events.claim([Topic.SESSION_CHANGED]), InvalidInput("It is nonsense."))
    subjects: list[str] = []
    cursor: str | None = None
    for _ in range(12):
        page, cursor = list_failures(desk.backend, limit=1, cursor=cursor)
        subjects += [one.subject for one in page]
    assert cursor is None
    assert sorted(subjects) == sorted(f"{n}" for n in range(12))


def test_a_page_of_failures_reads_no_more_than_itself(desk: Any) -> None:
    for n in range(9):
        park(desk, f"{n}", InvalidInput("It is nonsense."))
    first, cursor = list_failures(desk.backend, limit=3, cursor=None)
    read: list[str] = []

    class Events:
        def parked(self, **given: Any) -> Iterator[Parked]:
            for each in desk.backend.events.parked(**given):
                read.append(each.event.key)
                yield each

    second, _ = list_failures(replace(desk.backend, events=Events()), limit=3, cursor=cursor)
    assert [one.subject for one in (*first, *second)] == [f"{n}" for n in range(6)]
    # Also the last one of the page before, and two that tell that there are more and where their moment ends.
    assert len(read) <= 3 + 3


@pytest.mark.parametrize(
    "moment", ["", "x", "2026-02-06", "2026-02-06T12:00:00.000000", "0001-01-01T00:00:00.000000+23:00"]
)
def test_a_cursor_of_no_moment_is_refused(desk: Any, moment: str) -> None:
    with pytest.raises(InvalidInput) as refused:
        list_failures(desk.backend, limit=3, cursor=f"{moment}~x")
    assert refused.value.code == "invalid_cursor"


# -------------------------------------------------------------------------------------------------------- the sweep


def swept(desk: Any) -> int:
    """How many deliveries a sweep tried again."""
    done = sweep(desk.backend, lambda event, code, reason: None, tasks=[replayed.REPLAY]).tasks
    return done["replay"].found if done else 0


def test_the_sweep_tries_again_each_hour_however_often_it_runs(desk: Any) -> None:
    site = Site()
    publish(desk, "s")
    fail_for_good(desk, site)
    park(desk, "bad", InvalidInput("It is nonsense."))
    replayed_at = []
    for minute in range(3 * 60):
        if swept(desk):
            replayed_at.append(minute)
        run_once(desk.edition.events, {Topic.RECORD_BUILT: site})
        desk.forward(minutes=1)
    # Eight attempts take some minutes; what is parked then waits for the hour.
    assert replayed_at == [0, 60, 120]
    assert "bad" in list_of(desk)


def list_of(desk: Any) -> list[str]:
    return [failure.subject for failure in list_failures(desk.backend, limit=500, cursor=None)[0]]


def test_more_than_one_portion_is_tried_again_each_once(desk: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(replayed, "PORTION", 3)
    for n in range(7):
        park(desk, f"{n}", Unavailable("The disk is full.", code="disk_full"))
    assert swept(desk) == 7
    assert list_of(desk) == []
    assert swept(desk) == 0


def test_what_gives_up_again_while_the_sweep_runs_waits_for_the_next_hour(
    desk: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(replayed, "PORTION", 1)
    for n in range(3):
        park(desk, f"{n}", Unavailable("The disk is full.", code="disk_full"))
    events = desk.edition.events

    class ParkedAtOnce:
        """Replayed deliveries give up again before the replay returns."""

        def __getattr__(self, name: str) -> Any:
            return getattr(events, name)

        def replay(self, parked_id: str) -> bool:
            done: bool = events.replay(parked_id)
            events.fail(events.claim([Topic.SESSION_CHANGED]), OSError("No space left on the device"))
            with events.database.transaction() as transaction:
                transaction.connection.execute("UPDATE deliveries SET parked_at = 1")
            return done

    backend = replace(desk.backend, events=ParkedAtOnce())
    done = sweep(backend, lambda event, code, reason: None, tasks=[replayed.REPLAY]).tasks["replay"]
    assert (done.found, done.round_ended) == (3, True)


# ---------------------------------------------------------------------------------------------------------- a person


def test_a_person_tries_again_what_the_service_does_not(desk: Any) -> None:
    park(desk, "bad", InvalidInput("It is nonsense."))
    (failure,) = list_failures(desk.backend, limit=10, cursor=None)[0]
    assert replay(desk.backend, failure.id)
    assert list_of(desk) == []
    assert not replay(desk.backend, failure.id)
    site = Site()
    site.error = None
    run_once(desk.edition.events, {Topic.SESSION_CHANGED: site})
    assert site.handled == ["bad"]


def test_it_is_told_who_dismissed_which_delivery_and_why_it_had_given_up(
    desk: Any, caplog: pytest.LogCaptureFixture
) -> None:
    park(desk, "20260206-titan-aaaaaa", InvalidInput("It is nonsense."))
    (failure,) = list_failures(desk.backend, limit=10, cursor=None)[0]
    assert dismiss(desk.backend, failure.id, "ada")
    assert not dismiss(desk.backend, failure.id, "bob")
    (said,) = [line for line in caplog.messages if "dismissed" in line]
    assert said == (
        f"ada dismissed the failure {failure.id}, session.changed of 20260206-titan-aaaaaa: invalid: It is nonsense."
    )
    assert list_of(desk) == []


def refused_by_the_site(desk: Any, work: Any) -> str:
    """The id of a failure: a record that the web site refused."""
    desk.start()
    desk.end()
    work.site_error = InvalidInput("The site refuses this record.", code="refused")
    work.deliver()
    desk.forward(hours=1)
    (parked,) = desk.backend.events.parked()
    return str(parked.id)


def found_unpublished(desk: Any) -> int:
    """How many records a sweep publishes again."""
    done = sweep(desk.backend, lambda event, code, reason: None, tasks=[stuck.UNPUBLISHED_RECORDS]).tasks
    return done["unpublished_records"].found


@pytest.mark.parametrize(("at", "after"), [(1, False), (1, True), (2, False), (2, True)])
def test_a_dismissal_that_is_cut_off_leaves_the_failure_on_the_list_or_is_kept(
    desk: Any, work: Any, at: int, after: bool
) -> None:
    failure_id = refused_by_the_site(desk, work)
    assert desk.cut_at(lambda backend: dismiss(backend, failure_id, "ada"), at, after=after)
    assert bool(list_of(desk)) is ((at, after) != (2, True))
    assert found_unpublished(desk) == 0
    dismiss(desk.backend, failure_id, "ada")
    assert list_of(desk) == []
    desk.forward(hours=1)
    assert found_unpublished(desk) == 0


def test_who_dismisses_what_somebody_tries_again_at_that_moment_is_told_that_it_is_gone(
    desk: Any, caplog: pytest.LogCaptureFixture
) -> None:
    park(desk, "20260206-titan-aaaaaa", InvalidInput("It is nonsense."))
    (failure,) = list_failures(desk.backend, limit=10, cursor=None)[0]
    events = desk.edition.events

    class TriedAgainMeanwhile:
        def __getattr__(self, name: str) -> Any:
            return getattr(events, name)

        def discard(self, parked_id: str) -> bool:
            assert events.replay(parked_id)
            gone: bool = events.discard(parked_id)
            return gone

    assert not dismiss(replace(desk.backend, events=TriedAgainMeanwhile()), failure.id, "ada")
    assert not [line for line in caplog.messages if "dismissed" in line]
    assert [topic for topic, _, _ in desk.waiting()] == ["session.changed"]
