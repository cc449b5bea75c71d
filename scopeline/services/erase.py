"""Erasing a session: all that is stored of it goes, a tombstone stays (docs/adr/0011)."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import MAXYEAR, timedelta

from scopeline.domain import names
from scopeline.domain.documents import utc_text
from scopeline.domain.erasure import ErasedFile, Tombstone
from scopeline.domain.errors import NotFound, ScopelineError
from scopeline.domain.events import Event, StoredObject, Topic
from scopeline.domain.files import File
from scopeline.domain.records import Record
from scopeline.domain.sessions import Session
from scopeline.ports import FILES_OF_SESSION, RECORD_VERSIONS, ObjectStore, Retained, find_all
from scopeline.services.backend import Backend
from scopeline.services.changes import change
from scopeline.services.files import list_versions
from scopeline.services.lookup import find_session
from scopeline.services.publish import RecordSite
from scopeline.services.tombstones import SessionErased, erased_session_of, find_tombstone

log = logging.getLogger(__name__)

# A function's time ends: after so many deletions or so many seconds, the rest is another delivery.
SLICE_DELETIONS = 2000
SLICE_SECONDS = 240.0
FILES_AT_ONCE = 500
# What was under way while the session was erased has written by then what it writes, and that goes too.
SECOND_LOOK = timedelta(hours=1)


# ------------------------------------------------------------------------------------------------------ the request


@dataclass(frozen=True, slots=True)
class ToErase:
    """What would go with a session: how many files and versions of raw."""

    session: Session
    files: int
    versions: int


def survey(backend: Backend, ref: str) -> ToErase:
    """What erasing the session would take. Nothing is changed.

    Raises NotFound (`unknown_session`), SessionErased, and Retained where a version may not be deleted yet.
    """
    session = find_session(backend, ref).document
    return ToErase(session, *_survey(backend, session))


def request_erasure(backend: Backend, who: str, ref: str, reason: str) -> Tombstone:
    """Have a session erased in the name of `who`; again, the same answer: `erased_at` says when nothing was left.

    Raises NotFound (`unknown_session`), and Retained where a version may not be deleted yet: then nothing was changed.
    """
    try:
        session = find_session(backend, ref).document
    except SessionErased as erased:
        tombstone = _tombstone(backend, erased.session)
    else:
        tombstone = _bury(backend, session, who=who, reason=reason)
    if tombstone.erased_at is None:
        backend.events.publish(_event(backend, tombstone.session))
    return tombstone


def _bury(backend: Backend, session: Session, *, who: str, reason: str) -> Tombstone:
    """Write the tombstone, then close the session, so that nobody sees it and nothing more is taken for it."""
    files, versions = _survey(backend, session)
    tombstone = Tombstone(
        session=session.id, reason=reason, who=who, at=backend.clock(), files=files, versions=versions
    )
    if backend.catalog.create(tombstone):
        log.info("Session %s is to be erased: %d files, %d versions.", session.id, files, versions)
    _begin(backend, session.id)
    return _tombstone(backend, session.id)


def ask_again(backend: Backend, session_id: str) -> None:
    """Have a session erased that has a tombstone: the process that asked for it ended on its way, or an event was lost.

    What is there of it may still be open. Asking where all is done, or under way, does no harm.
    """
    session = backend.catalog.get(Session, f"sessions/{session_id}")
    if session is not None and not session.document.erased:
        _begin(backend, session_id)
    backend.events.coalesce(_event(backend, session_id), timedelta(0))


def _begin(backend: Backend, session_id: str) -> None:
    """Close a session that has a tombstone, and have it looked at a second time."""
    # Before the session is closed: whoever asks again after that does not come here.
    backend.events.publish(_event(backend, session_id), not_before=backend.clock() + SECOND_LOOK)
    _close(backend, session_id)


def _survey(backend: Backend, session: Session) -> tuple[int, int]:
    """How many files and versions of raw the session has. Raises Retained where one may not be deleted yet."""
    files = {file.object for file in find_all(backend.catalog, File, FILES_OF_SESSION, where={"session": session.id})}
    versions = 0
    for stored in _raw_versions(backend, session.id, frozenset(files)):
        _check_not_retained(backend, session.id, stored)
        files.add(stored.name)
        versions += 1
    for stored in backend.derived.versions(_record_prefix(session.id)):
        _check_not_retained(backend, session.id, stored)
    return len(files), versions


def _raw_versions(backend: Backend, session_id: str, files: frozenset[str]) -> Iterator[StoredObject]:
    """The versions of the session's files, and of what stands at the session's place in raw and is nobody's file."""
    place = _place(session_id)
    for stored in backend.raw.versions(place):
        if stored.name in files or not _is_elsewhere(backend, session_id, stored.name):
            yield stored
    for name in sorted(files):
        if not name.startswith(place):
            yield from _versions_of(backend.raw, name)


