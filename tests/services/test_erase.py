"""Erasing reaches all that is stored of a session, and what comes later for it brings nothing back."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from scopeline.adapters.embedded.event_worker import run_once
from scopeline.bootstrap import embedded
from scopeline.domain import names
from scopeline.domain.erasure import Tombstone
from scopeline.domain.errors import InvalidInput, NotFound, ScopelineError, Unavailable
from scopeline.domain.events import Event, StoredObject, Topic
from scopeline.domain.files import Dataset, DatasetType, File, FileStatus, Membership, Preview
from scopeline.domain.findings import Finding
from scopeline.domain.instruments import TokenKind
from scopeline.domain.records import Edit, Overlay
from scopeline.domain.sessions import EventKind, Session
from scopeline.formats.results import Extracted, ExtractRequest
from scopeline.handlers import gave_up, handlers
from scopeline.ports import Retained
from scopeline.services import access, announcements, erase, lookup, replay, sessions, uploads
from scopeline.services.access import Caller
from scopeline.services.announcements import Announcement
from scopeline.services.backend import Backend
from scopeline.services.changes import change
from scopeline.services.sessions import Happening
from scopeline.services.tombstones import SessionErased, find_tombstone
from scopeline.services.uploads import UploadRequest
from scopeline.settings import load_settings

SECRET = "Unobtainium lattice of Dr. Nameless"
OTHER = "0b0e6c1c-5a3e-4bd2-9c11-0d9ad0b7d3f2"
STAY = {"instruments", "clients", "tokens", "local_ids", "tombstones", "erased_files"}


class Reader:
    """Finds one dataset in every file; `during` happens while it reads."""

    during: Callable[[], object] | None = None

    def extract(self, request: ExtractRequest) -> Extracted:
        if self.during is not None:
            during, self.during = self.during, None
            during()
        assert request.preview_dir is not None
        (request.preview_dir / "0.png").write_bytes(b"picture")
        dataset = Dataset(
            index=0, type=DatasetType.IMAGE, title=SECRET, preview=Preview(object="0.png", width=1, height=1)
        )
        metadata = [{"operator": SECRET}]
        return Extracted(
            file=request.file_name, status=FileStatus.EXTRACTED, reader="fake", datasets=[dataset], metadata=metadata
        )


@dataclass
class Site:
    """A web site as `RecordSite` promises it; `after_put` happens when it has taken a record."""

    records: dict[str, bytes] = field(default_factory=dict)
    down: bool = False
    after_put: Callable[[], object] | None = None

    def put_record(self, session: str, version: int, input_hash: str, xml: bytes) -> object:
        self.records[session] = xml
        if self.after_put is not None:
            after, self.after_put = self.after_put, None
            after()
        return None

    def delete_record(self, session: str) -> bool:
        if self.down:
            raise Unavailable("The site is away.")
        return self.records.pop(session, None) is not None


class Locked:
    """An object store in which some objects may not be deleted before a moment."""

    def __init__(self, store: Any, until: dict[str, datetime], *, told: bool = True) -> None:
        self._store, self._until, self._told = store, until, told

    def __getattr__(self, name: str) -> Any:
        return getattr(self._store, name)

    def versions(self, prefix: str) -> Iterator[StoredObject]:
        for stored in self._store.versions(prefix):
            until = self._until.get(stored.name) if self._told else None
            yield stored.model_copy(update={"retained_until": until})

    def delete(self, name: str, generation: int) -> bool:
        if name in self._until:
            raise Retained(f"{name} is held.")
        deleted: bool = self._store.delete(name, generation)
        return deleted


class Killed(BaseException):
    """The process ends here."""


class OneDeletion:
    """A port whose process is killed each time when something was deleted."""

    def __init__(self, port: Any) -> None:
        self._port = port

    def __getattr__(self, name: str) -> Any:
        return getattr(self._port, name)

    def delete(self, *key: Any) -> bool:
        if self._port.delete(*key):
            raise Killed
        return False


@dataclass
class Archive:
    """A back end with sessions that have everything a session can have, and an administrator."""

    desk: Any
    admin: Caller
    reader: Reader = field(default_factory=Reader)
    site: Site = field(default_factory=Site)
    session: str = ""
    objects: dict[str, str] = field(default_factory=dict)  # of the session; one was stored elsewhere
    moved: str = ""  # an object at the session's place whose file is another session's

    @property
    def backend(self) -> Backend:
        backend: Backend = self.desk.backend
        return backend

    def table(self, backend: Backend | None = None) -> Any:
        return handlers(backend or self.backend, self.reader, self.site)

    def drain(self, backend: Backend | None = None) -> None:
        run_once(self.desk.edition.events, self.table(backend), partial(gave_up, backend or self.backend))

    def request(self, **more: Any) -> UploadRequest:
        given = {"session": self.session, "root": "data", "path": "late.dm3", "size": 4, "key": "k", **more}
        return UploadRequest(mtime=self.desk.now, first_seen=self.desk.now, **given)

    def upload(self, path: str, session: str | None, data: bytes = b"data") -> str:
        """Send a file through the API's service and read it; its object's name."""
        asked = self.request(session=session, path=path, size=len(data), key=path)
        granted = uploads.request_upload(self.backend, self.desk.caller, asked)
        self.backend.raw.write(granted.object, data)
        self.drain()
        return granted.object

    def erase(self, backend: Backend | None = None) -> Tombstone:
        return erase.request_erasure(
            backend or self.backend, self.admin.token.subject, self.session, "asked for by its owner"
        )

    def erased(self) -> Event:
        return Event(type=Topic.SESSION_ERASED, key=self.session, at=self.desk.now)

    def documents(self) -> set[str]:
        with self.desk.edition.database.reading() as connection:
            return {row["key"] for row in connection.execute("SELECT key FROM documents")}

    def stored(self) -> set[str]:
        """Names of all versions in both buckets."""
        backend = self.backend
        return {f"{v.bucket}/{v.name}/{v.generation}" for b in (backend.raw, backend.derived) for v in b.versions("")}

    def parked(self) -> list[tuple[str, str]]:
        return [(parked.event.type, parked.code) for parked in self.backend.events.parked()]

    def assert_nothing_left(self) -> None:
        """Of the session there is a tombstone, and of its files from elsewhere that they are gone."""
        gone = {names.file_id("raw", name) for name in self.objects.values()}
        for key in self.documents():
            if key.split("/")[0] not in STAY:
                assert self.session not in key, key
                assert not any(file in key for file in gone), key
        for name in self.stored():
            assert self.session not in name.removeprefix(f"raw/{self.moved}"), name
            assert not any(file in name for file in gone), name
            assert not any(name.startswith(f"raw/{there}/") for there in self.objects.values()), name
        assert self.session not in self.site.records


@pytest.fixture
def archive(desk: Any) -> Archive:
    """One session with files of two versions, from elsewhere and moved away, a record, a page, notes and edits."""
    backend = desk.backend
    token, _ = access.make_token(backend, TokenKind.ADMIN, "facility-admin")
    made = Archive(desk, Caller(token))
    early = made.upload("early.dm3", None)
    desk.forward(minutes=5)
    session = desk.start(title=SECRET)
    made.session = session.id
    change(backend.catalog, File, f"files/{names.file_id('raw', early)}", lambda f: _join(f, session.id, desk.now))
    made.objects = {"early": early, "a": made.upload("a.dm3", session.id), "b": made.upload("b.dm3", session.id)}
    backend.raw.write(made.objects["a"], b"saved again")
    note = Happening(id=OTHER, kind=EventKind.NOTE, at=desk.now, sent=desk.now, text=SECRET)
    sessions.add_event(backend, desk.caller, session.id, note)
    other = desk.start(OTHER)
    made.moved = made.upload("moved.dm3", session.id)
    change(backend.catalog, File, f"files/{names.file_id('raw', made.moved)}", lambda f: _join(f, other.id, desk.now))
    edit = Edit(target="session", field="title", value=SECRET, who="ada", at=desk.now)
    assert backend.catalog.create(Overlay(session=session.id, edits=[edit]))
    desk.forward(minutes=5)
    desk.end()
    desk.forward(hours=3)
    made.drain()
    _give_up_and_dismiss(made)
    assert made.session in made.site.records
    assert f"records/{made.session}/versions/1" in made.documents()
    return made


def _give_up_and_dismiss(made: Archive) -> None:
    """What differs of a file's first version is noted; and work of the session and of a file gave up for good."""
    backend, now, stored = made.backend, made.desk.now, next(iter(made.backend.raw.versions(made.objects["a"])))
    file = names.file_id("raw", stored.name)
    finding = Finding(
        file=file, generation=stored.generation, object=stored.name, code="bytes_differ", reason=SECRET, since=now
    )
    assert backend.catalog.create(finding)
    for event in (
        Event(type=Topic.SESSION_CHANGED, key=made.session, at=now),
        Event(type=Topic.OBJECT_FINALIZED, key=file, at=now, data=stored.model_dump(mode="json")),
    ):
        backend.events.publish(event)
        made.desk.edition.events.fail(made.desk.edition.events.claim([event.type]), InvalidInput("It is broken."))
        (parked,) = backend.events.parked()
        assert replay.dismiss(backend, parked.id, "ada")
        assert f"dismissals/{event.key}" in made.documents()


