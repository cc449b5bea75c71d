"""The faults of the suite on the local edition."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from fault_cases import FaultCases
from laboratory import SCALE, Laboratory, OwnClock

from scopeline.adapters.embedded.event_worker import EventWorker, run_once
from scopeline.bootstrap import Embedded, embedded
from scopeline.domain.events import Event, StoredObject, Topic
from scopeline.handlers import Handler
from scopeline.services.backend import Backend
from scopeline.settings import load_settings


@dataclass
class EmbeddedEdition:
    """The local edition in a folder."""

    parts: Embedded

    @property
    def backend(self) -> Backend:
        return self.parts.backend

    def announced(self, stored: StoredObject, topic: Topic) -> None:
        """It stands in the queue since the version does."""

    def take(self) -> list[Event]:
        found = []
        while delivery := self.parts.events.claim(list(Topic)):
            found.append(delivery.event)
            self.parts.events.acknowledge(delivery)
        return found

    def deliver(self, table: Any, on_parked: Callable[[Event, str, str], None]) -> int:
        return run_once(self.parts.events, table, on_parked)

    @contextmanager
    def working(
        self, table: Any, on_parked: Callable[[Event, str, str], None], deliveries: list[Event]
    ) -> Iterator[None]:
        def noted(handler: Handler, event: Event) -> None:
            deliveries.append(event)
            handler(event)

        work = {topic: partial(noted, handler) for topic, handler in table.items()}
        worker = EventWorker(self.parts.events, work, {Topic.OBJECT_FINALIZED: 4}, on_parked)
        worker.start()
        try:
            yield
        finally:
            assert worker.stop(30)


@contextmanager
def embedded_laboratory(folder: Path) -> Iterator[Laboratory]:
    clock = OwnClock()
    with embedded(load_settings(data_dir=folder), clock=clock) as parts:
        yield Laboratory(EmbeddedEdition(parts), clock)


class TestEmbeddedFaults(FaultCases):
    many_files = int(5000 * SCALE)
    burst = int(2000 * SCALE)

    @pytest.fixture
    def lab(self, tmp_path: Path) -> Iterator[Laboratory]:
        with embedded_laboratory(tmp_path) as lab:
            yield lab
