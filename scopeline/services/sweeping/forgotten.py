"""Sessions whose END nobody gave: they end when nothing was seen of them for long."""

from __future__ import annotations

from datetime import datetime, timedelta

from scopeline.domain.files import File
from scopeline.domain.sessions import Session, SessionState
from scopeline.domain.sweeps import SweepState
from scopeline.ports import FILES_OF_SESSION, SESSIONS_IN_STATE, find_all
from scopeline.services.backend import Backend
from scopeline.services.sessions import end_forgotten
from scopeline.services.sweeping.tasks import Portion, Task, look_at

PAGE = 50
EVERY = timedelta(minutes=15)


def look_for_forgotten_sessions(backend: Backend, state: SweepState) -> Portion:
    """End the sessions of which nothing was seen for `forget_after`, at the time of the last sign of them."""
    forget_after = backend.settings.forget_after
    if not forget_after:
        return Portion(0, 0, 0, None)
    still_open = {"state": SessionState.OPEN.value}
    page = backend.catalog.find(Session, SESSIONS_IN_STATE, where=still_open, limit=PAGE, cursor=state.cursor)
    quiet_since = backend.clock() - forget_after

    def look(session: Session) -> bool:
        if session.erased or not _is_quiet(backend, session, quiet_since):
            return False
        last = _last_sign(backend, session)
        return last <= quiet_since and end_forgotten(backend, session, last)

    return look_at(page.items, look, page.cursor)


def _is_quiet(backend: Backend, session: Session, since: datetime) -> bool:
    """Whether nothing of the session reached the server since then. A logger's heartbeats are no sign of people."""
    stamps = [session.start, *([session.resumed] if session.resumed else []), *(e.stamp for e in session.events)]
    if any(stamp.received > since for stamp in stamps):
        return False
    changed = backend.catalog.find(File, FILES_OF_SESSION, where={"session": session.id}, since=since, limit=1)
    return not changed.items


def _last_sign(backend: Backend, session: Session) -> datetime:
    """When the last thing of the session happened: START, going on, an event, a file.

    Times that a file's PC told are believed between START and now: clocks may be wrong.
    """
    now, start = backend.clock(), session.started_at
    signs = [start, *(event.stamp.moment for event in session.events)]
    if session.resumed is not None:
        signs.append(session.resumed.moment)
    for file in find_all(backend.catalog, File, FILES_OF_SESSION, where={"session": session.id}):
        told = (file.first_seen, file.mtime)
        signs += [moment for moment in told if moment is not None and start <= moment <= now]
    return max(signs)


FORGOTTEN_SESSIONS = Task("forgotten_sessions", EVERY, look_for_forgotten_sessions)