def _join(file: File, session: str, now: datetime) -> None:
    file.session = session
    file.membership = [*file.membership, Membership(session=session, at=now, who="staff", why="moved")]


# -------------------------------------------------------------------------------------------------- what is erased


def test_everything_of_the_session_goes_and_a_tombstone_stays(archive: Archive) -> None:
    archive.erase()
    archive.drain()
    archive.assert_nothing_left()
    tombstone = find_tombstone(archive.backend, archive.session)
    assert tombstone is not None
    assert (tombstone.who, tombstone.reason) == ("facility-admin", "asked for by its owner")
    assert (tombstone.files, tombstone.versions, tombstone.erased_at) == (3, 4, archive.desk.now)
    assert archive.parked() == []


def test_a_file_that_was_moved_to_another_session_stays(archive: Archive) -> None:
    before = {name for name in archive.stored() if archive.moved in name}
    archive.erase()
    archive.drain()
    assert {name for name in archive.stored() if archive.moved in name} == before
    stayed = archive.backend.catalog.get(File, f"files/{names.file_id('raw', archive.moved)}")
    assert stayed is not None
    assert stayed.document.status is FileStatus.EXTRACTED
    assert list(archive.backend.derived.versions(f"{stayed.document.id}/"))


def test_an_object_at_the_sessions_place_that_nobody_knows_goes(archive: Archive) -> None:
    archive.backend.raw.write(f"titan/{archive.session}/by-hand.txt", b"x")
    archive.backend.raw.write(f"titan/{archive.session}/titan-pc/data/not-read-yet.dm3", b"x")
    tombstone = archive.erase()
    assert (tombstone.files, tombstone.versions) == (5, 6)
    archive.drain()
    archive.assert_nothing_left()


