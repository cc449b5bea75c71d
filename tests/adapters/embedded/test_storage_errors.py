"""A full disk and a folder that may not be written: sentences, and nothing half stored."""

from __future__ import annotations

import contextlib
import errno
import os
import resource
import sqlite3
import subprocess
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from scopeline.adapters import storage_errors
from scopeline.adapters.embedded.database import Database
from scopeline.adapters.embedded.recovery import recover
from scopeline.adapters.storage_errors import storage_problems
from scopeline.domain.errors import Unavailable
from scopeline.domain.events import Event, Topic

UNIT = 256 * 1024
ROOM = 600 * 1024


@dataclass
class SmallDisk:
    """A folder, and a context in which about 600 KiB can be written to each of its files."""

    folder: Path
    nearly_full: Callable[[], AbstractContextManager[None]]


def mounted(folder: Path) -> bool:
    """Whether a file system of 16 MiB could be mounted: only some users may."""
    command = ["mount", "-t", "tmpfs", "-o", "size=16m", "tmpfs", folder]
    return subprocess.run(command, check=False, capture_output=True).returncode == 0


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[SmallDisk]:
    """A small file system where this user may mount one, else a limit on the size of files: both refuse midway."""
    folder = tmp_path / "disk"
    folder.mkdir()
    if not mounted(folder):
        yield SmallDisk(folder, limited)
        return

    @contextmanager
    def filled() -> Iterator[None]:
        ballast = folder / "ballast"
        with ballast.open("wb") as target:
            status = os.statvfs(folder)
            target.write(b"x" * (status.f_bavail * status.f_bsize - ROOM))
        yield
        ballast.unlink()

    try:
        yield SmallDisk(folder, filled)
    finally:
        subprocess.run(["umount", "--lazy", folder], check=True)


