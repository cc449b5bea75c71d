"""Finding sessions and their files, each caller what it may see; lists that live pages follow."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from scopeline.domain import names
from scopeline.domain.errors import Forbidden, NotFound
from scopeline.domain.files import File, FileStatus
from scopeline.domain.sessions import LocalId, Session, SessionState
from scopeline.logs import learn
from scopeline.ports import (
    FILES_OF_SESSION,
    FILES_OF_SESSION_IN_STATUS,
    SESSIONS,
    SESSIONS_IN_STATE,
    SESSIONS_OF_INSTRUMENT,
    Page,
    Stored,
)
from scopeline.services.access import Caller, require_instrument, sees_file, sees_session
from scopeline.services.backend import Backend
from scopeline.services.tombstones import refuse_erased, session_erased

# How far back the session that a file was first seen in is looked for, in sessions of the instrument.
SESSIONS_LOOKED_AT = 5
# A change carries the time at which its writer began; it can be read when its write is done. Whoever asks for what
# changed since a moment asks a little further back: longer than a write takes and than servers' clocks differ.
OVERLAP = timedelta(seconds=10)


@dataclass(frozen=True, slots=True)
class ListedFiles:
    """Some files of a session, where to go on, and the moment to ask `since` next time."""

    files: list[File]
    cursor: str | None
    now: datetime


def find_session(backend: Backend, ref: str) -> Stored[Session]:
    """The session with this id or `local_id`. Raises NotFound (`unknown_session`), SessionErased."""
    session_id: str | None = ref if names.is_session_id(ref) else None
    if names.is_local_id(ref):
        local = backend.catalog.get(LocalId, f"local_ids/{ref}")
        session_id = local.document.session if local else None
    # Not the uuid by which a logger may ask: the log is searched by the session's id.
    learn(session=session_id)
    stored = backend.catalog.get(Session, f"sessions/{session_id}") if session_id else None
    if stored is None and session_id:
        refuse_erased(backend, session_id)
    if stored is None or (names.is_local_id(ref) and stored.document.local_id != ref):
        raise NotFound(
            f"There is no session {ref[:60]!r}. Expected its id or the local_id of its START; send START first.",
            code="unknown_session",
        )
    if stored.document.erased:
        raise session_erased(backend, stored.document.id)
    return stored


def own_session(backend: Backend, caller: Caller, ref: str) -> Stored[Session]:
    """The session, where the caller's client serves its instrument. Raises Forbidden (`not_your_instrument`)."""
    stored = find_session(backend, ref)
    require_instrument(caller, stored.document.instrument)
    return stored


def read_session(backend: Backend, caller: Caller, ref: str) -> Stored[Session]:
    """The session, where the caller may read it. Raises Forbidden."""
    stored = find_session(backend, ref)
    if not sees_session(caller, stored.document):
        require_instrument(caller, stored.document.instrument)
        raise Forbidden(
            f"Session {stored.document.id} was started by another client and is over. "
            f"A client reads its own sessions and those that are open on its instruments.",
            code="not_your_session",
        )
    return stored


def list_sessions(
    backend: Backend,
    caller: Caller,
    *,
    instrument: str | None = None,
    state: SessionState | None = None,
    since: datetime | None = None,
    limit: int = 50,
    cursor: str | None = None,
) -> Page[Session]:
    """Sessions that the caller may read. A page may hold fewer than `limit`: its cursor says whether there are more."""
    query, where = SESSIONS, {}
    if state is not None:
        query, where = SESSIONS_IN_STATE, {"state": state.value}
    elif instrument is not None:
        query, where = SESSIONS_OF_INSTRUMENT, {"instrument": instrument}
    page = backend.catalog.find(Session, query, where=where, since=since, limit=limit, cursor=cursor)
    kept = [s for s in page.items if instrument in (None, s.instrument) and sees_session(caller, s)]
    return Page(kept, page.cursor)


def session_seen_at(backend: Backend, instrument: str, moment: datetime) -> Session | None:
    """The session on the instrument that was going on at `moment`, the latest where several were."""
    latest = backend.catalog.find(
        Session, SESSIONS_OF_INSTRUMENT, where={"instrument": instrument}, limit=SESSIONS_LOOKED_AT
    )
    for session in latest.items:
        if session.erased:
            continue
        if session.started_at <= moment and (session.end is None or moment < session.end.moment):
            return session
    return None


def count_files(backend: Backend, session_id: str) -> dict[str, int]:
    """How many files of the session have each status, and `total`."""
    counts = {
        status.value: backend.catalog.count(
            FILES_OF_SESSION_IN_STATUS, where={"session": session_id, "status": status.value}
        )
        for status in FileStatus
    }
    return {"total": sum(counts.values()), **counts}


def list_session_files(
    backend: Backend, caller: Caller, ref: str, *, since: datetime | None, limit: int, cursor: str | None
) -> ListedFiles:
    """The files of a session by their last change; for a client, those that it sent.

    Asking again with `since=now` of any earlier page of the same walk misses no change and repeats a few.
    """
    session = own_session(backend, caller, ref).document
    now = backend.clock() - OVERLAP
    page = backend.catalog.find(
        File, FILES_OF_SESSION, where={"session": session.id}, since=since, limit=limit, cursor=cursor
    )
    return ListedFiles([file for file in page.items if sees_file(caller, file)], page.cursor, now)
