"""The faults of the suite on the Google Cloud edition, with the emulators of its three services."""

from __future__ import annotations

import threading
import time
import uuid
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial
from typing import Any

import pytest
import requests
from fault_cases import FaultCases
from google_deliveries import GoogleDeliveries, google_deliveries
from laboratory import Laboratory
from slow_line import line_to

from scopeline.adapters.gcp import catalog
from scopeline.adapters.gcp.calls import RETRY, Patience
from scopeline.adapters.gcp.catalog import GoogleCatalog
from scopeline.adapters.gcp.object_store import GoogleObjectStore
from scopeline.domain.errors import Unavailable
from scopeline.domain.events import Event, StoredObject, Topic
from scopeline.domain.files import FileStatus
from scopeline.handlers import Handler
from scopeline.local.resources import make_buckets
from scopeline.services.backend import Backend

pytestmark = pytest.mark.usefixtures("emulators")

KINDS = {Topic.OBJECT_FINALIZED: "OBJECT_FINALIZE", Topic.OBJECT_DELETED: "OBJECT_DELETE"}
NOTIFIED_SECONDS = 20.0


@dataclass
class DeliveriesClock:
    """The clock of the deliveries. Before it moves, what was published is collected: it was published at that time."""

    deliveries: GoogleDeliveries

    @property
    def now(self) -> datetime:
        return self.deliveries.clock

    @now.setter
    def now(self, moment: datetime) -> None:
        self.deliveries.collect()
        self.deliveries.clock = moment

    def __call__(self) -> datetime:
        return self.deliveries.clock


@dataclass
class GoogleEdition:
    """The Google Cloud edition in a project of its own."""

    deliveries: GoogleDeliveries
    backend: Backend
    lock: threading.Lock = field(default_factory=threading.Lock)
    in_background: bool = False

    def announced(self, stored: StoredObject, topic: Topic) -> None:
        wanted = (KINDS[topic], str(stored.generation))
        end = time.monotonic() + NOTIFIED_SECONDS
        while not self.in_background:
            self.deliveries.collect()
            told = [held.message.attributes for held in self.deliveries.held]
            if wanted in [(one.get("eventType"), one.get("objectGeneration")) for one in told]:
                return
            assert time.monotonic() < end, f"no notification of {stored.name}"
            time.sleep(0.005)

    def take(self) -> list[Event]:
        found: list[Event] = []
        self.deliveries.deliver(dict.fromkeys(Topic, found.append))
        return found

    def deliver(self, table: Any, on_parked: Callable[[Event, str, str], None]) -> int:
        self.deliveries.parked = on_parked  # type: ignore[method-assign]
        return self.deliveries.deliver(table)

    @contextmanager
    def working(
        self, table: Any, on_parked: Callable[[Event, str, str], None], deliveries: list[Event]
    ) -> Iterator[None]:
        def noted(handler: Handler, event: Event) -> None:
            deliveries.append(event)
            handler(event)

        self.deliveries.parked = on_parked  # type: ignore[method-assign]
        receiver = self.deliveries.receiver({topic: partial(noted, handler) for topic, handler in table.items()})
        stopping = threading.Event()

        def work() -> None:
            with ThreadPoolExecutor(4) as threads:
                while not stopping.is_set():
                    self.deliveries.collect()
                    due = [held for held in self.deliveries.held if held.due <= self.deliveries.clock]
                    list(threads.map(partial(self.deliveries.push, receiver), due))
                    stopping.wait(0.01)

        thread = threading.Thread(target=work)
        self.in_background = True
        thread.start()
        try:
            yield
        finally:
            stopping.set()
            thread.join()
            self.in_background = False


@contextmanager
def google_laboratory(patience: Patience | None = None) -> Iterator[Laboratory]:
    with google_deliveries(attempts=8) as deliveries:
        name = uuid.uuid4().hex[:12]
        settings = deliveries.settings.model_copy(
            update={"raw_bucket": f"raw-{name}", "derived_bucket": f"derived-{name}"}
        )
        # Storage has its own clock: the laboratory's begins with it.
        deliveries.settings, deliveries.clock = settings, datetime.now(UTC)
        clients = deliveries.clients
        make_buckets(settings, clients)
        clock = DeliveriesClock(deliveries)
        raw, derived = (
            GoogleObjectStore(
                clients.storage,
                bucket,
                sign=None,
                copied_bytes=settings.copied_bytes,
                mount=None,
                patience=patience,
            )
            for bucket in (settings.raw_bucket, settings.derived_bucket)
        )
        backend = Backend(
            raw=raw,
            derived=derived,
            catalog=GoogleCatalog(clients.firestore),
            events=deliveries.events,
            settings=settings,
            clock=clock,
        )
        yield Laboratory(GoogleEdition(deliveries, backend), clock)


