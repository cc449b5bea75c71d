from __future__ import annotations

from typing import Any
from urllib.parse import quote

import pytest

from scopeline.domain.sessions import Session

LOCAL_ID = "7d9f1f54-9d5a-4d0f-8f55-0d9ad0b7d3f1"


def correct(lab: Any, body: dict[str, Any], path: str = "", etag: str | None = "*", person: str = "ada") -> Any:
    headers = {"If_Match": etag} if etag is not None else {}
    path = f"/v1/sessions/{LOCAL_ID}{path}"
    return lab.call("PATCH", path, body, token="site", X_Scopeline_User=person, **headers)


def test_a_correction_changes_what_it_names_and_keeps_who_why_and_what_was(lab: Any) -> None:
    lab.start(title="Glod", people=[{"person": "Ada"}])
    answer = correct(lab, {"reason": "typo", "title": "Gold", "project": {"name": "P"}}, person=quote("Åsa"))
    session = answer.get_json()
    assert (session["title"], session["project"]["name"], len(session["people"])) == ("Gold", "P", 1)
    stored = lab.backend.catalog.get(Session, f"sessions/{session['id']}")
    (kept,) = stored.document.corrections
    assert (kept.who, kept.reason, kept.before) == ("Åsa", "typo", {"title": "Glod", "project": None})
    assert answer.headers["ETag"] == f'"{stored.revision}"'


def test_a_correction_names_the_revision_that_it_corrects(lab: Any) -> None:
    lab.start()
    missing = correct(lab, {"reason": "r", "title": "A"}, etag=None)
    assert (missing.status_code, missing.get_json()["code"]) == (428, "if_match_missing")
    seen = lab.call("GET", f"/v1/sessions/{LOCAL_ID}", token="site").headers["ETag"]
    assert correct(lab, {"reason": "r", "title": "A"}, etag=seen).status_code == 200
    stale = correct(lab, {"reason": "r", "title": "B"}, etag=seen)
    assert (stale.status_code, stale.get_json()["code"]) == (412, "precondition_failed")


def test_a_correction_without_a_reason_is_refused(lab: Any) -> None:
    lab.start()
    for body in ({"title": "A"}, {"title": "A", "reason": " "}):
        assert correct(lab, body).get_json()["code"] == "invalid_body"


def test_edits_are_added_to_the_overlay_with_their_author(lab: Any) -> None:
    lab.start()
    grant = lab.call("POST", "/v1/uploads", lab.upload_body()).get_json()
    lab.read(grant["object"])
    empty = lab.call("GET", f"/v1/sessions/{LOCAL_ID}/overlay", token="site")
    assert (empty.get_json()["edits"], empty.headers["ETag"]) == ([], '"0"')
    rating = {"target": f"{grant['file']}.0", "field": "rating", "value": 5, "reason": "sharp"}
    first = correct(lab, {"edits": [rating]}, "/overlay", empty.headers["ETag"])
    assert first.status_code == 200
    second = correct(
        lab, {"edits": [{"target": "session", "field": "title", "value": "Gold"}]}, "/overlay", first.headers["ETag"]
    )
    edits = second.get_json()["edits"]
    assert [(edit["target"], edit["value"], edit["who"]) for edit in edits] == [
        (f"{grant['file']}.0", 5, "ada"),
        ("session", "Gold", "ada"),
    ]
    assert correct(lab, {"edits": [rating]}, "/overlay", first.headers["ETag"]).status_code == 412
    assert correct(lab, {"edits": [rating]}, "/overlay", '"0"').status_code == 412


@pytest.mark.parametrize(
    ("target", "field", "value", "code"),
    [
        ("session", "state", "open", "unknown_field"),
        ("session", "title", 5, "invalid_edit"),
        ("a" * 24 + ".0", "rating", 5, "not_found"),
        ("{file}.7", "rating", 5, "unknown_target"),
        ("{file}.0", "rating", 6, "invalid_edit"),
        ("{file}.0", "rating", {"a": 1}, "invalid_body"),
    ],
)
def test_edits_that_no_record_could_show_are_refused(lab: Any, target: str, field: str, value: Any, code: str) -> None:
    lab.start()
    grant = lab.call("POST", "/v1/uploads", lab.upload_body()).get_json()
    lab.read(grant["object"])
    edit = {"target": target.replace("{file}", grant["file"]), "field": field, "value": value}
    assert correct(lab, {"edits": [edit]}, "/overlay").get_json()["code"] == code
    assert lab.call("GET", f"/v1/sessions/{LOCAL_ID}/overlay", token="site").get_json()["edits"] == []
