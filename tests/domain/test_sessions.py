"""Sessions: whose clock counts, and which sample was in the microscope."""

from __future__ import annotations

import random
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from scopeline.domain.sessions import Changes, EventKind, Person, Sample, Session, SessionEvent, SessionState, Stamp

START = datetime(2026, 2, 6, 8, 0, tzinfo=UTC)


def at(minutes: float, ahead: float = 0, delay: float = 0) -> Stamp:
    """What happened at `minutes`, by a clock that is `ahead` (minutes), heard of after `delay`."""
    told = START + timedelta(minutes=minutes + ahead)
    return Stamp(at=told, sent=told + timedelta(minutes=delay), received=START + timedelta(minutes=minutes + delay))


def session(*events: SessionEvent, samples: list[Sample] | None = None) -> Session:
    return Session(
        id="20260206-titan-7f3k2a", instrument="titan", local_id="l", client="pc", start=at(0), events=list(events),
        samples=samples or [], updated_at=START,
    )  # fmt: skip


def change(name: str, minutes: float) -> SessionEvent:
    return SessionEvent(id=f"{name}-{minutes}", kind=EventKind.SAMPLE, stamp=at(minutes), sample=Sample(name=name))


@given(st.floats(-1e5, 1e5), st.floats(0, 1e4))
def test_moment_is_the_servers_whatever_the_clients_clock_says(ahead: float, delay: float) -> None:
    assert abs(at(30, ahead, delay).moment - (START + timedelta(minutes=30))) < timedelta(milliseconds=1)


def test_session_is_ordered_by_the_servers_time_of_start() -> None:
    assert session().started_at == START
    assert session().key == "sessions/20260206-titan-7f3k2a"


def test_no_sample_was_named() -> None:
    assert session().sample_at(START) is None


def test_sample_is_the_last_one_named_before() -> None:
    first = Sample(name="first")
    used = session(change("third", 60), change("second", 30), samples=[first])
    names = [used.sample_at(START + timedelta(minutes=m)) for m in (-10, 0, 29.9, 30, 59, 60, 500)]
    assert [s.name if s else None for s in names] == ["first", "first", "first", "second", "second", "third", "third"]


@given(st.lists(st.integers(0, 100), unique=True, max_size=6), st.integers(-10, 110), st.randoms())
def test_order_of_events_does_not_matter(minutes: list[int], asked: int, chance: random.Random) -> None:
    events = [change(f"s{m}", m) for m in minutes]
    shuffled = list(events)
    chance.shuffle(shuffled)
    moment = START + timedelta(minutes=asked)
    assert session(*events).sample_at(moment) == session(*shuffled).sample_at(moment)
    before = [m for m in minutes if m <= asked]
    found = session(*events).sample_at(moment)
    assert (found.name if found else None) == (f"s{max(before)}" if before else None)


def test_notes_change_no_sample() -> None:
    note = SessionEvent(id="n", kind=EventKind.NOTE, stamp=at(5), text="x", sample=Sample(name="mentioned"))
    assert session(note, samples=[Sample(name="first")]).sample_at(START + timedelta(minutes=9)) == Sample(name="first")


def test_session_survives_json() -> None:
    used = session(change("second", 30), samples=[Sample(name="first", elements=["Ni"])])
    assert Session.from_json(used.to_json()) == used


@pytest.mark.parametrize("fields", [{"person": ""}, {"person": "x" * 201}, {"person": "Ned", "role": "king"}])
def test_people_have_a_name_and_a_known_role(fields: dict[str, str]) -> None:
    with pytest.raises(ValidationError):
        Person.model_validate(fields)


# ------------------------------------------------------------------------------------------- what records follow


@given(st.lists(st.sampled_from(["ask", "begin", "finish"]), max_size=30))
def test_a_record_is_behind_from_the_first_change_until_a_build_that_began_after_the_last(steps: list[str]) -> None:
    changes, builds, followed, changed = Changes(), [], True, 0
    for number, step in enumerate(steps):
        now = START + timedelta(minutes=number)
        if step == "ask":
            changes, changed = changes.asked_again(now), changed + 1
        elif step == "begin":
            changes = changes.begun(now)
            builds.append((changes.started, changed))
        elif builds:
            started, known = builds.pop()
            changes = changes.done(started, now)
            followed = followed or known == changed
        if step == "ask":
            followed = False
        behind = changes.behind_since
        assert (behind is None) == (changes.asked == changes.covered)
        assert behind is None or behind <= now
        assert followed or behind is not None


def test_who_asks_for_what_is_asked_for_changes_nothing() -> None:
    once = Changes().asked_again(START)
    assert (once.asked, once.behind_since) == (1, START)
    assert once.asked_again(START + timedelta(hours=1)) == once
    begun = once.begun(START + timedelta(hours=1))
    again = begun.asked_again(START + timedelta(hours=2))
    assert (again.asked, again.behind_since) == (2, START)
    half = again.done(begun.started, START + timedelta(hours=3))
    assert (half.covered, half.behind_since) == (1, START + timedelta(hours=3))
    assert half.done(1, START + timedelta(hours=4)) == half


def test_a_round_was_started_when_a_build_first_did() -> None:
    first = Changes().asked_again(START).begun(START + timedelta(hours=1))
    assert first.started_at == START + timedelta(hours=1)
    assert first.begun(START + timedelta(hours=2)) == first
    second = first.asked_again(START + timedelta(hours=2)).begun(START + timedelta(hours=3))
    assert second.started_at == START + timedelta(hours=3)
    assert second.done(2, START + timedelta(hours=4)).begun(START + timedelta(hours=5)).started_at == START + timedelta(
        hours=5
    )


def test_an_open_session_has_no_record_to_change() -> None:
    opened = session()
    assert not opened.ask_for_record(START)
    opened.state = SessionState.ENDED
    assert opened.ask_for_record(START)
    assert not opened.ask_for_record(START + timedelta(hours=1))


def test_what_was_read_by_the_last_one_who_is_about_to_edit_is_known_until_a_build_that_began_after_him() -> None:
    asked = Changes().asked_again(START, 2).asked_again(START, 3).asked_again(START, 2).asked_again(START)
    assert (asked.asked, asked.edits_read) == (1, 3)
    begun = asked.begun(START)
    assert begun.done(begun.started, START).edits_read is None
    again = begun.asked_again(START, 3)
    assert again.done(begun.started, START).edits_read == 3


def test_who_is_about_to_edit_the_record_of_an_open_session_asks_for_the_one_of_its_end() -> None:
    opened = session()
    assert opened.ask_for_record(START, 0)
    assert (opened.changes.asked, opened.changes.edits_read) == (1, 0)
    assert not opened.ask_for_record(START, 0)