class TestGoogleFaults(FaultCases):
    @pytest.fixture
    def lab(self, emulators: Any) -> Iterator[Laboratory]:
        with google_laboratory() as lab:
            yield lab


@dataclass
class Fault:
    """What Storage's emulator does to the next requests of one bucket."""

    storage: str
    wanted: dict[str, Any]

    def __enter__(self) -> Fault:
        self.id = requests.post(f"{self.storage}/_faults", json=self.wanted, timeout=10).json()["id"]
        return self

    def __exit__(self, *_: object) -> None:
        requests.delete(f"{self.storage}/_faults/{self.id}", timeout=10)

    def hits(self) -> int:
        return int(requests.get(f"{self.storage}/_faults/{self.id}", timeout=10).json()["hits"])


TROUBLES: list[dict[str, Any]] = [
    {"status": 503, "count": 2},
    {"status": 429, "count": 2},
    {"status": 503, "count": 1, "after": True},
    {"hang_seconds": 3, "status": 503, "count": 1},
]


class TestStorageInTrouble:
    @pytest.mark.parametrize("trouble", TROUBLES, ids=["503", "429", "lost answer", "no answer"])
    @pytest.mark.parametrize("bucket", ["raw", "derived"])
    def test_trouble_that_passes_soon_is_not_noticed(
        self, emulators: Any, trouble: dict[str, Any], bucket: str
    ) -> None:
        with google_laboratory(Patience(call=1, total=20)) as lab:
            session = lab.start()
            lab.send(session, "a.txt", "one")
            events = lab.take()
            path = f"/b/{getattr(lab.backend, bucket).bucket}/o"
            with Fault(emulators.storage, {"path": path, **trouble}) as fault:
                lab.handle(*events)
                assert fault.hits() == trouble["count"]
            lab.end(session)
            lab.settle()
            lab.check(session)

    @pytest.mark.parametrize("status", [503, 429])
    def test_trouble_that_lasts_is_tried_again_later(self, emulators: Any, status: int) -> None:
        with google_laboratory(Patience(call=1, total=1)) as lab:
            session = lab.start()
            lab.send(session, "a.txt", "one")
            wanted = {"path": f"/b/{lab.backend.derived.bucket}/o", "status": status, "count": 1000}
            with Fault(emulators.storage, wanted):
                lab.deliver()
                lab.end(session)
                lab.deliver()
            assert lab.count(session, FileStatus.EXTRACTED) == 0
            lab.settle()
            lab.check(session)


class TestFirestoreInTrouble:
    def test_a_line_that_is_cut_for_a_while_is_not_noticed(
        self, emulators: Any, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        with line_to(emulators.firestore) as line:
            monkeypatch.setenv("FIRESTORE_EMULATOR_HOST", line.address)
            with google_laboratory() as lab:
                session = lab.start()
                for n in range(5):
                    lab.send(session, f"{n}.txt", f"text {n}")
                events = lab.take()
                mending = threading.Timer(1.5, line.mend)
                for number, event in enumerate(events):
                    if number == 2:
                        line.cut()
                        mending.start()
                    lab.handle(event)
                mending.join()
                assert line.refused > 0
                lab.end(session)
                lab.settle()
                lab.check(session)

    def test_a_firestore_that_is_away_for_long_leaves_the_delivery_to_come_again(
        self, emulators: Any, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(catalog, "RETRY", RETRY.with_timeout(1))
        with line_to(emulators.firestore) as line:
            monkeypatch.setenv("FIRESTORE_EMULATOR_HOST", line.address)
            with google_laboratory() as lab:
                session = lab.start()
                lab.send(session, "a.txt", "one")
                (event,) = lab.take()
                line.cut()
                with pytest.raises(Unavailable) as refused:
                    lab.handle(event)
                assert refused.value.code == "google_unavailable"
                line.mend()
                monkeypatch.setattr(catalog, "RETRY", RETRY)
                lab.handle(event)
                lab.end(session)
                lab.settle()
                lab.check(session)
