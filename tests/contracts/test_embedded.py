"""The contract suites on the local edition."""

from __future__ import annotations

import io
import json
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from catalog_contract import CatalogContract
from driving import Handlers, PutAnswer
from events_contract import EventsContract
from object_store_contract import ObjectStoreContract

from scopeline.adapters.embedded.catalog import EmbeddedCatalog
from scopeline.adapters.embedded.database import Database
from scopeline.adapters.embedded.event_worker import run_once
from scopeline.adapters.embedded.events import EmbeddedEvents
from scopeline.adapters.embedded.object_store import EmbeddedObjectStore
from scopeline.adapters.embedded.upload_endpoint import UploadEndpoint
from scopeline.domain.events import Event, Topic
from scopeline.ports import Bucket, ObjectStore


class WsgiUploads:
    """Calls the upload endpoint as a WSGI server does."""

    def __init__(self, endpoint: UploadEndpoint) -> None:
        self._endpoint = endpoint

    def put(
        self, url: str, content_range: str | None, data: bytes = b"", *, breaks_off_after: int | None = None
    ) -> PutAnswer:
        environ = {
            "REQUEST_METHOD": "PUT",
            "PATH_INFO": "/" + url.rsplit("/", 1)[-1],
            "CONTENT_LENGTH": str(len(data)),
            "wsgi.input": io.BytesIO(data[:breaks_off_after]),
        }
        if content_range is not None:
            environ["HTTP_CONTENT_RANGE"] = content_range
        started: list[tuple[str, list[tuple[str, str]]]] = []
        body = b"".join(self._endpoint(environ, lambda status, headers: started.append((status, headers))))  # type: ignore
        ((status, headers),) = started
        return PutAnswer(
            int(status.split()[0]), {name.lower(): value for name, value in headers}, json.loads(body) if body else None
        )


@dataclass
class EmbeddedEdition:
    """Both buckets in a folder."""

    database: Database
    raw: EmbeddedObjectStore
    derived: EmbeddedObjectStore
    uploads: WsgiUploads
    queue: EmbeddedEvents

    def events(self) -> list[Event]:
        seen: list[Event] = []
        run_once(self.queue, dict.fromkeys(Topic, seen.append))
        return seen


@contextmanager
def edition_in(folder: Path) -> Iterator[EmbeddedEdition]:
    database = Database(folder)
    try:
        raw = EmbeddedObjectStore(database, Bucket.RAW, folder / "raw", "http://localhost/upload")
        derived = EmbeddedObjectStore(database, Bucket.DERIVED, folder / "derived", "http://localhost/upload")
        yield EmbeddedEdition(database, raw, derived, WsgiUploads(UploadEndpoint(raw)), EmbeddedEvents(database))
    finally:
        database.close()


@dataclass
class EmbeddedDeliveries:
    """The queue under a clock of the test's own."""

    folder: Path
    attempts: int = 4
    clock: list[datetime] = field(default_factory=lambda: [datetime(2026, 2, 6, 12, tzinfo=UTC)])

    def __post_init__(self) -> None:
        self.database = Database(self.folder, clock=self.now)
        self.events = EmbeddedEvents(self.database, attempts=self.attempts)

    def now(self) -> datetime:
        return self.clock[0]

    def advance(self, seconds: float) -> None:
        self.clock[0] += timedelta(seconds=seconds)

    def deliver(self, handlers: Handlers) -> int:
        return run_once(self.events, handlers)

    def interrupt(self) -> None:
        self.events.claim(Topic)
        self.database.close()
        self.__post_init__()


class TestEmbeddedObjectStore(ObjectStoreContract):
    @pytest.fixture
    def edition(self, tmp_path: Path) -> Iterator[EmbeddedEdition]:
        with edition_in(tmp_path) as edition:
            yield edition

    @contextmanager
    def fresh_store(self) -> Iterator[ObjectStore]:
        with tempfile.TemporaryDirectory() as folder, edition_in(Path(folder)) as edition:
            yield edition.raw


class TestEmbeddedCatalog(CatalogContract):
    @pytest.fixture
    def catalog(self, tmp_path: Path) -> Iterator[EmbeddedCatalog]:
        database = Database(tmp_path)
        yield EmbeddedCatalog(database)
        database.close()


class TestEmbeddedEvents(EventsContract):
    @pytest.fixture
    def deliveries(self, tmp_path: Path) -> Iterator[EmbeddedDeliveries]:
        deliveries = EmbeddedDeliveries(tmp_path)
        yield deliveries
        deliveries.database.close()

    @contextmanager
    def fresh_deliveries(self) -> Iterator[EmbeddedDeliveries]:
        with tempfile.TemporaryDirectory() as folder:
            deliveries = EmbeddedDeliveries(Path(folder))
            try:
                yield deliveries
            finally:
                deliveries.database.close()
