"""START, END, notes, and the state of sessions."""

from __future__ import annotations

from scopeline.api.answers import EventAnswer, FileCounts, RecordAnswer, SessionAnswer, SessionsAnswer
from scopeline.api.calls import Ask, Reply, call
from scopeline.api.requests import EndBody, EventBody, ResumeBody, SessionsQuery, StartBody
from scopeline.domain.sessions import Session
from scopeline.services import lookup, sessions
from scopeline.services.backend import Backend
from scopeline.services.sessions import Happening, Start


@call("POST", "/v1/sessions", {200: SessionAnswer, 201: SessionAnswer}, problems=(404, 409, 410))
def start(ask: Ask, body: StartBody) -> Reply:
    """START: make a session, or find the one that this local_id made."""
    session, created = sessions.start_session(
        ask.backend,
        ask.caller,
        Start(
            local_id=body.local_id,
            instrument=body.instrument,
            at=body.at,
            sent=body.sent,
            title=body.title,
            motivation=body.motivation,
            people=[person.part() for person in body.people],
            kind=body.kind,
            handling=body.handling,
            project=body.project.part() if body.project else None,
            samples=[sample.part() for sample in body.samples],
        ),
    )
    return _reply(ask.backend, session, status=201 if created else 200)


@call("POST", "/v1/sessions/{session}/end", {200: SessionAnswer})
def end(ask: Ask, session: str, body: EndBody) -> Reply:
    """END: the first one stays."""
    ended = sessions.end_session(
        ask.backend, ask.caller, session, at=body.at, sent=body.sent, announced=body.announced, why=body.why
    )
    return _reply(ask.backend, ended)


@call("POST", "/v1/sessions/{session}/resume", {200: SessionAnswer})
def resume(ask: Ask, session: str, body: ResumeBody) -> Reply:
    """Go on with an ended session."""
    return _reply(ask.backend, sessions.resume_session(ask.backend, ask.caller, session, at=body.at, sent=body.sent))


@call("POST", "/v1/sessions/{session}/events", {200: SessionAnswer}, problems=(409,))
def add_event(ask: Ask, session: str, body: EventBody) -> Reply:
    """Add a note or a change of sample or project."""
    happening = Happening(
        id=body.id,
        kind=body.kind,
        at=body.at,
        sent=body.sent,
        person=body.person,
        text=body.text,
        sample=body.sample.part() if body.sample else None,
        project=body.project.part() if body.project else None,
    )
    return _reply(ask.backend, sessions.add_event(ask.backend, ask.caller, session, happening))


@call("GET", "/v1/sessions", {200: SessionsAnswer})
def list_sessions(ask: Ask, query: SessionsQuery) -> Reply:
    """Sessions, the newest first (of one state: the oldest first)."""
    page = lookup.list_sessions(
        ask.backend,
        ask.caller,
        instrument=query.instrument,
        state=query.state,
        since=query.since,
        limit=query.limit,
        cursor=query.cursor,
    )
    answers = [session_answer(ask.backend, session) for session in page.items]
    return Reply(SessionsAnswer(sessions=answers, cursor=page.cursor))


@call("GET", "/v1/sessions/{session}", {200: SessionAnswer})
def get_session(ask: Ask, session: str) -> Reply:
    """One session, with the revision for corrections in ETag."""
    stored = lookup.read_session(ask.backend, ask.caller, session)
    return _reply(ask.backend, stored.document, revision=stored.revision)


def session_answer(backend: Backend, session: Session, files: FileCounts | None = None) -> SessionAnswer:
    """The session as the API shows it."""
    site = backend.settings.site_url
    record = session.record
    return SessionAnswer(
        id=session.id,
        local_id=session.local_id,
        instrument=session.instrument,
        client=session.client,
        title=session.title,
        motivation=session.motivation,
        people=session.people,
        kind=session.kind,
        handling=session.handling,
        state=session.state,
        start=session.start.moment,
        end=session.end.moment if session.end else None,
        why_ended=session.why_ended,
        project=session.project,
        samples=session.samples,
        events=[
            EventAnswer(
                id=event.id,
                kind=event.kind,
                at=event.stamp.moment,
                person=event.person,
                text=event.text,
                sample=event.sample,
                project=event.project,
            )
            for event in session.events
        ],
        announced=session.announced,
        record=RecordAnswer(
            version=record.version, pid=record.pid, built_at=record.built_at, published_at=record.published_at
        )
        if record
        else None,
        files=files,
        page=f"{site.rstrip('/')}/record/{session.id}" if site else None,
        updated_at=session.updated_at,
    )


def whole_answer(backend: Backend, session: Session) -> SessionAnswer:
    """The session with the counts of its files."""
    return session_answer(backend, session, FileCounts(**lookup.count_files(backend, session.id)))


def _reply(backend: Backend, session: Session, *, status: int = 200, revision: str | None = None) -> Reply:
    headers = {"ETag": f'"{revision}"'} if revision is not None else {}
    return Reply(whole_answer(backend, session), status, headers)


CALLS = (start, end, resume, add_event, list_sessions, get_session)
