"""A web site on loopback that takes records as the CDCS site does, or answers as a troubled one."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from cdcs_connector.client import CdcsSite

SECRET = "publisher-secret-of-the-test"

TROUBLES = {
    "401": (401, "application/problem+json", b'{"code": "token_invalid", "detail": "No such token."}'),
    "429": (429, "application/problem+json", b'{"code": "slow_down", "detail": "Too many requests."}'),
    "500": (500, "text/html", b"<h1>Server Error (500)</h1>"),
    "html with 200": (200, "text/html", b"<html>Please sign in</html>"),
    "redirect": (302, "text/html", b""),
}


class HttpSite:
    """`RecordSite` through the real client; `trouble` names one of `TROUBLES`, or `down`."""

    def __init__(self, server: ThreadingHTTPServer) -> None:
        self.records: dict[str, tuple[int, str, bytes]] = {}
        self.requests = 0
        self.trouble: str | None = None
        self._client = CdcsSite(f"http://127.0.0.1:{server.server_port}", SECRET, timeout=5)
        self._nowhere = CdcsSite("http://127.0.0.1:1", SECRET, timeout=5)

    def put_record(self, session: str, version: int, input_hash: str, xml: bytes) -> object:
        """See `RecordSite`."""
        client = self._nowhere if self.trouble == "down" else self._client
        return client.put_record(session, version, input_hash, xml)

    def delete_record(self, session: str) -> bool:
        """See `RecordSite`."""
        return self._client.delete_record(session)


@contextmanager
def http_site() -> Iterator[HttpSite]:
    """The site, for as long as the context lasts."""

    class Handler(BaseHTTPRequestHandler):
        def do_PUT(self) -> None:
            site.requests += 1
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            if site.trouble is not None:
                self._answer(*TROUBLES[site.trouble])
                return
            session = self.path.rsplit("/", 1)[-1]
            if self.headers["Authorization"] != f"Token {SECRET}":
                self._answer(*TROUBLES["401"])
                return
            site.records[session] = (body["version"], body["input_hash"], body["xml"].encode())
            answer = {"session": session, "version": body["version"], "page": f"/record/{session}"}
            self._answer(201, "application/json", json.dumps(answer).encode())

        def _answer(self, status: int, kind: str, body: bytes) -> None:
            self.send_response(status)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(body)))
            self.send_header("Location", "http://127.0.0.1:1/elsewhere")
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *args: Any) -> None:
            """Nothing is said on the terminal."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        site = HttpSite(server)
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        try:
            yield site
        finally:
            server.shutdown()
            thread.join()
