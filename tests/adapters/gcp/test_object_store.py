"""Cloud Storage under faults: what passes is tried again, what does not is said in words, nothing is done twice."""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from storage_bucket import TestBucket, storage_bucket

from scopeline.adapters.gcp.calls import SLOWEST_BYTES_PER_SECOND, Patience
from scopeline.adapters.gcp.object_store import PIECE_BYTES, GoogleObjectStore
from scopeline.adapters.gcp.stored_objects import UNTIL_LIFTED
from scopeline.domain.errors import Unavailable
from scopeline.domain.events import StoredObject
from scopeline.ports import ObjectRef, PreconditionFailed, Retained

SHORT = Patience(call=0.3, total=0.6)


@pytest.fixture
def bucket(emulators: Any) -> Iterator[TestBucket]:
    with storage_bucket(emulators.storage) as made:
        yield made


def read_all(store: GoogleObjectStore, stored: StoredObject) -> bytes:
    with store.open(stored.name, stored.generation) as source:
        return source.read()


def read_copy(store: GoogleObjectStore, stored: StoredObject) -> bytes:
    with store.local_folder([ObjectRef(stored.name, stored.generation, "a")]) as folder:
        return (folder / "a").read_bytes()


# Every method, and what it answers for an object "a" of the bytes b"x", the only one.
CALLS: dict[str, tuple[Callable[[GoogleObjectStore, StoredObject], Any], Callable[[Any, StoredObject], bool]]] = {
    "stat": (lambda store, stored: store.stat("a"), lambda answer, stored: answer == stored),
    "write": (
        lambda store, stored: store.write("a", b"y", if_generation=stored.generation),
        lambda answer, stored: answer.generation > stored.generation,
    ),
    "create_upload": (
        lambda store, stored: store.create_upload("b", size=3, if_generation=0),
        lambda answer, stored: answer.startswith("http"),
    ),
    "open": (read_all, lambda answer, stored: answer == b"x"),
    "local_folder": (read_copy, lambda answer, stored: answer == b"x"),
    "delete": (lambda store, stored: store.delete("a", stored.generation), lambda answer, stored: answer is True),
    "list": (lambda store, stored: list(store.list()), lambda answer, stored: answer == [stored]),
    "versions": (lambda store, stored: list(store.versions("")), lambda answer, stored: answer == [stored]),
}


@pytest.mark.parametrize("status", [408, 429, 500, 503])
@pytest.mark.parametrize("call", CALLS)
def test_what_passes_is_tried_again(bucket: TestBucket, call: str, status: int) -> None:
    store = bucket.store()
    stored = store.write("a", b"x")
    bucket.fails(status=status, count=2)
    make, is_right = CALLS[call]
    assert is_right(make(store, stored), stored)


@pytest.mark.parametrize(
    "fault", [{"status": 503}, {"status": 408}, {"hang_seconds": 30}], ids=["refuses", "timed out", "hangs"]
)
@pytest.mark.parametrize("call", CALLS)
def test_what_does_not_pass_in_time_is_unavailable(bucket: TestBucket, call: str, fault: dict[str, Any]) -> None:
    store = bucket.store(patience=SHORT)
    stored = store.write("a", b"x")
    bucket.fails(count=100, **fault)
    with pytest.raises(Unavailable) as failed:
        CALLS[call][0](store, stored)
    assert failed.value.code == "google_unavailable"
    assert bucket.bucket.name in str(failed.value)


@pytest.mark.parametrize("status", [401, 403])
@pytest.mark.parametrize("call", CALLS)
def test_missing_rights_are_said_and_waited_for(bucket: TestBucket, call: str, status: int) -> None:
    store = bucket.store()
    stored = store.write("a", b"x")
    bucket.fails(status=status, count=100)
    with pytest.raises(Unavailable) as failed:
        CALLS[call][0](store, stored)
    assert failed.value.code == "not_permitted"


@pytest.mark.parametrize("call", ["create_upload", "list", "versions", "write to any"])
def test_missing_bucket_is_said_and_waited_for(bucket: TestBucket, call: str) -> None:
    stored = bucket.store().write("a", b"x")
    store = GoogleObjectStore(bucket.client, f"{bucket.bucket.name}-no", sign=None, copied_bytes=0, mount=None)
    make = CALLS[call][0] if call in CALLS else lambda store, stored: store.write("a", b"y")
    with pytest.raises(Unavailable, match="SCOPELINE_RAW_BUCKET") as failed:
        make(store, stored)
    assert failed.value.code == "no_bucket"


# --------------------------------------------------------------------------------------------------------- lost answers


