"""What the HTTP server refuses by itself is answered as a problem, and stands in the log."""

from __future__ import annotations

import json
import logging
import socket
import threading
from collections.abc import Iterator

import pytest
import waitress

from scopeline.local.problem_answers import ProblemChannel
from scopeline.local.process import end_loop

SECRET = "sl_0123456789ab_averysecretwordofatleasttwentycharacters"


@pytest.fixture
def port() -> Iterator[int]:
    """A server that takes no body of over 1,000 bytes and no headers of over 4,096."""
    listening = socket.create_server(("127.0.0.1", 0))
    connections: dict[int, object] = {}
    server = waitress.create_server(
        lambda _environ, start: start("204 No Content", []) or [b""],
        map=connections,
        sockets=[listening],
        max_request_body_size=1000,
        max_request_header_size=4096,
    )
    server.channel_class = ProblemChannel
    thread = threading.Thread(target=server.run)
    thread.start()
    yield listening.getsockname()[1]
    server.task_dispatcher.shutdown(timeout=5)
    end_loop(server, connections)
    thread.join()


@pytest.mark.parametrize(
    ("request_bytes", "status", "code"),
    [
        (f"GET /{SECRET} HTTP/1.1\r\nno header {SECRET}\r\n\r\n", 400, "bad_request"),
        (f"PUT /upload/{SECRET} HTTP/1.1\r\nContent-Length: 5000\r\n\r\n", 413, "body_too_large"),
        (f"GET / HTTP/1.1\r\nAuthorization: Bearer {SECRET * 100}\r\n\r\n", 431, "headers_too_large"),
        (f"PUT / HTTP/1.1\r\nTransfer-Encoding: {SECRET}\r\n\r\n", 501, "not_supported"),
    ],
)
def test_a_refusal_is_answered_and_logged_without_what_was_sent(
    port: int, caplog: pytest.LogCaptureFixture, request_bytes: str, status: int, code: str
) -> None:
    caplog.set_level(logging.DEBUG)
    with socket.create_connection(("127.0.0.1", port), timeout=10) as connection:
        connection.sendall(request_bytes.encode())
        answer = b""
        while piece := connection.recv(65536):
            answer += piece
    head, _, body = answer.partition(b"\r\n\r\n")
    assert head.startswith(f"HTTP/1.1 {status} ".encode()) or head.startswith(f"HTTP/1.0 {status} ".encode())
    assert json.loads(body)["code"] == code
    assert f"Refused a request before it was read: {status} {code}." in caplog.messages
    assert SECRET not in caplog.text
