"""How a version is read: by ranges, as a copy in scratch, or in the mounted bucket.

Cloud Storage FUSE shows the current versions of a bucket as the files `{mount}/{name}`
(https://cloud.google.com/storage/docs/cloud-storage-fuse/overview). Its caches of metadata must be off
(`metadata-cache-ttl-secs=0`), or it may show a version that is no longer the current one.
"""

from __future__ import annotations

import errno
import io
import os
import stat
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, cast

from google.api_core import exceptions as google_errors
from google.cloud.storage.exceptions import DataCorruption

from scopeline.adapters.gcp.calls import Patience, TimedStream, google_problems
from scopeline.adapters.object_names import check_file_name, file_name_twice
from scopeline.domain.errors import Unavailable
from scopeline.domain.events import StoredObject
from scopeline.ports import MissingObject, NotCurrent, ObjectRef, TooLargeToCopy

if TYPE_CHECKING:
    from google.cloud.storage import Blob, Bucket

# Previews and records are smaller; larger contents are asked for by their readers in runs.
RANGE_BYTES = 4 * 1024 * 1024
# Left free in scratch beside the copies: for previews, and for what else the instance writes.
SPARE_BYTES = 16 * 1024 * 1024

Stat = Callable[[str, int | None], StoredObject | None]


def missing(bucket: str, name: str, generation: int) -> MissingObject:
    """The error for a version that is not there."""
    return MissingObject(f"There is no generation {generation} of {bucket}/{name}.")


class VersionReader(io.RawIOBase):
    """The bytes of one version by ranges. Raises MissingObject where it is deleted meanwhile, and Unavailable."""

    def __init__(self, bucket: Bucket, stored: StoredObject, patience: Patience) -> None:
        super().__init__()
        self._bucket = bucket
        self._stored = stored
        self._patience = patience
        self._position = 0

    def readable(self) -> bool:
        """It is."""
        return True

    def seekable(self) -> bool:
        """It is."""
        return True

    def tell(self) -> int:
        """The position, from the beginning."""
        return self._position

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        """Go to a position, which may be after the end."""
        start = {io.SEEK_SET: 0, io.SEEK_CUR: self._position, io.SEEK_END: self._stored.size}[whence]
        if start + offset < 0:
            raise ValueError(f"Position {start + offset} is before the beginning.")
        self._position = start + offset
        return self._position

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]
        """Fill `buffer` as far as there are bytes; how many were read."""
        data = self._fetch(len(buffer))
        buffer[: len(data)] = data
        return len(data)

    def readall(self) -> bytes:
        """All bytes from the position."""
        return self._fetch(self._stored.size - self._position)

    def _fetch(self, size: int) -> bytes:
        first, end = self._position, min(self._position + size, self._stored.size)
        if end <= first:
            return b""
        stored = self._stored
        blob = self._bucket.blob(stored.name, generation=stored.generation)
        # Of a part, no checksum is known.
        part = {} if (first, end) == (0, stored.size) else {"start": first, "end": end - 1, "checksum": None}
        until = time.monotonic() + self._patience.total_with(end - first)

        def call() -> bytes:
            data = io.BytesIO()
            _download(blob, TimedStream(data, until), self._patience, **part)
            return data.getvalue()

        with _version_problems(stored):
            data = self._patience.repeat(call, end - first)
        if len(data) != end - first:
            raise _wrong_size(stored, len(data), end - first)
        self._position = end
        return data


def open_version(bucket: Bucket, stored: StoredObject, patience: Patience) -> BinaryIO:
    """The bytes of a version, readable and seekable."""
    raw = VersionReader(bucket, stored, patience)
    return cast(BinaryIO, io.BufferedReader(raw, buffer_size=max(1, min(RANGE_BYTES, stored.size))))


