"""Resumable uploads, as Cloud Storage documents and does them."""

from __future__ import annotations

import base64
import hashlib
import os
import socket
from typing import Any
from urllib.parse import quote, urlsplit

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

UNIT = 256 * 1024


def open_session(http, bucket, name: str = "file.dm4", *, metadata: Any = None, **query: Any) -> str:
    answer = http.post(
        f"/upload/storage/v1/b/{bucket.name}/o",
        params={"uploadType": "resumable", "name": name, **query},
        json={"name": name, "contentType": "application/x-dm4", **(metadata or {})},
    )
    assert answer.status_code == 200, answer.text
    return answer.headers["Location"]


def send(http, url: str, content: bytes, first: int, total: int | str = "*", **headers: str):
    span = f"bytes {first}-{first + len(content) - 1}/{total}"
    return http.put(url, data=content, headers={"Content-Range": span, **headers})


def ask(http, url: str, total: int | str = "*"):
    return http.put(url, headers={"Content-Range": f"bytes */{total}", "Content-Length": "0"})


def stored(answer) -> int:
    """How many bytes a 308 says are there."""
    assert answer.status_code == 308, answer.text
    said = answer.headers.get("Range")
    return int(said.removeprefix("bytes=0-")) + 1 if said else 0


def test_status_before_any_byte_names_no_range(http, bucket) -> None:
    answer = ask(http, open_session(http, bucket), 3 * UNIT)
    assert answer.status_code == 308
    assert "Range" not in answer.headers


def test_status_names_what_arrived_and_stores_no_object(http, bucket) -> None:
    url = open_session(http, bucket)
    assert stored(send(http, url, bytes(UNIT), 0, 3 * UNIT)) == UNIT
    for total in ("*", 3 * UNIT):
        assert stored(ask(http, url, total)) == UNIT
    assert bucket.get_blob("file.dm4") is None


def test_chunks_become_one_object_with_the_sessions_type_and_metadata(http, bucket) -> None:
    content = os.urandom(2 * UNIT + 77)
    url = open_session(http, bucket, metadata={"metadata": {"session": "s-1"}})
    assert stored(send(http, url, content[:UNIT], 0, len(content))) == UNIT
    assert stored(send(http, url, content[UNIT : 2 * UNIT], UNIT, len(content))) == 2 * UNIT
    done = send(http, url, content[2 * UNIT :], 2 * UNIT, len(content), **{"Content-Type": "text/plain"})
    assert done.status_code == 200
    blob = bucket.get_blob("file.dm4")
    assert blob.download_as_bytes() == content
    assert blob.md5_hash == base64.b64encode(hashlib.md5(content).digest()).decode() == done.json()["md5Hash"]
    assert (blob.content_type, blob.metadata) == ("application/x-dm4", {"session": "s-1"})


def test_whole_file_in_one_request_needs_no_range(http, bucket) -> None:
    assert http.put(open_session(http, bucket), data=b"all of it").json()["size"] == "9"


def test_repeated_chunk_is_not_stored_twice(http, bucket) -> None:
    content = os.urandom(2 * UNIT)
    url = open_session(http, bucket)
    for _ in range(3):
        assert stored(send(http, url, content[:UNIT], 0, len(content))) == UNIT
    assert send(http, url, content[UNIT:], UNIT, len(content)).status_code == 200
    assert bucket.blob("file.dm4").download_as_bytes() == content


def test_gap_is_refused_in_words_of_its_own_and_changes_nothing(http, bucket) -> None:
    url = open_session(http, bucket)
    send(http, url, bytes(UNIT), 0, 4 * UNIT)
    answer = send(http, url, bytes(UNIT), 2 * UNIT, 4 * UNIT)
    assert answer.status_code == 503
    assert answer.headers["Content-Type"].startswith("text/plain")
    assert f"exceeds already uploaded size of {UNIT} byte(s)" in answer.text
    assert stored(ask(http, url)) == UNIT


