"""What a file and a session cost in catalog operations, against the budgets of the design (section 10)."""

from __future__ import annotations

import hashlib
import os
import uuid
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any

import pytest
from counting import CountingCatalog

from scopeline.adapters.embedded.event_worker import run_once
from scopeline.domain.events import Event, StoredObject, Topic
from scopeline.domain.files import Acquired, Dataset, DatasetType, File, FileStatus, Parameter
from scopeline.domain.sessions import Session, SessionState
from scopeline.formats.results import Extracted, ExtractRequest
from scopeline.handlers import handlers
from scopeline.ports import Catalog
from scopeline.services import access, uploads
from scopeline.services.announcements import Announcement, announce_files
from scopeline.services.backend import Backend
from scopeline.services.build import current_record
from scopeline.services.files import get_file
from scopeline.services.membership import tell_session
from scopeline.services.uploads import Upload, UploadRequest

LOCAL_ID = "7d9f1f54-9d5a-4d0f-8f55-0d9ad0b7d3f1"
DATA = b"hello"
MD5 = hashlib.md5(DATA).hexdigest()
# Records show series above 2,000 datasets.
FILES = max(2_500, int(20_000 * float(os.environ.get("SCOPELINE_SCALE", "0.1"))))

# What the Google Cloud adapters add to a file's delivery and to that of its session: the look for failures that it
# answers, and the window's ticket, which one delivery creates and the others find.
ADDED_READS, ADDED_WRITES = 2, 1
READS, WRITES = 10 - ADDED_READS, 6 - ADDED_WRITES


class Reader:
    """Finds one image in every file."""

    def extract(self, request: ExtractRequest) -> Extracted:
        dataset = Dataset(index=0, type=DatasetType.IMAGE, title=request.file_name)
        return Extracted(
            file=request.file_name, status=FileStatus.EXTRACTED, reader="fake", reader_version=1, datasets=[dataset]
        )


@dataclass
class Counter:
    """A back end whose catalog counts, and somebody who calls for it."""

    desk: Any
    catalog: CountingCatalog

    @property
    def backend(self) -> Backend:
        return replace(self.desk.backend, catalog=self.catalog)

    def request(self, **more: Any) -> Upload:
        now = self.desk.now
        given = {"session": LOCAL_ID, "root": "data", "path": "a.dm3", "size": len(DATA), "mtime": now, "md5": MD5}
        asked = UploadRequest(**{**given, "first_seen": now, "key": "1", **more})
        return uploads.request_upload(self.backend, self.desk.caller, asked)

    def confirm(self, stored: StoredObject, md5: str = MD5) -> None:
        uploads.confirm_upload(
            self.backend, self.desk.caller, name=stored.name, generation=stored.generation, size=stored.size, md5=md5
        )

    def finalize(self, stored: StoredObject) -> None:
        event = Event(type=Topic.OBJECT_FINALIZED, key="", at=self.desk.now, data=stored.model_dump(mode="json"))
        handlers(self.backend, Reader(), None)[event.type](event)

    def costs(self, what: str) -> tuple[int, int]:
        calls = ", ".join(call.split("/")[0] for call in self.catalog.calls)
        reads, writes = self.catalog.take()
        print(f"{what}: {reads} reads, {writes} writes ({calls})")
        return reads, writes


def google_catalog(request: pytest.FixtureRequest) -> Catalog:
    request.getfixturevalue("emulators")
    from google.auth.credentials import AnonymousCredentials
    from google.cloud import firestore

    from scopeline.adapters.gcp.catalog import GoogleCatalog

    client = firestore.Client(project=f"costs-{uuid.uuid4().hex[:12]}", credentials=AnonymousCredentials())
    request.addfinalizer(client.close)
    return GoogleCatalog(client)


@pytest.fixture(params=["embedded", "firestore"])
def counter(desk: Any, request: pytest.FixtureRequest) -> Counter:
    catalog = desk.backend.catalog if request.param == "embedded" else google_catalog(request)
    made = Counter(desk, CountingCatalog(catalog))
    if request.param == "firestore":
        access.add_instrument(made.backend, {"id": "titan", "name": "Titan", "zone": "Europe/Berlin"})
    desk.start(backend=made.backend)
    return made


# ------------------------------------------------------------------------------------------------------------ a file


