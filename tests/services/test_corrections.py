from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from functools import partial
from typing import Any

import pytest

from scopeline.domain.events import Event, Topic
from scopeline.domain.records import Overlay
from scopeline.domain.sessions import Person, Session
from scopeline.ports import PreconditionFailed
from scopeline.services import corrections
from scopeline.services.build import COUNTED, build_session, current_record
from scopeline.services.corrections import Change
from scopeline.services.membership import publish_changed
from scopeline.services.sweep import sweep

LOCAL_ID = "7d9f1f54-9d5a-4d0f-8f55-0d9ad0b7d3f1"


def changed(desk: Any) -> int:
    return sum(topic == "session.changed" for topic, _, _ in desk.waiting())


def test_a_correction_of_an_ended_session_changes_its_record(desk: Any) -> None:
    desk.start(title="A")
    desk.end()
    stored = corrections.correct_session(
        desk.backend, desk.caller, LOCAL_ID, {"title": "B"}, reason="typo", expected=None
    )
    assert stored.document.title == "B"
    assert changed(desk) == 1


def test_a_correction_whose_answer_was_lost_reaches_the_record_when_it_is_sent_again(desk: Any) -> None:
    desk.start(title="0")
    desk.end()
    seen = [0]

    def correct(backend: Any) -> None:
        session = desk.backend.catalog.get(Session, desk.start().key)
        seen[0] += 1
        fields = {"title": str(seen[0])}
        corrections.correct_session(backend, desk.caller, LOCAL_ID, fields, reason="typo", expected=session.revision)

    def again() -> None:
        before = changed(desk)
        stale = "1"
        with pytest.raises(PreconditionFailed):
            corrections.correct_session(
                desk.backend, desk.caller, LOCAL_ID, {"title": "x"}, reason="typo", expected=stale
            )
        assert changed(desk) >= max(before, 1)

    assert desk.cut_at_each_write(correct, again) == 2


def test_a_session_knows_of_what_was_written_that_its_record_does_not_follow_it(desk: Any, work: Any) -> None:
    """So the sweep finds it, also where nobody lives to tell."""
    session = desk.start(title="0")
    desk.end()
    work.deliver()
    desk.forward(hours=3)
    work.deliver()
    seen = [0]

    def change(backend: Any) -> None:
        seen[0] += 1
        edit = Change("session", "title", str(seen[0]))
        corrections.correct_session(
            backend, desk.caller, LOCAL_ID, {"title": str(seen[0])}, reason="typo", expected=None
        )
        corrections.edit_overlay(backend, desk.caller, LOCAL_ID, [edit], expected=None)

    def is_behind() -> None:
        now = desk.backend.catalog.get(Session, session.key).document
        overlay = desk.backend.catalog.get(Overlay, f"overlays/{session.id}")
        edits = [edit.value for edit in overlay.document.edits] if overlay else []
        written = now.title == str(seen[0]) or str(seen[0]) in edits
        assert now.changes.behind_since is not None or not written
        desk.forward(hours=2)
        work.deliver()
        # What was asked for and not told is built now, as the sweep would have it.
        publish_changed(desk.backend, now)
        desk.forward(hours=2)
        work.deliver()
        assert desk.backend.catalog.get(Session, session.key).document.changes.behind_since is None

    assert desk.cut_at_each_write(change, is_behind) >= 4


class Killed(BaseException):
    """The process ends here."""


class Steps:
    """Counts the calls of ports: before one of them something else happens, before or after another one is the end."""

    def __init__(self, happens: Callable[[], object], at: int, kill_before: int) -> None:
        self._happens, self._at, self._kill_before = happens, at, kill_before
        self.count = 0

    def __call__(self, call: Callable[..., Any], *given: Any, **named: Any) -> Any:
        if self.count == self._kill_before:
            raise Killed
        if self.count == self._at:
            self._happens()
        self.count += 1
        return call(*given, **named)


class Stepped:
    """A port whose calls go through `Steps`."""

    def __init__(self, port: Any, steps: Steps) -> None:
        self._port, self._steps = port, steps

    def __getattr__(self, name: str) -> Any:
        return partial(self._steps, getattr(self._port, name))