@pytest.mark.parametrize("total", ["*", 2 * UNIT])
def test_status_of_a_finished_upload_is_the_object(http, bucket, total: int | str) -> None:
    url = open_session(http, bucket)
    done = send(http, url, bytes(2 * UNIT), 0, 2 * UNIT)
    again = ask(http, url, total)
    assert again.status_code == 200
    assert again.json() == done.json()
    assert again.json()["generation"] == str(bucket.get_blob("file.dm4").generation)


def test_repeated_last_chunk_is_answered_with_the_same_object(http, bucket) -> None:
    url = open_session(http, bucket, ifGenerationMatch=0)
    done = send(http, url, b"end", 0, 3)
    assert send(http, url, b"end", 0, 3).json() == done.json()


def test_precondition_is_checked_at_the_end_and_ends_the_session(http, bucket) -> None:
    url = open_session(http, bucket, ifGenerationMatch=0)
    bucket.blob("file.dm4").upload_from_string(b"came first")
    assert stored(send(http, url, bytes(UNIT), 0, 2 * UNIT)) == UNIT
    refused = send(http, url, bytes(UNIT), UNIT, 2 * UNIT)
    assert refused.status_code == 412
    assert refused.json()["error"]["errors"][0]["reason"] == "conditionNotMet"
    assert ask(http, url).status_code == 404
    assert bucket.blob("file.dm4").download_as_bytes() == b"came first"


def test_of_two_sessions_for_one_new_name_the_first_to_end_wins(http, bucket) -> None:
    first, second = (open_session(http, bucket, ifGenerationMatch=0) for _ in range(2))
    assert send(http, second, b"second", 0, 6).status_code == 200
    assert send(http, first, b"first", 0, 5).status_code == 412


def test_of_a_chunk_whole_units_are_kept(http, bucket) -> None:
    content = os.urandom(3 * UNIT)
    url = open_session(http, bucket)
    assert stored(send(http, url, content[: 2 * UNIT - 1], 0, len(content))) == UNIT
    assert send(http, url, content[UNIT:], UNIT, len(content)).status_code == 200
    assert bucket.blob("file.dm4").download_as_bytes() == content


def test_chunk_below_a_unit_that_is_not_the_last_is_refused(http, bucket) -> None:
    url = open_session(http, bucket)
    assert send(http, url, bytes(1000), 0, 5 * UNIT).status_code == 400
    assert stored(ask(http, url)) == 0


def test_chunk_with_fewer_bytes_than_its_range_is_refused(http, bucket) -> None:
    url = open_session(http, bucket)
    answer = http.put(url, data=b"short", headers={"Content-Range": "bytes 0-9/10"})
    assert answer.status_code == 400
    assert bucket.get_blob("file.dm4") is None


def test_of_a_cut_connection_whole_units_are_kept(http, bucket) -> None:
    content = os.urandom(3 * UNIT)
    url = open_session(http, bucket)
    address = urlsplit(url)
    with socket.create_connection((address.hostname, address.port), timeout=30) as line:
        line.sendall(
            f"PUT {address.path}?{address.query} HTTP/1.1\r\nHost: {address.netloc}\r\n"
            f"Content-Length: {len(content)}\r\n"
            f"Content-Range: bytes 0-{len(content) - 1}/{len(content)}\r\n\r\n".encode()
        )
        line.sendall(content[: UNIT + 5000])
        # The end of what we send; the emulator then knows that the rest does not come, and closes.
        line.shutdown(socket.SHUT_WR)
        while line.recv(65536):
            pass
    assert stored(ask(http, url)) == UNIT
    assert send(http, url, content[UNIT:], UNIT, len(content)).status_code == 200
    assert bucket.blob("file.dm4").download_as_bytes() == content