def _check_not_retained(backend: Backend, session_id: str, stored: StoredObject) -> None:
    until = stored.retained_until
    if until is None or until <= backend.clock():
        return
    end = f"until {utc_text(until)}" if until.year < MAXYEAR else "without an end that is known: somebody holds it"
    raise Retained(
        f"Session {session_id} cannot be erased: {stored.bucket}/{stored.name}, generation {stored.generation}, is "
        f"retained {end}. Nothing was erased. Ask again then, or have the hold released first."
    )


def _event(backend: Backend, session_id: str) -> Event:
    return Event(type=Topic.SESSION_ERASED, key=session_id, at=backend.clock())


# ---------------------------------------------------------------------------------------------------------- the work


def erase_session(backend: Backend, site: RecordSite | None, event: Event) -> None:
    """Handle `session.erased`: the page first, then all else, in slices; each goes on where the one before ended.

    Raises NotFound (`no_tombstone`), and Retained where a version was put under a hold since: a replay goes on then.
    """
    session_id = event.key
    if find_tombstone(backend, session_id) is None:
        raise NotFound(
            f"Session {session_id} has no tombstone, so nobody asked to erase it. Expected DELETE before this event.",
            code="no_tombstone",
        )
    _close(backend, session_id)
    if site is not None:
        site.delete_record(session_id)
    until = time.monotonic() + SLICE_SECONDS
    try:
        for done, _ in enumerate(_erase(backend, session_id), start=1):
            if done >= SLICE_DELETIONS or time.monotonic() >= until:
                backend.events.publish(event)
                log.info("Erased a part of session %s: %d deletions. The rest follows.", session_id, done)
                return
    except Retained as error:
        raise Retained(
            f"Session {session_id} is erased in part only: {error} Replay this when the hold is released."
        ) from error
    if site is not None:
        # Again, last: publishing that began before the session was closed may have brought it back.
        site.delete_record(session_id)
    _note_erased(backend, session_id)


def unless_erased(backend: Backend, handle: Callable[[Event], None], event: Event) -> None:
    """Handle an event of a file or session; where that fails because it was erased, remove what came of it, and end.

    Only a failure that would stay looks for a tombstone.
    """
    try:
        handle(event)
    except ScopelineError as error:
        if error.transient or not _remove_remains(backend, event):
            raise
        log.info("%s of %s came for what is erased: %s", event.type, event.key, error)


def _erase(backend: Backend, session_id: str) -> Iterator[None]:
    """Delete all that is stored of the session, one thing a step; whoever begins again finds what is left."""
    files = {"session": session_id}
    # Read once: what gives up for one of the files from here on finds its tombstone instead.
    parked = [(each.event.key, each.id) for each in backend.events.parked()]
    while page := backend.catalog.find(File, FILES_OF_SESSION, where=files, limit=FILES_AT_ONCE).items:
        ids = {file.id for file in page}
        for parked_id in [parked_id for key, parked_id in parked if key in ids]:
            backend.events.discard(parked_id)
        for file in page:
            yield from _erase_file(backend, session_id, file.id, file.object)
    for stored in backend.raw.versions(_place(session_id)):
        if not _is_elsewhere(backend, session_id, stored.name):
            yield from _erase_object(backend, session_id, stored.name)
    yield from _erase_record(backend, session_id)
    _discard_parked(backend, session_id)
    yield from _delete_document(backend, f"sessions/{session_id}")


def _erase_object(backend: Backend, session_id: str, name: str) -> Iterator[None]:
    yield from _erase_file(backend, session_id, names.file_id(backend.raw.bucket, name), name)


def _erase_file(backend: Backend, session_id: str, file_id: str, name: str) -> Iterator[None]:
    """Delete all versions of a file's object, what was made from them, and the documents of both.

    The file's document goes after what it leads to, so that a redelivery finds its way; and what others made until then
    goes after it. Who makes something later misses the document, and removes what it made.
    """
    if names.session_in_name(name) != session_id:
        backend.catalog.create(ErasedFile(file=file_id, session=session_id))
    yield from _erase_versions(backend, file_id, name)
    yield from _delete_document(backend, f"files/{file_id}")
    yield from _erase_versions(backend, file_id, name)