@pytest.mark.parametrize("edits_before", [0, 1])
@pytest.mark.parametrize("ends", [False, True], ids=["after the end", "at the end"])
def test_an_edit_that_is_stored_reaches_the_record_wherever_a_build_comes_and_its_writer_is_killed(
    desk: Any, work: Any, edits_before: int, ends: bool
) -> None:
    lengths: set[int] = set()
    for number, (build_at, kill_before) in enumerate((b, k) for b in range(14) for k in range(b + 1, 16)):
        local_id = f"7d9f1f54-9d5a-4d0f-8f55-{number:012x}"
        session = desk.start(local_id, title="0")
        if not ends:
            end_and_settle(desk, work, local_id)
        for edit in range(edits_before):
            change = Change("session", "title", f"before {edit}")
            corrections.edit_overlay(desk.backend, desk.caller, local_id, [change], expected=None)
        if not ends:
            settle(desk, work)
        happens = partial(end_and_settle, desk, work, local_id) if ends else partial(build, desk, session)
        steps = Steps(happens, build_at, kill_before)
        stepped = replace(
            desk.backend, catalog=Stepped(desk.backend.catalog, steps), events=Stepped(desk.backend.events, steps)
        )
        with suppress(Killed, PreconditionFailed):
            change = Change("session", "title", "NEW")
            corrections.edit_overlay(stepped, desk.caller, local_id, [change], expected=None)
        lengths.add(steps.count)
        if ends and build_at >= steps.count:
            continue
        settle(desk, work)
        overlay = corrections.read_overlay(desk.backend, session.id).document
        title = overlay.edits[-1].value if overlay.edits else "0"
        assert f">{title}<".encode() in current_record(desk.backend, session.id).xml, (build_at, kill_before)
        assert desk.backend.catalog.get(Session, session.key).document.changes.behind_since is None
    assert max(lengths) < 15, "every call is a place to be killed at"


class LateWriter:
    """A catalog for an editor whose write of the overlay arrives late, and who hears nothing of it."""

    def __init__(self, catalog: Any) -> None:
        self._catalog = catalog
        self.arrive: Callable[[], object] = lambda: None

    def __getattr__(self, name: str) -> Any:
        call = getattr(self._catalog, name)
        return partial(self._write, call) if name in ("create", "update") else call

    def _write(self, call: Callable[..., Any], document: Any, *revision: str) -> Any:
        if not isinstance(document, Overlay):
            return call(document, *revision)
        self.arrive = partial(call, document, *revision)
        raise Killed


@pytest.mark.parametrize("edits_before", [0, 1])
@pytest.mark.parametrize("asks_at", range(6))
def test_an_edit_that_is_stored_late_reaches_the_record_wherever_in_a_build_it_is_asked_for_and_arrives(
    desk: Any, work: Any, edits_before: int, asks_at: int
) -> None:
    arrived = 0
    for number, arrives_at in enumerate(range(asks_at, 20)):
        local_id = f"7d9f1f54-9d5a-4d0f-8f55-{number:012x}"
        session = desk.start(local_id, title="0")
        end_and_settle(desk, work, local_id)
        for edit in range(edits_before):
            change = Change("session", "title", f"before {edit}")
            corrections.edit_overlay(desk.backend, desk.caller, local_id, [change], expected=None)
        settle(desk, work)
        late = LateWriter(desk.backend.catalog)
        arrivals = Steps(partial(arrive, late), arrives_at, 99)
        asks = Steps(partial(edit_late, desk, late, local_id), asks_at, 99)
        catalog, events = (
            Stepped(Stepped(port, arrivals), asks) for port in (desk.backend.catalog, desk.backend.events)
        )
        changed_otherwise = Event(type=Topic.SESSION_CHANGED, key=session.id, at=desk.now)
        build_session(replace(desk.backend, catalog=catalog, events=events), changed_otherwise)
        arrived += arrivals.count > arrives_at
        settle(desk, work)
        overlay = corrections.read_overlay(desk.backend, session.id).document
        title = overlay.edits[-1].value if overlay.edits else "0"
        assert f">{title}<".encode() in current_record(desk.backend, session.id).xml, arrives_at
        assert desk.backend.catalog.get(Session, session.key).document.changes.behind_since is None
    assert arrived


