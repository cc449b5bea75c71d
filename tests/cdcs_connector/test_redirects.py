"""Bytes that the API answers with a signed address of a bucket: the site fetches them, and the bucket sees no token."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

CONTENT = b"0123456789"


class Bucket(ThreadingHTTPServer):
    """Answers signed addresses as Cloud Storage does."""

    def __init__(self) -> None:
        self.asked: list[dict[str, str]] = []
        super().__init__(("127.0.0.1", 0), BucketHandler)


class BucketHandler(BaseHTTPRequestHandler):
    server: Bucket

    def do_GET(self) -> None:
        self.server.asked.append({name.lower(): value for name, value in self.headers.items()})
        part, status = CONTENT, 403 if "expired" in self.path else 200
        if wanted := self.headers["Range"]:
            first, _, last = wanted.removeprefix("bytes=").partition("-")
            part, status = CONTENT[int(first) : int(last) + 1], 206
        self.send_response(status)
        if status == 206:
            self.send_header("Content-Range", f"bytes {wanted.removeprefix('bytes=')}/{len(CONTENT)}")
        self.send_header("Content-Type", "image/png")
        self.send_header("Content-Length", str(len(part)))
        self.send_header("x-goog-generation", "5")
        self.end_headers()
        self.wfile.write(part)

    def log_message(self, *_arguments: object) -> None:
        return


@pytest.fixture
def bucket() -> Iterator[Bucket]:
    with Bucket() as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield server
        server.shutdown()
        thread.join()


@pytest.fixture
def record(put: Any, samples: Any, session_id: str) -> str:
    assert put(session_id, samples.record_xml(1, session=session_id)).status_code == 201
    return session_id


@pytest.fixture
def signed(api: Any, bucket: Bucket, record: str, monkeypatch: pytest.MonkeyPatch) -> Bucket:
    """The API answers for bytes with an address of the bucket."""
    address = f"http://127.0.0.1:{bucket.server_port}/raw/name?X-Goog-Signature=secret"
    monkeypatch.setattr(api, "_bytes", lambda *_asked: (302, {"Location": address}, b""))
    return bucket


def body(answer: Any) -> bytes:
    return b"".join(answer.streaming_content)


def test_a_content_comes_from_the_bucket_without_the_sites_token(browser: Any, samples: Any, signed: Bucket) -> None:
    answer = browser.get(f"/files/{samples.file_id(0)}/1/a.emd")
    assert (answer.status_code, body(answer)) == (200, CONTENT)
    assert "authorization" not in signed.asked[-1]
    assert "secret" not in str(answer.headers)


def test_a_part_of_it_can_be_asked_for(browser: Any, samples: Any, signed: Bucket) -> None:
    answer = browser.get(f"/files/{samples.file_id(0)}/1/a.emd", headers={"Range": "bytes=2-4"})
    assert (answer.status_code, body(answer)) == (206, b"234")
    assert answer.headers["Content-Range"] == "bytes 2-4/10"


def test_a_preview_comes_the_same_way(browser: Any, samples: Any, signed: Bucket) -> None:
    answer = browser.get(f"/files/{samples.file_id(0)}/1/0/preview")
    assert (answer.headers["Content-Type"], body(answer)) == ("image/png", CONTENT)
    assert "authorization" not in signed.asked[-1]


@pytest.mark.parametrize("port", [None, 9])
def test_an_address_that_does_not_answer_with_bytes_is_told_nowhere(
    browser: Any,
    api: Any,
    samples: Any,
    signed: Bucket,
    port: int | None,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    address = f"http://127.0.0.1:{port or signed.server_port}/expired?X-Goog-Signature=secret"
    monkeypatch.setattr(api, "_bytes", lambda *_asked: (302, {"Location": address}, b""))
    answer = browser.get(f"/files/{samples.file_id(0)}/1/a.emd")
    assert answer.status_code == 503
    assert b"secret" not in answer.content
    assert "secret" not in caplog.text
