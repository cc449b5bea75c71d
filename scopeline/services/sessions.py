"""START, END, going on, notes: what people at an instrument tell of their session."""

from __future__ import annotations

import logging
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from scopeline.domain import names
from scopeline.domain.documents import utc_text
from scopeline.domain.errors import Conflict, InvalidInput
from scopeline.domain.events import Event, Topic
from scopeline.domain.sessions import (
    FORGOTTEN,
    EventKind,
    Handling,
    LocalId,
    Person,
    Project,
    Sample,
    Session,
    SessionEvent,
    SessionKind,
    SessionState,
    Stamp,
)
from scopeline.logs import learn
from scopeline.services.access import Caller, get_instrument, require_instrument
from scopeline.services.backend import Backend
from scopeline.services.build import COUNTED
from scopeline.services.changes import change
from scopeline.services.lookup import own_session
from scopeline.services.membership import claim_files, publish_changed, release_later_files
from scopeline.services.tombstones import refuse_erased, session_erased

log = logging.getLogger(__name__)

# A session with more would no longer fit into one document of every catalog (1 MiB on Firestore).
MAX_EVENTS = 2000
MAX_EVENT_CHARACTERS = 300_000


@dataclass(frozen=True, slots=True)
class Start:
    """What a client says at START. `at` and `sent` are its own clock, with the offset that it wrote."""

    local_id: str
    instrument: str
    at: datetime
    sent: datetime
    title: str | None = None
    motivation: str | None = None
    people: list[Person] = field(default_factory=list)
    kind: SessionKind = SessionKind.USER
    handling: Handling = Handling.NORMAL
    project: Project | None = None
    samples: list[Sample] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Happening:
    """A note, a change of sample or of project, as a client tells it."""

    id: str
    kind: EventKind
    at: datetime
    sent: datetime
    person: str | None = None
    text: str | None = None
    sample: Sample | None = None
    project: Project | None = None


# ------------------------------------------------------------------------------------------------------ START to END


def start_session(backend: Backend, caller: Caller, start: Start) -> tuple[Session, bool]:
    """The session of a START, and whether this call made it. Again with the same `local_id`: the same, unchanged.

    The uuid's document is written first and names the session; whoever finds it without a session makes that one, so a
    crash between the two writes costs nothing and one uuid never becomes two sessions.
    Raises Forbidden (`not_your_instrument`), NotFound (`unknown_instrument`), Conflict (`local_id_taken`),
    SessionErased.
    """
    require_instrument(caller, start.instrument)
    instrument = get_instrument(backend, start.instrument)
    own = names.session_id(start.at, instrument.zone_info, instrument.id, start.local_id)
    session_id = _claim_local_id(backend, start.local_id, own)
    learn(session=session_id)
    stored = backend.catalog.get(Session, f"sessions/{session_id}")
    created = False
    if stored is None:
        if session_id[9:-7] != instrument.id:
            raise _local_id_taken(start.local_id, session_id)
        refuse_erased(backend, session_id)
        created = backend.catalog.create(_new_session(backend, caller, start, session_id))
        stored = backend.catalog.get(Session, f"sessions/{session_id}")
        if stored is None:
            raise session_erased(backend, session_id)
    session = stored.document
    require_instrument(caller, session.instrument)
    if session.local_id != start.local_id:
        raise _local_id_taken(start.local_id, session_id)
    if session.erased:
        raise session_erased(backend, session_id)
    claim_files(backend, session)
    if created:
        log.info("START of session %s on %s, people: %d.", session.id, session.instrument, len(session.people))
    return session, created


def end_session(
    backend: Backend,
    caller: Caller,
    ref: str,
    *,
    at: datetime,
    sent: datetime,
    announced: int | None = None,
    why: str | None = None,
) -> Session:
    """END. The first one that somebody gave stays, also where the session had ended by itself before.

    Each call publishes `session.ended`, now and again when waiting for files is over.
    """
    session_id = own_session(backend, caller, ref).document.id
    stamp = make_stamp(backend, at, sent)
    is_first = False

    def edit(session: Session) -> bool:
        nonlocal is_first
        is_first = False
        if session.resumed is not None and _earlier(stamp, session.resumed):
            return False
        changed = False
        is_first = session.end is None or session.is_forgotten
        if announced is not None and (is_first or caller.sender.id not in session.announced):
            session.announced = {**session.announced, caller.sender.id: announced}
            changed = True
        if is_first:
            session.end = _not_before(stamp, session.start)
            session.why_ended = why or "END"
            session.state = SessionState.ENDED
            changed = True
        if changed:
            session.updated_at = backend.clock()
        return changed

    session = change(backend.catalog, Session, f"sessions/{session_id}", edit)
    if session.end is None:
        return session
    if is_first:
        files = sum(session.announced.values())
        log.info("END of session %s on %s, %d files announced.", session.id, session.instrument, files)
    _follow_end(backend, session, session.end)
    return session


def end_forgotten(backend: Backend, seen: Session, at: datetime) -> bool:
    """END of a session that nobody ended, at the server's time `at`; False where something happened since it was read.

    What follows is the same as at END. The first END that somebody gives later takes its place.
    """
    now = backend.clock()
    ended = False

    def edit(session: Session) -> bool:
        nonlocal ended
        ended = session == seen
        if ended:
            session.end = Stamp(at=at, sent=now, received=now, offset_minutes=session.start.offset_minutes)
            session.why_ended, session.state, session.updated_at = FORGOTTEN, SessionState.ENDED, now
        return ended

    session = change(backend.catalog, Session, seen.key, edit)
    if ended and session.end is not None:
        log.warning("Session %s on %s was forgotten: ended at %s.", session.id, session.instrument, utc_text(at))
        _follow_end(backend, session, session.end)
    return ended


