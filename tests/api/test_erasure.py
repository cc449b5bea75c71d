"""DELETE /v1/sessions/{session}, and what the API answers about an erased session."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from typing import Any

from scopeline.api.application import create_application
from scopeline.domain.events import Event, StoredObject, Topic
from scopeline.services import erase

LOCAL_ID = "7d9f1f54-9d5a-4d0f-8f55-0d9ad0b7d3f1"


class Locked:
    """An object store whose bucket keeps everything for a month."""

    def __init__(self, lab: Any) -> None:
        self._store, self._until = lab.backend.raw, lab.clock.now + timedelta(days=30)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._store, name)

    def versions(self, prefix: str) -> Iterator[StoredObject]:
        for stored in self._store.versions(prefix):
            yield stored.model_copy(update={"retained_until": self._until})


def delete(lab: Any, ref: str, body: Any = None, token: str = "admin") -> Any:
    return lab.call("DELETE", f"/v1/sessions/{ref}", body or {"reason": "asked for"}, token=token)


def work(lab: Any, session: str) -> None:
    """What the function does that handles `session.erased`."""
    event = Event(type=Topic.SESSION_ERASED, key=session, at=lab.clock.now)
    erase.erase_session(lab.backend, None, event)


def session_with_a_file(lab: Any) -> tuple[str, Any]:
    session = lab.start(title="Secret").get_json()["id"]
    grant = lab.call("POST", "/v1/uploads", lab.upload_body()).get_json()
    lab.read(grant["object"])
    return session, grant


def test_erasing_is_accepted_and_later_done(lab: Any) -> None:
    session, grant = session_with_a_file(lab)
    accepted = delete(lab, LOCAL_ID)
    assert accepted.status_code == 202
    assert accepted.get_json() == {
        "session": session,
        "reason": "asked for",
        "who": "admin",
        "at": lab.moment(),
        "files": 1,
        "versions": 1,
        "erased_at": None,
    }
    assert delete(lab, session).status_code == 202
    lab.clock.forward(seconds=1)
    work(lab, session)
    for ref in (session, LOCAL_ID):
        done = delete(lab, ref, {"reason": "another"})
        assert (done.status_code, done.get_json()["reason"]) == (200, "asked for")
        assert done.get_json()["erased_at"] == lab.moment()
    assert lab.call("GET", f"/v1/files/{grant['file']}", token="admin").status_code == 404
    assert list(lab.backend.raw.versions("")) == list(lab.backend.derived.versions("")) == []


def test_only_an_administrator_erases_and_says_why(lab: Any) -> None:
    session, _ = session_with_a_file(lab)
    for token in ("titan-pc", "hub", "site"):
        refused = delete(lab, session, token=token)
        assert (refused.status_code, refused.get_json()["code"]) == (403, "forbidden")
    for body in ({"why": "x"}, {"reason": ""}, {"reason": " "}, {"reason": 5}):
        refused = delete(lab, session, body)
        assert (refused.status_code, refused.get_json()["code"]) == (422, "invalid_body")
    assert delete(lab, "20260206-titan-aaaaaa").get_json()["code"] == "unknown_session"
    assert lab.call("GET", f"/v1/sessions/{session}").status_code == 200


def test_under_a_retention_it_fails_plainly_and_changes_nothing(lab: Any) -> None:
    session, grant = session_with_a_file(lab)
    open_backend = lab.backend
    lab.http = create_application(replace(open_backend, raw=Locked(lab))).test_client()
    refused = delete(lab, session)
    problem = refused.get_json()
    assert (refused.status_code, problem["code"]) == (409, "retained")
    assert grant["object"] in problem["detail"]
    assert "2026-03-08T12:00:00" in problem["detail"]
    assert lab.call("GET", f"/v1/sessions/{session}").get_json()["files"]["extracted"] == 1
    lab.http = create_application(open_backend).test_client()
    assert delete(lab, session).status_code == 202


def test_what_is_asked_about_an_erased_session_is_gone(lab: Any) -> None:
    session, _ = session_with_a_file(lab)
    delete(lab, session)
    for finished in (False, True):
        if finished:
            lab.clock.forward(minutes=5)
            work(lab, session)
        when = f"{lab.clock.now.day} {lab.clock.now:%B %Y} at {lab.clock.now:%H:%M} UTC"
        words = f"was erased on {when}" if finished else "is being erased"
        erased_at = lab.moment() if finished else None
        now = {"at": lab.moment(), "sent": lab.moment()}
        file = {"root": "data", "path": "b.dm3", "size": 1, "mtime": lab.moment()}
        for ref in (session, LOCAL_ID):
            answers = [
                lab.start(),
                lab.call("POST", f"/v1/sessions/{ref}/end", now),
                lab.call("POST", f"/v1/sessions/{ref}/resume", now),
                lab.call("POST", f"/v1/sessions/{ref}/events", {"id": LOCAL_ID, "kind": "note", "text": "x", **now}),
                lab.call("POST", f"/v1/sessions/{ref}/files", {"files": [file]}),
                lab.call("POST", "/v1/uploads", lab.upload_body(session=ref)),
                lab.call("GET", f"/v1/sessions/{ref}"),
                lab.call("GET", f"/v1/files?session={ref}"),
                lab.call("GET", f"/v1/sessions/{ref}/record.xml", token="site"),
                lab.call("GET", f"/v1/sessions/{ref}/record.json", token="site"),
                lab.call("GET", f"/v1/sessions/{ref}/overlay", token="site"),
                lab.call(
                    "PATCH",
                    f"/v1/sessions/{ref}",
                    {"reason": "r", "title": "A"},
                    token="site",
                    If_Match="*",
                    X_Scopeline_User="ada",
                ),
            ]
            for answer in answers:
                assert (answer.status_code, answer.get_json()["code"]) == (410, "session_erased"), answer.text
                assert "Secret" not in answer.text
                problem = answer.get_json()
                assert problem["detail"] == f"Session {session} {words}. Send nothing more of it."
                assert problem.get("erased_at") == erased_at
        listed = lab.call("GET", "/v1/sessions", token="admin").get_json()["sessions"]
        assert listed == []
