"""Reading versions: by ranges, as copies that vanish, and in a mounted bucket that shows current versions only."""

from __future__ import annotations

import contextlib
import errno
import gzip
import http.server
import io
import json
import tempfile
import threading
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import pytest
from google.auth.credentials import AnonymousCredentials
from google.cloud import storage
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from storage_bucket import TestBucket, storage_bucket

from scopeline.adapters.gcp import calls, reading
from scopeline.adapters.gcp.calls import Patience
from scopeline.adapters.gcp.object_store import GoogleObjectStore
from scopeline.domain.errors import Unavailable
from scopeline.domain.events import StoredObject
from scopeline.ports import MissingObject, NotCurrent, ObjectRef, TooLargeToCopy

LARGE = 2000
COPIED = 1000
# What Google's client takes from the line at once.
PIECE = 8192


@pytest.fixture
def bucket(emulators: Any) -> Iterator[TestBucket]:
    with storage_bucket(emulators.storage) as made:
        yield made


@pytest.fixture
def scratch(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Where copies are made; nothing is left there at the end."""
    folder = tmp_path / "scratch"
    folder.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    yield folder
    assert list(folder.iterdir()) == []


@pytest.fixture
def mount(tmp_path: Path) -> Path:
    """Stands for the bucket as Cloud Storage FUSE shows it."""
    folder = tmp_path / "mount"
    folder.mkdir()
    return folder


@pytest.fixture
def store(bucket: TestBucket, scratch: Path, mount: Path) -> GoogleObjectStore:
    return bucket.store(copied_bytes=COPIED, mount=mount)


def store_mounted(store: GoogleObjectStore, mount: Path, name: str, data: bytes) -> StoredObject:
    """Store a new version, which the mount shows from then on."""
    path = mount / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)
    return store.write(name, data)


def ref(stored: StoredObject, file_name: str = "a.dm4") -> ObjectRef:
    return ObjectRef(stored.name, stored.generation, file_name)


# --------------------------------------------------------------------------------------------------------------- ranges


@settings(max_examples=15, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.lists(st.tuples(st.sampled_from([0, 1, 2]), st.integers(-120, 120), st.integers(-1, 150)), max_size=12))
def test_reading_and_seeking_is_as_in_a_file(bucket: TestBucket, calls: list[tuple[int, int, int]]) -> None:
    data = bytes(range(100))
    store = bucket.store()
    stored = store.stat("a") or store.write("a", data)
    ours = reading.VersionReader(bucket.bucket, stored, reading.Patience())
    file = io.BytesIO(data)
    for whence, offset, size in calls:
        start = {0: 0, 1: file.tell(), 2: len(data)}[whence]
        if start + offset < 0:
            with pytest.raises(ValueError, match="before the beginning"):
                ours.seek(offset, whence)
            continue
        assert ours.seek(offset, whence) == file.seek(offset, whence) == ours.tell()
        assert ours.read(size) == file.read(size)


def test_long_reads_go_on_over_several_ranges(bucket: TestBucket, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reading, "RANGE_BYTES", 1024)
    data = bytes(range(256)) * 20
    store = bucket.store()
    stored = store.write("a", data)
    with store.open("a", stored.generation) as source:
        assert b"".join(iter(lambda: source.read(700), b"")) == data
        source.seek(-3, io.SEEK_END)
        assert source.read() == data[-3:]


def test_version_that_is_deleted_while_it_is_read_is_missing(
    bucket: TestBucket, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reading, "RANGE_BYTES", 10)
    store = bucket.store()
    stored = store.write("a", b"x" * 100)
    with store.open("a", stored.generation) as source:
        assert source.read(10) == b"x" * 10
        store.delete("a", stored.generation)
        with pytest.raises(MissingObject, match=f"no generation {stored.generation}"):
            source.read(20)


def test_version_that_is_replaced_while_it_is_read_stays_the_same(
    bucket: TestBucket, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reading, "RANGE_BYTES", 10)
    store = bucket.store()
    stored = store.write("a", b"x" * 100)
    with store.open("a", stored.generation) as source:
        source.read(10)
        store.write("a", b"y" * 100)
        assert source.read() == b"x" * 90


@pytest.mark.parametrize("way", ["whole", "by ranges", "copy"])
def test_what_is_stored_as_gzip_is_read_as_it_is_stored(
    bucket: TestBucket, scratch: Path, monkeypatch: pytest.MonkeyPatch, way: str
) -> None:
    """Cloud Storage would give such an object unpacked, with another size than it says."""
    data = gzip.compress(b"one two " * 10_000)
    blob = bucket.bucket.blob("a")
    blob.content_encoding = "gzip"
    blob.upload_from_string(data, content_type="text/plain", timeout=10)
    if way == "by ranges":
        monkeypatch.setattr(reading, "RANGE_BYTES", 20)
    store = bucket.store()
    stored = store.stat("a")
    assert stored is not None
    assert stored.size == len(data)
    if way == "copy":
        with store.local_folder([ref(stored)]) as folder:
            assert (folder / "a.dm4").read_bytes() == data
    else:
        with store.open("a", stored.generation) as source:
            # Reads of all ask for the rest at once.
            parts = iter(lambda: source.read(7), b"") if way == "by ranges" else [source.read()]
            assert b"".join(parts) == data


@contextmanager
def dripping_server(size: int) -> Iterator[str]:
    """A Cloud Storage whose only object arrives in pieces of 8 KiB, far more often than the client's wait is long."""
    stopping = threading.Event()

    class Answer(http.server.BaseHTTPRequestHandler):
        def log_message(self, format: str, *args: object) -> None:
            pass

        def do_GET(self) -> None:
            if "alt=media" not in self.path:
                about = {
                    "name": "a",
                    "bucket": "b",
                    "generation": "5",
                    "size": str(size),
                    "timeCreated": "2026-02-06T12:00:00Z",
                }
                self.answer(200, "application/json", len(body := json.dumps(about).encode()))
                self.wfile.write(body)
                return
            self.answer(206 if self.headers.get("Range") else 200, "application/octet-stream", size)
            with contextlib.suppress(OSError):
                for _ in range(size // PIECE):
                    self.wfile.write(b"x" * PIECE)
                    if stopping.wait(0.1):
                        return

        def answer(self, status: int, content_type: str, length: int) -> None:
            self.send_response(status)
            self.send_header("Content-Type", content_type)
            self.send_header("Content-Length", str(length))
            self.end_headers()

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Answer) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.05,))
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}"
        finally:
            stopping.set()
            server.shutdown()
            thread.join()