def test_a_file_whose_name_begins_with_another_ones_name_is_not_that_file(archive: Archive) -> None:
    longer = archive.upload("early.dm3", None) + ".txt"
    archive.backend.raw.write(longer, b"x")
    archive.drain()
    archive.erase()
    archive.drain()
    assert archive.backend.raw.stat(longer) is not None


def test_what_is_parked_of_the_session_or_its_files_is_forgotten(archive: Archive) -> None:
    backend, now = archive.backend, archive.desk.now
    early = names.file_id("raw", archive.objects["early"])
    for topic, key, data in (
        (Topic.OBJECT_FINALIZED, early, {"bucket": "elsewhere", "name": "x", "generation": 1}),
        (Topic.OBJECT_CHANGED, "x", {"bucket": "elsewhere", "object": archive.objects["a"]}),
        (Topic.OBJECT_CHANGED, "y", {"bucket": "elsewhere", "object": archive.moved}),
        (Topic.SESSION_CHANGED, "20260101-titan-aaaaaa", {}),
    ):
        backend.events.publish(Event(type=topic, key=key, at=now, data=data))
    archive.drain()
    assert len(archive.parked()) == 4
    archive.erase()
    archive.drain()
    assert sorted(parked.event.key for parked in backend.events.parked()) == ["20260101-titan-aaaaaa", "y"]


