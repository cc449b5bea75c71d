"""What the operating system and SQLite say when storing fails, in words that a person can act on."""

from __future__ import annotations

import errno
import os
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from scopeline.domain.errors import ScopelineError, Unavailable

_FULL = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})
_REFUSED = frozenset({errno.EROFS, errno.EACCES, errno.EPERM})
# With less room on the disk, no transaction of the database is sure to succeed.
LEAST_ROOM = 1024 * 1024


class DatabaseDamaged(ScopelineError):
    """The database file is not a sound SQLite database."""

    code = "database_damaged"


def disk_full(what: str) -> Unavailable:
    """The error for `what` when no space is left."""
    return Unavailable(
        f"{what}: the disk is full. Nothing was stored by this call. Free space or enlarge the disk, then try again.",
        code="disk_full",
        status=507,
    )


def read_only(what: str) -> Unavailable:
    """The error for `what` when the folder may not be written."""
    return Unavailable(
        f"{what}: the folder may not be written. Mount it for writing and give this service's user the right to write "
        "there, then try again.",
        code="read_only",
    )


def has_room(folder: Path) -> bool:
    """Whether the disk of `folder` has room for files and bytes; True where that cannot be found out."""
    try:
        disk = os.statvfs(folder)
    except OSError:
        return True
    # Some file systems make files as they are needed, and tell no number.
    return disk.f_bavail * disk.f_frsize >= LEAST_ROOM and (disk.f_files == 0 or disk.f_favail > 0)


def check_writable(what: str, folder: Path) -> None:
    """Raise Unavailable (`disk_full`, `read_only`) for `what` where the disk of `folder` takes no writes."""
    with storage_problems(what):
        if os.statvfs(folder).f_flag & os.ST_RDONLY:
            raise read_only(what)
    if not has_room(folder):
        raise disk_full(what)


@contextmanager
def storage_problems(what: str, folder: Path | None = None) -> Iterator[None]:
    """Raise OSError and sqlite3 errors of the block as ScopelineErrors that begin with `what` ("Writing raw/a.dm3").

    SQLite has vague words for some of what a full disk refuses: with its `folder`, the disk is looked at.

    No space: Unavailable `disk_full` (507). No right to write: Unavailable `read_only`. A damaged database:
    DatabaseDamaged. Other input or output errors: Unavailable.
    """
    try:
        yield
    except OSError as error:
        if error.errno in _FULL:
            raise disk_full(what) from error
        if error.errno in _REFUSED:
            raise read_only(what) from error
        raise Unavailable(f"{what}: {error.strerror or error}. Check the disk of the data folder.") from error
    except sqlite3.DatabaseError as error:
        translated = _sqlite_problem(what, error, folder)
        if translated is None:
            raise
        raise translated from error


def _sqlite_problem(what: str, error: sqlite3.DatabaseError, folder: Path | None) -> ScopelineError | None:
    # The low byte is the primary result code (https://www.sqlite.org/rescode.html).
    primary = (getattr(error, "sqlite_errorcode", None) or 0) & 0xFF
    vague = primary in (sqlite3.SQLITE_IOERR, sqlite3.SQLITE_CANTOPEN)
    if primary == sqlite3.SQLITE_FULL or (vague and folder is not None and not has_room(folder)):
        return disk_full(what)
    if primary in (sqlite3.SQLITE_READONLY, sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_PERM):
        return read_only(what)
    if primary in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED):
        return Unavailable(
            f"{what}: another program holds the database. Close tools that have it open, then try again.", code="busy"
        )
    if primary in (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB):
        return DatabaseDamaged(
            f"{what}: the database is damaged ({error}). Stop the service and restore the data folder from a backup."
        )
    if primary == sqlite3.SQLITE_IOERR:
        return Unavailable(f"{what}: the database could not be read or written ({error}). Check the disk.")
    return None
