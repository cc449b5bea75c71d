from __future__ import annotations

import errno
import json
from typing import Any

import pytest

from scopeline.domain.errors import ScopelineError, Unavailable

LOCAL_ID = "7d9f1f54-9d5a-4d0f-8f55-0d9ad0b7d3f1"


def problem_of(answer: Any) -> tuple[int, str]:
    """Status and code of an answer that must be a problem document."""
    assert answer.content_type == "application/problem+json"
    body = answer.get_json()
    assert body["status"] == answer.status_code
    assert body["type"] == "about:blank"
    assert body["title"]
    assert body["detail"]
    return answer.status_code, body["code"]


def send(lab: Any, data: bytes, content_type: str | None = "application/json", path: str = "/v1/sessions") -> Any:
    headers = {"Authorization": f"Bearer {lab.tokens['titan-pc']}"}
    return lab.http.post(path, data=data, content_type=content_type, headers=headers)


def test_unknown_addresses_and_methods_are_problems(module_lab: Any) -> None:
    assert problem_of(module_lab.call("GET", "/nothing")) == (404, "not_found")
    assert problem_of(module_lab.call("GET", "//v1/me")) == (404, "not_found")
    assert problem_of(module_lab.call("GET", "/v1/me/")) == (404, "not_found")
    wrong = module_lab.call("PUT", "/v1/sessions/abc")
    assert problem_of(wrong) == (405, "method_not_allowed")
    assert {"DELETE", "GET", "PATCH"} <= set(wrong.headers["Allow"].split(", "))


def test_what_is_not_built_is_not_routed(module_lab: Any) -> None:
    for method, path in (
        ("GET", "/v1/schedule?instrument=titan"),
        ("POST", "/v1/files/assign"),
        ("GET", f"/v1/sessions/{LOCAL_ID}/ro-crate.zip"),
        ("POST", "/v1/failures/1/replay"),
    ):
        assert module_lab.call(method, path, {}, token="admin").status_code in (404, 405)


@pytest.mark.parametrize(
    ("data", "content_type", "expected"),
    [
        (b"{}", "text/plain", (415, "unsupported_media_type")),
        (b"{}", None, (415, "unsupported_media_type")),
        (b"{}", "application/json; charset=latin-1", (415, "unsupported_media_type")),
        (b"{}", "application/json; charset=UTF-8", (422, "invalid_body")),
        (b"", "application/json", (400, "invalid_json")),
        (b"{", "application/json", (400, "invalid_json")),
        (b'{"a": NaN}', "application/json", (400, "invalid_json")),
        (b'{"a": -Infinity}', "application/json", (400, "invalid_json")),
        (b'{"a": 1e999}', "application/json", (400, "invalid_json")),
        (b'{"a": ' + b"9" * 5000 + b"}", "application/json", (400, "invalid_json")),
        (b'{"a": "\xff"}', "application/json", (400, "invalid_json")),
        (b"[" * 100 + b"]" * 100, "application/json", (400, "invalid_json")),
        (b"[" * 200_000, "application/json", (400, "invalid_json")),
        (b"[]", "application/json", (422, "invalid_body")),
        (b" " * (1024 * 1024 + 1), "application/json", (413, "body_too_large")),
    ],
)
def test_bodies_that_are_not_json_of_the_right_form(
    module_lab: Any, data: bytes, content_type: str | None, expected: tuple[int, str]
) -> None:
    assert problem_of(send(module_lab, data, content_type)) == expected


def test_wrong_fields_are_listed_with_what_is_expected(lab: Any) -> None:
    answer = lab.call("POST", "/v1/sessions", {"local_id": "x", "instrument": "titan", "at": "yesterday", "sent": 5})
    assert problem_of(answer) == (422, "invalid_body")
    errors = {error["field"]: error for error in answer.get_json()["errors"]}
    assert set(errors) == {"local_id", "at", "sent"}
    assert errors["at"]["found"] == "'yesterday'"
    assert "2026-02-06T12:00:00+01:00" in errors["at"]["expected"]


@pytest.mark.parametrize("moment", ["2026-02-06T12:00:00", "2026-02-30T12:00:00Z", "0001-01-01T00:00:00+14:00", "1"])
def test_a_moment_needs_an_offset_and_a_possible_date(module_lab: Any, moment: str) -> None:
    assert problem_of(module_lab.start(at=moment)) == (422, "invalid_body")


