from __future__ import annotations

from typing import Any

import pytest

from scopeline.domain.records import Overlay
from scopeline.domain.sessions import Person, Session
from scopeline.ports import PreconditionFailed
from scopeline.services import corrections
from scopeline.services.corrections import Change
from scopeline.services.membership import publish_changed

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