def _erase_versions(backend: Backend, file_id: str, name: str) -> Iterator[None]:
    """Delete the versions, what was made from them, and what was noted of them."""
    for stored in list(_versions_of(backend.raw, name)):
        yield from _delete_version(backend.raw, stored)
    for stored in list(backend.derived.versions(f"{file_id}/")):
        yield from _delete_version(backend.derived, stored)
    for version in list_versions(backend, file_id):
        yield from _delete_document(backend, f"findings/{file_id}.{version.generation}")
        yield from _delete_document(backend, version.key)
    yield from _delete_document(backend, f"dismissals/{file_id}")


def _erase_record(backend: Backend, session_id: str) -> Iterator[None]:
    """Delete the record's versions, and what people added to it or said of its work."""
    for stored in list(backend.derived.versions(_record_prefix(session_id))):
        yield from _delete_version(backend.derived, stored)
    for record in list(find_all(backend.catalog, Record, RECORD_VERSIONS, parent=session_id)):
        yield from _delete_document(backend, record.key)
    yield from _delete_document(backend, f"overlays/{session_id}")
    yield from _delete_document(backend, f"dismissals/{session_id}")


def _delete_version(store: ObjectStore, stored: StoredObject) -> Iterator[None]:
    if store.delete(stored.name, stored.generation):
        yield


def _delete_document(backend: Backend, key: str) -> Iterator[None]:
    if backend.catalog.delete(key):
        yield


def _discard_parked(backend: Backend, session_id: str) -> None:
    """Forget the deliveries that gave up and name the session or an object at its place."""
    for parked in list(backend.events.parked()):
        event = parked.event
        name = _object_name(event)
        at_its_place = name.startswith(_place(session_id)) and not _is_elsewhere(backend, session_id, name)
        if event.key == session_id or at_its_place:
            backend.events.discard(parked.id)


def _remove_remains(backend: Backend, event: Event) -> bool:
    """Remove what an event brought of something that is erased; False where it is of nothing erased."""
    if event.type in (Topic.OBJECT_FINALIZED, Topic.OBJECT_DELETED, Topic.OBJECT_CHANGED):
        name = _object_name(event)
        if not name or event.data.get("bucket") != backend.raw.bucket:
            return False
        session_id = erased_session_of(backend, name)
        if session_id is None or _is_elsewhere(backend, session_id, name):
            return False
        remains = _erase_object(backend, session_id, name)
    else:
        if find_tombstone(backend, event.key) is None:
            return False
        remains = _erase_record(backend, event.key)
    for _ in remains:
        pass
    return True


def _object_name(event: Event) -> str:
    """The object of raw that an event is about; nothing where it is about none."""
    name = event.data.get("name") or event.data.get("object")
    return name if isinstance(name, str) else ""


def _is_elsewhere(backend: Backend, session_id: str, name: str) -> bool:
    """Whether a person moved the file of object `name` out of the session: then it stays."""
    file = backend.catalog.get(File, f"files/{names.file_id(backend.raw.bucket, name)}")
    return file is not None and file.document.session != session_id and bool(file.document.membership)


def _versions_of(store: ObjectStore, name: str) -> Iterator[StoredObject]:
    """All versions of exactly this object; other names may begin with its name."""
    for stored in store.versions(name):
        if stored.name != name:
            return
        yield stored


def _place(session_id: str) -> str:
    """Where the session's own uploads stand in raw; its id has the instrument's in it."""
    return f"{session_id[9:-7]}/{session_id}/"


def _record_prefix(session_id: str) -> str:
    return f"records/{session_id}/"


def _tombstone(backend: Backend, session_id: str) -> Tombstone:
    found = find_tombstone(backend, session_id)
    if found is None:
        raise NotFound(f"The tombstone of session {session_id} is missing. Erase the session again.")
    return found


def _close(backend: Backend, session_id: str) -> None:
    """Mark the session, where it is still there."""

    def edit(session: Session) -> bool:
        if session.erased:
            return False
        session.erased = True
        session.updated_at = backend.clock()
        return True

    try:
        change(backend.catalog, Session, f"sessions/{session_id}", edit)
    except NotFound:
        # Erased already.
        return


def _note_erased(backend: Backend, session_id: str) -> None:
    def edit(tombstone: Tombstone) -> bool:
        if tombstone.erased_at is not None:
            return False
        tombstone.erased_at = backend.clock()
        return True

    tombstone = change(backend.catalog, Tombstone, f"tombstones/{session_id}", edit)
    log.info("Erased session %s: %d files, %d versions.", session_id, tombstone.files, tombstone.versions)
