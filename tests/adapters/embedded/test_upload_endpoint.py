from __future__ import annotations

import hashlib
import http.client
import io
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from urllib.parse import urlsplit

import waitress

from scopeline.adapters.embedded.recovery import recover
from scopeline.adapters.embedded.upload_endpoint import UploadEndpoint

NAME = "a.dm3"
UNIT = 256 * 1024


class WaitingBody:
    """A body whose bytes come when the test says so."""

    def __init__(self, data: bytes) -> None:
        self._stream = io.BytesIO(data)
        self.asked = threading.Event()
        self.go_on = threading.Event()

    def read(self, length: int) -> bytes:
        self.asked.set()
        assert self.go_on.wait(30)
        return self._stream.read(length)


def test_the_address_holds_a_secret_that_is_not_stored(opened: Any) -> None:
    url = opened.raw.create_upload(NAME, size=1, if_generation=0)
    secret = url.rsplit("/", 1)[-1]
    assert url == f"http://localhost/upload/{secret}"
    assert len(secret) >= 43
    opened.put(url, "bytes */1")
    stored = b"".join(path.read_bytes() for path in opened.folder.rglob("*") if path.is_file())
    assert secret.encode() not in stored
    assert hashlib.sha256(secret.encode()).hexdigest().encode() in stored


def test_an_upload_of_a_week_ago_is_gone(opened: Any) -> None:
    url = opened.raw.create_upload(NAME, size=1, if_generation=0)
    opened.clock.advance(days=7)
    status, _, body = opened.put(url, "bytes 0-0/1", b"x")
    assert (status, body["code"]) == (410, "upload_over")
    assert opened.put(url, "bytes */1")[0] == 404


def test_an_unknown_address_is_404(opened: Any) -> None:
    for path in ("none", "", "/", "%00", "é" * 50):
        status, headers, body = opened.put(f"http://localhost/upload/{path}", "bytes 0-0/1", b"x")
        assert (status, body["code"]) == (404, "unknown_upload")
        assert headers["Content-Type"] == "application/problem+json"


def test_another_method_is_405(opened: Any) -> None:
    url = opened.raw.create_upload(NAME, size=1, if_generation=0)
    status, headers, _ = opened.put(url, None, method="GET")
    assert (status, headers["Allow"]) == (405, "PUT")


def test_of_two_requests_at_once_one_is_told_to_wait(opened: Any) -> None:
    url = opened.raw.create_upload(NAME, size=3, if_generation=0)
    body, answers = WaitingBody(b"abc"), []
    first = threading.Thread(target=lambda: answers.append(opened.put(url, "bytes 0-2/3", b"abc", body=body)))
    first.start()
    assert body.asked.wait(30)
    for content_range, data in (("bytes */3", b""), ("bytes 0-2/3", b"xyz")):
        status, headers, problem = opened.put(url, content_range, data)
        assert (status, problem["code"], headers["Retry-After"]) == (503, "upload_busy", "1")
    body.go_on.set()
    first.join(30)
    assert answers[0][0] == 200
    with opened.raw.open(NAME, opened.raw.stat(NAME).generation) as source:
        assert source.read() == b"abc"


def test_an_upload_goes_on_after_a_restart_with_right_checksums(open_folder: Any) -> None:
    opened = open_folder()
    data = bytes(range(256)) * 3000
    url = opened.raw.create_upload(NAME, size=len(data), if_generation=0)
    assert opened.put(url, f"bytes 0-{UNIT - 1}/{len(data)}", data[:UNIT])[0] == 308
    opened.database.close()
    opened = open_folder()
    assert opened.put(url, f"bytes */{len(data)}")[1]["Range"] == f"bytes=0-{UNIT - 1}"
    status, _, body = opened.put(url, f"bytes {UNIT}-{len(data) - 1}/{len(data)}", data[UNIT:])
    assert status == 200
    assert opened.raw.stat(NAME).md5 == hashlib.md5(data).hexdigest()
    opened.database.close()
    assert open_folder().put(url, f"bytes */{len(data)}")[2] == body


def test_after_bytes_were_lost_from_the_disk_the_upload_is_over(opened: Any) -> None:
    for cut in (0, None):
        url = opened.raw.create_upload(NAME, size=2 * UNIT, if_generation=0)
        opened.put(url, f"bytes 0-{UNIT - 1}/{2 * UNIT}", b"a" * UNIT)
        (spool,) = (opened.folder / "raw" / "incoming").iterdir()
        if cut is None:
            spool.unlink()
        else:
            spool.write_bytes(b"")
        status, _, body = opened.put(url, f"bytes {UNIT}-{2 * UNIT - 1}/{2 * UNIT}", b"a" * UNIT)
        assert (status, body["code"]) == (410, "upload_over")
        assert opened.raw.stat(NAME) is None
        assert list((opened.folder / "raw" / "incoming").iterdir()) == []


def test_a_lost_precondition_leaves_nothing_behind(opened: Any) -> None:
    url = opened.raw.create_upload(NAME, size=3, if_generation=0)
    opened.raw.write(NAME, b"other")
    assert opened.put(url, "bytes 0-2/3", b"abc")[0] == 412
    assert list((opened.folder / "raw" / "incoming").iterdir()) == []
    assert opened.put(url, "bytes */3")[0] == 404