def test_no_byte_of_what_was_told_stays_on_the_disk(tmp_path: Path) -> None:
    now = datetime(2026, 2, 6, 12, 0, tzinfo=UTC)
    with embedded(load_settings(data_dir=tmp_path), clock=lambda: now) as edition:
        backend = edition.backend
        access.add_instrument(backend, {"id": "titan", "name": "Titan", "zone": "UTC"})
        admin = Caller(access.make_token(backend, TokenKind.ADMIN, "admin")[0])
        start = sessions.Start(
            local_id=OTHER, instrument="titan", at=now, sent=now, title=SECRET, motivation=f"{SECRET} " * 3000
        )
        access.set_client(backend, "titan-pc", {})
        client = access.get_client(backend, "titan-pc")
        change(backend.catalog, type(client), client.key, lambda c: setattr(c, "instruments", ["titan"]))
        session, _ = sessions.start_session(backend, Caller(admin.token, access.get_client(backend, "titan-pc")), start)
        backend.raw.write(f"titan/{session.id}/titan-pc/data/{SECRET}.dm3", SECRET.encode())
        table = handlers(backend, Reader(), None)
        run_once(edition.events, table, partial(gave_up, backend))
        assert _files_with(tmp_path, SECRET.encode())
        erase.request_erasure(backend, admin.token.subject, session.id, "asked for")
        run_once(edition.events, table, partial(gave_up, backend))
    assert _files_with(tmp_path, SECRET.encode()) == []
    assert _files_with(tmp_path, session.id.encode()) != []


def _files_with(folder: Path, text: bytes) -> list[Path]:
    return [path for path in folder.rglob("*") if path.is_file() and text in path.read_bytes()]


# --------------------------------------------------------------------------------------------- refusals and repeats


def test_an_unknown_session_is_not_erased(archive: Archive) -> None:
    for ref in ("20260206-titan-aaaaaa", "nonsense", "7d9f1f54-9d5a-4d0f-8f55-000000000000"):
        with pytest.raises(NotFound) as refusal:
            erase.request_erasure(archive.backend, archive.admin.token.subject, ref, "x")
        assert refusal.value.code == "unknown_session"


def test_asking_again_gives_the_same_tombstone(archive: Archive) -> None:
    first = archive.erase()
    archive.desk.forward(minutes=1)
    assert (
        erase.request_erasure(archive.backend, archive.admin.token.subject, archive.session, "another reason") == first
    )
    archive.drain()
    again = archive.erase()
    assert again.erased_at == archive.desk.now
    assert again.reason == first.reason
    waiting = archive.desk.waiting()
    archive.erase()
    assert archive.desk.waiting() == waiting


@pytest.mark.parametrize("which", ["a", "early", "record"])
def test_a_version_that_is_retained_keeps_everything(archive: Archive, which: str) -> None:
    until = archive.desk.now + timedelta(days=30)
    name = archive.objects.get(which, f"records/{archive.session}/1.xml")
    store = "derived" if which == "record" else "raw"
    locked = Locked(getattr(archive.backend, store), {name: until})
    before = (archive.documents(), archive.stored(), archive.desk.waiting(), dict(archive.site.records))
    with pytest.raises(Retained, match=r"2026-03-08T.* Nothing was erased") as refusal:
        archive.erase(replace(archive.backend, **{store: locked}))
    assert name in str(refusal.value)
    assert (refusal.value.code, refusal.value.status) == ("retained", 409)
    archive.drain()
    assert (archive.documents(), archive.stored(), archive.desk.waiting(), archive.site.records) == before
    assert lookup.find_session(archive.backend, archive.session)


def test_a_hold_without_an_end_says_so(archive: Archive) -> None:
    locked = Locked(archive.backend.raw, {archive.objects["b"]: datetime.max.replace(tzinfo=UTC)})
    with pytest.raises(Retained, match="somebody holds it"):
        archive.erase(replace(archive.backend, raw=locked))


