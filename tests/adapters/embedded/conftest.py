"""The local edition's adapters in a folder of the test's own."""

from __future__ import annotations

import io
import json
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from scopeline.adapters.embedded.database import Database, FaultPoint, no_fault
from scopeline.adapters.embedded.events import EmbeddedEvents
from scopeline.adapters.embedded.object_store import EmbeddedObjectStore
from scopeline.adapters.embedded.upload_endpoint import UploadEndpoint
from scopeline.ports import Bucket


class ManualClock:
    """A clock that the test moves."""

    def __init__(self) -> None:
        self.moment = datetime(2026, 2, 6, 12, tzinfo=UTC)

    def __call__(self) -> datetime:
        return self.moment

    def advance(self, **duration: float) -> None:
        self.moment += timedelta(**duration)


@dataclass
class Opened:
    """One opening of a data folder, with its raw bucket and queue."""

    folder: Path
    clock: ManualClock
    database: Database
    raw: EmbeddedObjectStore
    derived: EmbeddedObjectStore
    events: EmbeddedEvents

    def put(
        self, url: str, content_range: str | None, data: bytes = b"", *, body: Any = None, method: str = "PUT"
    ) -> tuple[int, dict[str, str], Any]:
        """Send one request to an upload URL: status, headers, JSON body."""
        environ: dict[str, Any] = {
            "REQUEST_METHOD": method,
            "PATH_INFO": "/" + url.rsplit("/", 1)[-1],
            "CONTENT_LENGTH": str(len(data)),
            "wsgi.input": io.BytesIO(data) if body is None else body,
        }
        if content_range is not None:
            environ["HTTP_CONTENT_RANGE"] = content_range
        started: list[Any] = []
        answer = b"".join(UploadEndpoint(self.raw)(environ, lambda *given: started.append(given)))  # type: ignore
        ((status, headers),) = started
        return int(status.split()[0]), dict(headers), json.loads(answer) if answer else None


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
def open_folder(tmp_path: Path, clock: ManualClock) -> Iterator[Callable[..., Opened]]:
    """Opens a data folder (the test's own one, if none is given); closed again at the end of the test."""
    with ExitStack() as stack:

        def open_it(folder: Path = tmp_path, fault_point: FaultPoint = no_fault) -> Opened:
            database = stack.enter_context(closing(Database(folder, clock=clock, fault_point=fault_point)))
            return Opened(
                folder,
                clock,
                database,
                EmbeddedObjectStore(database, Bucket.RAW, folder / "raw", "http://localhost/upload"),
                EmbeddedObjectStore(database, Bucket.DERIVED, folder / "derived", "http://localhost/upload"),
                EmbeddedEvents(database, attempts=4, jitter=lambda: 1.0),
            )

        yield open_it


@pytest.fixture
def opened(open_folder: Callable[..., Opened]) -> Opened:
    return open_folder()
