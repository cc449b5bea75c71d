from __future__ import annotations

import uuid
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scopeline.domain.errors import Conflict, Forbidden, InvalidInput, NotFound
from scopeline.domain.sessions import EventKind, Session, SessionState, Stamp
from scopeline.ports import SESSIONS, find_all
from scopeline.services import lookup, sessions
from scopeline.services.sessions import Happening

LOCAL_ID = "7d9f1f54-9d5a-4d0f-8f55-0d9ad0b7d3f1"
OTHER_ID = "0a9f1f54-9d5a-4d0f-8f55-0d9ad0b7d3f1"


def all_sessions(desk: Any) -> list[Session]:
    return list(find_all(desk.backend.catalog, Session, SESSIONS))


def test_start_cut_at_any_write_and_sent_again_on_another_day_is_one_session(desk: Any) -> None:
    local_ids = iter(str(uuid.UUID(int=n)) for n in range(1, 1000))
    current = [next(local_ids)]

    def again() -> None:
        desk.forward(days=1)
        session = desk.start(current[0])
        assert lookup.find_session(desk.backend, current[0]).document.id == session.id
        assert [s.id for s in all_sessions(desk) if s.local_id == current[0]] == [session.id]
        current[0] = next(local_ids)

    writes = desk.cut_at_each_write(lambda backend: desk.start(current[0], backend=backend), again)
    assert writes == 2


def test_end_cut_at_any_write_is_published_when_it_is_sent_again(desk: Any) -> None:
    def again() -> None:
        session = desk.end()
        topics = [topic for topic, key, _ in desk.waiting() if key == session.id]
        assert topics.count("session.ended") >= 2

    desk.start()
    assert desk.cut_at_each_write(lambda backend: desk.end(backend=backend), again) >= 2


def test_a_uuid_that_became_a_session_of_another_instrument_is_refused(desk: Any) -> None:
    session = desk.start()
    lookup.find_session(desk.backend, LOCAL_ID)
    desk.backend.catalog.delete(session.key)
    desk.backend.catalog.create(session.model_copy(update={"local_id": OTHER_ID}))
    with pytest.raises(Conflict, match="Start with a new uuid"):
        desk.start()
    with pytest.raises(NotFound):
        lookup.find_session(desk.backend, LOCAL_ID)


def test_end_is_published_now_and_when_waiting_for_files_is_over(desk: Any) -> None:
    session = desk.start()
    desk.forward(hours=3)
    desk.end(at=desk.now - timedelta(minutes=10))
    assert desk.waiting() == [
        ("session.ended", session.id, 0.0),
        ("session.ended", session.id, 7200.0 - 600.0),
    ]
    desk.end()
    assert len(desk.waiting()) == 4


def test_a_note_after_the_end_changes_the_record_one_before_does_not(desk: Any) -> None:
    session = desk.start()
    note = {"kind": EventKind.NOTE, "at": desk.now, "sent": desk.now, "text": "drift"}
    sessions.add_event(desk.backend, desk.caller, session.id, Happening(id="1", **note))
    assert desk.waiting() == []
    desk.end()
    sessions.add_event(desk.backend, desk.caller, session.id, Happening(id="2", **note))
    assert ("session.changed", session.id) in [(topic, key) for topic, key, _ in desk.waiting()]


def test_an_event_says_something(desk: Any) -> None:
    desk.start()
    empty = Happening(id="1", kind=EventKind.SAMPLE, at=desk.now, sent=desk.now, text="no sample")
    with pytest.raises(InvalidInput, match="needs 'sample'"):
        sessions.add_event(desk.backend, desk.caller, LOCAL_ID, empty)


def test_a_session_keeps_a_bounded_amount_of_notes(desk: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sessions, "MAX_EVENTS", 2)
    desk.start()
    for n in range(2):
        note = Happening(id=str(n), kind=EventKind.NOTE, at=desk.now, sent=desk.now, text="x")
        sessions.add_event(desk.backend, desk.caller, LOCAL_ID, note)
    with pytest.raises(Conflict, match="at most 2"):
        sessions.add_event(
            desk.backend, desk.caller, LOCAL_ID, Happening("9", EventKind.NOTE, desk.now, desk.now, text="y")
        )


def test_an_end_before_start_by_a_clock_that_was_set_is_the_time_of_receipt(desk: Any) -> None:
    session = desk.start()
    desk.forward(minutes=5)
    ended = desk.end(at=desk.now - timedelta(hours=2))
    assert ended.end is not None
    assert ended.end.moment == desk.now > session.start.moment


def test_a_repeat_of_resume_after_a_later_end_does_not_open_the_session_again(desk: Any) -> None:
    desk.start()
    desk.forward(minutes=1)
    desk.end()
    desk.forward(minutes=1)
    resumed_at = desk.now
    sessions.resume_session(desk.backend, desk.caller, LOCAL_ID, at=resumed_at, sent=resumed_at)
    desk.forward(minutes=1)
    desk.end()
    desk.forward(minutes=1)
    late = sessions.resume_session(desk.backend, desk.caller, LOCAL_ID, at=resumed_at, sent=desk.now)
    assert late.state is SessionState.ENDED


def test_a_client_of_another_instrument_cannot_start_here(desk: Any) -> None:
    with pytest.raises(Forbidden, match="does not serve"):
        desk.start(instrument="jeol")


moments = st.datetimes(datetime(2000, 1, 1), datetime(2100, 1, 1), timezones=st.just(UTC))


@given(at=moments, delay=st.timedeltas(timedelta(0), timedelta(days=30)), received=moments)
def test_the_servers_time_is_received_less_what_the_client_waited(
    at: datetime, delay: timedelta, received: datetime
) -> None:
    assert Stamp(at=at, sent=at + delay, received=received).moment == received - delay
