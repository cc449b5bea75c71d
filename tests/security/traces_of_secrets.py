"""Looks for secrets in everything that a session left behind.

An edition takes part by a `Played`: what it can be asked, and the places where it keeps or says something.
"""

from __future__ import annotations

import base64
import io
import json
import logging
import sqlite3
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from werkzeug.test import Client as HttpClient
from werkzeug.test import TestResponse

from scopeline.logs import JsonLines, TextLines
from scopeline.services.backend import Backend

LOCAL_ID = "7d9f1f54-9d5a-4d0f-8f55-0d9ad0b7d3f1"
NOW = "2026-02-06T12:00:00.000000Z"
PUBLISHER = "publisherSecretWithoutAnyPrefix_0123456789abcdef"
SITE_ANSWERS = (500, 401, 409, 422, 302, 200)

Places = Mapping[str, Iterable[str | bytes]]


def find_secrets(places: Places, secrets: Mapping[str, str]) -> list[str]:
    """`{secret's name} in {place}: {surroundings}` for each secret that stands in a place, plain or in base64."""
    found = []
    for place, contents in places.items():
        for content in contents:
            data = content.encode("utf-8", "surrogateescape") if isinstance(content, str) else content
            for name, secret in secrets.items():
                for form in _forms(secret):
                    at = data.find(form)
                    if at >= 0:
                        found.append(f"{name} in {place}: {data[max(0, at - 60) : at + 20]!r}")
                        break
    return found


def _forms(secret: str) -> list[bytes]:
    """The secret as it is, and as it looks inside base64 at each of the three places where it can begin."""
    raw = secret.encode()
    # The first four characters may belong to what stands before it, the last four to what comes after.
    coded = [base64.b64encode(b"\0" * shift + raw)[4:-4] for shift in range(3)]
    return [raw, *(form for form in coded if len(form) >= 16)]


@dataclass
class Played:
    """An edition on which a session is played.

    `send` puts bytes to an upload address and answers with the status and body; `deliver` hands all events to their
    handlers with a site that fails, `erase` the ones of an erasure with a site that takes it; `places` gives what the
    edition keeps, by the name of the place. `own_troubles` is what can go wrong in this edition only.
    """

    backend: Backend
    http: HttpClient
    send: Callable[[str, bytes], tuple[int, str]]
    deliver: Callable[[], None]
    erase: Callable[[], None]
    places: Callable[[], Places]
    own_troubles: Callable[[Played], None] = lambda _played: None
    answers: list[str] = field(default_factory=list)
    secrets: dict[str, str] = field(default_factory=dict)

    def call(self, method: str, path: str, token: str | None, body: Any = None, **more: Any) -> TestResponse:
        """One call; what it answers is kept, unless it is what hands out a secret."""
        headers = {"Authorization": f"Bearer {self.secrets.get(token or '', token)}", **more.pop("headers", {})}
        if token is None:
            del headers["Authorization"]
        answer = self.http.open(path, method=method, json=body, headers=headers, buffered=True, **more)
        hands_out = answer.status_code == 302 or (answer.status_code, path) == (201, "/v1/uploads")
        if not hands_out:
            self.answers.append(f"{answer.headers} {answer.text}")
        return answer

    def ask_upload(self, path: str, size: int, name: str) -> dict[str, Any]:
        """Ask where a file's bytes go; what the answer hands out is known as `name`."""
        body = {
            "session": LOCAL_ID,
            "root": "data",
            "path": path,
            "size": size,
            "mtime": NOW,
            "first_seen": NOW,
            "key": path,
        }
        grant = self.call("POST", "/v1/uploads", "client", body).get_json()
        # The secret is the address's last part; the whole address would not be found where only that is told.
        self.secrets[name] = grant["upload_url"].rsplit("/", 1)[-1].rsplit("=", 1)[-1]
        return dict(grant)

    def searched(self) -> dict[str, list[str | bytes]]:
        """What stands in its places now."""
        return {name: list(contents) for name, contents in self.places().items()}


def files_below(folder: Path) -> Iterator[bytes]:
    """The bytes of every file."""
    for path in sorted(folder.rglob("*")):
        if path.is_file():
            yield path.read_bytes()


def rows_of(database: Path) -> Iterator[str]:
    """Every value of every table: a value that goes over several pages of the file is found only so."""
    with closing(sqlite3.connect(f"file:{database}?mode=ro", uri=True)) as connection:
        names = [name for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
        for name in names:
            for row in connection.execute(f"SELECT * FROM {name}"):
                yield json.dumps([value if isinstance(value, str | int | float) else repr(value) for value in row])


@contextmanager
def all_that_is_logged() -> Iterator[dict[str, io.StringIO]]:
    """What every logger says at DEBUG: in both forms, and as it is before anything is masked."""
    forms = {"log as text": TextLines(), "log as JSON": JsonLines("lab"), "log without masks": logging.Formatter()}
    root, own = logging.getLogger(), logging.getLogger("scopeline")
    heard = {name: io.StringIO() for name in forms}
    handlers = []
    for name, form in forms.items():
        handler = logging.StreamHandler(heard[name])
        handler.setFormatter(form)
        handlers.append(handler)
    before = root.level, own.level
    for handler in handlers:
        root.addHandler(handler)
    root.setLevel(logging.DEBUG)
    own.setLevel(logging.DEBUG)
    try:
        yield heard
    finally:
        for handler in handlers:
            root.removeHandler(handler)
        root.setLevel(before[0])
        own.setLevel(before[1])


@contextmanager
def echoing_site() -> Iterator[Callable[[int], str]]:
    """A web site that shows in its answers the whole request that it got; the call sets the status of its answers."""
    status = [500]

    class Handler(BaseHTTPRequestHandler):
        def do_PUT(self) -> None:
            self.rfile.read(int(self.headers.get("Content-Length") or 0))
            shown = f"You sent {dict(self.headers)!r} with {self.headers['Authorization']}"
            body = json.dumps({"code": self.headers["Authorization"], "detail": shown, "version": shown}).encode()
            self.send_response(status[0])
            self.send_header("Content-Type", "application/problem+json")
            self.send_header("Content-Length", str(len(body)))
            self.send_header("Location", "/" + self.headers["Authorization"].replace(" ", "/"))
            self.end_headers()
            self.wfile.write(body)

        do_DELETE = do_PUT

        def log_message(self, format: str, *args: Any) -> None:
            """Its own words are not the service's."""

    def answer_with(code: int) -> str:
        status[0] = code
        return f"http://127.0.0.1:{server.server_port}"

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        try:
            yield answer_with
        finally:
            server.shutdown()
            thread.join()