@contextmanager
def limited() -> Iterator[None]:
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (ROOM, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


@pytest.mark.parametrize("way", ["mount", "limit"])
def test_an_upload_stops_at_a_full_disk_and_goes_on_when_there_is_room(
    small_disk: SmallDisk, open_folder: Any, way: str
) -> None:
    nearly_full = small_disk.nearly_full if way == "mount" else limited
    opened = open_folder(small_disk.folder)
    data = bytes(range(256)) * 8 * 1024  # 2 MiB
    url = opened.raw.create_upload("a.dm3", size=len(data), if_generation=0)
    assert opened.put(url, f"bytes 0-{UNIT - 1}/{len(data)}", data[:UNIT])[0] == 308
    with nearly_full():
        status, _, problem = opened.put(url, f"bytes {UNIT}-{len(data) - 1}/{len(data)}", data[UNIT:])
        assert (status, problem["code"]) == (507, "disk_full")
        assert problem["detail"].startswith("Receiving raw/a.dm3: the disk is full.")
        assert opened.raw.stat("a.dm3") is None
        (spool,) = (small_disk.folder / "raw" / "incoming").iterdir()
        kept = spool.stat().st_size
    status, headers, _ = opened.put(url, f"bytes */{len(data)}")
    assert status == 308
    stored = int(headers["Range"].removeprefix("bytes=0-")) + 1
    assert stored % UNIT == 0
    assert stored == kept >= UNIT
    assert opened.put(url, f"bytes {stored}-{len(data) - 1}/{len(data)}", data[stored:])[0] == 200
    with opened.raw.open("a.dm3", opened.raw.stat("a.dm3").generation) as source:
        assert source.read() == data
    assert recover([opened.raw, opened.derived]) == []


def test_a_write_to_a_full_disk_leaves_nothing(small_disk: SmallDisk, open_folder: Any) -> None:
    opened = open_folder(small_disk.folder)
    kept = opened.raw.write("kept", b"x")
    with small_disk.nearly_full():
        with pytest.raises(Unavailable) as refused:
            opened.raw.write("large", b"x" * 2 * ROOM)
        assert (refused.value.code, refused.value.status) == ("disk_full", 507)
        assert [stored.name for stored in opened.raw.list()] == ["kept"]
        with opened.raw.open("kept", kept.generation) as source:
            assert source.read() == b"x"
    assert recover([opened.raw, opened.derived]) == []
    assert opened.raw.write("large", b"x" * 2 * ROOM).size == 2 * ROOM


def test_an_upload_that_cannot_fit_is_refused_before_it_begins(opened: Any) -> None:
    with pytest.raises(Unavailable, match="are free") as refused:
        opened.raw.create_upload("a.dm3", size=2**60, if_generation=0)
    assert (refused.value.code, refused.value.status) == ("disk_full", 507)


@pytest.fixture
def read_only_folder(tmp_path: Path) -> Iterator[Path]:
    """A folder that this user may not write: by its mode, or for root, whom modes do not stop, the kernel's own."""
    if os.geteuid() == 0:
        yield Path("/sys/kernel")
        return
    folder = tmp_path / "read only"
    folder.mkdir(mode=0o500)
    yield folder
    folder.chmod(0o700)


def test_a_read_only_data_folder_stops_the_start_with_a_sentence(read_only_folder: Path) -> None:
    for folder in (read_only_folder, read_only_folder / "new"):
        with pytest.raises(Unavailable) as refused:
            Database(folder)
        assert refused.value.code == "read_only"
        assert str(folder) in str(refused.value)
        assert "may not be written" in str(refused.value)


@pytest.mark.parametrize(
    ("code", "expected", "status"),
    [
        (errno.ENOSPC, "disk_full", 507),
        (errno.EDQUOT, "disk_full", 507),
        (errno.EROFS, "read_only", 503),
        (errno.EACCES, "read_only", 503),
        (errno.EIO, "unavailable", 503),
    ],
)
def test_what_the_system_says_becomes_a_code_and_a_sentence(code: int, expected: str, status: int) -> None:
    with pytest.raises(Unavailable, match=r"^Storing a: .*\.$") as refused, storage_problems("Storing a"):
        raise OSError(code, os.strerror(code))
    assert (refused.value.code, refused.value.status, refused.value.transient) == (expected, status, True)


def test_a_device_that_is_always_full_is_a_full_disk() -> None:
    with pytest.raises(Unavailable) as refused, storage_problems("Storing a"), Path("/dev/full").open("wb") as full:
        full.write(b"x")
    assert refused.value.code == "disk_full"


def disk_with(**facts: int) -> Callable[[Path], Any]:
    """`os.statvfs` of a disk with these facts."""
    known = {"f_frsize": 4096, "f_bavail": 10**6, "f_files": 1000, "f_favail": 500, "f_flag": 0, **facts}
    return lambda folder: SimpleNamespace(**known)


FULL = [{"f_bavail": 10}, {"f_favail": 0}]


@pytest.mark.parametrize("vague", [sqlite3.SQLITE_IOERR_SHMSIZE, sqlite3.SQLITE_IOERR_WRITE, sqlite3.SQLITE_CANTOPEN])
@pytest.mark.parametrize("facts", FULL)
def test_vague_words_of_the_database_on_a_full_disk_are_a_full_disk(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, vague: int, facts: dict[str, int]
) -> None:
    error = sqlite3.OperationalError("disk I/O error")
    error.sqlite_errorcode = vague
    with pytest.raises(Unavailable) as refused, storage_problems("Opening", tmp_path):
        raise error
    assert refused.value.code != "disk_full"
    monkeypatch.setattr(storage_errors.os, "statvfs", disk_with(**facts))
    with pytest.raises(Unavailable) as refused, storage_problems("Opening", tmp_path):
        raise error
    assert refused.value.code == "disk_full"


@pytest.mark.parametrize(
    ("facts", "code"), [(FULL[0], "disk_full"), (FULL[1], "disk_full"), ({"f_flag": os.ST_RDONLY}, "read_only")]
)
def test_a_store_says_that_it_takes_no_writes(
    opened: Any, monkeypatch: pytest.MonkeyPatch, facts: dict[str, int], code: str
) -> None:
    opened.raw.check_writable()
    monkeypatch.setattr(storage_errors.os, "statvfs", disk_with(f_files=0, f_favail=0))
    opened.raw.check_writable()
    monkeypatch.setattr(storage_errors.os, "statvfs", disk_with(**facts))
    with pytest.raises(Unavailable) as refused:
        opened.raw.check_writable()
    assert refused.value.code == code


@contextmanager
def without_room(disk: SmallDisk, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Not a byte more can be written; where no file system could be mounted, the limit on files is given its facts."""
    if os.path.ismount(disk.folder):
        ballast = disk.folder / "ballast"
        with ballast.open("wb", buffering=0) as target, contextlib.suppress(OSError):
            while target.write(b"x" * 4096):
                pass
        yield
        ballast.unlink()
        return
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, hard))
    try:
        with monkeypatch.context() as patched:
            patched.setattr(storage_errors.os, "statvfs", disk_with(**FULL[0]))
            yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def test_a_start_on_a_disk_without_any_room_says_that_it_is_full(
    small_disk: SmallDisk, open_folder: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened = open_folder(small_disk.folder)
    opened.raw.write("kept", b"x")
    opened.database.close()
    with without_room(small_disk, monkeypatch):
        with pytest.raises(Unavailable) as refused:
            open_folder(small_disk.folder).events.publish(
                Event(type=Topic.SESSION_ENDED, key="s", at=datetime.now(UTC))
            )
        assert refused.value.code == "disk_full"
    assert open_folder(small_disk.folder).raw.stat("kept") is not None
