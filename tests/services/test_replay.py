"""What gave up for a transient reason is tried again for two weeks, and nothing else is."""

from __future__ import annotations

from typing import Any

from scopeline.adapters.embedded.event_worker import run_once
from scopeline.domain.errors import InvalidInput, Unavailable
from scopeline.domain.events import Event, Topic
from scopeline.services.health import list_failures
from scopeline.services.replay import replay_transient


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