def test_stream_of_unknown_length_ends_with_its_total(http, bucket) -> None:
    url = open_session(http, bucket)
    assert stored(send(http, url, bytes(UNIT), 0)) == UNIT
    assert ask(http, url, UNIT).json()["size"] == str(UNIT)


def test_empty_file_ends_at_its_total(http, bucket) -> None:
    assert ask(http, open_session(http, bucket), 0).json()["size"] == "0"


@pytest.mark.parametrize("name", ["md5", "crc32c"])
def test_wrong_checksum_at_the_end_stores_nothing(http, bucket, name: str) -> None:
    url = open_session(http, bucket)
    assert send(http, url, b"bytes", 0, 5, **{"X-Goog-Hash": f"{name}=AAAAAA=="}).status_code == 400
    assert bucket.get_blob("file.dm4") is None
    assert ask(http, url).status_code == 404


def test_right_checksums_at_the_end_are_accepted(http, bucket) -> None:
    md5 = base64.b64encode(hashlib.md5(b"123456789").digest()).decode()
    # The check value of CRC-32C is e3069283.
    crc = base64.b64encode(bytes.fromhex("e3069283")).decode()
    answer = send(http, open_session(http, bucket), b"123456789", 0, 9, **{"X-Goog-Hash": f"crc32c={crc},md5={md5}"})
    assert answer.status_code == 200
    assert (answer.json()["crc32c"], answer.json()["md5Hash"]) == (crc, md5)


def test_wrong_checksum_of_the_start_is_found_after_several_chunks(http, bucket) -> None:
    url = open_session(http, bucket, metadata={"md5Hash": base64.b64encode(bytes(16)).decode()})
    assert stored(send(http, url, bytes(UNIT), 0, UNIT + 1)) == UNIT
    assert send(http, url, b"x", UNIT, UNIT + 1).status_code == 400
    assert bucket.get_blob("file.dm4") is None


def test_cancelled_session_takes_nothing_more(http, bucket) -> None:
    url = open_session(http, bucket)
    assert http.delete(url).status_code == 499
    assert send(http, url, b"x", 0, 1).status_code == 404


@pytest.mark.parametrize("span", ["bytes 5-3/10", "bytes 0-10/10", "bytes", "0-3/4", "bytes a-b/c", "bytes -3-4/9"])
def test_range_that_makes_no_sense_is_refused(http, bucket, span: str) -> None:
    assert http.put(open_session(http, bucket), data=b"abcd", headers={"Content-Range": span}).status_code == 400


def test_stalled_upload_holds_up_nobody(http, bucket) -> None:
    address = urlsplit(http.base)
    path = f"/upload/storage/v1/b/{bucket.name}/o?uploadType=media&name={quote('stalled')}"
    with socket.create_connection((address.hostname, address.port), timeout=30) as line:
        line.sendall(f"POST {path} HTTP/1.1\r\nHost: {address.netloc}\r\nContent-Length: 100\r\n\r\nabc".encode())
        bucket.blob("other").upload_from_string(b"goes on")
        assert bucket.blob("other").download_as_bytes() == b"goes on"
    assert bucket.get_blob("stalled") is None


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(chunks=st.lists(st.tuples(st.integers(0, 3), st.integers(1, 3)), max_size=6))
def test_whatever_is_sent_again_or_too_early_the_object_is_the_file(http, bucket, chunks) -> None:
    content = b"".join(bytes([i]) * UNIT for i in range(8))
    url = open_session(http, bucket)
    have = 0
    for first, count in chunks:
        answer = send(http, url, content[first * UNIT : (first + count) * UNIT], first * UNIT, len(content))
        if first > have:
            assert answer.status_code == 503
        else:
            have = max(have, first + count)
            assert stored(answer) == have * UNIT
        assert stored(ask(http, url)) == have * UNIT
    assert send(http, url, content[have * UNIT :], have * UNIT, len(content)).status_code == 200
    assert bucket.blob("file.dm4").download_as_bytes() == content
