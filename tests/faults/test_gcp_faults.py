"""The faults of the suite on the Google Cloud edition, with the emulators of its three services."""

from __future__ import annotations

import threading
import time
import uuid
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any

import pytest
import requests
from fault_cases import FaultCases
from google_deliveries import GoogleDeliveries, google_deliveries
from laboratory import Laboratory
from slow_line import Line, line_to

from scopeline.adapters.gcp import catalog, failures, pubsub, tickets, timers
from scopeline.adapters.gcp.calls import RETRY, Patience
from scopeline.adapters.gcp.catalog import GoogleCatalog
from scopeline.adapters.gcp.messages import PushedMessage
from scopeline.adapters.gcp.object_store import GoogleObjectStore
from scopeline.adapters.gcp.pubsub import DeadLetter
from scopeline.adapters.gcp.topics import BUILD
from scopeline.domain.errors import Unavailable
from scopeline.domain.events import Event, StoredObject, Topic
from scopeline.domain.files import FileStatus
from scopeline.domain.instruments import Instrument
from scopeline.handlers import Handler
from scopeline.local.resources import make_buckets
from scopeline.ports import INSTRUMENTS
from scopeline.services.backend import Backend

pytestmark = pytest.mark.usefixtures("emulators")

KINDS = {Topic.OBJECT_FINALIZED: "OBJECT_FINALIZE", Topic.OBJECT_DELETED: "OBJECT_DELETE"}
NOTIFIED_SECONDS = 20.0
# Less than the deadlines that the tests shorten.
PATIENT_SECONDS = 15.0


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
        self.notified(KINDS[topic], stored)

    def notified(self, kind: str, stored: StoredObject) -> None:
        """Return when Storage's notification of a version is there."""
        wanted = (kind, str(stored.generation))
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

    @pytest.mark.parametrize("versions", [1, 2])
    def test_a_deletion_by_name_whose_event_was_lost_is_found_by_the_sweep(
        self, lab: Laboratory, versions: int
    ) -> None:
        """The console names no generation: a bucket with versions keeps the last one as an old one."""
        session = lab.start()
        for number in range(versions):
            stored = lab.send(session, "a.txt", f"text {number}")
        lab.deliver()
        assert isinstance(lab.edition, GoogleEdition)
        lab.edition.deliveries.clients.storage.bucket(stored.bucket).blob(stored.name).delete()
        lab.edition.notified("OBJECT_ARCHIVE", stored)
        assert [event.type for event in lab.take()] == [Topic.OBJECT_DELETED]
        assert lab.backend.raw.stat(stored.name, stored.generation) is not None
        lab.sent[stored.name][-1].accepted = False
        for _ in range(2):
            lab.forward(hours=25)
            lab.sweep()
            lab.deliver()
        lab.end(session)
        lab.settle()
        lab.check(session)


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
            lab.check(session, readings=2)


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


def titan() -> Instrument:
    return Instrument(id="titan", name="Titan")


FIRESTORE_CALLS: dict[str, Callable[[GoogleDeliveries], object]] = {
    "create": lambda cloud: GoogleCatalog(cloud.clients.firestore).create(titan()),
    "get": lambda cloud: GoogleCatalog(cloud.clients.firestore).get(Instrument, titan().key),
    "update": lambda cloud: GoogleCatalog(cloud.clients.firestore).update(titan(), "1.000000000"),
    "delete": lambda cloud: GoogleCatalog(cloud.clients.firestore).delete(titan().key),
    "find": lambda cloud: GoogleCatalog(cloud.clients.firestore).find(Instrument, INSTRUMENTS),
    "count": lambda cloud: GoogleCatalog(cloud.clients.firestore).count(INSTRUMENTS),
    "parked": lambda cloud: list(cloud.events.parked()),
    "replay": lambda cloud: cloud.events.replay("0" * 32),
    "later": lambda cloud: cloud.events.publish(changed(cloud), not_before=cloud.now() + timedelta(hours=1)),
    "due": lambda cloud: list(cloud.events.timers.due(cloud.now())),
    "ticket": lambda cloud: cloud.events.tickets.claim(
        changed(cloud), PushedMessage("1", b"", {}, cloud.now()), timedelta(seconds=30)
    ),
}
PUBSUB_CALLS: dict[str, Callable[[GoogleDeliveries], object]] = {
    "publish": lambda cloud: cloud.events.publish(changed(cloud)),
    "reachable": lambda cloud: cloud.events.check_reachable(),
    "pull": lambda cloud: cloud.events.pubsub.dead_letters(BUILD),
    "acknowledge": lambda cloud: cloud.events.pubsub.acknowledge(
        BUILD, DeadLetter("an id", PushedMessage("1", b"", {}, cloud.now()))
    ),
}


def changed(cloud: GoogleDeliveries) -> Event:
    return Event(type=Topic.SESSION_CHANGED, key="s", at=cloud.now())


@pytest.fixture
def little_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """A call to Firestore or Pub/Sub has 0.3 s, all tries together 1 s."""
    quick = RETRY.with_timeout(1)
    monkeypatch.setitem(catalog._ONE_CALL, "timeout", 0.3)
    monkeypatch.setattr(catalog, "_RETRY_UPDATE", catalog._RETRY_UPDATE.with_timeout(1))
    monkeypatch.setattr(catalog, "RETRY", quick)
    for module in (failures, tickets, timers, pubsub):
        monkeypatch.setattr(module, "RETRY", quick)
        monkeypatch.setattr(module, "CALL_SECONDS", 0.3)
    monkeypatch.setattr(pubsub, "TOTAL_SECONDS", 3)


class TestSilence:
    """Google's services take what is sent and answer nothing: only a deadline ends such a call."""

    @pytest.mark.parametrize("call", FIRESTORE_CALLS)
    def test_firestore(self, emulators: Any, monkeypatch: pytest.MonkeyPatch, little_time: None, call: str) -> None:
        with line_to(emulators.firestore) as line:
            monkeypatch.setenv("FIRESTORE_EMULATOR_HOST", line.address)
            self.check(line, FIRESTORE_CALLS[call])

    @pytest.mark.parametrize("call", PUBSUB_CALLS)
    def test_pubsub(self, emulators: Any, monkeypatch: pytest.MonkeyPatch, little_time: None, call: str) -> None:
        with line_to(emulators.pubsub) as line:
            monkeypatch.setenv("PUBSUB_EMULATOR_HOST", line.address)
            self.check(line, PUBSUB_CALLS[call])

    def check(self, line: Line, call: Callable[[GoogleDeliveries], object]) -> None:
        with google_deliveries() as cloud, ThreadPoolExecutor(1) as thread:
            # Everything is connected before.
            cloud.maintain()
            line.silence()
            try:
                refusal = thread.submit(call, cloud).exception(timeout=PATIENT_SECONDS)
            finally:
                line.mend()
        assert isinstance(refusal, Unavailable)
        assert refusal.code == "google_unavailable"