def test_a_finished_upload_whose_version_was_deleted_is_over(opened: Any) -> None:
    url = opened.raw.create_upload(NAME, size=3, if_generation=0)
    opened.put(url, "bytes 0-2/3", b"abc")
    opened.raw.delete(NAME, opened.raw.stat(NAME).generation)
    assert opened.put(url, "bytes */3")[0] == 410


def test_finished_uploads_leave_no_spool(opened: Any) -> None:
    for n in range(3):
        url = opened.raw.create_upload(f"{n}", size=n, if_generation=0)
        assert opened.put(url, f"bytes 0-{n - 1}/{n}" if n else "bytes */0", b"x" * n)[0] == 200
    assert list((opened.folder / "raw" / "incoming").iterdir()) == []


def test_a_failure_of_the_server_is_a_problem_document_and_the_upload_goes_on(open_folder: Any) -> None:
    failing = [True]

    def fail(point: str) -> None:
        if point == "object.row_written" and failing:
            failing.clear()
            raise KeyError("a bug")

    opened = open_folder(fault_point=fail)
    url = opened.raw.create_upload(NAME, size=3, if_generation=0)
    status, _, body = opened.put(url, "bytes 0-2/3", b"abc")
    assert (status, body["code"]) == (500, "internal_error")
    assert "bug" not in json.dumps(body)
    assert opened.raw.stat(NAME) is None
    assert opened.put(url, "bytes */3")[0] == 200


# ------------------------------------------------------------------------------------------- under a real WSGI server


@contextmanager
def served(opened: Any) -> Iterator[tuple[str, int]]:
    server = waitress.create_server(UploadEndpoint(opened.raw), host="127.0.0.1", port=0, threads=2)
    thread = threading.Thread(target=server.run)
    thread.start()
    try:
        yield "127.0.0.1", server.effective_port
    finally:
        # In the server's own thread: closed from another one, its loop would meet a socket that is gone. Under the
        # lock, because a pull that is on its way would close the trigger before this one.
        with server.trigger.lock:
            server.trigger.thunks.append(server.close)
            server.trigger.pull_trigger()
        thread.join(30)
        assert not thread.is_alive()
        server.task_dispatcher.shutdown()


def test_over_http(opened: Any) -> None:
    data = bytes(range(256)) * 5000
    path = urlsplit(opened.raw.create_upload(NAME, size=len(data), if_generation=0)).path
    with served(opened) as (host, port):
        connection = http.client.HTTPConnection(host, port, timeout=30)
        stored = 0
        while True:
            part = data[stored : stored + 2 * UNIT]
            content_range = f"bytes {stored}-{stored + len(part) - 1}/{len(data)}"
            connection.request("PUT", path, part, {"Content-Range": content_range})
            response = connection.getresponse()
            content = response.read()
            if response.status != 308:
                break
            assert response.reason == "Resume Incomplete"
            stored = int(response.headers["Range"].removeprefix("bytes=0-")) + 1
        assert response.status == 200
        assert json.loads(content)["size"] == str(len(data))
        connection.close()


def test_a_client_that_goes_away_in_the_middle_of_a_chunk_stores_nothing_of_it(opened: Any) -> None:
    size = 4 * UNIT
    path = urlsplit(opened.raw.create_upload(NAME, size=size, if_generation=0)).path
    with served(opened) as (host, port):
        broken = http.client.HTTPConnection(host, port, timeout=30)
        broken.putrequest("PUT", path)
        broken.putheader("Content-Range", f"bytes 0-{size - 1}/{size}")
        broken.putheader("Content-Length", str(size))
        broken.endheaders()
        broken.send(b"x" * (UNIT + 7))
        broken.close()
        again = http.client.HTTPConnection(host, port, timeout=30)
        again.request("PUT", path, b"", {"Content-Range": f"bytes */{size}"})
        response = again.getresponse()
        response.read()
        assert (response.status, response.headers["Range"]) == (308, None)
        again.request("PUT", path, b"y" * size, {"Content-Range": f"bytes 0-{size - 1}/{size}"})
        assert again.getresponse().status == 200
        again.close()
    assert opened.raw.stat(NAME).md5 == hashlib.md5(b"y" * size).hexdigest()


def test_an_upload_of_the_bytes_that_came_first_is_answered_with_their_version(opened: Any) -> None:
    first = opened.raw.create_upload("a.dm3", size=3, if_generation=0)
    second = opened.raw.create_upload("a.dm3", size=3, if_generation=0)
    assert opened.put(first, "bytes 0-2/3", b"abc")[0] == 200
    status, _, body = opened.put(second, "bytes 0-2/3", b"abc")
    stored = opened.raw.stat("a.dm3")
    assert (status, body["generation"]) == (200, str(stored.generation))
    assert opened.put(second, "bytes */3")[2]["generation"] == str(stored.generation)
    assert list((opened.folder / "raw" / "incoming").iterdir()) == []
    assert recover([opened.raw, opened.derived]) == []