def read_whole(store: GoogleObjectStore) -> None:
    with store.open("a", 5) as source:
        source.read()


def read_range(store: GoogleObjectStore) -> None:
    with store.open("a", 5) as source:
        source.read(1000)


def read_copy(store: GoogleObjectStore) -> None:
    with store.local_folder([ObjectRef("a", 5, "a")]):
        pytest.fail("the folder was given")


@pytest.mark.parametrize("read", [read_whole, read_range, read_copy])
def test_a_transfer_that_drips_ends_at_its_deadline(
    scratch: Path, monkeypatch: pytest.MonkeyPatch, read: Callable[[GoogleObjectStore], None]
) -> None:
    """No single wait is too long; all of them together would take over 10 s."""
    monkeypatch.setattr(calls, "SLOWEST_BYTES_PER_SECOND", 2**40)
    size = 100 * PIECE
    with (
        dripping_server(size) as address,
        closing(storage.Client("p", AnonymousCredentials(), client_options={"api_endpoint": address})) as client,
    ):
        patience = Patience(call=5, total=0.5)
        store = GoogleObjectStore(client, "b", sign=None, copied_bytes=size, mount=None, patience=patience)
        with pytest.raises(Unavailable, match="too long") as failed:
            read(store)
    assert failed.value.code == "google_unavailable"


# --------------------------------------------------------------------------------------------------------------- copies


def test_version_that_is_deleted_before_its_copy_is_missing(store: GoogleObjectStore, bucket: TestBucket) -> None:
    stored = store.write("a", b"x")
    bucket.fails(method="GET", path="alt=media", status=404, count=1)
    with pytest.raises(MissingObject), store.local_folder([ref(stored)]):
        pytest.fail("the folder was given")


