"""The bytes of one bucket on the disk.

`{folder}/{file id[:2]}/{file id}/{generation}` is a version; names given by people never become paths here.
`incoming/` holds what is not a version yet, `reading/` the folders that readers look into, `unclaimed/` what nobody
knows. All are of one file system, so that a rename or a hard link is enough.
"""

from __future__ import annotations

import base64
import errno
import hashlib
import os
import shutil
import stat
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from scopeline.adapters.data_folder import make_private_folder
from scopeline.adapters.object_names import check_file_name, file_name_twice

PIECE = 1024 * 1024
PART_SUFFIX = ".part"
WRITING = stat.S_IWUSR | stat.S_IWGRP | stat.S_IWOTH
# What file systems without hard links, or with too many of one file, answer.
_NO_LINK = frozenset({errno.EPERM, errno.EOPNOTSUPP, errno.ENOSYS, errno.EXDEV, errno.EMLINK})


class RunningHashes:
    """MD5 and CRC-32C of bytes as they come; `position` is how many came."""

    def __init__(self) -> None:
        from google_crc32c import extend

        self.position = 0
        self._md5 = hashlib.md5(usedforsecurity=False)
        self._extend: Callable[[int, bytes], int] = extend
        self._crc32c = 0

    def update(self, data: bytes) -> None:
        """Take the next bytes."""
        self._md5.update(data)
        self._crc32c = self._extend(self._crc32c, data)
        self.position += len(data)

    @property
    def md5(self) -> str:
        """The MD5 so far, hexadecimal."""
        return self._md5.hexdigest()

    @property
    def crc32c(self) -> str:
        """The CRC-32C so far: base64 of the big-endian value, as Google Cloud Storage writes it."""
        return base64.b64encode(self._crc32c.to_bytes(4, "big")).decode()


def pieces(source: BinaryIO) -> Iterator[bytes]:
    """The bytes of `source` from where it stands, a mebibyte at a time."""
    while data := source.read(PIECE):
        yield data


def sync_folder(folder: Path) -> None:
    """Make the names in `folder` durable."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def allow_writing(file: Path) -> None:
    """Let this user read and write its `file`, where it may not. Raises OSError."""
    _change_own_mode(file, allowed=stat.S_IRUSR | stat.S_IWUSR)


def forbid_writing(file: Path) -> None:
    """Let nobody write this user's `file`, where somebody may. Raises OSError."""
    _change_own_mode(file, forbidden=WRITING)


def _change_own_mode(file: Path, *, allowed: int = 0, forbidden: int = 0) -> None:
    # Another user's file, such as one that a person brought back from a backup, keeps the mode that it was given.
    found = file.stat()
    mode = stat.S_IMODE(found.st_mode)
    wanted = (mode | allowed) & ~forbidden
    if wanted != mode and found.st_uid == os.geteuid():
        file.chmod(wanted)


class ObjectFiles:
    """The folder of one bucket's bytes."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.incoming = folder / "incoming"
        self.reading = folder / "reading"
        self.unclaimed = folder / "unclaimed"
        for needed in (folder, self.incoming, self.reading):
            make_private_folder(needed)

    def version(self, file: str, generation: int) -> Path:
        """Where the bytes of a version stand."""
        return self.folder / file[:2] / file / str(generation)

    def spool(self, upload: str) -> Path:
        """Where the bytes of an unfinished upload stand."""
        return self.incoming / upload

    def prepare(self, file: str) -> None:
        """Make the folder of a file's versions, durably."""
        folder = self.folder / file[:2] / file
        folder.mkdir(parents=True, exist_ok=True)
        # One that is there may have been made by somebody who has not synced it yet, or never came to it. Who put a
        # version into it had synced it before.
        if not any(folder.iterdir()):
            sync_folder(folder.parent)
            sync_folder(self.folder)

    def place(self, source: Path, file: str, generation: int) -> None:
        """Turn the synced file `source` into a version, durably, or leave it as it is.

        The stored file may only be read from now on.
        """
        target = self.version(file, generation)
        source.rename(target)
        try:
            # Not before the rename: a kill between them would leave a spool that may not be opened again.
            forbid_writing(target)
            sync_folder(target.parent)
        except BaseException:
            self.take_back(file, generation, source)
            raise

    def take_back(self, file: str, generation: int, source: Path) -> None:
        """Undo `place`."""
        version = self.version(file, generation)
        allow_writing(version)
        version.rename(source)

    def remove(self, file: str, generation: int) -> None:
        """Remove the bytes of a version, durably; no error where they are gone."""
        path = self.version(file, generation)
        if path.parent.is_dir():
            path.unlink(missing_ok=True)
            sync_folder(path.parent)

    @contextmanager
    def copied(self, data: bytes | Path) -> Iterator[tuple[Path, RunningHashes]]:
        """A synced copy of `data` in `incoming`, and its hashes; removed at the end where it was not placed."""
        descriptor, name = tempfile.mkstemp(suffix=PART_SUFFIX, dir=self.incoming)
        part = Path(name)
        hashes = RunningHashes()
        try:
            with os.fdopen(descriptor, "wb") as target:
                if isinstance(data, bytes):
                    target.write(data)
                    hashes.update(data)
                else:
                    with data.open("rb") as source:
                        for piece in pieces(source):
                            target.write(piece)
                            hashes.update(piece)
                target.flush()
                os.fsync(target.fileno())
            yield part, hashes
        finally:
            part.unlink(missing_ok=True)

    def make_reading_folder(self) -> Path:
        """A new empty folder for a reader to look into."""
        return Path(tempfile.mkdtemp(dir=self.reading))

    def remove_reading_folder(self, folder: Path) -> None:
        """Remove what `make_reading_folder` made, with the links in it."""
        shutil.rmtree(folder)

    def link(self, stored: Path, folder: Path, file_name: str) -> None:
        """Show a stored file as `file_name` in a reading folder.

        Hard links: they cost nothing, stay readable where the version is deleted meanwhile, and a reader that resolves
        paths still finds the companions beside them, which symbolic links do not give. The stored file has mode 0400,
        so a reader that asks for writing is refused (not where it runs as root). Where the file system has no hard
        links, the bytes are copied. Raises InvalidInput (`invalid_file_name`), FileNotFoundError.
        """
        link = folder / check_file_name(file_name)
        try:
            link.hardlink_to(stored)
        except FileExistsError:
            raise file_name_twice(file_name) from None
        except OSError as error:
            if error.errno not in _NO_LINK:
                raise
            shutil.copyfile(stored, link)
