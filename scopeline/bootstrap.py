"""Puts an edition together: adapters behind the ports, in one bundle."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from scopeline.domain.errors import NotFound
from scopeline.formats.pool import ReaderPool
from scopeline.formats.worker import Limits
from scopeline.ports import Bucket
from scopeline.python_notices import leave_out_python_notices
from scopeline.services.backend import Backend, system_clock
from scopeline.settings import BadSetting, Settings

if TYPE_CHECKING:
    from scopeline.adapters.embedded.database import Database
    from scopeline.adapters.embedded.events import EmbeddedEvents
    from scopeline.adapters.embedded.object_store import EmbeddedObjectStore
    from scopeline.adapters.gcp.clients import Clients
    from scopeline.adapters.gcp.events import GoogleEvents

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


@dataclass(frozen=True, slots=True)
class Google:
    """The Google Cloud edition's parts: the bundle for services, and what its functions drive themselves."""

    backend: Backend
    clients: Clients
    events: GoogleEvents


@contextmanager
def embedded(
    settings: Settings, *, clock: Callable[[], datetime] = system_clock, exclusive: bool = True
) -> Iterator[Embedded]:
    """The embedded edition in `settings.data_dir`, for as long as the context lasts.

    Upload URLs are relative to the API's address, whatever a logger calls it. With `exclusive` false, a running
    service may hold the folder at the same time: the catalog may be used, objects looked at, events published and
    replayed, and nothing else. Raises DataFolderInUse and Unavailable.
    """
    from scopeline.adapters.embedded.catalog import EmbeddedCatalog
    from scopeline.adapters.embedded.database import Database
    from scopeline.adapters.embedded.events import EmbeddedEvents
    from scopeline.adapters.embedded.object_store import EmbeddedObjectStore

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


@contextmanager
def google(settings: Settings, *, clock: Callable[[], datetime] = system_clock) -> Iterator[Google]:
    """The Google Cloud edition that the settings name, or its emulators. Raises BadSetting."""
    leave_out_python_notices()
    from scopeline.adapters.gcp.catalog import GoogleCatalog
    from scopeline.adapters.gcp.clients import make_clients
    from scopeline.adapters.gcp.events import GoogleEvents
    from scopeline.adapters.gcp.object_store import GoogleObjectStore
    from scopeline.adapters.gcp.signing import make_signer

    for name in ("project", "raw_bucket", "derived_bucket"):
        if not getattr(settings, name):
            raise BadSetting(f"Setting {name} (SCOPELINE_{name.upper()}) is empty. The edition gcp needs it.")
    clients = make_clients(settings.project, settings.database)
    try:
        signer = make_signer(settings.service_account)
        raw, derived = (
            GoogleObjectStore(clients.storage, bucket, sign=signer, copied_bytes=settings.copied_bytes, mount=mount)
            for bucket, mount in ((settings.raw_bucket, settings.raw_mount), (settings.derived_bucket, None))
        )
        events = GoogleEvents(
            clients.publisher,
            clients.subscriber,
            clients.firestore,
            project=settings.project,
            prefix=settings.topic_prefix,
            attempts=settings.attempts,
            clock=clock,
        )
        backend = Backend(
            raw=raw,
            derived=derived,
            catalog=GoogleCatalog(clients.firestore),
            events=events,
            settings=settings,
            clock=clock,
        )
        yield Google(backend, clients, events)
    finally:
        clients.close()


@contextmanager
def backend_beside(settings: Settings) -> Iterator[Backend]:
    """The edition that the settings name, for a command beside its running service.

    Raises NotFound (`no_data_folder`) where no service was started on the data folder: a command makes none.
    """
    if settings.edition == "gcp":
        with google(settings) as edition:
            yield edition.backend
    else:
        _require_database(settings)
        with embedded(settings, exclusive=False) as local:
            yield local.backend


def _require_database(settings: Settings) -> None:
    from scopeline.adapters.embedded.database import FILE_NAME

    folder = settings.data_dir.absolute()
    if not (folder / FILE_NAME).is_file():
        raise NotFound(
            f"There is no database in the data folder {folder}. Expected the folder of a service: name it by "
            "--data-dir or SCOPELINE_DATA_DIR; on Google Cloud, set SCOPELINE_EDITION=gcp and what belongs to it; or "
            f"start a new service there: scopeline serve --data-dir {folder}.",
            code="no_data_folder",
        )


def reader_pool(settings: Settings) -> ReaderPool:
    """The processes that read files, with the settings' limits; not started yet."""
    limits = Limits(
        memory_bytes=settings.reader_memory,
        cpu_seconds=settings.reader_seconds,
        wall_seconds=2 * settings.reader_seconds,
    )
    return ReaderPool(settings.readers, limits=limits)
