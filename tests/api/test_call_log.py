"""What the log says of calls, and what it never says."""

from __future__ import annotations

import hashlib
import io
import json
import logging
import re
from typing import Any

import pytest

from scopeline.api.call_log import safe_path
from scopeline.logs import JsonLines

LOCAL_ID = "7d9f1f54-9d5a-4d0f-8f55-0d9ad0b7d3f1"
SECRET = "averysecretwordofatleasttwentycharacters"


@pytest.fixture(autouse=True)
def heard(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "scopeline")


def test_a_refused_call_is_one_line_with_who_called_and_no_query(lab: Any, caplog: pytest.LogCaptureFixture) -> None:
    answer = lab.call("GET", "/v1/failures?cursor=hidden")
    assert answer.status_code == 403
    (line,) = caplog.messages
    token = lab.tokens["titan-pc"].split("_")[1]
    assert re.fullmatch(rf"Refused GET /v1/failures: 403 forbidden, token {token}, \d+\.\d\d\d s\.", line)


def test_a_known_client_is_named(lab: Any, caplog: pytest.LogCaptureFixture) -> None:
    lab.call("GET", "/v1/sessions/20260206-titan-aaaaaa")
    assert "404 " in caplog.messages[0]
    assert " of client titan-pc, " in caplog.messages[0]


@pytest.mark.parametrize(
    "token", [f"sl_0123456789ab_{SECRET}", f"sl_{SECRET}_{SECRET}", SECRET, f"0123456789ab_{SECRET}"]
)
def test_no_part_of_a_secret_is_told(lab: Any, caplog: pytest.LogCaptureFixture, token: str) -> None:
    assert lab.call("GET", "/v1/me", token=token).status_code == 401
    assert lab.call("GET", f"/v1/me?token={token}", token=None).status_code == 401
    assert lab.call("GET", f"/v1/files/sl_0123456789ab_{SECRET}", token=token).status_code == 401
    assert len(caplog.messages) == 3
    assert SECRET not in caplog.text


def test_a_change_is_told_and_a_read_only_to_who_looks_closely(lab: Any, caplog: pytest.LogCaptureFixture) -> None:
    assert lab.call("GET", "/v1/me").status_code == 200
    assert caplog.messages == []
    token = lab.tokens["titan-pc"].split("_")[1]
    assert lab.start().status_code == 201
    assert re.fullmatch(
        rf"POST /v1/sessions: 201, token {token} of client titan-pc, \d+\.\d\d\d s\.", caplog.messages[-1]
    )
    caplog.set_level(logging.DEBUG, "scopeline")
    lab.call("GET", "/v1/me")
    assert caplog.messages[-1].startswith("GET /v1/me: 200, ")


def test_all_that_is_logged_of_a_call_says_session_file_and_trace(lab: Any) -> None:
    caught = io.StringIO()
    handler = logging.StreamHandler(caught)
    handler.setFormatter(JsonLines("lab"))
    logging.getLogger().addHandler(handler)
    try:
        trace = {"traceparent": f"00-{'ab' * 16}-{'cd' * 8}-01"}
        lab.call("GET", "/v1/sessions/20260206-titan-aaaaaa", **trace)
        lab.call("GET", f"/v1/files/{'a' * 24}/content", token="admin", X_Cloud_Trace_Context=f"{'ef' * 16}/17;o=1")
    finally:
        logging.getLogger().removeHandler(handler)
    first, second = map(json.loads, caught.getvalue().splitlines())
    assert first["logging.googleapis.com/labels"] == {"call": "get_session", "session": "20260206-titan-aaaaaa"}
    assert first["logging.googleapis.com/trace"] == f"projects/lab/traces/{'ab' * 16}"
    assert second["logging.googleapis.com/labels"] == {"call": "content", "file": "a" * 24}
    assert second["logging.googleapis.com/spanId"] == f"{17:016x}"