def test_a_retention_that_is_over_hinders_nothing(archive: Archive) -> None:
    past = Locked(archive.backend.raw, {archive.objects["a"]: archive.desk.now})
    assert archive.erase(replace(archive.backend, raw=past)).versions == 4


def test_a_moved_file_that_is_retained_hinders_nothing(archive: Archive) -> None:
    locked = Locked(archive.backend.raw, {archive.moved: archive.desk.now + timedelta(days=1)})
    archive.erase(replace(archive.backend, raw=locked))
    archive.drain(replace(archive.backend, raw=locked))
    archive.assert_nothing_left()


def test_a_hold_that_was_set_meanwhile_is_parked_with_its_reason_and_a_replay_finishes(archive: Archive) -> None:
    held = Locked(archive.backend.raw, {archive.objects["b"]: archive.desk.now}, told=False)
    archive.erase()
    archive.drain(replace(archive.backend, raw=held))
    (parked,) = archive.backend.events.parked()
    assert (parked.event.type, parked.code, parked.transient) == (Topic.SESSION_ERASED, "retained", False)
    assert archive.objects["b"] in parked.reason
    tombstone = find_tombstone(archive.backend, archive.session)
    assert tombstone is not None
    assert tombstone.erased_at is None
    assert archive.site.records == {}
    archive.backend.events.replay(parked.id)
    archive.drain()
    archive.assert_nothing_left()
    assert archive.erase().erased_at is not None


# ------------------------------------------------------------------------------------------------ kills and slices


def second_looks(archive: Archive) -> list[float]:
    """In how many seconds the work is looked at again."""
    return [seconds for topic, _, seconds in archive.desk.waiting() if topic == Topic.SESSION_ERASED and seconds]


@pytest.mark.parametrize("after", [False, True])
@pytest.mark.parametrize("at", [1, 2, 3, 4])
def test_a_request_that_was_killed_at_any_write_is_finished_by_asking_again(
    archive: Archive, at: int, after: bool
) -> None:
    assert archive.desk.cut_at(archive.erase, at, after=after)
    archive.erase()
    archive.drain()
    archive.assert_nothing_left()
    assert second_looks(archive)


def test_a_request_has_four_writes_and_asking_again_one(archive: Archive) -> None:
    assert not archive.desk.cut_at(archive.erase, 5, after=False)
    assert not archive.desk.cut_at(archive.erase, 2, after=False)


def test_however_often_it_is_asked_for_the_work_is_looked_at_again_once(archive: Archive) -> None:
    for _ in range(3):
        archive.erase()
        archive.desk.forward(minutes=1)
    assert second_looks(archive) == [57 * 60]


