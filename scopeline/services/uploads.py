"""Where the bytes of a file go, and whether they arrived whole."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from scopeline.domain import names
from scopeline.domain.documents import utc_text
from scopeline.domain.errors import Conflict, NotFound
from scopeline.domain.events import StoredObject, object_changed_event
from scopeline.domain.files import File, Verified
from scopeline.domain.sessions import Session
from scopeline.logs import learn
from scopeline.ports import MissingObject
from scopeline.services.access import Caller, require_instrument
from scopeline.services.backend import Backend
from scopeline.services.files import (
    get_version,
    refresh_file,
    upsert_version,
    verify_version,
)
from scopeline.services.lookup import find_session
from scopeline.services.membership import join_running_session, publish_changed
from scopeline.services.places import check_instrument, expect_file, place_of
from scopeline.services.tombstones import SessionErased, refuse_erased_object


@dataclass(frozen=True, slots=True)
class UploadRequest:
    """A file whose bytes a client wants to send. `key` is the client's stable id of the file, `md5` hexadecimal."""

    session: str | None
    root: str
    path: str
    size: int
    mtime: datetime
    first_seen: datetime
    key: str
    md5: str | None = None


@dataclass(frozen=True, slots=True)
class Upload:
    """Where the bytes go. Without `url` they are there already, as `generation`; with it they replace that one (0:
    none)."""

    object: str
    file: str
    generation: int
    url: str | None = None


def request_upload(backend: Backend, caller: Caller, request: UploadRequest) -> Upload:
    """Where to send a file's bytes; no URL where the same bytes are there.

    Raises Conflict (`unknown_session`), SessionErased, Forbidden (`not_your_instrument`), InvalidInput (`unknown_root`,
    `invalid_path`, `ignored`, `file_too_large`), Unavailable (`disk_full`).
    """
    client = caller.sender
    place = place_of(backend, client, request.root, request.path, request.size, {})
    require_instrument(caller, place.instrument.id)
    session = _session_of_upload(backend, request.session)
    if session is not None:
        require_instrument(caller, session.instrument)
        check_instrument(session, place)
        name = names.raw_object_name(place.instrument.id, session.id, client.id, request.root, place.path)
    else:
        name = names.unassigned_object_name(place.instrument.id, request.first_seen, client.id, request.key, place.path)
        refuse_erased_object(backend, name)
    first_seen = min(request.first_seen + timedelta(seconds=client.clock_offset or 0.0), backend.clock())
    file = expect_file(
        backend,
        client,
        place,
        name,
        session=session.id if session else None,
        size=request.size,
        mtime=request.mtime,
        first_seen=first_seen,
    )
    learn(session=file.session, file=file.id)
    if file.session is None:
        join_running_session(backend, file)
    current = backend.raw.stat(name)
    if current is not None and _is_there(backend, file, current, request):
        return Upload(name, file.id, current.generation)
    generation = current.generation if current else 0
    url = backend.raw.create_upload(
        name, size=request.size, if_generation=generation, metadata=_metadata(file, request, first_seen)
    )
    return Upload(name, file.id, generation, url)


def confirm_upload(
    backend: Backend, caller: Caller, *, name: str, generation: int, size: int, md5: str
) -> tuple[str, Verified]:
    """Compare what the client sent with what is stored; the file's id and the answer.

    May come before or after the version was read. Raises NotFound, InvalidInput, Conflict (`md5_mismatch`): the
    version is rejected then, and the client sends the file again.
    """
    stored = backend.raw.stat(name, generation)
    file_id = names.file_id(backend.raw.bucket, name)
    owner = backend.catalog.get(File, f"files/{file_id}")
    learn(session=owner.document.session if owner else names.session_in_name(name), file=file_id)
    if stored is None or owner is None or owner.document.client != caller.sender.id:
        raise MissingObject(
            f"Client {caller.sender.id} has no object {name[:200]!r} with generation {generation}. "
            "It was replaced or never stored: ask for an upload again."
        )
    verified = _verify(backend, owner.document, stored, size=size, md5=md5)
    if verified is Verified.NO or (stored.size, stored.md5) != (size, md5):
        raise Conflict(
            f"Object {name!r}, generation {generation}, has {stored.size} bytes with MD5 {stored.md5}; "
            f"the client has {size} bytes with MD5 {md5}. Send the file again.",
            code="md5_mismatch",
        )
    return file_id, verified


def _session_of_upload(backend: Backend, ref: str | None) -> Session | None:
    if ref is None:
        return None
    try:
        return find_session(backend, ref).document
    except SessionErased:
        raise
    except NotFound as error:
        raise Conflict(str(error), code="unknown_session") from error


def _is_there(backend: Backend, file: File, current: StoredObject, request: UploadRequest) -> bool:
    if request.md5 is None or (current.size, current.md5) != (request.size, request.md5):
        return False
    version = get_version(backend, file.id, current.generation)
    verified = version.verified if version is not None else Verified.UNKNOWN
    if verified is Verified.UNKNOWN:
        verified = _verify(backend, file, current, size=request.size, md5=request.md5)
    return verified is Verified.YES and _has_bytes(backend, current)


def _has_bytes(backend: Backend, stored: StoredObject) -> bool:
    """Whether the version can be read: where its bytes were lost, the client's are wanted again."""
    try:
        backend.raw.open(stored.name, stored.generation).close()
    except MissingObject:
        return False
    return True


def _verify(backend: Backend, file: File, stored: StoredObject, *, size: int, md5: str) -> Verified:
    """Mark the version and follow up: a rejected one takes its results from the file and its session."""
    version = upsert_version(backend, file, stored)
    verified = verify_version(backend, version, size=size, md5=md5)
    refreshed = refresh_file(backend, file.id)
    if verified is Verified.NO:
        backend.events.publish(object_changed_event(file.bucket, file.object, backend.clock()))
        if refreshed.session is not None:
            session = backend.catalog.get(Session, f"sessions/{refreshed.session}")
            if session is not None:
                publish_changed(backend, session.document)
    return verified


def _metadata(file: File, request: UploadRequest, first_seen: datetime) -> dict[str, str]:
    """What goes with the object: enough to make the file's document again from the object alone."""
    told = {
        "session": file.session or "",
        "root": file.root,
        "mtime": utc_text(request.mtime),
        "first_seen": utc_text(first_seen),
        "md5": request.md5 or "",
    }
    if not file.object.endswith("/" + file.path):
        told["path"] = file.path
    return {name: value for name, value in told.items() if value}
