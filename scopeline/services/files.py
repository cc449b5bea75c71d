"""Files and their versions in the catalog: the one place where they are made, verified, moved and refreshed."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import Any

from pydantic import TypeAdapter, ValidationError

from scopeline.domain import names
from scopeline.domain.documents import Moment
from scopeline.domain.errors import NotFound
from scopeline.domain.events import StoredObject
from scopeline.domain.files import File, FileVersion, Membership, Verified, current_version, derived_fields
from scopeline.ports import NEWEST_VERSIONS, VERSIONS_OF_FILE, find_all
from scopeline.services.backend import Backend
from scopeline.services.changes import change
from scopeline.services.tombstones import refuse_erased_object

UPLOADED = "uploaded to the session"
FOREIGN = "unknown"  # instrument, client or root of an object whose name does not say it
# The most versions that are asked for at once, where many in a row were deleted or rejected.
MOST_AT_ONCE = 256


def get_file(backend: Backend, file_id: str) -> File:
    """The file. Raises NotFound."""
    stored = backend.catalog.get(File, f"files/{file_id}") if _is_file_id(file_id) else None
    if stored is None:
        raise NotFound(f"There is no file {file_id[:60]!r}. Expected an id as /v1/files gives it.")
    return stored.document


def get_or_create_file(backend: Backend, stored_object: StoredObject) -> File:
    """The file of an object in raw; where it has no document, one made of the object's name and metadata.

    A name that is not of Scopeline's making is accepted too: its file belongs to no session. Raises SessionErased where
    the file was erased with its session.
    """
    key = f"files/{names.file_id(stored_object.bucket, stored_object.name)}"
    found = backend.catalog.get(File, key)
    if found is None:
        refuse_erased_object(backend, stored_object.name)
        made = _file_from_object(backend, stored_object)
        if backend.catalog.create(made):
            return made
        found = backend.catalog.get(File, key)
    if found is None:
        raise NotFound(f"{key} of object {stored_object.name!r} was erased while it was made.")
    return found.document


def upsert_version(backend: Backend, file: File, stored_object: StoredObject) -> FileVersion:
    """The document of one stored version, made where there is none yet (ingest and confirm may come in any order).

    A version that `file` is older than is most likely new: it is made without a look before.
    """
    made = FileVersion(
        file=file.id,
        generation=stored_object.generation,
        size=stored_object.size,
        md5=stored_object.md5,
        crc32c=stored_object.crc32c,
        stored_at=stored_object.stored_at or backend.clock(),
        mtime=_moment(stored_object.metadata.get("mtime")),
    )
    is_known = file.generation is not None and file.generation >= made.generation
    found = backend.catalog.get(FileVersion, made.key) if is_known else None
    if found is None:
        if backend.catalog.create(made):
            return made
        found = backend.catalog.get(FileVersion, made.key)
    if found is None:
        raise NotFound(f"{made.key} was erased while it was made.")
    return found.document


def get_version(backend: Backend, file_id: str, generation: int) -> FileVersion | None:
    """The document of one version, or None."""
    stored = backend.catalog.get(FileVersion, f"files/{file_id}/versions/{generation}")
    return stored.document if stored else None


def list_versions(backend: Backend, file_id: str) -> list[FileVersion]:
    """All versions of a file, by generation."""
    return list(find_all(backend.catalog, FileVersion, VERSIONS_OF_FILE, parent=file_id))


def newest_versions(backend: Backend, file: File) -> list[FileVersion]:
    """The newest versions of a file, down to its current one; all of them where it has none.

    However many versions there are, few are read: first those from the generation on that the file already has.
    """
    known = file.generation
    found = list(_down_to_current(backend, file.id, since=known))
    if known is not None and current_version(found) is None:
        found += _down_to_current(backend, file.id, before=known)
    return found


def _down_to_current(
    backend: Backend, file_id: str, *, since: int | None = None, before: int | None = None
) -> Iterator[FileVersion]:
    """The versions from `since` on and before `before`, newest first, to the first page with one that counts."""
    cursor: str | None = None
    limit = 1
    while True:
        page = backend.catalog.find(
            FileVersion, NEWEST_VERSIONS, parent=file_id, since=since, before=before, limit=limit, cursor=cursor
        )
        yield from page.items
        cursor = page.cursor
        if cursor is None or current_version(page.items) is not None:
            return
        limit = min(4 * limit, MOST_AT_ONCE)


def verify_version(backend: Backend, version: FileVersion, *, size: int, md5: str) -> Verified:
    """Compare what the client has with what is stored, and write the answer down: yes and no are both final."""

    def edit(there: FileVersion) -> bool:
        if there.verified is not Verified.UNKNOWN:
            return False
        there.verified = Verified.YES if (there.size, there.md5) == (size, md5) else Verified.NO
        return True

    return change(backend.catalog, FileVersion, version.key, edit).verified


def refresh_file(backend: Backend, file_id: str) -> File:
    """Bring status, generation and datasets of a file up to date with its versions; the file as it now stands.

    Everybody who makes or changes a version refreshes the file after that, so what a look misses, because it came while
    or after it went from the newest version down, is seen by the look of who wrote it. What a look passed by stays
    passed by: deleted and rejected are final. The file is read before its versions and written only if unchanged since.
    Who found nothing to write may have looked before another's write of something older, so each writer of the file
    looks at the versions once more. Raises NotFound.
    """

    def edit(file: File) -> bool:
        fields = _outdated_fields(backend, file)
        for name, value in fields.items():
            setattr(file, name, value)
        if fields:
            written.append(file)
            touch(file, backend.clock())
        return bool(fields)

    while True:
        written: list[File] = []
        file = change(backend.catalog, File, f"files/{file_id}", edit)
        if not written or not _outdated_fields(backend, file):
            return file


def _outdated_fields(backend: Backend, file: File) -> dict[str, Any]:
    """What the versions of a file say that it does not say itself."""
    fields = derived_fields(newest_versions(backend, file))
    return {name: value for name, value in fields.items() if getattr(file, name) != value}


def touch(file: File, now: datetime) -> None:
    """Set `updated_at`, never back: readers that follow changes would miss the file."""
    file.updated_at = max(now, file.updated_at)


def _file_from_object(backend: Backend, stored_object: StoredObject) -> File:
    now = backend.clock()
    metadata = stored_object.metadata
    parts = stored_object.name.split("/")
    instrument, place = (parts[0], parts[1]) if len(parts) > 2 else (FOREIGN, "")
    session = None
    client, root, path = FOREIGN, FOREIGN, stored_object.name
    if names.is_session_id(place) and len(parts) > 4:
        session, client, root, path = place, parts[2], parts[3], "/".join(parts[4:])
    elif place == names.UNASSIGNED and len(parts) > 4:
        client, root, path = parts[3].rpartition("-")[0], metadata.get("root", FOREIGN), "/".join(parts[4:])
    member = Membership(session=session, at=now, who=client, why=UPLOADED) if session else None
    return File(
        bucket=stored_object.bucket,
        object=stored_object.name,
        session=session,
        membership=[member] if member else [],
        instrument=instrument,
        client=client,
        root=root,
        path=metadata.get("path") or path,
        first_seen=_moment(metadata.get("first_seen")) or stored_object.stored_at or now,
        size=stored_object.size,
        mtime=_moment(metadata.get("mtime")),
        updated_at=now,
    )


def _moment(text: str | None) -> datetime | None:
    """The moment that an object's metadata tell; None where they tell none that can be read."""
    if not text:
        return None
    try:
        return TypeAdapter(Moment).validate_python(text)
    except ValidationError:
        return None


def _is_file_id(text: str) -> bool:
    return len(text) == 24 and text.isascii() and text.isalnum()