def test_what_is_parked_is_read_once_a_slice_however_many_files_there_are(
    archive: Archive, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(erase, "FILES_AT_ONCE", 1)
    read = []

    class Events:
        def __getattr__(self, name: str) -> Any:
            return getattr(archive.backend.events, name)

        def parked(self) -> Any:
            read.append(1)
            return archive.backend.events.parked()

    archive.erase()
    erase.erase_session(replace(archive.backend, events=Events()), archive.site, archive.erased())
    archive.assert_nothing_left()
    # At the end once more, for what gave up meanwhile.
    assert len(read) == 2


def test_erasing_that_is_killed_after_each_deletion_is_finished_by_its_redelivery(archive: Archive) -> None:
    archive.erase()

    one = replace(
        archive.backend,
        **{name: OneDeletion(getattr(archive.backend, name)) for name in ("catalog", "raw", "derived")},
    )
    kills = 0
    while archive.erase().erased_at is None:
        with suppress(Killed):
            erase.erase_session(one, archive.site, archive.erased())
        kills += 1
    assert kills > 15
    archive.assert_nothing_left()
    archive.drain()
    archive.assert_nothing_left()
    assert archive.erase().erased_at is not None


def test_long_work_is_done_in_slices(archive: Archive, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(erase, "SLICE_DELETIONS", 2)
    slices: list[int] = []
    real = erase.erase_session

    def counted(*given: Any) -> None:
        before = len(archive.stored()) + len(archive.documents())
        real(*given)
        slices.append(before - len(archive.stored()) - len(archive.documents()))

    monkeypatch.setattr(erase, "erase_session", counted)
    archive.erase()
    archive.drain()
    archive.assert_nothing_left()
    assert len(slices) > 5
    assert max(slices) <= 2


def test_time_that_is_over_ends_a_slice_too(archive: Archive, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(erase, "SLICE_SECONDS", 0.0)
    archive.erase()
    archive.drain()
    archive.assert_nothing_left()


def test_while_the_site_is_away_nothing_is_erased_and_then_all_is(archive: Archive) -> None:
    archive.site.down = True
    archive.erase()
    before = archive.stored()
    archive.drain()
    assert archive.stored() == before
    archive.site.down = False
    archive.desk.forward(hours=2)
    archive.drain()
    archive.assert_nothing_left()


def test_without_a_site_all_else_is_erased(archive: Archive) -> None:
    archive.erase()
    archive.site.records.clear()
    erase.erase_session(archive.backend, None, archive.erased())
    archive.drain()
    archive.assert_nothing_left()


def test_nobody_is_erased_by_an_event_alone(archive: Archive) -> None:
    archive.backend.events.publish(archive.erased())
    archive.drain()
    assert archive.parked() == [("session.erased", "no_tombstone")]
    assert archive.session in archive.site.records


# ------------------------------------------------------------------------------------------------- what comes later


@pytest.mark.parametrize("done", [False, True], ids=["while it is erased", "afterwards"])
def test_what_is_asked_for_an_erased_session_is_refused(archive: Archive, done: bool) -> None:
    archive.erase()
    if done:
        archive.drain()
    desk, backend = archive.desk, archive.backend
    stamp = {"at": desk.now, "sent": desk.now}
    note = Happening(id="1", kind=EventKind.NOTE, text="x", **stamp)
    before = archive.documents()
    local_id = "7d9f1f54-9d5a-4d0f-8f55-0d9ad0b7d3f1"
    for ref in (archive.session, local_id):
        calls: list[Callable[[], object]] = [
            desk.start,
            lambda: desk.start(at=desk.now + timedelta(days=2)),
            lambda ref=ref: desk.end(ref),
            lambda ref=ref: sessions.resume_session(backend, desk.caller, ref, **stamp),
            lambda ref=ref: sessions.add_event(backend, desk.caller, ref, note),
            lambda ref=ref: announcements.announce_files(
                backend, desk.caller, ref, [Announcement("data", "x.dm3", 1, desk.now)]
            ),
            lambda ref=ref: uploads.request_upload(backend, desk.caller, archive.request(session=ref)),
            lambda ref=ref: lookup.read_session(backend, archive.admin, ref),
        ]
        for call in calls:
            with pytest.raises(SessionErased) as refusal:
                call()
            assert (refusal.value.code, refusal.value.status) == ("session_erased", 410)
    assert archive.documents() == before
    listed = lookup.list_sessions(backend, archive.admin).items
    assert archive.session not in {session.id for session in listed}


def test_a_file_from_elsewhere_is_not_taken_again(archive: Archive) -> None:
    early = archive.backend.catalog.get(File, f"files/{names.file_id('raw', archive.objects['early'])}")
    assert early is not None
    archive.erase()
    archive.drain()
    asked = replace(
        archive.request(session=None, path="early.dm3", key="early.dm3"), first_seen=early.document.first_seen
    )
    with pytest.raises(SessionErased):
        uploads.request_upload(archive.backend, archive.desk.caller, asked)


def test_a_new_file_does_not_join_a_session_that_is_being_erased(archive: Archive) -> None:
    archive.desk.now -= timedelta(hours=3, minutes=2)
    archive.erase()
    name = archive.upload("new.dm3", None)
    file = archive.backend.catalog.get(File, f"files/{names.file_id('raw', name)}")
    assert file is not None
    assert file.document.session != archive.session


@pytest.mark.parametrize("which", ["own", "early"])
def test_an_upload_that_ends_later_is_removed(archive: Archive, which: str) -> None:
    name = archive.objects["early"] if which == "early" else f"titan/{archive.session}/titan-pc/data/late.dm3"
    current = archive.backend.raw.stat(name)
    url = archive.backend.raw.create_upload(name, size=4, if_generation=current.generation if current else 0)
    secret = url.rsplit("/", 1)[-1]
    archive.erase()
    archive.drain()
    documents, stored = archive.documents(), archive.stored()
    if current is not None:
        # The version that it was to replace is gone, so the store itself refuses it.
        archive.backend.raw.write(name, b"late")
    else:
        with archive.desk.edition.raw.uploads.spool(secret) as spool:
            spool.append(b"late")
            spool.keep(4)
            spool.finish()
    assert archive.backend.raw.stat(name) is not None
    archive.drain()
    assert (archive.documents(), archive.stored()) == (documents, stored)
    assert archive.parked() == []


def test_events_of_what_was_erased_end_quietly_and_bring_nothing_back(archive: Archive) -> None:
    backend, now = archive.backend, archive.desk.now
    stored = [v for name in archive.objects.values() for v in backend.raw.versions(name)]
    events = [
        Event(type=topic, key=names.file_id("raw", v.name), at=now, data=v.model_dump(mode="json"))
        for topic in (Topic.OBJECT_FINALIZED, Topic.OBJECT_DELETED)
        for v in stored
    ]
    events += [
        Event(
            type=Topic.OBJECT_CHANGED,
            key=names.file_id("raw", v.name),
            at=now,
            data={"bucket": "raw", "object": v.name},
        )
        for v in stored
    ]
    events += [
        Event(type=topic, key=archive.session, at=now, data={"version": 1})
        for topic in (Topic.SESSION_ENDED, Topic.SESSION_CHANGED, Topic.RECORD_BUILT, Topic.SESSION_ERASED)
    ]
    archive.erase()
    archive.drain()
    documents, objects = archive.documents(), archive.stored()
    for event in [*events, *reversed(events)]:
        backend.events.publish(event)
    archive.drain()
    archive.desk.forward(hours=2)
    archive.drain()
    assert (archive.documents(), archive.stored(), archive.parked()) == (documents, objects, [])
    for event in events:
        gave_up(backend, event, "failed", "It failed.")
    assert (archive.documents(), archive.stored()) == (documents, objects)


def test_failures_of_other_sessions_stay_failures(archive: Archive) -> None:
    archive.erase()
    archive.drain()
    changed = Event(type=Topic.SESSION_CHANGED, key="20260101-titan-aaaaaa", at=archive.desk.now)
    with pytest.raises(NotFound):
        archive.table()[changed.type](changed)
    foreign = {"bucket": "foreign", "name": f"titan/{archive.session}/titan-pc/data/a.dm3", "generation": 1}
    event = Event(type=Topic.OBJECT_FINALIZED, key="x", at=archive.desk.now, data=foreign)
    with pytest.raises(ScopelineError) as refusal:
        archive.table()[event.type](event)
    assert refusal.value.code == "foreign_bucket"


# ------------------------------------------------------------------------------------------------------------ races


def test_a_file_that_is_read_while_it_is_erased_leaves_nothing(archive: Archive) -> None:
    name = f"titan/{archive.session}/titan-pc/data/slow.dm3"
    stored = archive.backend.raw.write(name, b"slow")
    archive.reader.during = lambda: (
        archive.erase(),
        erase.erase_session(archive.backend, archive.site, archive.erased()),
    )
    read = Event(
        type=Topic.OBJECT_FINALIZED,
        key=names.file_id("raw", name),
        at=archive.desk.now,
        data=stored.model_dump(mode="json"),
    )
    archive.table()[read.type](read)
    archive.drain()
    archive.assert_nothing_left()
    assert not any(names.file_id("raw", name) in left for left in archive.stored() | archive.documents())


def _new_version(archive: Archive) -> Event:
    """A record version that was built and waits to be published."""
    change(archive.backend.catalog, Session, f"sessions/{archive.session}", lambda s: setattr(s, "motivation", "new"))
    now = archive.desk.now
    archive.table()[Topic.SESSION_CHANGED](Event(type=Topic.SESSION_CHANGED, key=archive.session, at=now))
    return Event(type=Topic.RECORD_BUILT, key=archive.session, at=now, data={"version": 2})


def _when_deleted(port: Any, is_meant: Callable[..., bool], happens: Callable[[], object]) -> Any:
    """The port; the first time that something that is meant is deleted, `happens` comes right before it."""

    class Interrupted:
        waiting = True

        def __getattr__(self, name: str) -> Any:
            return getattr(port, name)

        def delete(self, *key: Any) -> bool:
            if self.waiting and is_meant(*key):
                self.waiting = False
                happens()
            deleted: bool = port.delete(*key)
            return deleted

    return Interrupted()


def test_a_version_that_arrives_and_is_read_while_its_file_is_erased_goes_too(archive: Archive) -> None:
    early = archive.objects["early"]

    def arrive() -> None:
        stored = archive.backend.raw.write(early, b"late")
        read = Event(type=Topic.OBJECT_FINALIZED, key="x", at=archive.desk.now, data=stored.model_dump(mode="json"))
        archive.table()[read.type](read)

    key = f"files/{names.file_id('raw', early)}"
    catalog = _when_deleted(archive.backend.catalog, lambda deleted: deleted == key, arrive)
    archive.erase()
    erase.erase_session(replace(archive.backend, catalog=catalog), archive.site, archive.erased())
    archive.assert_nothing_left()


def test_a_page_that_comes_back_while_the_session_is_erased_goes_again(archive: Archive) -> None:
    raw = _when_deleted(
        archive.backend.raw,
        lambda *_: True,
        lambda: archive.site.put_record(archive.session, 2, "x", b"by a process that is killed now"),
    )
    archive.erase()
    erase.erase_session(replace(archive.backend, raw=raw), archive.site, archive.erased())
    archive.assert_nothing_left()


@pytest.mark.parametrize("whole", [False, True], ids=["closed", "erased"])
def test_publishing_that_is_overtaken_by_erasing_takes_its_page_off_again(archive: Archive, whole: bool) -> None:
    built = _new_version(archive)

    def overtake() -> None:
        archive.erase()
        if whole:
            erase.erase_session(archive.backend, archive.site, archive.erased())
        archive.site.put_record(archive.session, 2, "x", b"late")

    archive.site.after_put = overtake
    archive.table()[built.type](built)
    assert archive.session not in archive.site.records


def test_publishing_that_was_killed_while_the_session_was_erased_takes_its_page_off_when_it_comes_again(
    archive: Archive,
) -> None:
    built = _new_version(archive)
    archive.erase()
    archive.drain()
    archive.site.put_record(archive.session, 2, "x", b"put before the kill")
    archive.table()[built.type](built)
    assert archive.session not in archive.site.records


def test_the_second_look_removes_what_was_written_meanwhile(archive: Archive) -> None:
    archive.erase()
    archive.drain()
    archive.site.put_record(archive.session, 2, "x", b"by a request that was given up long ago")
    now = archive.desk.now
    archive.backend.catalog.create(Overlay(session=archive.session))
    late = File(
        bucket="raw",
        object=f"titan/{archive.session}/titan-pc/data/announced.dm3",
        session=archive.session,
        instrument="titan",
        client="titan-pc",
        root="data",
        path="announced.dm3",
        updated_at=now,
    )
    archive.backend.catalog.create(late)
    archive.desk.forward(hours=1, seconds=1)
    archive.drain()
    archive.assert_nothing_left()
    assert late.key not in archive.documents()


def test_a_build_that_is_overtaken_by_erasing_leaves_no_record(
    archive: Archive, monkeypatch: pytest.MonkeyPatch
) -> None:
    from scopeline.services import build

    real = build.check_record

    def overtake(xml: bytes) -> None:
        real(xml)
        archive.erase()
        erase.erase_session(archive.backend, archive.site, archive.erased())

    change(archive.backend.catalog, Session, f"sessions/{archive.session}", lambda s: setattr(s, "motivation", "new"))
    monkeypatch.setattr(build, "check_record", overtake)
    changed = Event(type=Topic.SESSION_CHANGED, key=archive.session, at=archive.desk.now)
    archive.table()[changed.type](changed)
    archive.assert_nothing_left()
