"""Work whose event was lost or never came to its end: it is published again, joined with what still waits of it."""

from __future__ import annotations

from datetime import timedelta

from scopeline.domain.events import Event, Topic, object_changed_event
from scopeline.domain.files import File, FileStatus
from scopeline.domain.sessions import Handling, Session, SessionState
from scopeline.domain.sweeps import SweepState
from scopeline.ports import FILES_IN_STATUS, RECORDS_BEHIND, SESSIONS_CHANGED, SESSIONS_IN_STATE
from scopeline.services.backend import Backend
from scopeline.services.build import window_for
from scopeline.services.sweeping.tasks import STUCK_AFTER, ParkedWork, Portion, Task, look_at

PAGE = 100
# A queue that is only long is not made longer: what is stuck is published at most this often.
EVERY = timedelta(minutes=15)
# Records that were built before a round looked for them are looked for once more by the rounds of so long.
OVERLAP = timedelta(days=1)


def look_for_unread_files(backend: Backend, state: SweepState) -> Portion:
    """Files that are stored and not read: `object.changed`."""
    before = backend.clock() - STUCK_AFTER
    stored = {"status": FileStatus.STORED.value}
    page = backend.catalog.find(File, FILES_IN_STATUS, where=stored, before=before, limit=PAGE, cursor=state.cursor)
    parked = ParkedWork(backend)

    def look(file: File) -> bool:
        stored = _event(backend, Topic.OBJECT_FINALIZED, file.id, generation=file.generation)
        changed = object_changed_event(file.bucket, file.object, backend.clock())
        return _publish_unless(backend, parked.holds(stored, changed), changed)

    return look_at(page.items, look, page.cursor)


def look_for_missing_records(backend: Backend, state: SweepState) -> Portion:
    """Sessions whose files were waited for long enough and that have no record: `session.ended`."""
    ended = {"state": SessionState.ENDED.value}
    page = backend.catalog.find(Session, SESSIONS_IN_STATE, where=ended, limit=PAGE, cursor=state.cursor)
    now, waited = backend.clock(), backend.settings.settle_after + STUCK_AFTER
    parked = ParkedWork(backend)

    def look(session: Session) -> bool:
        if session.erased or session.end is None or now < session.end.moment + waited:
            return False
        if now < session.end.received + STUCK_AFTER:
            # An END that came late, whose event is on its way.
            return False
        ended, changed = (_event(backend, topic, session.id) for topic in (Topic.SESSION_ENDED, Topic.SESSION_CHANGED))
        return _publish_unless(backend, parked.holds(ended, changed), ended)

    return look_at(page.items, look, page.cursor)


def look_for_outdated_records(backend: Backend, state: SweepState) -> Portion:
    """Records that do not follow a change, the time in which changes are joined apart: `session.changed`."""
    now = backend.clock()
    page = backend.catalog.find(Session, RECORDS_BEHIND, before=now - STUCK_AFTER, limit=PAGE, cursor=state.cursor)
    parked = ParkedWork(backend)

    def look(session: Session) -> bool:
        behind_since = session.changes.behind_since
        if session.erased or session.state is not SessionState.RECORDED or behind_since is None:
            return False
        if now < behind_since + window_for(session) + STUCK_AFTER:
            return False
        ended, changed = (_event(backend, topic, session.id) for topic in (Topic.SESSION_ENDED, Topic.SESSION_CHANGED))
        return _publish_unless(backend, parked.holds(ended, changed), changed)

    return look_at(page.items, look, page.cursor)


def look_for_unpublished_records(backend: Backend, state: SweepState) -> Portion:
    """Records that are not on the web site and may be there: `record.built`.

    A round looks at the sessions that changed since a day before the end of the last one, the first at all.
    """
    page = backend.catalog.find(
        Session,
        SESSIONS_CHANGED,
        where={"state": SessionState.RECORDED.value},
        since=state.finished_at - OVERLAP if state.finished_at else None,
        before=backend.clock() - STUCK_AFTER,
        limit=PAGE,
        cursor=state.cursor,
    )
    parked = ParkedWork(backend)

    def look(session: Session) -> bool:
        record = session.record
        if session.erased or session.handling is not Handling.NORMAL or record is None:
            return False
        if record.published_version == record.version:
            return False
        built = _event(backend, Topic.RECORD_BUILT, session.id, version=record.version, inputs=record.inputs)
        return _publish_unless(backend, parked.holds(built), built)

    return look_at(page.items, look, page.cursor)


def _event(backend: Backend, topic: Topic, key: str, **data: object) -> Event:
    return Event(type=topic, key=key, at=backend.clock(), data=data)


def _publish_unless(backend: Backend, is_parked: bool, event: Event) -> bool:
    if not is_parked:
        backend.events.coalesce(event, timedelta(0))
    return not is_parked


UNREAD_FILES = Task("unread_files", EVERY, look_for_unread_files)
MISSING_RECORDS = Task("missing_records", EVERY, look_for_missing_records)
OUTDATED_RECORDS = Task("outdated_records", EVERY, look_for_outdated_records)
UNPUBLISHED_RECORDS = Task("unpublished_records", EVERY, look_for_unpublished_records)
