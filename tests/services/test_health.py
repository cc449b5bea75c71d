"""What the service says of itself: whether it can work, and what gave up."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from scopeline.domain.errors import InvalidInput, Unavailable
from scopeline.domain.events import Event, Topic
from scopeline.services import health


class FullStore:
    """A store that can be read and takes no writes."""

    def __init__(self, store: Any) -> None:
        self._store = store

    def __getattr__(self, name: str) -> Any:
        return getattr(self._store, name)

    def check_writable(self) -> None:
        raise Unavailable("The disk is full.", code="disk_full", status=507)


@pytest.mark.parametrize("bucket", ["raw", "derived"])
def test_service_is_not_ready_where_a_store_takes_no_writes(desk: Any, bucket: str) -> None:
    health.ask_stores(desk.backend)
    full = replace(desk.backend, **{bucket: FullStore(getattr(desk.backend, bucket))})
    with pytest.raises(Unavailable) as refused:
        health.ask_stores(full)
    assert refused.value.code == "disk_full"


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
    found, _ = health.list_failures(desk.backend, limit=10, cursor=None)
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
        page, cursor = health.list_failures(desk.backend, limit=1, cursor=cursor)
        subjects += [one.subject for one in page]
    assert cursor is None
    assert sorted(subjects) == sorted(f"{n}" for n in range(12))