def test_broken_download_begins_again(store: GoogleObjectStore, bucket: TestBucket) -> None:
    stored = store.write("a", b"x" * 500)
    bucket.fails(method="GET", path="alt=media", hang_seconds=0.01, after=True, count=2)
    with store.local_folder([ref(stored)]) as folder:
        assert (folder / "a.dm4").read_bytes() == b"x" * 500


def test_bytes_that_do_not_fit_their_checksum_are_not_shown(
    store: GoogleObjectStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    stored = store.write("a", b"x" * 500)
    # The client looks at what it received; here it is told of another checksum.
    monkeypatch.setattr(
        "google.cloud.storage._media._helpers._parse_checksum_header", lambda *given, **named: "AAAAAA=="
    )
    with pytest.raises(Unavailable) as failed, store.local_folder([ref(stored)]):
        pytest.fail("the folder was given")
    assert failed.value.code == "bytes_differ"


def test_copy_of_another_size_is_not_shown(store: GoogleObjectStore, monkeypatch: pytest.MonkeyPatch) -> None:
    stored = store.write("a", b"x" * 500)
    monkeypatch.setattr(reading.TimedStream, "write", lambda stream, data: len(data))
    with pytest.raises(Unavailable) as failed, store.local_folder([ref(stored)]):
        pytest.fail("the folder was given")
    assert failed.value.code == "bytes_differ"


def test_copies_that_do_not_fit_are_not_begun(store: GoogleObjectStore, monkeypatch: pytest.MonkeyPatch) -> None:
    stored = store.write("a", b"x")
    monkeypatch.setattr(reading, "SPARE_BYTES", 2**62)
    with pytest.raises(Unavailable) as failed, store.local_folder([ref(stored)]):
        pytest.fail("the folder was given")
    assert (failed.value.code, failed.value.status) == ("disk_full", 507)


def test_scratch_that_fills_up_meanwhile_is_said(store: GoogleObjectStore, monkeypatch: pytest.MonkeyPatch) -> None:
    def fill_up(stream: object, data: bytes) -> int:
        raise OSError(errno.ENOSPC, "No space left on device")

    stored = store.write("a", b"x")
    monkeypatch.setattr(reading.TimedStream, "write", fill_up)
    with pytest.raises(Unavailable) as failed, store.local_folder([ref(stored)]):
        pytest.fail("the folder was given")
    assert failed.value.code == "disk_full"


def test_what_a_reader_puts_beside_the_folder_vanishes_with_it(store: GoogleObjectStore, scratch: Path) -> None:
    stored = store.write("a", b"x")

    def read() -> None:
        with store.local_folder([ref(stored)]) as folder:
            (folder.parent / "preview-1").mkdir()
            assert scratch.resolve() in folder.parents
            raise RuntimeError("the reader failed")

    with pytest.raises(RuntimeError, match="the reader failed"):
        read()


# ------------------------------------------------------------------------------------------------------- mounted bucket


def test_large_and_small_versions_stand_in_one_folder(
    store: GoogleObjectStore, mount: Path, bucket: TestBucket
) -> None:
    large = store_mounted(store, mount, "s/scan_1.ser", b"l" * LARGE)
    small = store.write("s/scan.emi", b"small")
    bucket.fails(method="GET", path="scan_1.*alt=media", status=500, count=100)
    with store.local_folder([ref(large, "scan_1.ser"), ref(small, "scan.emi")]) as folder:
        assert (folder / "scan_1.ser").read_bytes() == b"l" * LARGE
        assert (folder / "scan.emi").read_bytes() == b"small"
        assert (folder / "scan_1.ser").is_file()
    assert (mount / "s/scan_1.ser").read_bytes() == b"l" * LARGE


def test_small_version_is_shown_also_when_it_is_not_current(store: GoogleObjectStore) -> None:
    first = store.write("a", b"first")
    store.write("a", b"second")
    with store.local_folder([ref(first)]) as folder:
        assert (folder / "a.dm4").read_bytes() == b"first"


@pytest.mark.parametrize("how", ["replaced", "deleted"])
def test_large_version_that_is_not_current_is_not_shown(store: GoogleObjectStore, mount: Path, how: str) -> None:
    first = store_mounted(store, mount, "a", b"1" * LARGE)
    second = store_mounted(store, mount, "a", b"2" * LARGE)
    if how == "deleted":
        store.delete("a", second.generation)
    with pytest.raises(NotCurrent, match=f"Generation {first.generation}"), store.local_folder([ref(first)]):
        pytest.fail("the folder was given")


def test_a_mount_that_shows_the_next_version_already_is_no_wrong_mount(
    store: GoogleObjectStore, mount: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = store_mounted(store, mount, "a", b"1" * LARGE)
    look = reading._regular_size

    def replace_and_look(path: Path) -> int | None:
        store_mounted(store, mount, "a", b"2" * (LARGE + 1))
        return look(path)

    monkeypatch.setattr(reading, "_regular_size", replace_and_look)
    with pytest.raises(NotCurrent, match=f"Generation {first.generation}"), store.local_folder([ref(first)]):
        pytest.fail("the folder was given")


@pytest.mark.parametrize("reader_fails", [False, True])
def test_large_version_that_is_replaced_while_it_is_read_gives_no_result(
    store: GoogleObjectStore, mount: Path, reader_fails: bool
) -> None:
    first = store_mounted(store, mount, "a", b"1" * LARGE)
    folders = []

    def read() -> None:
        with store.local_folder([ref(first)]) as folder:
            folders.append(folder)
            store_mounted(store, mount, "a", b"2" * LARGE)
            if reader_fails:
                raise OSError(errno.ESTALE, "Stale file handle")

    with pytest.raises(NotCurrent):
        read()
    assert len(folders) == 1


def test_failing_reader_of_a_version_that_stays_is_heard(store: GoogleObjectStore, mount: Path) -> None:
    first = store_mounted(store, mount, "a", b"1" * LARGE)
    with pytest.raises(ZeroDivisionError), store.local_folder([ref(first)]):
        raise ZeroDivisionError


def test_without_a_mount_the_limit_and_its_settings_are_said(bucket: TestBucket, scratch: Path) -> None:
    store = bucket.store(copied_bytes=COPIED)
    stored = store.write("a", b"x" * LARGE)
    with pytest.raises(TooLargeToCopy) as refused, store.local_folder([ref(stored)]):
        pytest.fail("the folder was given")
    assert refused.value.code == "too_large_to_copy"
    assert not refused.value.transient
    for part in (f"{bucket.bucket.name}/a", "2,000", "1,000", "SCOPELINE_COPIED_BYTES", "SCOPELINE_RAW_MOUNT"):
        assert part in str(refused.value)


@pytest.mark.parametrize("name", ["../outside", "a/../../outside", "/outside", "a//b", "a/./b", "a/"])
def test_names_that_are_no_path_in_the_mount_are_not_looked_for(
    store: GoogleObjectStore, mount: Path, name: str
) -> None:
    (mount.parent / "outside").write_bytes(b"x" * LARGE)
    stored = store.write(name, b"x" * LARGE)
    with pytest.raises(TooLargeToCopy, match="no file of this name"), store.local_folder([ref(stored)]):
        pytest.fail("the folder was given")


@pytest.mark.parametrize("shown", ["nothing", "another size", "a link", "a link above", "a folder"])
def test_mount_that_shows_something_else_is_not_believed(store: GoogleObjectStore, mount: Path, shown: str) -> None:
    outside = mount.parent / "outside"
    outside.mkdir()
    (outside / "b").write_bytes(b"x" * LARGE)
    stored = store.write("a/b", b"x" * LARGE)
    if shown == "a link above":
        (mount / "a").symlink_to(outside)
    else:
        (mount / "a").mkdir()
    if shown == "another size":
        (mount / "a/b").write_bytes(b"x")
    elif shown == "a link":
        (mount / "a/b").symlink_to(outside / "b")
    elif shown == "a folder":
        (mount / "a/b").mkdir()
    with pytest.raises(Unavailable) as refused, store.local_folder([ref(stored)]):
        pytest.fail("the folder was given")
    assert refused.value.code == "mount_differs"
