"""Work that gave up and was dismissed: it is not begun again by itself until something about it changes."""

from __future__ import annotations

from scopeline.domain import names
from scopeline.domain.dismissals import Dismissal, Dismissed
from scopeline.domain.documents import utc_text
from scopeline.domain.events import Event, Topic
from scopeline.domain.files import File
from scopeline.domain.sessions import Session
from scopeline.services.backend import Backend
from scopeline.services.changes import change


def note_dismissed(backend: Backend, event: Event, who: str) -> None:
    """Keep, in the name of `who`, that an event's work is not to be begun again as things stand."""
    state = _state(backend, event)
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


def _state(backend: Backend, event: Event) -> str | None:
    """What tells the event's work from other work of its subject; None where the sweep would not find it."""
    if event.type in (Topic.OBJECT_FINALIZED, Topic.OBJECT_DELETED):
        return str(event.data.get("generation")) if names.is_file_id(event.key) else None
    if event.type is Topic.OBJECT_CHANGED:
        file = backend.catalog.get(File, f"files/{event.key}") if names.is_file_id(event.key) else None
        return str(file.document.generation) if file else None
    found = backend.catalog.get(Session, f"sessions/{event.key}") if names.is_session_id(event.key) else None
    if found is None or found.document.erased:
        return None
    session = found.document
    if event.type is Topic.RECORD_BUILT:
        return str(session.record.version) if session.record else None
    # One that goes on has no record to build, and ends anew.
    return f"{session.changes.asked} {utc_text(session.end.moment)}" if session.end else None