class ReadingFolders:
    """Folders in which readers find versions under file names."""

    def __init__(
        self, bucket: Bucket, stat: Stat, patience: Patience, *, copied_bytes: int, mount: Path | None
    ) -> None:
        self._bucket = bucket
        self._stat = stat
        self._patience = patience
        self._copied_bytes = copied_bytes
        self._mount = mount

    @contextmanager
    def show(self, objects: Sequence[ObjectRef]) -> Iterator[Path]:
        """A folder with each object: a copy, or a link into the mounted bucket where it is too large to copy.

        Raises what the port says of `local_folder`, and Unavailable (`disk_full`).
        """
        taken: set[str] = set()
        for ref in objects:
            if check_file_name(ref.file_name) in taken:
                raise file_name_twice(ref.file_name)
            taken.add(ref.file_name)
        versions = [(ref.file_name, self._find(ref)) for ref in objects]
        large = [(name, stored) for name, stored in versions if stored.size > self._copied_bytes]
        small = [(name, stored) for name, stored in versions if stored.size <= self._copied_bytes]
        links = [(name, self._mounted(stored)) for name, stored in large]
        with tempfile.TemporaryDirectory(prefix="scopeline-reading-") as scratch:
            folder = Path(scratch).resolve() / "files"
            folder.mkdir()
            _check_room(folder, sum(stored.size for _, stored in small))
            for name, stored in small:
                self._copy(stored, folder / name)
            for name, path in links:
                (folder / name).symlink_to(path)
            try:
                yield folder
            except Exception:
                # Where it was replaced meanwhile, that is why reading failed.
                self._check_all_current(large)
                raise
            self._check_all_current(large)

    def _find(self, ref: ObjectRef) -> StoredObject:
        stored = self._stat(ref.name, ref.generation)
        if stored is None:
            raise missing(self._bucket.name, ref.name, ref.generation)
        return stored

    def _mounted(self, stored: StoredObject) -> Path:
        """The file of a version in the mounted bucket. Raises TooLargeToCopy, NotCurrent, Unavailable."""
        what = f"{stored.bucket}/{stored.name}"
        if self._mount is None:
            raise TooLargeToCopy(
                f"{what} has {stored.size:,} bytes. Up to {self._copied_bytes:,} bytes are copied for reading "
                "(SCOPELINE_COPIED_BYTES), and the bucket is not mounted, from which larger ones are read. Mount it "
                "and set SCOPELINE_RAW_MOUNT.",
            )
        if any(part in ("", ".", "..") for part in stored.name.split("/")):
            raise TooLargeToCopy(
                f"{what} has {stored.size:,} bytes, over the {self._copied_bytes:,} that are copied for reading "
                "(SCOPELINE_COPIED_BYTES), and a mounted bucket shows no file of this name. Store it under another.",
            )
        self._check_current(stored)
        path = self._mount.joinpath(*stored.name.split("/"))
        found = _regular_size(path)
        if found == stored.size and path.resolve() == self._mount.resolve().joinpath(*stored.name.split("/")):
            return path
        self._check_current(stored)
        shown = "no file" if found is None else f"a file of {found:,} bytes"
        raise Unavailable(
            f"The mounted bucket {self._mount} shows {shown} for generation {stored.generation} of {what}; expected "
            f"{stored.size:,} bytes. Check that {stored.bucket} is mounted there, with its metadata cache off.",
            code="mount_differs",
        )

    def _check_all_current(self, versions: Sequence[tuple[str, StoredObject]]) -> None:
        for _, stored in versions:
            self._check_current(stored)

    def _check_current(self, stored: StoredObject) -> None:
        current = self._stat(stored.name, None)
        if current is None or current.generation != stored.generation:
            found = "none" if current is None else str(current.generation)
            raise NotCurrent(
                f"Generation {stored.generation} of {stored.bucket}/{stored.name} has {stored.size:,} bytes and can be "
                f"read while it is the current one; that is {found} now."
            )

    def _copy(self, stored: StoredObject, target: Path) -> None:
        """A copy of a version, as its checksum says.

        A try begins at the beginning: the client does not compare the checksum of what it resumes.
        """
        until = time.monotonic() + self._patience.total_with(stored.size)

        def call() -> None:
            blob = self._bucket.blob(stored.name, generation=stored.generation)
            with target.open("wb") as file:
                _download(blob, TimedStream(file, until), self._patience)

        with _scratch_problems(stored), _version_problems(stored):
            self._patience.repeat(call, stored.size)
            copied = target.stat().st_size
            if copied != stored.size:
                raise _wrong_size(stored, copied, stored.size)
            target.chmod(0o400)


def _download(blob: Blob, target: TimedStream, patience: Patience, **part: Any) -> None:
    """The bytes as they are stored, also where their Content-Encoding is gzip: sizes and checksums are of those."""
    blob.download_to_file(target, raw_download=True, timeout=patience.call, retry=None, **part)


@contextmanager
def _version_problems(stored: StoredObject) -> Iterator[None]:
    what = f"Reading {stored.bucket}/{stored.name}"
    try:
        with google_problems(what):
            yield
    except google_errors.NotFound:
        raise missing(stored.bucket, stored.name, stored.generation) from None
    except DataCorruption as error:
        raise Unavailable(
            f"{what}: its bytes did not arrive as its checksum says. It is read again by itself.", code="bytes_differ"
        ) from error


@contextmanager
def _scratch_problems(stored: StoredObject) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise _scratch_full(f"Copying {stored.bucket}/{stored.name} of {stored.size:,} bytes") from error
        raise


def _check_room(folder: Path, needed: int) -> None:
    disk = os.statvfs(folder)
    # A file system that tells no size, as some of memory, may have room.
    if disk.f_blocks and disk.f_bavail * disk.f_frsize < needed + SPARE_BYTES:
        raise _scratch_full(f"Copying {needed:,} bytes for reading")


def _scratch_full(what: str) -> Unavailable:
    return Unavailable(
        f"{what}: no space is left in {tempfile.gettempdir()}. Give the function more memory or scratch space, or let "
        "fewer files be read at once; it is tried again by itself.",
        code="disk_full",
        status=507,
    )


def _wrong_size(stored: StoredObject, found: int, expected: int) -> Unavailable:
    return Unavailable(
        f"Reading {stored.bucket}/{stored.name} gave {found:,} bytes; expected {expected:,}. It is read again by "
        "itself.",
        code="bytes_differ",
    )


def _regular_size(path: Path) -> int | None:
    try:
        found = path.lstat()
    except (FileNotFoundError, NotADirectoryError):
        return None
    return found.st_size if stat.S_ISREG(found.st_mode) else None
