"""Which session a file belongs to: by the time at which it was first seen, where its client named none."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta

from scopeline.domain.errors import NotFound
from scopeline.domain.events import Event, Topic
from scopeline.domain.files import File, Membership
from scopeline.domain.sessions import Session, SessionState
from scopeline.logs import learn
from scopeline.ports import FILES_OF_SESSION, UNASSIGNED_FILES, find_all
from scopeline.services.backend import Backend
from scopeline.services.build import COUNTED, window_for
from scopeline.services.changes import change
from scopeline.services.files import touch
from scopeline.services.lookup import session_seen_at

CLAIMED = "first seen during the session"


def publish_changed(backend: Backend, session: Session) -> None:
    """Say that something of the session changed, joined with other changes; an open session has no record to change.

    To be called when the change is written: the session is read again after it.
    """
    tell_session(backend, session.id)


def tell_session(backend: Backend, session_id: str) -> None:
    """The same as `publish_changed`; nothing where there is no such session."""
    told = ask_for_record(backend, session_id)
    if told is not None and told.state is not SessionState.OPEN:
        changed = Event(type=Topic.SESSION_CHANGED, key=told.id, at=backend.clock(), data={COUNTED: True})
        backend.events.coalesce(changed, window_for(told))


def ask_for_record(backend: Backend, session_id: str, *, edits_read: int | None = None) -> Session | None:
    """The session, with its record asked to follow changes, and nobody told; None where it was erased.

    Where nobody tells within a while, the sweep does (`services/sweeping/stuck.py`). Who is about to add to an overlay
    says how many edits it has.
    """

    def ask(session: Session) -> bool:
        return session.ask_for_record(backend.clock(), edits_read)

    try:
        return change(backend.catalog, Session, f"sessions/{session_id}", ask)
    except NotFound:
        return None


def claim_files(backend: Backend, session: Session) -> int:
    """Take the instrument's unassigned files first seen between START and END (or now) into the session."""
    until = session.end.moment if session.end else backend.clock() + timedelta(microseconds=1)
    found = 0
    for file in _unassigned(backend, session, until):
        found += join_session(backend, file.id, session.id, who="scopeline", why=CLAIMED)
    if found:
        publish_changed(backend, session)
    return found


def join_running_session(backend: Backend, file: File) -> None:
    """Give a file that its client knows no session for to the session that it was first seen in.

    The file is stored before the look and START stores the session before it claims files: one of the two sees both.
    """
    session = session_seen_at(backend, file.instrument, file.first_seen or backend.clock())
    if session is not None and join_session(backend, file.id, session.id, who="scopeline", why=CLAIMED):
        learn(session=session.id)
        publish_changed(backend, session)


def _unassigned(backend: Backend, session: Session, until: datetime) -> Iterator[File]:
    cursor: str | None = None
    while True:
        page = backend.catalog.find(
            File,
            UNASSIGNED_FILES,
            where={"instrument": session.instrument, "session": None},
            since=session.started_at,
            before=until,
            cursor=cursor,
        )
        yield from page.items
        if page.cursor is None:
            return
        cursor = page.cursor


def release_later_files(backend: Backend, session: Session, end: datetime) -> None:
    """Give back what a START that arrived after its own END took although it was first seen after that END.

    Nobody is told: `session.ended` follows.
    """
    for file in find_all(backend.catalog, File, FILES_OF_SESSION, where={"session": session.id}):
        if file.first_seen is not None and file.first_seen >= end and file.membership[-1].why == CLAIMED:
            leave_session(backend, file.id, session.id)


def join_session(backend: Backend, file_id: str, session_id: str, *, who: str, why: str) -> bool:
    """Take a file that belongs to no session into this one; False where it belongs to one already."""
    joined = False

    def edit(file: File) -> bool:
        nonlocal joined
        joined = file.session is None
        if joined:
            file.session = session_id
            file.membership = [*file.membership, Membership(session=session_id, at=backend.clock(), who=who, why=why)]
            touch(file, backend.clock())
        return joined

    change(backend.catalog, File, f"files/{file_id}", edit)
    return joined


def leave_session(backend: Backend, file_id: str, session_id: str) -> None:
    """Give a file back to those that belong to no session; nothing where it belongs to another one."""

    def edit(file: File) -> bool:
        if file.session != session_id:
            return False
        file.session = None
        touch(file, backend.clock())
        return True

    change(backend.catalog, File, f"files/{file_id}", edit)
