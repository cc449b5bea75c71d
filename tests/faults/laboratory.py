"""A laboratory on one edition: PCs send files and say START and END, events are in the test's hands, time is its own.

At the end `check` asks for the guarantee of the design: every accepted version of a file has one current metadata
document and one preview, every ended session one current record, on the site, too.
"""

from __future__ import annotations

import hashlib
import os
import re
import threading
import time
import uuid
from collections import Counter
from collections.abc import Callable, Iterable
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any, Protocol

from scopeline.domain.errors import Conflict, ScopelineError
from scopeline.domain.events import Event, StoredObject, Topic
from scopeline.domain.files import Dataset, DatasetType, File, FileStatus, Preview, Verified
from scopeline.domain.instruments import Root, TokenKind
from scopeline.domain.names import file_id
from scopeline.domain.records import Record
from scopeline.domain.sessions import Session, SessionState
from scopeline.formats.results import Extracted, ExtractRequest
from scopeline.handlers import gave_up, handlers
from scopeline.ports import FILES_OF_SESSION_IN_STATUS, RECORD_VERSIONS, find_all
from scopeline.services import access, corrections, sessions, uploads
from scopeline.services.access import Caller
from scopeline.services.backend import Backend
from scopeline.services.build import current_record, record_json
from scopeline.services.files import list_versions
from scopeline.services.sweep import sweep

# How many of what there can be many of (design section 11).
SCALE = float(os.environ.get("SCOPELINE_SCALE") or 0.1)
MORNING = datetime(2026, 2, 6, 9, 0, tzinfo=UTC)
PC = "titan-pc"


class Edition(Protocol):
    """A back end whose clock is the laboratory's, and the deliveries that it holds."""

    backend: Backend

    def announced(self, stored: StoredObject, topic: Topic) -> None:
        """Return when the store's own event of a version is on its way."""

    def take(self) -> list[Event]:
        """The events that are due now, taken out of the queue as if they had been handled."""

    def deliver(self, table: Any, on_parked: Callable[[Event, str, str], None]) -> int:
        """Let the edition itself deliver what is due now, with its retries and parking; how many deliveries."""

    def working(
        self, table: Any, on_parked: Callable[[Event, str, str], None], deliveries: list[Event]
    ) -> AbstractContextManager[None]:
        """Deliver in the background, several at a time, for as long as the context lasts; each is added to the list."""


@dataclass
class TextReader:
    """Finds in a file one dataset whose title is the file's text; a text that begins with `bad` cannot be read."""

    read: list[str] = field(default_factory=list)  # the texts, each as often as it was read

    def extract(self, request: ExtractRequest) -> Extracted:
        """See `FileReader`."""
        text = (request.folder / request.file_name).read_text()
        self.read.append(text)
        assert request.preview_dir is not None
        (request.preview_dir / "0.png").write_bytes(b"picture of " + text.encode())
        picture = Preview(object="0.png", width=1, height=1)
        if text.startswith("bad"):
            return Extracted(
                file=request.file_name, status=FileStatus.UNREADABLE, reason="It is damaged.", placeholder=picture
            )
        dataset = Dataset(index=0, type=DatasetType.IMAGE, title=text, preview=picture)
        return Extracted(
            file=request.file_name,
            status=FileStatus.EXTRACTED,
            reader="text",
            reader_version=1,
            datasets=[dataset],
            metadata=[{"text": text}],
        )


@dataclass
class Site:
    """A web site as `RecordSite` promises it; `trouble` is what it raises instead."""

    records: dict[str, tuple[int, str, bytes]] = field(default_factory=dict)
    puts: list[tuple[str, int]] = field(default_factory=list)
    trouble: ScopelineError | None = None

    def put_record(self, session: str, version: int, input_hash: str, xml: bytes) -> object:
        """See `RecordSite`."""
        if self.trouble is not None:
            raise self.trouble
        if session in self.records and self.records[session][0] > version:
            raise Conflict("A later version is there.", code="stale_version")
        if self.records.get(session, (0, "", b""))[1] != input_hash:
            self.puts.append((session, version))
        self.records[session] = (version, input_hash, xml)
        return None

    def delete_record(self, session: str) -> bool:
        """See `RecordSite`."""
        return self.records.pop(session, None) is not None