@pytest.mark.parametrize("confirmed", ["before", "after"])
@pytest.mark.parametrize("ended", [False, True])
def test_a_file_is_visible_within_its_budget(counter: Counter, confirmed: str, ended: bool) -> None:
    counter.catalog.take()
    upload = counter.request()
    counter.costs("asking for an upload")
    stored = counter.backend.raw.write(upload.object, DATA)
    if ended:
        counter.desk.end(backend=counter.backend, announced=1)
    counter.catalog.take()
    if confirmed == "before":
        counter.confirm(stored)
        counter.costs("confirming before it is read")
    counter.finalize(stored)
    reads, writes = counter.costs("from object.finalized to visible")
    if confirmed == "after":
        counter.confirm(stored)
        counter.costs("confirming after it is read")
    file = get_file(counter.backend, upload.file)
    assert (file.status, [dataset.title for dataset in file.datasets]) == (FileStatus.EXTRACTED, ["a.dm3"])
    assert reads <= READS
    assert writes <= WRITES


@pytest.mark.parametrize("confirmed", ["before", "after", "never"])
def test_the_fiftieth_version_of_a_file_costs_as_little_and_a_repeated_event_writes_nothing(
    counter: Counter, confirmed: str
) -> None:
    upload = counter.request()
    for number in range(1, 51):
        data = b"text %d" % number
        stored = counter.backend.raw.write(upload.object, data)
        if confirmed == "before":
            counter.confirm(stored, hashlib.md5(data).hexdigest())
        counter.catalog.take()
        counter.finalize(stored)
        reads, writes = counter.costs(f"version {number}")
        assert reads <= READS
        assert writes <= WRITES
        if confirmed == "after":
            counter.confirm(stored, hashlib.md5(data).hexdigest())
            counter.costs(f"confirming version {number}")
    counter.finalize(stored)
    reads, writes = counter.costs("the same event again")
    assert reads <= READS
    assert writes == 0


# --------------------------------------------------------------------------------------------------------- a session


