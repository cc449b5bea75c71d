"""What was dismissed is known again by its topic and by how things stood, and by nothing else."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from scopeline.domain.dismissals import Dismissal
from scopeline.domain.errors import InvalidInput
from scopeline.domain.events import Event, Topic
from scopeline.domain.names import file_id
from scopeline.domain.sessions import Session
from scopeline.ports import Parked
from scopeline.services.changes import change
from scopeline.services.dismissals import is_dismissed, note_dismissed

FILE = file_id("raw", "titan/a.dm3")
OTHER_FILE = file_id("raw", "titan/b.dm3")


def give_up(desk: Any, topic: Topic, key: str, **data: object) -> Parked:
    """A delivery that failed for good before its handler did anything."""
    events = desk.edition.events
    events.publish(Event(type=topic, key=key, at=desk.now, data=data))
    events.fail(events.claim([topic]), InvalidInput("It is broken."))
    *_, parked = (each for each in events.parked() if each.event.type is topic)
    return parked


def event(desk: Any, topic: Topic, key: str, **data: object) -> Event:
    """The same work as somebody would begin it anew some time later."""
    return Event(type=topic, key=key, at=desk.now + timedelta(hours=1), data=data)


def noted(desk: Any, key: str) -> list[tuple[str, str, str]]:
    found = desk.backend.catalog.get(Dismissal, f"dismissals/{key}")
    return [(each.topic, each.state, each.who) for each in found.document.work] if found else []


@pytest.mark.parametrize("topic", [Topic.OBJECT_FINALIZED, Topic.OBJECT_DELETED])
def test_work_on_one_version_of_a_file_is_dismissed_and_no_other_work(desk: Any, topic: Topic) -> None:
    note_dismissed(desk.backend, give_up(desk, topic, FILE, generation=7), "ada")
    assert is_dismissed(desk.backend, event(desk, topic, FILE, generation=7))
    assert not is_dismissed(desk.backend, event(desk, topic, FILE, generation=8))
    assert not is_dismissed(desk.backend, event(desk, topic, FILE))
    assert not is_dismissed(desk.backend, event(desk, topic, OTHER_FILE, generation=7))
    (other,) = {Topic.OBJECT_FINALIZED, Topic.OBJECT_DELETED} - {topic}
    assert not is_dismissed(desk.backend, event(desk, other, FILE, generation=7))


def test_one_of_several_events_that_was_dismissed_is_enough(desk: Any) -> None:
    note_dismissed(desk.backend, give_up(desk, Topic.OBJECT_FINALIZED, FILE, generation=7), "ada")
    events = [event(desk, topic, FILE, generation=7) for topic in (Topic.OBJECT_DELETED, Topic.OBJECT_FINALIZED)]
    assert is_dismissed(desk.backend, *events)


def test_publishing_one_version_of_a_record_is_dismissed_whichever_stands_now(desk: Any) -> None:
    session = desk.start()
    note_dismissed(desk.backend, give_up(desk, Topic.RECORD_BUILT, session.id, version=1, inputs="x"), "ada")
    assert is_dismissed(desk.backend, event(desk, Topic.RECORD_BUILT, session.id, version=1))
    assert not is_dismissed(desk.backend, event(desk, Topic.RECORD_BUILT, session.id, version=2))


def test_a_session_s_work_is_dismissed_by_its_topic(desk: Any) -> None:
    session = desk.start()
    desk.end()
    note_dismissed(desk.backend, give_up(desk, Topic.SESSION_CHANGED, session.id), "ada")
    assert is_dismissed(desk.backend, event(desk, Topic.SESSION_CHANGED, session.id))
    assert not is_dismissed(desk.backend, event(desk, Topic.SESSION_ENDED, session.id))


def test_the_same_work_that_is_dismissed_again_is_kept_once(desk: Any) -> None:
    for who in ("ada", "bob", "eve"):
        note_dismissed(desk.backend, give_up(desk, Topic.OBJECT_FINALIZED, FILE, generation=7), who)
    assert noted(desk, FILE) == [("object.finalized", "7", "ada")]
    note_dismissed(desk.backend, give_up(desk, Topic.OBJECT_FINALIZED, FILE, generation=8), "bob")
    note_dismissed(desk.backend, give_up(desk, Topic.OBJECT_DELETED, FILE, generation=7), "bob")
    assert noted(desk, FILE) == [
        ("object.finalized", "7", "ada"),
        ("object.finalized", "8", "bob"),
        ("object.deleted", "7", "bob"),
    ]


@pytest.mark.parametrize(
    ("topic", "data"), [(Topic.SESSION_ENDED, {}), (Topic.SESSION_CHANGED, {}), (Topic.RECORD_BUILT, {"version": 1})]
)
def test_nothing_is_kept_of_a_session_that_is_being_erased(desk: Any, topic: Topic, data: dict[str, object]) -> None:
    session = desk.start()
    desk.end()
    while (waiting := desk.edition.events.claim(list(Topic))) is not None:
        desk.edition.events.acknowledge(waiting)
    parked = give_up(desk, topic, session.id, **data)

    def erase(there: Session) -> None:
        there.erased = True

    change(desk.backend.catalog, Session, session.key, erase)
    note_dismissed(desk.backend, parked, "ada")
    assert noted(desk, session.id) == []


@pytest.mark.parametrize("topic", list(Topic))
@pytest.mark.parametrize("key", ["x", "a/b", f"{FILE}x", "20260206-titan", "20260206-titan-aaaaaa"])
def test_nothing_is_kept_of_what_is_no_file_and_no_session(desk: Any, topic: Topic, key: str) -> None:
    note_dismissed(desk.backend, give_up(desk, topic, key, generation=7, version=1), "ada")
    assert noted(desk, key) == []


@pytest.mark.parametrize("topic", [Topic.OBJECT_FINALIZED, Topic.OBJECT_DELETED, Topic.RECORD_BUILT])
def test_nothing_is_kept_where_it_is_not_known_which_version_failed(desk: Any, topic: Topic) -> None:
    key = desk.start().id if topic is Topic.RECORD_BUILT else FILE
    note_dismissed(desk.backend, give_up(desk, topic, key), "ada")
    assert noted(desk, key) == []
    assert not is_dismissed(desk.backend, event(desk, topic, key))