@pytest.mark.parametrize("how", [{"status": 503}, {"hang_seconds": 0.01}], ids=["503", "connection closed"])
@pytest.mark.parametrize("size", [1, PIECE_BYTES + 1])
def test_create_only_write_whose_answer_was_lost_recognises_itself(
    bucket: TestBucket, size: int, how: dict[str, Any]
) -> None:
    store = bucket.store()
    # The last request of a large write is the one that stores it.
    last = "" if size == 1 else "upload_id"
    if size > 1:
        bucket.fails(method="PUT", path=last, status=503, count=1)
    bucket.fails(method="POST" if size == 1 else "PUT", path=last, after=True, count=1 if size == 1 else 2, **how)
    stored = store.write("a", b"x" * size, if_generation=0, metadata={"session": "s"})
    assert list(store.versions("")) == [stored]
    assert (stored.size, stored.metadata) == (size, {"session": "s"})


def test_replacing_write_whose_answer_was_lost_recognises_itself(bucket: TestBucket) -> None:
    store = bucket.store()
    first = store.write("a", b"one")
    bucket.fails(method="POST", path="upload", status=503, after=True, count=1)
    second = store.write("a", b"two", if_generation=first.generation)
    assert list(store.versions("a")) == [first, second]


def test_the_same_bytes_of_another_writer_are_not_ones_own(bucket: TestBucket) -> None:
    store = bucket.store()
    store.write("a", b"x", if_generation=0)
    with pytest.raises(PreconditionFailed, match="expects 0"):
        store.write("a", b"x", if_generation=0)


def test_deletion_whose_answer_was_lost_is_a_deletion(bucket: TestBucket) -> None:
    store = bucket.store()
    stored = store.write("a", b"x")
    bucket.fails(method="DELETE", status=503, after=True, count=1)
    assert store.delete("a", stored.generation) is True
    assert store.delete("a", stored.generation) is False


# --------------------------------------------------------------------------------------------------------------- writes


def test_large_file_is_sent_in_pieces_and_arrives_whole(bucket: TestBucket, tmp_path: Path) -> None:
    data = bytes(range(256)) * (10 * 4096) + b"rest"
    source = tmp_path / "large"
    source.write_bytes(data)
    store = bucket.store()
    stored = store.write("a", source, if_generation=0)
    assert (stored.size, stored.md5) == (len(data), hashlib.md5(data).hexdigest())
    assert store.stat("a") == stored


def test_transfer_goes_on_no_longer_than_its_time(bucket: TestBucket) -> None:
    # Each piece comes in time; all of them together do not.
    bucket.fails(method="PUT", hang_seconds=0.4, count=100)
    patience = Patience(call=5.0, total=0.5 - 4 * PIECE_BYTES / SLOWEST_BYTES_PER_SECOND)
    with pytest.raises(Unavailable):
        bucket.store(patience=patience).write("a", b"x" * (4 * PIECE_BYTES))
    assert bucket.store().stat("a") is None


def test_upload_with_a_wrong_precondition_is_refused_now_or_at_its_end(bucket: TestBucket) -> None:
    bucket.fails(method="POST", path="uploadType=resumable", status=412, count=1)
    store = bucket.store()
    stored = store.write("a", b"x")
    with pytest.raises(PreconditionFailed, match=f"generation {stored.generation}"):
        store.create_upload("a", size=1, if_generation=0)


def test_upload_addresses_are_in_no_error_and_no_log_line(bucket: TestBucket, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    store = bucket.store(patience=SHORT)
    url = store.create_upload("a", size=1, if_generation=0)
    bucket.fails(path="upload_id", status=503, count=100)
    with pytest.raises(Unavailable) as failed:
        store.write("b", b"x" * (PIECE_BYTES + 1))
    said = str(failed.value) + caplog.text
    assert "upload_id" not in said
    assert url not in said


# ------------------------------------------------------------------------------------------------------------ retention


def test_version_under_retention_says_until_when_it_stays(bucket: TestBucket) -> None:
    bucket.bucket.retention_period = 3600
    bucket.bucket.patch(timeout=10)
    store = bucket.store()
    stored = store.write("a", b"x")
    assert stored.retained_until is not None
    assert timedelta(minutes=50) < stored.retained_until - datetime.now(UTC) < timedelta(minutes=61)
    with pytest.raises(Retained) as refused:
        store.delete("a", stored.generation)
    for part in (bucket.bucket.name, "/a ", str(stored.generation), f"{stored.retained_until:%Y-%m-%d %H:%M}"):
        assert part in str(refused.value)
    assert store.stat("a") == stored


@pytest.mark.parametrize("hold", ["temporary_hold", "event_based_hold"])
def test_version_under_a_hold_stays_until_it_is_lifted(bucket: TestBucket, hold: str) -> None:
    store = bucket.store()
    stored = store.write("a", b"x")
    blob = bucket.bucket.blob("a")
    setattr(blob, hold, True)
    blob.patch(timeout=10)
    held = store.stat("a", stored.generation)
    assert held is not None
    assert held.retained_until == UNTIL_LIFTED
    with pytest.raises(Retained, match="hold on it is lifted"):
        store.delete("a", stored.generation)
    setattr(blob, hold, False)
    blob.patch(timeout=10)
    assert store.delete("a", stored.generation) is True
