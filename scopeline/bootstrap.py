"""Puts an edition together: adapters behind the ports, in one bundle."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime

from scopeline.adapters.embedded.catalog import EmbeddedCatalog
from scopeline.adapters.embedded.database import Database
from scopeline.adapters.embedded.events import EmbeddedEvents
from scopeline.adapters.embedded.object_store import EmbeddedObjectStore
from scopeline.formats.pool import ReaderPool
from scopeline.formats.worker import Limits
from scopeline.ports import Bucket
from scopeline.services.backend import Backend, system_clock
from scopeline.settings import Settings

# Where the local edition's server mounts its upload endpoint.
UPLOADS = "/upload"


@dataclass(frozen=True, slots=True)
class Embedded:
    """The embedded edition's parts: the bundle for services, and what the local process drives itself."""

    backend: Backend
    database: Database
    events: EmbeddedEvents
    raw: EmbeddedObjectStore
    derived: EmbeddedObjectStore


@contextmanager
def embedded(
    settings: Settings, *, clock: Callable[[], datetime] = system_clock, exclusive: bool = True
) -> Iterator[Embedded]:
    """The embedded edition in `settings.data_dir`, for as long as the context lasts.

    Upload URLs are relative to the API's address, whatever a logger calls it. With `exclusive` false, only the catalog
    may be used, and a running service may hold the folder at the same time. Raises DataFolderInUse and Unavailable.
    """
    database = Database(settings.data_dir, clock=clock, exclusive=exclusive)
    try:
        raw = EmbeddedObjectStore(database, Bucket.RAW, settings.data_dir / "raw", UPLOADS)
        derived = EmbeddedObjectStore(database, Bucket.DERIVED, settings.data_dir / "derived", UPLOADS)
        events = EmbeddedEvents(database, attempts=settings.attempts)
        backend = Backend(
            raw=raw, derived=derived, catalog=EmbeddedCatalog(database), events=events, settings=settings, clock=clock
        )
        yield Embedded(backend, database, events, raw, derived)
    finally:
        database.close()


def reader_pool(settings: Settings) -> ReaderPool:
    """The processes that read files, with the settings' limits; not started yet."""
    limits = Limits(
        memory_bytes=settings.reader_memory,
        cpu_seconds=settings.reader_seconds,
        wall_seconds=2 * settings.reader_seconds,
    )
    return ReaderPool(settings.readers, limits=limits)