def labels_of(lab: Any, *calls: tuple[str, str, Any]) -> list[dict[str, str]]:
    """What the lines of these calls are about."""
    caught = io.StringIO()
    handler = logging.StreamHandler(caught)
    handler.setFormatter(JsonLines("lab"))
    logging.getLogger().addHandler(handler)
    try:
        for method, path, body in calls:
            lab.call(method, path, body)
    finally:
        logging.getLogger().removeHandler(handler)
    return [json.loads(line)["logging.googleapis.com/labels"] for line in caught.getvalue().splitlines()]


def test_the_log_of_a_session_is_found_by_its_id_whatever_a_logger_calls_it(lab: Any) -> None:
    session = lab.start().get_json()["id"]
    upload = lab.call("POST", "/v1/uploads", lab.upload_body()).get_json()
    generation = lab.store(upload["object"])
    confirmed = {
        "object": upload["object"],
        "generation": generation,
        "size": 5,
        "md5": hashlib.md5(b"hello").hexdigest(),
    }
    announced = {"files": [{"root": "data", "path": "b.dm3", "size": 5, "mtime": lab.moment()}]}
    about_session = {"session": session}
    about_file = {**about_session, "file": upload["file"]}
    assert labels_of(
        lab,
        ("POST", "/v1/uploads", lab.upload_body()),
        ("POST", "/v1/uploads/confirm", confirmed),
        ("POST", "/v1/uploads/confirm", {**confirmed, "size": 6}),
        ("POST", "/v1/uploads", lab.upload_body(session=session, root="nothing")),
        ("POST", f"/v1/sessions/{LOCAL_ID}/files", announced),
        ("POST", f"/v1/sessions/{LOCAL_ID}/end", {"at": lab.moment(), "sent": lab.moment()}),
        (
            "POST",
            "/v1/sessions",
            {"local_id": LOCAL_ID, "instrument": "titan", "at": lab.moment(), "sent": lab.moment()},
        ),
    ) == [
        {"call": "upload", **about_file},
        {"call": "confirm", **about_file},
        {"call": "confirm", **about_file},
        {"call": "upload"},
        {"call": "announce", **about_session},
        # "END of session ..." is a line of its own.
        {"call": "end", **about_session},
        {"call": "end", **about_session},
        {"call": "start", **about_session},
    ]


def test_a_file_that_is_sent_without_a_session_is_found_by_its_id_and_by_the_session_that_takes_it(lab: Any) -> None:
    (alone,) = labels_of(lab, ("POST", "/v1/uploads", lab.upload_body(session=None)))
    assert alone == {"call": "upload", "file": alone["file"]}
    lab.clock.forward(minutes=1)
    session = lab.start().get_json()["id"]
    lab.clock.forward(minutes=1)
    (taken,) = labels_of(lab, ("POST", "/v1/uploads", lab.upload_body("b.dm3", session=None, key="key-2")))
    assert taken == {"call": "upload", "file": taken["file"], "session": session}


def test_an_unexpected_error_is_told_with_its_traceback(
    lab: Any, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(_probes: object) -> None:
        raise RuntimeError("broken")

    monkeypatch.setattr("scopeline.services.health.StoreProbes.ask", fail)
    assert lab.call("GET", "/readyz").status_code == 500
    assert [record.levelname for record in caplog.records] == ["ERROR", "ERROR"]
    assert "RuntimeError: broken" in caplog.text
    token = lab.tokens["titan-pc"].split("_")[1]
    assert re.match(
        rf"Refused GET /readyz: 500 internal_error, token {token}, [0-9.]+ s\. The server met", caplog.messages[1]
    )


@pytest.mark.parametrize(
    ("path", "told"),
    [
        ("/v1/files/abc", "/v1/files/abc"),
        (f"/upload/{SECRET}", "/upload/..."),
        (f"/Upload/{SECRET}", "/Upload/..."),
        (f"/v1/sl_0123456789ab_{SECRET}/x", "/v1/.../x"),
        ("/v1/a\nINFO faked\x1b[2J", "/v1/a?INFO faked?[2J"),
        ("/" + "x" * 300, "/" + "x" * 199),
    ],
)
def test_a_path_is_one_short_line_without_secrets(path: str, told: str) -> None:
    assert safe_path(path) == told
