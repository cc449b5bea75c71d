"""What the raw bucket and the catalog say of each other, compared slowly, all of it again and again."""

from __future__ import annotations

import itertools
import logging
from datetime import timedelta

from scopeline.domain.events import Event, StoredObject, Topic
from scopeline.domain.files import File, FileVersion
from scopeline.domain.findings import Finding
from scopeline.domain.names import file_id
from scopeline.domain.sweeps import SweepState
from scopeline.ports import FILES, FINDINGS
from scopeline.services.backend import Backend
from scopeline.services.files import get_version, list_versions
from scopeline.services.findings import compare, settle
from scopeline.services.sweeping.tasks import STUCK_AFTER, ParkedWork, Portion, Task, look_at
from scopeline.services.tombstones import erased_session_of

log = logging.getLogger(__name__)

# How many objects or files one sweep compares; a round of a million takes some days.
PORTION = 300
# How many findings are compared at a time: a sweep looks at its watch in between.
FINDINGS_PORTION = 50
EVERY = timedelta(days=1)


def compare_objects(backend: Backend, state: SweepState) -> Portion:
    """Current objects of raw: one that the catalog does not know is announced, one that differs becomes a finding."""
    objects = list(itertools.islice(backend.raw.list(after=state.cursor or ""), PORTION))
    parked = ParkedWork(backend)

    def look(stored: StoredObject) -> bool:
        key = file_id(stored.bucket, stored.name)
        version = get_version(backend, key, stored.generation)
        if version is not None:
            return not compare(backend, stored, version)
        if stored.stored_at is not None and backend.clock() - stored.stored_at < STUCK_AFTER:
            return False
        if _belongs_to_the_erased(backend, stored):
            return _delete(backend, stored.name)
        finalized = _event(backend, Topic.OBJECT_FINALIZED, stored)
        if parked.holds(finalized):
            return False
        log.warning("Object %s, generation %d, is not in the catalog.", stored.name, stored.generation)
        backend.events.publish(finalized)
        return True

    return look_at(objects, look, objects[-1].name if len(objects) == PORTION else None)


def compare_files(backend: Backend, state: SweepState) -> Portion:
    """Files of the catalog: one whose current version is gone, or current no more, is told to be deleted."""
    page = backend.catalog.find(File, FILES, limit=PORTION, cursor=state.cursor)
    parked = ParkedWork(backend)

    def look(file: File) -> bool:
        if file.generation is None or file.bucket != backend.raw.bucket:
            return False
        if not _is_gone(backend, file, file.generation):
            return False
        version = get_version(backend, file.id, file.generation)
        if version is None:
            return False
        deleted = _event(backend, Topic.OBJECT_DELETED, _object_of(file, version))
        if parked.holds(deleted):
            return False
        log.warning("Object %s, generation %d, is in the catalog and was deleted.", file.object, file.generation)
        backend.events.publish(deleted)
        return True

    return look_at(page.items, look, page.cursor)


def look_at_findings(backend: Backend, state: SweepState) -> Portion:
    """What was found before: it is compared again, and goes where it was mended or sent again."""
    page = backend.catalog.find(Finding, FINDINGS, limit=FINDINGS_PORTION, cursor=state.cursor)
    return look_at(page.items, lambda finding: settle(backend, finding), page.cursor)


def _is_gone(backend: Backend, file: File, generation: int) -> bool:
    """Whether the file's version is not stored, or was deleted by its name alone: the store keeps it as an old one.

    Where a later version was deleted, the name has no current version either, and the file's is an old one rightly.
    """
    current = backend.raw.stat(file.object)
    if current is not None and current.generation == generation:
        return False
    if backend.raw.stat(file.object, generation) is None:
        return True
    return current is None and all(known.generation <= generation for known in list_versions(backend, file.id))


def _belongs_to_the_erased(backend: Backend, stored: StoredObject) -> bool:
    """Whether its session is erased, and its file was not moved to another session before."""
    session = erased_session_of(backend, stored.name)
    if session is None:
        return False
    file = backend.catalog.get(File, f"files/{file_id(stored.bucket, stored.name)}")
    return file is None or file.document.session in (None, session)


def _delete(backend: Backend, name: str) -> bool:
    """Delete all versions of an object. Raises Retained."""
    versions = itertools.takewhile(lambda stored: stored.name == name, backend.raw.versions(name))
    deleted = [backend.raw.delete(stored.name, stored.generation) for stored in list(versions)]
    log.warning("Deleted an object of an erased session: %d versions.", sum(deleted))
    return any(deleted)


def _object_of(file: File, version: FileVersion) -> StoredObject:
    return StoredObject(
        bucket=file.bucket,
        name=file.object,
        generation=version.generation,
        size=version.size,
        md5=version.md5,
        crc32c=version.crc32c,
        stored_at=version.stored_at,
    )


def _event(backend: Backend, topic: Topic, stored: StoredObject) -> Event:
    data = stored.model_dump(mode="json")
    return Event(type=topic, key=file_id(stored.bucket, stored.name), at=backend.clock(), data=data)


KNOWN_FINDINGS = Task("findings", EVERY, look_at_findings)
OBJECTS = Task("objects", EVERY, compare_objects, slow=True)
CATALOG_FILES = Task("catalog_files", EVERY, compare_files, slow=True)