def edit_late(desk: Any, late: LateWriter, local_id: str) -> None:
    change = Change("session", "title", "NEW")
    with suppress(Killed):
        corrections.edit_overlay(replace(desk.backend, catalog=late), desk.caller, local_id, [change], expected=None)


def arrive(late: LateWriter) -> None:
    with suppress(PreconditionFailed):
        late.arrive()


def build(desk: Any, session: Session) -> None:
    build_session(desk.backend, Event(type=Topic.SESSION_CHANGED, key=session.id, at=desk.now, data={COUNTED: True}))


def end_and_settle(desk: Any, work: Any, local_id: str) -> None:
    desk.end(local_id)
    desk.forward(hours=2)
    work.deliver()


def settle(desk: Any, work: Any) -> None:
    """What the sweep and its deliveries make of everything, hours later."""
    for _ in range(2):
        desk.forward(hours=2)
        sweep(desk.backend, lambda event, code, reason: None)
        desk.forward(seconds=3)
        work.deliver()


def test_an_edit_that_a_build_overtook_is_stored_when_it_is_sent_again(desk: Any, work: Any) -> None:
    session = desk.start()
    end_and_settle(desk, work, LOCAL_ID)
    writes_the_overlay = 6
    steps = Steps(partial(build, desk, session), writes_the_overlay, 99)
    stepped = replace(desk.backend, catalog=Stepped(desk.backend.catalog, steps))
    edits = [Change("session", "title", "NEW")]
    with pytest.raises(PreconditionFailed):
        corrections.edit_overlay(stepped, desk.caller, LOCAL_ID, edits, expected=None)
    seen = corrections.read_overlay(desk.backend, LOCAL_ID)
    assert seen.document.edits == []
    corrections.edit_overlay(desk.backend, desk.caller, LOCAL_ID, edits, expected=seen.revision)
    settle(desk, work)
    assert b">NEW<" in current_record(desk.backend, session.id).xml


def test_a_build_leaves_the_revision_of_finished_edits_alone(desk: Any, work: Any) -> None:
    desk.start()
    end_and_settle(desk, work, LOCAL_ID)
    for value in ("first", "second"):
        change = Change("session", "title", value)
        stored = corrections.edit_overlay(desk.backend, desk.caller, LOCAL_ID, [change], expected=None)
        settle(desk, work)
        assert corrections.read_overlay(desk.backend, LOCAL_ID).revision == stored.revision


def test_two_first_edits_of_one_overlay_are_not_both_taken(desk: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    session = desk.start()
    edit = Change("session", "title", "Gold")
    real_get = desk.edition.backend.catalog.get

    def get(kind: Any, key: str) -> Any:
        found = real_get(kind, key)
        if kind is Overlay and found is None:
            desk.edition.backend.catalog.create(Overlay(session=session.id))
        return found

    monkeypatch.setattr(desk.edition.backend.catalog, "get", get)
    with pytest.raises(PreconditionFailed):
        corrections.edit_overlay(desk.backend, desk.caller, LOCAL_ID, [edit], expected=None)


def test_correcting_the_people_takes_no_confirmed_persons_access(desk: Any) -> None:
    session = desk.start(people=[Person(person="Ada"), Person(person="Bob")])
    stored = desk.backend.catalog.get(Session, session.key)
    stored.document.people = [Person(person="Ada", confirmed=True), Person(person="Bob")]
    desk.backend.catalog.update(stored.document, stored.revision)
    people = [Person(person="Ada", role="staff"), Person(person="Eve", confirmed=True)]
    corrected = corrections.correct_session(
        desk.backend, desk.caller, LOCAL_ID, {"people": people}, reason="Eve, not Bob", expected=None
    )
    assert [(p.person, p.confirmed) for p in corrected.document.people] == [("Ada", True), ("Eve", False)]
