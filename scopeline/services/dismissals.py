"""Work that gave up and was dismissed: it is not begun again by itself until something about it changes."""

from __future__ import annotations

from datetime import datetime

from scopeline.domain import names
from scopeline.domain.dismissals import Dismissal, Dismissed
from scopeline.domain.documents import utc_text
from scopeline.domain.events import Event, Topic
from scopeline.domain.files import File
from scopeline.domain.sessions import Session
from scopeline.ports import Parked
from scopeline.services.backend import Backend
from scopeline.services.changes import change
from scopeline.services.files import get_version


def note_dismissed(backend: Backend, parked: Parked, who: str) -> None:
    """Keep, in the name of `who`, that the work of what gave up is not to be begun again as things stood then.

    Where that may have changed since, nothing is kept: better it gives up once more than that a change is lost.
    """
    event = parked.event
    state = _state(backend, event, parked.since)
    if state is None:
        return
    dismissed = Dismissed(topic=event.type, state=state, who=who, at=backend.clock())
    dismissal = Dismissal(subject=event.key, work=[dismissed])
    if backend.catalog.create(dismissal):
        return

    def edit(noted: Dismissal) -> bool:
        known = any((each.topic, each.state) == (event.type, state) for each in noted.work)
        noted.work = [*noted.work, dismissed]
        return not known

    change(backend.catalog, Dismissal, dismissal.key, edit)


def is_dismissed(backend: Backend, *events: Event) -> bool:
    """Whether somebody dismissed the work of one of the events, all of one subject, and nothing changed since."""
    found = backend.catalog.get(Dismissal, f"dismissals/{events[0].key}")
    if found is None:
        return False
    dismissed = {(each.topic, each.state) for each in found.document.work}
    return any((event.type, _state(backend, event)) in dismissed for event in events)


def _state(backend: Backend, event: Event, failed_at: datetime | None = None) -> str | None:
    """What tells the event's work from other work of its subject; None where nothing does, or the sweep finds none.

    With `failed_at`, when the work first failed: None also where what is there now may have come later.
    """
    if event.type in (Topic.OBJECT_FINALIZED, Topic.OBJECT_DELETED):
        return _told(event, "generation") if names.is_file_id(event.key) else None
    if event.type is Topic.OBJECT_CHANGED:
        return _generation(backend, event, failed_at)
    found = backend.catalog.get(Session, f"sessions/{event.key}") if names.is_session_id(event.key) else None
    if found is None or found.document.erased:
        return None
    return _told(event, "version") if event.type is Topic.RECORD_BUILT else _round(found.document, failed_at)


def _told(event: Event, name: str) -> str | None:
    """Which version the event is about, as it says itself: there may be a newer one by now."""
    value = event.data.get(name)
    return None if value is None else str(value)


def _generation(backend: Backend, event: Event, failed_at: datetime | None) -> str | None:
    """The file's generation, which the event does not name; what is stored after an event may not be what failed."""
    found = backend.catalog.get(File, f"files/{event.key}") if names.is_file_id(event.key) else None
    if found is None or found.document.generation is None:
        return None
    if failed_at is not None:
        version = get_version(backend, event.key, found.document.generation)
        if version is None or version.stored_at > event.at:
            return None
    return str(found.document.generation)


def _round(session: Session, failed_at: datetime | None) -> str | None:
    """The session's round of changes and its END. One that goes on has no record to build, and ends anew.

    A round that no build has started tells nothing: what changes next is of the same round.
    """
    changes, end = session.changes, session.end
    if end is None or changes.asked != changes.started:
        return None
    if failed_at is not None and max(end.received, changes.started_at or end.received) > failed_at:
        return None
    return f"{changes.started} {utc_text(end.received)}"
