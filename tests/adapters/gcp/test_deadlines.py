"""Every request that the adapters make of Google's three clients has a deadline, and says whether it is repeated."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from google.api_core.retry import Retry
from google_deliveries import GoogleDeliveries
from storage_bucket import TestBucket, storage_bucket

from scopeline.adapters.gcp.calls import CALL_SECONDS, Patience
from scopeline.adapters.gcp.catalog import GoogleCatalog
from scopeline.adapters.gcp.events import GoogleEvents
from scopeline.adapters.gcp.messages import PushedMessage, to_outgoing
from scopeline.adapters.gcp.object_store import GoogleObjectStore
from scopeline.adapters.gcp.receiver import Outcome
from scopeline.adapters.gcp.topics import BUILD
from scopeline.domain.errors import InvalidInput, Unavailable
from scopeline.domain.events import Event, Topic
from scopeline.domain.instruments import Instrument
from scopeline.ports import INSTRUMENTS, ObjectRef

# No default of a client's is the same.
PATIENCE = Patience(call=7.25)
WINDOW = timedelta(seconds=30)
# These ask no client: they compute.
WITHOUT_REQUESTS = {"store.check_writable", "store.download_url"}


@dataclass
class Requests:
    """What was asked of a service: the method, its deadline in seconds, and how it is repeated."""

    seen: list[tuple[str, object, object]] = field(default_factory=list)
    watching: bool = False
    lock: threading.Lock = field(default_factory=threading.Lock)

    def watch_grpc(self, client: Any) -> None:
        """Note what goes from Google's generated client to its transport."""
        methods = client.transport._wrapped_methods
        for stub, send in list(methods.items()):
            methods[stub] = partial(self._send, send, getattr(stub, "_method", stub))

    def watch_http(self, session: Any, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(session, "request", partial(self._send, session.request, "HTTP"))

    def _send(self, send: Callable[..., Any], name: object, *given: Any, **named: Any) -> Any:
        if self.watching:
            with self.lock:
                self.seen.append((str(name), named.get("timeout"), named.get("retry")))
        return send(*given, **named)

    @contextmanager
    def watch(self) -> Iterator[None]:
        self.watching = True
        try:
            yield
        finally:
            self.watching = False


@dataclass
class Cloud:
    """The three adapters, with something in each that can be asked for."""

    deliveries: GoogleDeliveries
    catalog: GoogleCatalog
    store: GoogleObjectStore
    events: GoogleEvents
    generation: int
    revision: str
    parked: str
    joined: PushedMessage
    scratch: Path

    def event(self) -> Event:
        return Event(type=Topic.SESSION_CHANGED, key="s", at=self.deliveries.now())

    def receive(self, error: Exception | None = None, after: timedelta = 2 * WINDOW) -> Outcome:
        def handle(event: Event) -> None:
            if error is not None:
                raise error

        self.deliveries.clock += after
        return self.deliveries.receiver({Topic.SESSION_CHANGED: handle}).receive(self.joined)

    def read(self) -> None:
        with self.store.open("a", self.generation) as source:
            assert source.read() == b"x"

    def copy(self) -> None:
        with self.store.local_folder([ObjectRef("a", self.generation, "a")]) as folder:
            assert (folder / "a").read_bytes() == b"x"


GRPC_CALLS: dict[str, Callable[[Cloud], object]] = {
    "catalog.create": lambda cloud: cloud.catalog.create(Instrument(id="other", name="Other")),
    "catalog.get": lambda cloud: cloud.catalog.get(Instrument, "instruments/titan"),
    "catalog.update": lambda cloud: cloud.catalog.update(Instrument(id="titan", name="T"), cloud.revision),
    "catalog.delete": lambda cloud: cloud.catalog.delete("instruments/titan"),
    "catalog.find": lambda cloud: cloud.catalog.find(Instrument, INSTRUMENTS),
    "catalog.count": lambda cloud: cloud.catalog.count(INSTRUMENTS),
    "events.publish": lambda cloud: cloud.events.publish(cloud.event()),
    "events.publish later": lambda cloud: cloud.events.publish(
        cloud.event(), not_before=cloud.deliveries.now() + WINDOW
    ),
    "events.coalesce": lambda cloud: cloud.events.coalesce(cloud.event(), WINDOW),
    "events.postpone": lambda cloud: cloud.events.postpone(cloud.event(), cloud.joined, cloud.deliveries.now()),
    "events.check_reachable": lambda cloud: cloud.events.check_reachable(),
    "events.parked": lambda cloud: list(cloud.events.parked()),
    "events.replay": lambda cloud: cloud.events.replay(cloud.parked),
    "events.discard": lambda cloud: cloud.events.discard(cloud.parked),
    "events.maintain": lambda cloud: cloud.deliveries.maintain(),
    "receive": lambda cloud: cloud.receive(),
    "receive what fails": lambda cloud: cloud.receive(Unavailable("away")),
    "receive what is parked": lambda cloud: cloud.receive(InvalidInput("no")),
}
STORAGE_CALLS: dict[str, Callable[[Cloud], object]] = {
    "store.stat": lambda cloud: cloud.store.stat("a"),
    "store.write": lambda cloud: cloud.store.write("b", b"y", if_generation=0),
    "store.write of a file": lambda cloud: cloud.store.write("b", large_file(cloud.scratch)),
    "store.create_upload": lambda cloud: cloud.store.create_upload("b", size=3, if_generation=0),
    "store.open": lambda cloud: cloud.read(),
    "store.local_folder": lambda cloud: cloud.copy(),
    "store.delete": lambda cloud: cloud.store.delete("a", cloud.generation),
    "store.list": lambda cloud: list(cloud.store.list()),
    "store.versions": lambda cloud: list(cloud.store.versions("")),
}


def large_file(folder: Path) -> Path:
    """It is sent in two pieces."""
    path = folder / "large"
    path.write_bytes(bytes(9 * 1024 * 1024))
    return path


@pytest.fixture
def bucket(emulators: Any) -> Iterator[TestBucket]:
    with storage_bucket(emulators.storage) as made:
        yield made


@pytest.fixture
def cloud(deliveries: GoogleDeliveries, bucket: TestBucket, tmp_path: Path) -> Cloud:
    events, catalog = deliveries.events, GoogleCatalog(deliveries.clients.firestore)
    changed = Event(type=Topic.SESSION_CHANGED, key="s", at=deliveries.now())

    def refuse(event: Event) -> None:
        raise InvalidInput("no")

    events.publish(changed)
    deliveries.deliver({Topic.SESSION_CHANGED: refuse})
    (parked,) = events.parked()
    events.coalesce(changed, WINDOW)
    deliveries.collect()
    (held,) = deliveries.held
    events.publish(changed, not_before=deliveries.now() + WINDOW)
    deliveries.clock += 2 * WINDOW
    letter = to_outgoing(changed, id="letter")
    publisher, settings = deliveries.clients.publisher, deliveries.settings
    path = publisher.topic_path(settings.project, BUILD.dead_letters(settings.topic_prefix))
    publisher.publish(path, letter.data, **letter.attributes).result(timeout=10)
    catalog.create(Instrument(id="titan", name="Titan"))
    titan = catalog.get(Instrument, "instruments/titan")
    assert titan is not None
    store = bucket.store(patience=PATIENCE)
    generation = store.write("a", b"x").generation
    return Cloud(deliveries, catalog, store, events, generation, titan.revision, parked.id, held.message, tmp_path)


@pytest.mark.parametrize("call", GRPC_CALLS)
def test_every_request_of_firestore_and_pubsub_has_a_deadline(cloud: Cloud, call: str) -> None:
    requests, clients = Requests(), cloud.deliveries.clients
    for client in (clients.firestore._firestore_api, clients.publisher, clients.subscriber):
        requests.watch_grpc(client)
    with requests.watch():
        GRPC_CALLS[call](cloud)
    assert requests.seen
    for name, timeout, retry in requests.seen:
        assert timeout == CALL_SECONDS, name
        assert isinstance(retry, Retry), name


@pytest.mark.parametrize("call", STORAGE_CALLS)
def test_every_request_of_storage_has_a_deadline(
    cloud: Cloud, bucket: TestBucket, monkeypatch: pytest.MonkeyPatch, call: str
) -> None:
    requests = Requests()
    requests.watch_http(bucket.client._http, monkeypatch)
    with requests.watch():
        STORAGE_CALLS[call](cloud)
    assert requests.seen
    assert {timeout for _, timeout, _ in requests.seen} == {PATIENCE.call}


def test_every_method_of_the_adapters_is_looked_at() -> None:
    adapters = {"catalog": GoogleCatalog, "events": GoogleEvents, "store": GoogleObjectStore}
    methods = {
        f"{name}.{method}"
        for name, adapter in adapters.items()
        for method, made in vars(adapter).items()
        if callable(made) and not method.startswith("_")
    }
    assert methods - WITHOUT_REQUESTS == {
        name.split(" ")[0] for name in (*GRPC_CALLS, *STORAGE_CALLS) if not name.startswith("receive")
    }