@dataclass
class LongSession:
    """A session of many files: movies of 500 frames, as a direct electron detector saves them."""

    counter: Counter
    session: str
    settled: int = 0

    def announce(self, count: int) -> None:
        now = self.counter.desk.now
        names = [path_of(n) for n in range(self.settled, self.settled + count)]
        for begin in range(0, count, 500):
            asked = [Announcement("data", name, len(DATA), now) for name in names[begin : begin + 500]]
            announce_files(self.counter.backend, self.counter.desk.caller, self.session, asked)

    def settle(self, count: int) -> None:
        """What ingest leaves of the next `count` announced files, and tells."""
        waiting = self.counter.desk.backend.catalog
        for n in range(self.settled, self.settled + count):
            object_name = f"titan/{self.session}/titan-pc/data/{path_of(n)}"
            key = File.model_construct(bucket="raw", object=object_name).key
            stored = waiting.get(File, key)
            assert stored is not None
            at = self.counter.desk.now + timedelta(seconds=n)
            parameters = {
                "Accelerating Voltage": Parameter(value=300, unit="kV"),
                "Magnification": Parameter(value=20_000),
                "Stage X": Parameter(value=float(n // 500), unit="µm"),
            }
            dataset = Dataset(
                index=0,
                type=DatasetType.IMAGE,
                technique="TEM",
                shape=[4096, 4096],
                acquired=Acquired(value=at, source="utc"),
                parameters=parameters,
            )
            read = {"status": FileStatus.EXTRACTED, "generation": 1, "reader": "fake", "datasets": [dataset]}
            waiting.update(stored.document.model_copy(update={**read, "mtime": at}), stored.revision)
            if n % 100 == 0 or n + 1 == self.settled + count:
                tell_session(self.counter.backend, self.session)
        self.settled += count

    def deliver(self, **later: float) -> int:
        """Let time pass and deliver what is due; the reads of it."""
        self.counter.desk.forward(**later)
        self.counter.catalog.take()
        run_once(self.counter.desk.edition.events, handlers(self.counter.backend, Reader(), Site()))
        return self.counter.catalog.take()[0]

    def version(self) -> int:
        stored = self.counter.desk.backend.catalog.get(Session, f"sessions/{self.session}")
        assert stored is not None
        assert stored.document.state is SessionState.RECORDED
        return stored.document.record.version if stored.document.record else 0


class Site:
    """A web site that takes every record."""

    def put_record(self, session: str, version: int, input_hash: str, xml: bytes) -> object:
        return None

    def delete_record(self, session: str) -> bool:
        return False


def path_of(number: int) -> str:
    return f"movie_{number // 500:03d}/frame_{number % 500:04d}.mrc"


@pytest.fixture
def long_session(desk: Any) -> LongSession:
    session = desk.start()
    return LongSession(Counter(desk, CountingCatalog(desk.backend.catalog)), session.id)


def test_a_long_session_is_built_within_its_budget(long_session: LongSession) -> None:
    late = FILES // 20
    first = FILES - 2 * late
    long_session.announce(first)
    long_session.settle(first - 10)
    long_session.counter.desk.end(announced=first)
    reads = [long_session.deliver(seconds=5)]
    long_session.settle(9)
    reads.append(long_session.deliver(seconds=5))
    long_session.settle(1)
    reads.append(long_session.deliver(seconds=5))
    assert long_session.version() == 1
    for expected in (2, 3):
        long_session.announce(late)
        long_session.settle(late)
        reads.append(long_session.deliver(minutes=10))
        assert long_session.version() == expected
    reads.append(long_session.deliver(days=2))
    xml = current_record(long_session.counter.backend, long_session.session).xml
    print(f"{FILES} files: {len(xml)} bytes of XML; reads of the deliveries: {reads}, {sum(reads) / FILES:.2f} a file")
    assert long_session.version() == 3
    assert len(xml) < 5_000_000 * FILES / 20_000
    assert sum(reads) <= 3 * FILES


def test_a_delivery_without_a_change_reads_no_files(long_session: LongSession) -> None:
    long_session.announce(100)
    long_session.settle(100)
    long_session.counter.desk.end(announced=100)
    assert long_session.deliver(seconds=5) >= 100
    again = Event(
        type=Topic.SESSION_CHANGED, key=long_session.session, at=long_session.counter.desk.now, data={"counted": True}
    )
    long_session.counter.backend.events.publish(again)
    assert long_session.deliver(minutes=1) < 10
    assert long_session.deliver(days=2) < 10
    tell_session(long_session.counter.backend, long_session.session)
    assert long_session.deliver(hours=2) >= 100


def test_a_change_during_a_build_is_read_by_the_next_one(long_session: LongSession) -> None:
    """The build has read the files when another one changes: its record does not cover that."""
    long_session.announce(3)
    long_session.settle(2)
    desk = long_session.counter.desk
    desk.end(announced=2)
    derived = desk.backend.derived
    happened: list[bool] = []

    class Slow:
        def write(self, *given: Any, **named: Any) -> Any:
            if not happened:
                happened.append(True)
                long_session.settle(1)
            return derived.write(*given, **named)

        def __getattr__(self, name: str) -> Any:
            return getattr(derived, name)

    event = Event(type=Topic.SESSION_ENDED, key=long_session.session, at=desk.now)
    desk.forward(days=2)
    handlers(replace(long_session.counter.backend, derived=Slow()), Reader(), Site())[event.type](event)
    assert happened
    long_session.deliver(hours=2)
    record = current_record(long_session.counter.backend, long_session.session)
    assert b"frame_0002.mrc" in record.xml


def test_a_build_that_ended_early_is_no_reason_to_leave_the_files_unread(long_session: LongSession) -> None:
    long_session.announce(2)
    long_session.settle(1)
    desk = long_session.counter.desk
    desk.end(announced=1)
    desk.forward(days=2)
    long_session.deliver()
    long_session.settle(1)

    class Broken:
        def write(self, *given: Any, **named: Any) -> Any:
            raise OSError("disk full")

        def __getattr__(self, name: str) -> Any:
            return getattr(desk.backend.derived, name)

    event = Event(type=Topic.SESSION_CHANGED, key=long_session.session, at=desk.now, data={"counted": True})
    for broken in (True, False):
        backend = replace(long_session.counter.backend, derived=Broken()) if broken else long_session.counter.backend
        table = handlers(backend, Reader(), Site())
        if broken:
            with pytest.raises(OSError):
                table[event.type](event)
        else:
            table[event.type](event)
    assert b"frame_0001.mrc" in current_record(long_session.counter.backend, long_session.session).xml
