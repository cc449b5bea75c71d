"""Ids, object names and paths: pure functions, fixed by docs/adr/0001."""

from __future__ import annotations

import base64
import hashlib
import re
import unicodedata
from dataclasses import dataclass
from datetime import UTC, date, datetime
from zoneinfo import ZoneInfo

from scopeline.domain.errors import InvalidInput

UNASSIGNED = "unassigned"

_SLUG = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,38}[a-z0-9])?")
_SESSION = re.compile(r"\d{8}-[a-z0-9](?:[a-z0-9-]{0,38}[a-z0-9])?-[a-z2-7]{6}")
_FILE = re.compile(r"[a-z2-7]{24}")
_LOCAL_ID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")

# Object names are at most 1,024 bytes on Google Cloud Storage; some room is left for what a tool may append.
MAX_OBJECT_NAME_BYTES = 900
# A segment longer than this cannot be a file name on the systems that instruments write to.
MAX_SEGMENT_BYTES = 255


def digest_text(*parts: str, length: int) -> str:
    """`length` base32 characters (lower case, a-z2-7) of the SHA-256 of the parts, separated by NUL."""
    raw = hashlib.sha256("\0".join(parts).encode()).digest()
    return base64.b32encode(raw).decode().lower()[:length]


def check_slug(value: str, what: str) -> str:
    """Return `value` if it can be an id of an instrument, client or root: 1-40 of a-z, 0-9 and inner hyphens."""
    if not _SLUG.fullmatch(value):
        raise InvalidInput(
            f"{what} {value!r} is not an id: use 1 to 40 lower-case letters, digits and inner hyphens.",
            code="invalid_id",
        )
    return value


def is_session_id(value: str) -> bool:
    """Whether `value` has the form of a session id (`20260206-titan-7f3k2a`)."""
    return bool(_SESSION.fullmatch(value))


def is_file_id(value: str) -> bool:
    """Whether `value` has the form of a file id: 24 base32 characters."""
    return bool(_FILE.fullmatch(value))


def session_in_name(name: str) -> str | None:
    """The session whose place in raw the object's name is in; None where it is in none's."""
    parts = name.split("/")
    return parts[1] if len(parts) > 2 and is_session_id(parts[1]) else None


@dataclass(frozen=True, slots=True)
class Place:
    """Which file or session something is about, as far as names tell it."""

    path: str | None = None
    session: str | None = None
    instrument: str | None = None


def place_in_name(name: str) -> Place:
    """The file's path, session and instrument by the object's name; a long path was shortened in it.

    A name that was not made here is all path.
    """
    parts = name.split("/", 4)
    if len(parts) == 5 and _SLUG.fullmatch(parts[0]):
        if parts[1] == UNASSIGNED:
            return Place(parts[4], None, parts[0])
        if is_session_id(parts[1]):
            return Place(parts[4], parts[1], parts[0])
    return Place(name)


def place_of_session(session: str) -> Place:
    """The session and its instrument, which stands in the session's id."""
    return Place(session=session, instrument=session[9:-7] if is_session_id(session) else None)


def is_local_id(value: str) -> bool:
    """Whether `value` is a lower-case uuid, as loggers make them for sessions and events."""
    return bool(_LOCAL_ID.fullmatch(value))


def session_id(at: datetime, zone: ZoneInfo, instrument: str, local_id: str) -> str:
    """The id of the session that a START makes, a pure function of that START.

    `at` is the client's own clock as it wrote it (aware); its date is taken in the instrument's `zone`.
    """
    day = at.astimezone(zone).strftime("%Y%m%d")
    return f"{day}-{instrument}-{digest_text(local_id, length=6)}"


def file_id(bucket: str, name: str) -> str:
    """The id of a file: 24 base32 characters of the hash of its bucket and object name."""
    return digest_text(bucket, name, length=24)


def dataset_id(file: str, index: int) -> str:
    """The id of the signal at `index` (from 0) in a file."""
    return f"{file}.{index}"


def normalise_path(path: str) -> str:
    """The path in NFC with `/` between segments.

    Raises InvalidInput (`invalid_path`) where it is empty, absolute, has an empty, `.` or `..` segment, a backslash,
    a control character, a lone surrogate, or a segment of over 255 bytes.
    """
    try:
        path.encode()
    except UnicodeEncodeError:
        raise _bad_path(path, "has a character that is not Unicode text") from None
    normal = unicodedata.normalize("NFC", path)
    if not normal:
        raise _bad_path(path, "is empty")
    if normal.startswith("/") or re.match(r"[A-Za-z]:", normal):
        raise _bad_path(path, "is absolute")
    if "\\" in normal:
        raise _bad_path(path, "has a backslash")
    if any(unicodedata.category(c) in ("Cc", "Zl", "Zp") for c in normal):
        raise _bad_path(path, "has a control character or a line break")
    for segment in normal.split("/"):
        if segment in ("", ".", ".."):
            raise _bad_path(path, f"has the segment {segment!r}")
        if len(segment.encode()) > MAX_SEGMENT_BYTES:
            raise _bad_path(path, f"has a segment of over {MAX_SEGMENT_BYTES} bytes")
    return normal


def _bad_path(path: str, why: str) -> InvalidInput:
    return InvalidInput(
        f"Path {path[:200]!r} {why}. Expected a relative path with '/' between plain names; "
        "rename the file and save it again.",
        code="invalid_path",
    )


def raw_object_name(instrument: str, session: str, client: str, root: str, path: str) -> str:
    """Where a session's file is uploaded: `{instrument}/{session}/{client}/{root}/{path}` (path shortened if long)."""
    return _fit(f"{instrument}/{session}/{client}/{root}/", normalise_path(path))


def unassigned_object_name(instrument: str, first_seen: datetime, client: str, key: str, path: str) -> str:
    """Where a file without a session is uploaded.

    `{instrument}/unassigned/{UTC date first seen}/{client}-{hash of the client's key}/{path}`: the client's key of the
    file is stable, so the same file finds its object again.
    """
    day: date = first_seen.astimezone(UTC).date()
    prefix = f"{instrument}/{UNASSIGNED}/{day:%Y-%m-%d}/{client}-{digest_text(key, length=16)}/"
    return _fit(prefix, normalise_path(path))


def _fit(prefix: str, path: str) -> str:
    name = prefix + path
    if len(name.encode()) <= MAX_OBJECT_NAME_BYTES:
        return name
    last = path.rsplit("/", 1)[-1]
    return f"{prefix}~{digest_text(path, length=24)}/{last}"


def derived_prefix(file: str, generation: int, inputs: str) -> str:
    """The folder in the derived bucket of what was made from one version with one set of inputs."""
    return f"{file}/{generation}/{inputs}/"