def _follow_end(backend: Backend, session: Session, end: Stamp) -> None:
    """Take and give back files by START and END, and have the record built now and when waiting for files is over."""
    claim_files(backend, session)
    if session.start.received > end.moment:
        release_later_files(backend, session, end.moment)
    ended = Event(type=Topic.SESSION_ENDED, key=session.id, at=backend.clock())
    backend.events.publish(ended)
    waited = ended.model_copy(update={"data": {COUNTED: True}})
    backend.events.publish(waited, not_before=end.moment + backend.settings.settle_after)


def resume_session(backend: Backend, caller: Caller, ref: str, *, at: datetime, sent: datetime) -> Session:
    """Go on with an ended session. An open one stays as it is, and so does one whose END is later than `at`."""
    session_id = own_session(backend, caller, ref).document.id
    stamp = make_stamp(backend, at, sent)

    def edit(session: Session) -> bool:
        if session.end is None or _earlier(stamp, session.end):
            return False
        session.end, session.why_ended, session.resumed = None, None, stamp
        session.state, session.announced = SessionState.OPEN, {}
        session.updated_at = backend.clock()
        return True

    session = change(backend.catalog, Session, f"sessions/{session_id}", edit)
    if session.state is SessionState.OPEN:
        claim_files(backend, session)
    return session


def add_event(backend: Backend, caller: Caller, ref: str, happening: Happening) -> Session:
    """Add a note or a change of sample or project. The same id twice is one event.

    Raises InvalidInput (`empty_event`), and Conflict (`session_full`) where the session has too many.
    """
    told = {EventKind.NOTE: happening.text, EventKind.SAMPLE: happening.sample, EventKind.PROJECT: happening.project}
    if not told[happening.kind]:
        wanted = "text" if happening.kind is EventKind.NOTE else happening.kind.value
        raise InvalidInput(
            f"An event of kind {happening.kind} needs {wanted!r}. Say what happened.", code="empty_event"
        )
    session_id = own_session(backend, caller, ref).document.id
    stamp = make_stamp(backend, happening.at, happening.sent)

    def edit(session: Session) -> bool:
        if any(event.id == happening.id for event in session.events):
            return False
        characters = sum(len(event.text or "") for event in session.events) + len(happening.text or "")
        if len(session.events) >= MAX_EVENTS or characters > MAX_EVENT_CHARACTERS:
            raise Conflict(
                f"Session {session.id} has {len(session.events)} events with {characters} characters; at most "
                f"{MAX_EVENTS} and {MAX_EVENT_CHARACTERS} are kept. Save long notes as a file beside the data.",
                code="session_full",
            )
        event = SessionEvent(
            id=happening.id,
            kind=happening.kind,
            stamp=stamp,
            person=happening.person,
            text=happening.text,
            sample=happening.sample,
            project=happening.project,
        )
        session.events = [*session.events, event]
        session.updated_at = backend.clock()
        session.ask_for_record(session.updated_at)
        return True

    session = change(backend.catalog, Session, f"sessions/{session_id}", edit)
    publish_changed(backend, session)
    return session


# ----------------------------------------------------------------------------------------------------- what follows


def make_stamp(backend: Backend, at: datetime, sent: datetime) -> Stamp:
    """The stamp of a client's moment. A client clock that was set back between `at` and `sent` gives no future."""
    offset = at.utcoffset() or timedelta()
    return Stamp(at=at, sent=max(sent, at), received=backend.clock(), offset_minutes=int(offset.total_seconds() // 60))


def _claim_local_id(backend: Backend, local_id: str, session_id: str) -> str:
    if backend.catalog.create(LocalId(local_id=local_id, session=session_id)):
        return session_id
    there = backend.catalog.get(LocalId, f"local_ids/{local_id}")
    return there.document.session if there else session_id


def _new_session(backend: Backend, caller: Caller, start: Start, session_id: str) -> Session:
    return Session(
        id=session_id,
        instrument=start.instrument,
        local_id=start.local_id,
        client=caller.sender.id,
        title=start.title,
        motivation=start.motivation,
        people=start.people,
        kind=start.kind,
        handling=start.handling,
        start=make_stamp(backend, start.at, start.sent),
        project=start.project,
        samples=start.samples,
        updated_at=backend.clock(),
    )


def _local_id_taken(local_id: str, session_id: str) -> Conflict:
    return Conflict(
        f"local_id {local_id} cannot become a session: {session_id} belongs to another START. Start with a new uuid.",
        code="local_id_taken",
    )


def _earlier(one: Stamp, other: Stamp) -> bool:
    """Whether `one` is a late repeat of something before `other`: by the client's clock and by the server's time."""
    return one.at < other.at and one.moment < other.moment


def _not_before(stamp: Stamp, start: Stamp) -> Stamp:
    """`stamp`, or the time of its receipt where it would lie before START (a client clock that was set meanwhile)."""
    return stamp if stamp.moment >= start.moment else stamp.model_copy(update={"at": stamp.sent})
