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
from scopeline.ports import FILES, FINDINGS, find_all
from scopeline.services.backend import Backend
from scopeline.services.files import get_version
from scopeline.services.findings import compare, look_again
from scopeline.services.sweeping.tasks import STUCK_AFTER, ParkedWork, Portion, Task, look_at
from scopeline.services.tombstones import erased_session_of

log = logging.getLogger(__name__)

# How many objects or files one sweep compares; a round of a million takes some days.
PORTION = 300
EVERY = timedelta(days=1)


def compare_objects(backend: Backend, state: SweepState) -> Portion:
    """Current objects of raw: one that the catalog does not know is announced, one that differs becomes a finding.

    A round begins with what the ones before found.
    """
    if state.cursor is None:
        for finding in find_all(backend.catalog, Finding, FINDINGS):
            look_again(backend, finding.id)
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
        if parked.holds(key, Topic.OBJECT_FINALIZED):
            return False
        log.warning("Object %s, generation %d, is not in the catalog.", stored.name, stored.generation)
        _publish(backend, Topic.OBJECT_FINALIZED, stored)
        return True

    return look_at(objects, look, objects[-1].name if len(objects) == PORTION else None)


def compare_files(backend: Backend, state: SweepState) -> Portion:
    """Files of the catalog: one whose current version is not stored any more is told to be deleted."""
    page = backend.catalog.find(File, FILES, limit=PORTION, cursor=state.cursor)
    parked = ParkedWork(backend)

    def look(file: File) -> bool:
        if file.generation is None or file.bucket != backend.raw.bucket:
            return False
        if backend.raw.stat(file.object, file.generation) is not None:
            return False
        if parked.holds(file.id, Topic.OBJECT_DELETED):
            return False
        version = get_version(backend, file.id, file.generation)
        if version is None:
            return False
        log.warning("Object %s, generation %d, is in the catalog and not stored.", file.object, file.generation)
        _publish(backend, Topic.OBJECT_DELETED, _object_of(file, version))
        return True

    return look_at(page.items, look, page.cursor)


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


def _publish(backend: Backend, topic: Topic, stored: StoredObject) -> None:
    data = stored.model_dump(mode="json")
    backend.events.publish(Event(type=topic, key=file_id(stored.bucket, stored.name), at=backend.clock(), data=data))


OBJECTS = Task("objects", EVERY, compare_objects, slow=True)
CATALOG_FILES = Task("catalog_files", EVERY, compare_files, slow=True)
