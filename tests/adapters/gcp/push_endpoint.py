"""A function's stand-in: a small HTTP server on the loopback interface that Pub/Sub pushes to."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from scopeline.adapters.gcp.messages import PushedMessage, decode_push


@dataclass
class PushEndpoint:
    """What was pushed, in its order; `answer` chooses the status of each."""

    url: str
    answer: Callable[[PushedMessage], int]
    pushed: list[PushedMessage] = field(default_factory=list)
    arrived: threading.Condition = field(default_factory=threading.Condition)

    def wait_for(self, count: int, seconds: float = 30) -> list[PushedMessage]:
        """What was pushed, as soon as it is that many."""
        with self.arrived:
            assert self.arrived.wait_for(lambda: len(self.pushed) >= count, seconds), f"only {len(self.pushed)} came"
            return list(self.pushed)


@contextmanager
def push_endpoint(answer: Callable[[PushedMessage], int]) -> Iterator[PushEndpoint]:
    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            message = decode_push(dict(self.headers), body)
            status = answer(message)
            self.send_response(status)
            self.send_header("Content-Length", "0")
            self.end_headers()
            with endpoint.arrived:
                endpoint.pushed.append(message)
                endpoint.arrived.notify_all()

        def log_message(self, format: str, *args: object) -> None:
            """Tests tell what happened by what was pushed."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    endpoint = PushEndpoint(f"http://127.0.0.1:{server.server_address[1]}/", answer)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    try:
        yield endpoint
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
