"""Sessions without END end by themselves, at the time of the last thing that happened in them."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest

from scopeline.domain.files import File
from scopeline.domain.sessions import EventKind, Session, SessionState
from scopeline.ports import FILES_OF_SESSION
from scopeline.services import build, sessions, uploads
from scopeline.services.health import note_heartbeat
from scopeline.services.sessions import Happening, end_forgotten
from scopeline.services.sweep import sweep
from scopeline.services.sweeping.forgotten import FORGOTTEN_SESSIONS
from scopeline.services.sweeping.stuck import MISSING_RECORDS

OTHER_ID = "11111111-9d5a-4d0f-8f55-0d9ad0b7d3f1"


def run(desk: Any) -> int:
    done = sweep(desk.backend, lambda event, code, reason: None, tasks=[FORGOTTEN_SESSIONS]).tasks
    return done["forgotten_sessions"].found if done else 0


def now(desk: Any, session: Session) -> Session:
    document: Session = desk.backend.catalog.get(Session, session.key).document
    return document


def record(desk: Any, session: Session) -> str:
    return build.current_record(desk.backend, session.id).xml.decode()


def send(desk: Any, session: Session | None, path: str = "a.dm3", first_seen: datetime | None = None) -> str:
    """Ask to upload a file that is seen now and store it; its object."""
    asked = uploads.UploadRequest(
        session=session.id if session else None,
        root="data",
        path=path,
        size=5,
        mtime=first_seen or desk.now,
        first_seen=first_seen or desk.now,
        key=path,
    )
    name: str = uploads.request_upload(desk.backend, desk.caller, asked).object
    desk.backend.raw.write(name, b"bytes")
    return name


def note(desk: Any, ref: str) -> None:
    happening = Happening(
        id="22222222-9d5a-4d0f-8f55-0d9ad0b7d3f1", kind=EventKind.NOTE, at=desk.now, sent=desk.now, text="Here."
    )
    sessions.add_event(desk.backend, desk.caller, ref, happening)


def test_a_session_of_which_nothing_is_seen_ends_at_its_start(desk: Any, work: Any) -> None:
    session = desk.start()
    began = desk.now
    desk.forward(hours=11, minutes=59)
    assert run(desk) == 0
    desk.forward(minutes=16)
    assert run(desk) == 1
    ended = now(desk, session)
    assert (ended.state, ended.why_ended, ended.end.moment) == (SessionState.ENDED, "forgotten", began)
    assert [topic for topic, _, _ in desk.waiting()] == ["session.ended"] * 2
    work.deliver()
    assert now(desk, session).state is SessionState.RECORDED
    desk.forward(hours=1)
    assert run(desk) == 0


@pytest.mark.parametrize("sign", ["file", "note", "resume"])
def test_it_ends_at_the_last_sign_of_it(desk: Any, sign: str) -> None:
    session = desk.start()
    if sign == "resume":
        desk.forward(hours=1)
        desk.end()
    desk.forward(hours=9)
    last = desk.now
    if sign == "file":
        send(desk, session)
    elif sign == "note":
        note(desk, session.id)
    else:
        sessions.resume_session(desk.backend, desk.caller, session.id, at=desk.now, sent=desk.now)
    desk.forward(hours=11)
    assert run(desk) == 0
    assert now(desk, session).state is SessionState.OPEN
    desk.forward(hours=2)
    assert run(desk) == 1
    assert now(desk, session).end.moment == last


def test_a_session_with_files_arriving_is_never_ended(desk: Any, work: Any) -> None:
    session = desk.start()
    for n in range(40):
        desk.forward(hours=11)
        send(desk, session, f"{n}.dm3")
        work.deliver()
        assert run(desk) == 0
    assert now(desk, session).state is SessionState.OPEN


def test_heartbeats_alone_keep_no_session_open(desk: Any) -> None:
    session = desk.start()
    for _ in range(14):
        desk.forward(hours=1)
        note_heartbeat(desk.backend, desk.caller, at=desk.now, version="1", queue={})
    assert run(desk) == 1
    assert now(desk, session).state is SessionState.ENDED


def test_a_clock_that_is_ahead_gives_no_end_in_the_future(desk: Any) -> None:
    session = desk.start()
    desk.forward(hours=1)
    send(desk, session, "early.dm3")
    last = desk.now
    send(desk, session, "late.dm3", first_seen=desk.now + timedelta(days=400))
    desk.forward(hours=13)
    assert run(desk) == 1
    assert now(desk, session).end.moment == last


def test_a_start_that_comes_three_days_late_leaves_time_for_its_files(desk: Any) -> None:
    session = desk.start(at=desk.now - timedelta(days=3), sent=desk.now)
    assert run(desk) == 0
    assert now(desk, session).state is SessionState.OPEN


def test_nothing_is_forgotten_where_the_setting_says_never(desk: Any) -> None:
    session = desk.start()
    desk.forward(days=300)
    settings = desk.backend.settings.model_copy(update={"forget_after_hours": 0})
    backend = replace(desk.backend, settings=settings)
    sweep(backend, lambda event, code, reason: None, tasks=[FORGOTTEN_SESSIONS])
    assert now(desk, session).state is SessionState.OPEN


def test_a_note_that_comes_while_it_is_looked_at_keeps_the_session_open(desk: Any) -> None:
    seen = desk.start()
    desk.forward(hours=13)
    note(desk, seen.id)
    assert end_forgotten(desk.backend, seen, seen.started_at) is False
    assert now(desk, seen).state is SessionState.OPEN


def test_the_first_end_that_somebody_gives_takes_the_place_of_a_forgotten_one(desk: Any, work: Any) -> None:
    session = desk.start()
    desk.forward(hours=13)
    run(desk)
    work.deliver()
    assert "ended by itself" in record(desk, session)
    desk.forward(minutes=5)
    said = desk.now
    ended = desk.end(announced=1)
    assert (ended.end.moment, ended.why_ended, ended.announced) == (said, "END", {"titan-pc": 1})
    work.deliver()
    assert now(desk, session).record.version == 1, "the announced file is waited for"
    send(desk, session, "late.dm3")
    for _ in range(5):
        desk.forward(minutes=1)
        work.deliver()
    after = now(desk, session)
    assert (after.state, after.record.version) == (SessionState.RECORDED, 2)
    assert "ended by itself" not in record(desk, session)
    assert work.published == {session.id: 2}
    desk.forward(minutes=1)
    again = desk.end(announced=7, why="the next session began")
    assert (again.end.moment, again.why_ended, again.announced) == (said, "END", {"titan-pc": 1})


def test_an_end_told_late_counts_also_where_something_came_after_it(desk: Any) -> None:
    session = desk.start()
    desk.forward(hours=1)
    said = desk.now
    desk.forward(hours=1)
    note(desk, session.id)
    desk.forward(hours=13)
    run(desk)
    assert now(desk, session).end.moment > said
    ended = desk.end(at=said)
    assert (ended.end.moment, ended.why_ended) == (said, "END")


def test_an_end_after_a_forgotten_one_cut_at_any_write_is_whole_when_it_is_sent_again(desk: Any, work: Any) -> None:
    def forget() -> None:
        desk.start(current[-1])
        desk.forward(hours=13)
        assert run(desk) == 1
        work.deliver()

    def again() -> None:
        ended = desk.end(current[-1])
        work.deliver()
        desk.forward(hours=3)
        work.deliver()
        after = now(desk, ended)
        assert (after.state, after.why_ended, after.record.version) == (SessionState.RECORDED, "END", 2)
        current.append(f"{len(current):08x}-9d5a-4d0f-8f55-0d9ad0b7d3f1")
        forget()

    current = [OTHER_ID]
    forget()
    assert desk.cut_at_each_write(lambda backend: desk.end(current[-1], backend=backend), again) >= 3


def test_what_comes_after_a_forgotten_end_opens_nothing_and_is_shown(desk: Any, work: Any) -> None:
    session = desk.start()
    began = desk.now
    desk.forward(hours=13)
    run(desk)
    work.deliver()
    desk.forward(minutes=5)
    note(desk, session.id)
    name = send(desk, session, "late.dm3")
    for _ in range(5):
        desk.forward(minutes=1)
        work.deliver()
    after = now(desk, session)
    assert (after.state, after.why_ended, after.end.moment) == (SessionState.RECORDED, "forgotten", began)
    shown = record(desk, session)
    assert "Here." in shown
    assert "late.dm3" in shown
    assert work.published == {session.id: after.record.version}
    (kept,) = desk.backend.catalog.find(File, FILES_OF_SESSION, where={"session": session.id}).items
    assert kept.object == name


def test_a_forgotten_session_can_go_on(desk: Any) -> None:
    session = desk.start()
    desk.forward(hours=13)
    run(desk)
    sessions.resume_session(desk.backend, desk.caller, session.id, at=desk.now, sent=desk.now)
    assert now(desk, session).state is SessionState.OPEN
    desk.forward(hours=11)
    assert run(desk) == 0
    assert now(desk, session).state is SessionState.OPEN


def test_each_session_is_looked_at_for_itself(desk: Any) -> None:
    old = desk.start()
    desk.forward(hours=10)
    young = desk.start(OTHER_ID)
    desk.forward(hours=3)
    assert run(desk) == 1
    assert (now(desk, old).state, now(desk, young).state) == (SessionState.ENDED, SessionState.OPEN)


def test_two_sweeps_at_once_end_a_session_once(desk: Any) -> None:
    seen = desk.start()
    desk.forward(hours=13)
    assert end_forgotten(desk.backend, seen.model_copy(deep=True), seen.started_at) is True
    assert end_forgotten(desk.backend, seen, seen.started_at) is False
    assert [topic for topic, _, _ in desk.waiting()] == ["session.ended"] * 2


def test_a_process_that_ends_while_it_ends_a_session_costs_no_record(desk: Any, work: Any) -> None:
    started = [desk.start()]
    desk.forward(hours=13)

    def again() -> None:
        desk.forward(hours=1)
        sweep(desk.backend, lambda event, code, reason: None, tasks=[FORGOTTEN_SESSIONS, MISSING_RECORDS])
        desk.forward(seconds=3)
        work.deliver()
        session = now(desk, started[-1])
        assert (session.state, session.why_ended) == (SessionState.RECORDED, "forgotten")
        started.append(desk.start(f"{len(started):08x}-9d5a-4d0f-8f55-0d9ad0b7d3f1"))
        desk.forward(hours=13)

    again()
    assert (
        desk.cut_at_each_write(
            lambda backend: sweep(backend, lambda event, code, reason: None, tasks=[FORGOTTEN_SESSIONS]), again
        )
        >= 4
    )