def test_stores_that_cannot_answer_now_are_503_with_retry_after(lab: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise Unavailable("The catalog cannot be reached.")

    monkeypatch.setattr(lab.backend.catalog, "count", refuse)
    ready = lab.call("GET", "/readyz", token=None)
    assert problem_of(ready) == (503, "unavailable")
    assert int(ready.headers["Retry-After"]) > 0
    assert lab.call("GET", "/healthz", token=None).status_code == 200


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (Unavailable("Full.", code="disk_full", status=507), (507, "disk_full")),
        (OSError(errno.ENOSPC, "No space left on device"), (507, "disk_full")),
        (OSError(errno.EIO, "secret path /data"), (500, "internal_error")),
        (ZeroDivisionError("secret detail"), (500, "internal_error")),
        (ScopelineError("The database is damaged.", code="database_damaged"), (500, "database_damaged")),
    ],
)
def test_errors_inside_tell_no_internals(
    lab: Any, monkeypatch: pytest.MonkeyPatch, error: Exception, expected: tuple[int, str]
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise error

    lab.start()
    monkeypatch.setattr(lab.backend.raw, "create_upload", fail)
    answer = lab.call("POST", "/v1/uploads", lab.upload_body())
    assert problem_of(answer) == expected
    text = answer.get_data(as_text=True)
    assert "secret" not in text
    assert "Traceback" not in text


@pytest.mark.parametrize(
    ("code", "detail"),
    [
        ("google_unavailable", "A store of the service does not answer now."),
        ("not_permitted", "The service cannot use one of its stores as it was set up."),
        ("no_bucket", "The service cannot use one of its stores as it was set up."),
    ],
)
def test_a_clouds_own_words_are_for_the_log(
    lab: Any, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, code: str, detail: str
) -> None:
    words = "Storing bucket-of-us/a.dm3 failed: ServiceUnavailable: POST http://inside:4443/upload. Try again."

    def fail(*_: object, **__: object) -> None:
        raise Unavailable(words, code=code)

    lab.start()
    monkeypatch.setattr(lab.backend.raw, "create_upload", fail)
    answer = lab.call("POST", "/v1/uploads", lab.upload_body())
    assert problem_of(answer) == (503, code)
    assert answer.get_json()["detail"].startswith(detail)
    assert "inside" not in answer.get_data(as_text=True)
    assert int(answer.headers["Retry-After"]) > 0
    assert f"{code}: {words}" in caplog.text


def test_what_the_local_editions_disk_says_is_told(lab: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    words = "Writing raw/a.dm3: the folder may not be written. Mount it for writing."

    def fail(*_: object, **__: object) -> None:
        raise Unavailable(words, code="read_only")

    lab.start()
    monkeypatch.setattr(lab.backend.raw, "create_upload", fail)
    assert lab.call("POST", "/v1/uploads", lab.upload_body()).get_json()["detail"] == words


def test_every_answer_has_a_date_and_is_not_sniffed(lab: Any) -> None:
    for path in ("/healthz", "/v1/me", "/nothing"):
        headers = lab.call("GET", path).headers
        assert headers["Date"].endswith("GMT")
        assert headers["X-Content-Type-Options"] == "nosniff"


def test_head_and_options_are_plain(lab: Any) -> None:
    head = lab.call("HEAD", "/v1/me")
    assert (head.status_code, head.data) == (200, b"")
    options = lab.call("OPTIONS", "/v1/uploads", token=None)
    assert (options.status_code, set(options.headers["Allow"].split(", "))) == (200, {"POST", "OPTIONS"})


def test_a_parameter_given_twice_is_refused(lab: Any) -> None:
    assert problem_of(lab.call("GET", "/v1/sessions?limit=5&limit=6")) == (422, "invalid_body")


def test_no_answer_repeats_the_token(lab: Any) -> None:
    token = lab.tokens["titan-pc"]
    for path in ("/v1/me", "/v1/sessions", "/v1/failures"):
        assert token.split("_", 2)[2] not in json.dumps(lab.call("GET", path).get_data(as_text=True))
    wrong = lab.call("GET", "/v1/me", token=token + "x")
    assert token not in wrong.get_data(as_text=True)
