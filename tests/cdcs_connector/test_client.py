"""The client tells what may succeed later from what never will."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any

import pytest

from cdcs_connector.client import CdcsSite, Published, RecordRefused, SiteUnavailable, StaleRecord
from scopeline.domain.errors import NotFound, ScopelineError

SESSION = "20181129-titanx-k4m7pa"
DONE = {"session": SESSION, "version": 2, "page": f"https://records.example/record/{SESSION}"}


class Answers:
    """A site that gives one prepared answer, and remembers what it was asked."""

    def __init__(self) -> None:
        self.status, self.kind, self.body, self.location = 200, "application/json", b"{}", ""
        self.asked: list[tuple[str, str, str | None, bytes]] = []

    def gives(self, status: int, body: Any, kind: str = "application/json") -> None:
        self.status, self.kind = status, kind
        self.body = body if isinstance(body, bytes) else json.dumps(body).encode()


@pytest.fixture
def answers() -> Iterator[tuple[Answers, CdcsSite]]:
    prepared = Answers()

    class Handler(BaseHTTPRequestHandler):
        def do_PUT(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            prepared.asked.append((self.command, self.path, self.headers.get("Authorization"), body))
            self.send_response(prepared.status)
            self.send_header("Content-Type", prepared.kind)
            self.send_header("Content-Length", str(len(prepared.body)))
            if prepared.location:
                self.send_header("Location", prepared.location)
            self.end_headers()
            self.wfile.write(prepared.body)

        do_DELETE = do_PUT

        def log_message(self, format: str, *args: Any) -> None:
            pass

    server = HTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield prepared, CdcsSite(f"http://127.0.0.1:{server.server_address[1]}/", "secret", timeout=10)
    server.shutdown()
    server.server_close()
    thread.join()


def test_a_record_is_put_with_the_token(answers: tuple[Answers, CdcsSite]) -> None:
    prepared, site = answers
    prepared.gives(201, DONE)
    done = site.put_record(SESSION, 2, "hash", "<Experiment>é</Experiment>".encode())
    assert done == Published(SESSION, 2, DONE["page"], created=True, unchanged=False)
    (method, path, token, body) = prepared.asked[0]
    assert (method, path, token) == ("PUT", f"/rest/scopeline/records/{SESSION}", "Token secret")
    assert json.loads(body) == {"version": 2, "input_hash": "hash", "xml": "<Experiment>é</Experiment>"}


def test_an_unchanged_record_is_told(answers: tuple[Answers, CdcsSite]) -> None:
    prepared, site = answers
    prepared.gives(200, {**DONE, "unchanged": True})
    assert site.put_record(SESSION, 3, "hash", "<x/>") == Published(SESSION, 2, DONE["page"], False, True)


@pytest.mark.parametrize(
    ("status", "body", "kind"),
    [
        (200, b"<html>Sign in</html>", "text/html"),
        (200, b"[]", "application/json"),
        (200, b"{", "application/json"),
        (200, {"session": SESSION}, "application/json"),
        (401, {"code": "unauthorised"}, "application/problem+json"),
        (403, b"<html>proxy</html>", "text/html"),
        (404, b"<html>not this host</html>", "text/html"),
        (429, {}, "application/problem+json"),
        (500, b"", "text/html"),
        (503, {"code": "not_initialised", "detail": "wait"}, "application/problem+json"),
    ],
)
def test_what_may_pass_is_transient(answers: tuple[Answers, CdcsSite], status: int, body: Any, kind: str) -> None:
    prepared, site = answers
    prepared.gives(status, body, kind)
    with pytest.raises(SiteUnavailable) as caught:
        site.put_record(SESSION, 1, "h", "<x/>")
    assert caught.value.transient


@pytest.mark.parametrize(
    ("status", "code", "error"),
    [
        (400, "invalid_record", RecordRefused),
        (409, "stale_version", StaleRecord),
        (413, "body_too_large", RecordRefused),
        (422, "invalid_body", RecordRefused),
        (403, "forbidden", ScopelineError),
        (404, "not_found", NotFound),
    ],
)
def test_what_never_passes_is_permanent_and_says_why(
    answers: tuple[Answers, CdcsSite], status: int, code: str, error: type[ScopelineError]
) -> None:
    prepared, site = answers
    prepared.gives(status, {"code": code, "detail": "line 3: no"}, "application/problem+json")
    with pytest.raises(error, match="line 3: no") as caught:
        site.put_record(SESSION, 1, "h", "<x/>")
    assert (caught.value.transient, caught.value.code) == (False, code)


def test_the_token_follows_no_redirect(answers: tuple[Answers, CdcsSite]) -> None:
    prepared, site = answers
    prepared.gives(307, b"")
    prepared.location = "/elsewhere"
    with pytest.raises(SiteUnavailable):
        site.put_record(SESSION, 1, "h", "<x/>")
    assert [path for _, path, _, _ in prepared.asked] == [f"/rest/scopeline/records/{SESSION}"]


def test_a_proxy_of_the_environment_is_not_asked_for_this_machine(
    answers: tuple[Answers, CdcsSite], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")
    prepared, site = answers
    prepared.gives(201, DONE)
    assert CdcsSite(site.url, "secret", timeout=5).put_record(SESSION, 2, "hash", "<x/>").created


def test_a_site_that_is_away_is_transient() -> None:
    with pytest.raises(SiteUnavailable):
        CdcsSite("http://127.0.0.1:9", "secret", timeout=2).put_record(SESSION, 1, "h", "<x/>")


def test_delete_tells_whether_there_was_a_record(answers: tuple[Answers, CdcsSite]) -> None:
    prepared, site = answers
    prepared.gives(204, b"")
    assert site.delete_record(SESSION) is True
    prepared.gives(404, {"code": "not_found", "detail": "none"}, "application/problem+json")
    assert site.delete_record(SESSION) is False
    assert [asked[0] for asked in prepared.asked] == ["DELETE", "DELETE"]


def test_an_address_that_is_none_is_refused() -> None:
    with pytest.raises(ValueError, match="expected http"):
        CdcsSite("file:///etc", "secret")


@pytest.mark.parametrize("status", [302, 400, 401, 404, 409, 422, 500])
def test_an_answer_that_shows_the_request_gives_no_token_away(answers: tuple[Answers, CdcsSite], status: int) -> None:
    prepared, site = answers
    prepared.gives(status, {"code": "Token secret", "detail": "You sent Authorization: Token secret."})
    with pytest.raises(ScopelineError) as raised:
        site.put_record(SESSION, 2, "hash", "<a/>")
    assert "secret" not in str(raised.value)
    assert "secret" not in raised.value.code
    prepared.gives(200, {"session": SESSION, "page": "/", "version": "Token secret"})
    with pytest.raises(SiteUnavailable) as nonsense:
        site.put_record(SESSION, 2, "hash", "<a/>")
    assert "secret" not in str(nonsense.value)