@dataclass
class Sent:
    """One version that was stored, and what has become of it."""

    stored: StoredObject
    text: str
    accepted: bool = True
    confirmed: bool = False  # its checksum was compared: the first answer is final


class Clock(Protocol):
    """The time of the laboratory, which tests move."""

    now: datetime

    def __call__(self) -> datetime:
        """The time now."""


class OwnClock:
    """A clock that nobody else looks at."""

    def __init__(self, now: datetime = MORNING) -> None:
        self.now = now

    def __call__(self) -> datetime:
        return self.now


@dataclass
class Laboratory:
    """The instrument `titan` with one PC, on one edition."""

    edition: Edition
    clock: Clock
    reader: Any = field(default_factory=TextReader)
    site: Any = field(default_factory=Site)
    sent: dict[str, list[Sent]] = field(default_factory=dict)  # by object name
    stored: list[str] = field(default_factory=list)  # the text of each version, also of those that were erased
    caller: Caller = field(init=False)

    def __post_init__(self) -> None:
        backend = self.backend
        access.add_instrument(backend, {"id": "titan", "name": "Titan", "zone": "Europe/Berlin"})
        client = access.set_client(backend, PC, {"data": Root(instrument="titan")})
        self.caller = Caller(access.make_token(backend, TokenKind.CLIENT, PC)[0], client)

    @property
    def backend(self) -> Backend:
        return self.edition.backend

    def forward(self, **duration: float) -> None:
        self.clock.now += timedelta(**duration)

    # ---------------------------------------------------------------------------------------- what PCs and people do

    def start(self, local_id: str | None = None, *, at: datetime | None = None, **more: Any) -> str:
        """START, as the PC's own clock saw it `at`; the session's id."""
        moment = at or self.clock()
        given = {"instrument": "titan", "at": moment, "sent": more.pop("sent", self.clock()), **more}
        start = sessions.Start(local_id=local_id or str(uuid.uuid4()), **given)
        return sessions.start_session(self.backend, self.caller, start)[0].id

    def end(self, ref: str, *, at: datetime | None = None, **more: Any) -> Session:
        """END."""
        given = {"at": at or self.clock(), "sent": self.clock(), **more}
        return sessions.end_session(self.backend, self.caller, ref, **given)

    def request(self, session: str | None, path: str, text: str, first_seen: datetime | None = None) -> uploads.Upload:
        """Ask where a file's bytes go."""
        return uploads.request_upload(
            self.backend,
            self.caller,
            uploads.UploadRequest(
                session=session,
                root="data",
                path=path,
                size=len(text.encode()),
                mtime=self.clock(),
                first_seen=first_seen or self.clock(),
                key=path,
                md5=hashlib.md5(text.encode()).hexdigest(),
            ),
        )

    def send(self, session: str | None, path: str, text: str, first_seen: datetime | None = None) -> StoredObject:
        """A file arrives whole, as a new version of its object, unless the same bytes are there."""
        upload = self.request(session, path, text, first_seen)
        if upload.url is not None:
            return self.put(upload.object, text)
        known = next(s for s in self.sent[upload.object] if s.stored.generation == upload.generation)
        assert known.text == text
        known.confirmed = True
        return known.stored

    def put(self, name: str, text: str) -> StoredObject:
        """Bytes become a version of an object, however it came there."""
        stored = self.backend.raw.write(name, text.encode())
        self.sent.setdefault(name, []).append(Sent(stored, text))
        self.stored.append(text)
        self.edition.announced(stored, Topic.OBJECT_FINALIZED)
        return stored

    def confirm(self, stored: StoredObject, text: str) -> None:
        """The PC tells what it has; a version with other bytes is rejected."""
        digest = hashlib.md5(text.encode()).hexdigest()
        known = self._version(stored)
        try:
            uploads.confirm_upload(
                self.backend,
                self.caller,
                name=stored.name,
                generation=stored.generation,
                size=len(text.encode()),
                md5=digest,
            )
        except Conflict:
            assert text != known.text
            known.accepted = known.confirmed
        known.confirmed = True

    def delete(self, stored: StoredObject) -> None:
        """Somebody deletes a version."""
        if self.backend.raw.delete(stored.name, stored.generation):
            self._version(stored).accepted = False
            self.edition.announced(stored, Topic.OBJECT_DELETED)

    def _version(self, stored: StoredObject) -> Sent:
        return next(s for s in self.sent[stored.name] if s.stored.generation == stored.generation)

    def correct(self, session: str, title: str, backend: Backend | None = None) -> None:
        """Somebody corrects the session's title."""
        fields = {"title": title}
        corrections.correct_session(backend or self.backend, self.caller, session, fields, reason="typo", expected=None)

    def annotate(self, session: str, text: str, backend: Backend | None = None) -> None:
        """Somebody edits the session's record."""
        asked = [corrections.Change("session", "motivation", text)]
        corrections.edit_overlay(backend or self.backend, self.caller, session, asked, expected=None)

    # ------------------------------------------------------------------------------------------------- deliveries

    def take(self) -> list[Event]:
        """The events that are due now."""
        return self.edition.take()

    def lose(self) -> list[Event]:
        """Time passes, and what is due is lost; what that was."""
        self.forward(hours=2)
        return self.take()

    def table(self, backend: Backend | None = None) -> Any:
        return handlers(backend or self.backend, self.reader, self.site)

    def handle(self, *events: Event, backend: Backend | None = None) -> None:
        """Handle events in this order."""
        table = self.table(backend)
        for event in events:
            table[event.type](event)

    def handle_at_once(self, events: Iterable[Event]) -> None:
        """Handle events all at the same time; those whose error may pass are handled again."""
        table = self.table()
        together = list(events)
        ready = threading.Barrier(len(together))
        failed: list[BaseException] = []

        def work(event: Event) -> None:
            ready.wait()
            for attempt in range(8):
                try:
                    table[event.type](event)
                    return
                except ScopelineError as error:
                    if not error.transient or attempt == 7:
                        failed.append(error)
                        return
                except BaseException as error:
                    failed.append(error)
                    raise

        threads = [threading.Thread(target=work, args=(event,)) for event in together]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert failed == []

    def deliver(self) -> int:
        """The edition delivers what is due, in its own way."""
        return self.edition.deliver(self.table(), partial(gave_up, self.backend))

    def working(self, deliveries: list[Event]) -> AbstractContextManager[None]:
        """The edition delivers in the background; each delivery is added to the list."""
        return self.edition.working(self.table(), partial(gave_up, self.backend), deliveries)

    def sweep(self) -> None:
        """The regular work is done."""
        report = sweep(self.backend, partial(gave_up, self.backend))
        assert all(swept.stopped_by is None and swept.failed == 0 for swept in report.tasks.values())

    def settle(self, hours: float = 3.0) -> None:
        """Let time pass until nothing is due any more: retries, windows, the time after END."""
        end = self.clock() + timedelta(hours=hours)
        while self.clock() < end:
            while self.deliver():
                pass
            self.forward(minutes=15)
        while self.deliver():
            pass

    # ------------------------------------------------------------------------------------------------- what there is

    def file(self, name: str) -> File:
        stored = self.backend.catalog.get(File, f"files/{file_id(self.backend.raw.bucket, name)}")
        assert stored is not None, name
        return stored.document

    def session(self, session_id: str) -> Session:
        stored = self.backend.catalog.get(Session, f"sessions/{session_id}")
        assert stored is not None, session_id
        return stored.document

    def records(self, session_id: str) -> list[Record]:
        return list(find_all(self.backend.catalog, Record, RECORD_VERSIONS, parent=session_id))

    def count(self, session_id: str, status: FileStatus) -> int:
        """How many files of the session have a status."""
        where = {"session": session_id, "status": status}
        return self.backend.catalog.count(FILES_OF_SESSION_IN_STATUS, where=where)

    def parked(self) -> list[str]:
        """The codes of what gave up."""
        return sorted(parked.code for parked in self.backend.events.parked())

    def derived(self, name: str) -> bytes:
        stored = self.backend.derived.stat(name)
        assert stored is not None, name
        with self.backend.derived.open(name, stored.generation) as body:
            return body.read()

    # ------------------------------------------------------------------------------------------------- the guarantee

    def check(self, *ended: str, parked: list[str] | None = None, readings: int = 1) -> None:
        """The guarantee holds for every file that was sent and for these sessions; nothing else gave up.

        No version was read more than `readings` times.
        """
        for name in self.sent:
            self.check_file(name)
        self.check_readings(readings)
        for session in ended:
            self.check_record(session)
        assert self.parked() == sorted(parked or [])

    def check_file(self, name: str) -> None:
        """The file is what its highest accepted version says, read once, with one picture."""
        accepted = [s for s in self.sent[name] if s.accepted]
        file = self.file(name)
        if not accepted:
            assert file.status in (FileStatus.DELETED, FileStatus.ANNOUNCED)
            assert file.datasets == []
            return
        current = max(accepted, key=lambda s: s.stored.generation)
        assert (file.generation, file.md5) == (current.stored.generation, current.stored.md5)
        if current.text.startswith("bad"):
            assert (file.status, file.reason, file.datasets) == (FileStatus.UNREADABLE, "It is damaged.", [])
            assert file.placeholder is not None
            assert self.derived(file.placeholder.object) == b"picture of " + current.text.encode()
        else:
            assert file.status is FileStatus.EXTRACTED, file.reason
            (dataset,) = file.datasets
            assert dataset.title == current.text
            assert dataset.preview is not None
            assert self.derived(dataset.preview.object) == b"picture of " + current.text.encode()
            assert current.text in self.derived(file.metadata_object or "").decode()
        versions = list_versions(self.backend, file.id)
        known = {s.stored.generation: s for s in self.sent[name]}
        assert {v.generation for v in versions} == set(known)
        for version in versions:
            rejected = version.deleted or version.verified is Verified.NO
            assert rejected != known[version.generation].accepted

    def check_readings(self, most: int = 1) -> None:
        """Each current version was read, and none more than `most` times; versions of one text count together."""
        read = Counter(self.reader.read)
        accepted = [[s for s in sent if s.accepted] for sent in self.sent.values()]
        current = Counter(max(some, key=lambda s: s.stored.generation).text for some in accepted if some)
        assert current <= read <= Counter(self.stored * most)

    def check_record(self, session_id: str) -> None:
        """The session has one current record of all that is there now, and the site shows it."""
        session = self.session(session_id)
        assert session.state is SessionState.RECORDED
        assert session.record is not None
        assert record_json(self.backend, session_id)["version"] == session.record.version
        xml = current_record(self.backend, session_id).xml
        assert self.derived(f"records/{session_id}/{session.record.version}.xml") == xml
        versions = [record.version for record in self.records(session_id)]
        assert versions == sorted(set(versions))
        assert session.record.version in versions
        version, digest, shown = self.site.records[session_id]
        assert (version, digest, shown) == (session.record.version, session.record.inputs, xml)
        assert session.record.published_version == session.record.version
        located = re.findall(rb"<location>/files/([a-z2-7]+)/(\d+)/", xml)
        expected = []
        for name, sent in self.sent.items():
            file = self.file(name)
            if file.session == session_id and any(s.accepted for s in sent):
                expected.append((file.id.encode(), str(file.generation).encode()))
        assert sorted(located) == sorted(expected)


def as_another(event: Event, seconds: float) -> Event:
    """The same happening, told again by another message."""
    return event.model_copy(update={"at": event.at + timedelta(seconds=seconds)})


def of_topic(events: Iterable[Event], *topics: Topic) -> list[Event]:
    """The events of some topics, in their order."""
    return [event for event in events if event.type in topics]


def wait_until(done: Callable[[], bool], seconds: float = 300) -> None:
    """Return when `done` says so."""
    end = time.monotonic() + seconds
    while not done():
        assert time.monotonic() < end, f"not done within {seconds} s"
        time.sleep(0.05)
