"""From stored versions to the catalog: whatever the number, order and delay of events, the end is the same."""

from __future__ import annotations

import json
import logging
import random
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scopeline.adapters.embedded.event_worker import run_once
from scopeline.bootstrap import Embedded, embedded
from scopeline.domain.errors import InvalidInput, Unavailable
from scopeline.domain.events import Event, StoredObject, Topic
from scopeline.domain.files import Dataset, DatasetType, File, FileStatus, FileVersion, Parameter, Preview
from scopeline.domain.instruments import Instrument
from scopeline.domain.names import file_id
from scopeline.domain.sessions import Session, SessionState
from scopeline.formats.results import Extracted, ExtractRequest
from scopeline.handlers import gave_up, handlers
from scopeline.logs import subject
from scopeline.ports import MAX_DOCUMENT_BYTES, MissingObject, NotCurrent, ObjectRef, ObjectStore, TooLargeToCopy
from scopeline.services import access, ingest
from scopeline.services.backend import Backend
from scopeline.services.build import current_record
from scopeline.services.changes import change
from scopeline.services.files import get_version, list_versions, verify_version
from scopeline.services.reextract import examine
from scopeline.settings import load_settings

FOLDER = "titan/20260206-titan-abcdef/titan-pc/data"
PAIRS = [("scan_1.ser", "scan.emi"), ("image.tif", "image.hdr")]


@dataclass
class Reader:
    """Finds in a file one dataset whose title is the text of the file and of those beside it."""

    reads: list[str] = field(default_factory=list)
    during: Callable[[ExtractRequest], None] = lambda request: None
    fields: dict[str, Any] = field(default_factory=dict)

    def extract(self, request: ExtractRequest) -> Extracted:
        names = sorted(path.name for path in request.folder.iterdir())
        texts = {name: (request.folder / name).read_text() for name in names}
        self.reads.append(request.file_name)
        self.during(request)
        assert request.preview_dir is not None
        (request.preview_dir / "0.png").write_bytes(texts[request.file_name].encode())
        title = " + ".join(texts[name] for name in sorted(names, key=lambda name: name != request.file_name))
        found = {
            "file": request.file_name,
            "status": FileStatus.EXTRACTED,
            "reader": "fake",
            "reader_version": 1,
            "datasets": [
                Dataset(
                    index=0,
                    type=DatasetType.IMAGE,
                    title=title,
                    parameters={"Zone": Parameter(value=request.zone)},
                    preview=Preview(object="0.png", width=1, height=1),
                )
            ],
            "metadata": [{"texts": texts}],
        }
        return Extracted(**{**found, **self.fields})


@dataclass
class Bench:
    """Files stored in a real back end, and the queue's events in the test's hands."""

    edition: Embedded
    backend: Backend
    reader: Reader = field(default_factory=Reader)

    def name(self, path: str) -> str:
        return f"{FOLDER}/{path}"

    def store(self, path: str, text: str = "text") -> StoredObject:
        return self.backend.raw.write(self.name(path), text.encode())

    def delete(self, stored: StoredObject) -> None:
        assert self.backend.raw.delete(stored.name, stored.generation)

    def events(self) -> list[Event]:
        """What waits in the queue and is due, taken out of it."""
        found = []
        while delivery := self.edition.events.claim(list(Topic)):
            found.append(delivery.event)
            self.edition.events.acknowledge(delivery)
        return found

    def handle(self, *events: Event, backend: Backend | None = None) -> None:
        table = handlers(backend or self.backend, self.reader, None)
        for event in events:
            table[event.type](event)

    def drain(self) -> None:
        """Deliver all that is due."""
        run_once(self.edition.events, handlers(self.backend, self.reader, None), partial(gave_up, self.backend))

    def file(self, path: str) -> File:
        stored = self.backend.catalog.get(File, f"files/{file_id('raw', self.name(path))}")
        assert stored is not None, path
        return stored.document

    def derived(self, name: str | None) -> bytes:
        """The bytes of a derived object."""
        stored = self.backend.derived.stat(name or "")
        assert stored is not None
        with self.backend.derived.open(stored.name, stored.generation) as body:
            return body.read()

    def titles(self, path: str) -> list[str | None]:
        return [dataset.title for dataset in self.file(path).datasets]

    def version(self, stored: StoredObject) -> FileVersion:
        found = get_version(self.backend, file_id(stored.bucket, stored.name), stored.generation)
        assert found is not None
        return found

    def changed(self, path: str) -> Event:
        data = {"bucket": "raw", "object": self.name(path)}
        return Event(type=Topic.OBJECT_CHANGED, key=file_id("raw", self.name(path)), at=self.backend.clock(), data=data)


@pytest.fixture
def bench(desk: Any) -> Bench:
    return Bench(desk.edition, desk.backend)


# ------------------------------------------------------------------------------------------------------- one version


def test_stored_file_gets_its_metadata_preview_and_complete_metadata(bench: Bench) -> None:
    stored = bench.store("a.dm3", "first")
    bench.drain()
    file = bench.file("a.dm3")
    assert (file.status, file.generation, file.reader) == (FileStatus.EXTRACTED, stored.generation, "fake")
    (dataset,) = file.datasets
    assert dataset.title == "first"
    assert dataset.parameters["Zone"].value == "Europe/Berlin"
    assert dataset.preview is not None
    picture = bench.backend.derived.stat(dataset.preview.object)
    assert picture is not None
    assert picture.content_type == "image/png"
    assert bench.derived(picture.name) == b"first"
    assert json.loads(bench.derived(file.metadata_object)) == [{"texts": {"a.dm3": "first"}}]
    assert list(bench.edition.events.parked()) == []


def test_event_delivered_again_reads_nothing_again_and_publishes_again(bench: Bench) -> None:
    bench.store("scan.emi")
    bench.store("scan_1.ser")
    events = bench.events()
    bench.handle(*events)
    first = bench.events()
    assert [e.type for e in first] == [Topic.OBJECT_CHANGED] * 2
    bench.handle(*first)
    reads = list(bench.reader.reads)
    bench.handle(*events)
    again = bench.events()
    assert [e.key for e in again] == [e.key for e in first]
    bench.handle(*again, *again)
    assert bench.reader.reads == reads


def test_file_whose_reader_failed_is_read_again_when_it_is_told_of_again(bench: Bench) -> None:
    bench.reader.fields = {"status": FileStatus.FAILED, "reason": "The reader used too much memory.", "datasets": []}
    bench.store("image.dm3", "picture")
    bench.drain()
    assert bench.file("image.dm3").status is FileStatus.FAILED
    bench.reader.fields = {}
    for _ in range(2):
        bench.handle(bench.changed("image.dm3"))
    assert bench.titles("image.dm3") == ["picture"]
    assert bench.reader.reads == ["image.dm3"] * 2


def test_derived_objects_are_written_once(bench: Bench) -> None:
    stored = bench.store("a.dm3")
    events = bench.events()
    bench.handle(*events)
    before = {o.name: o.generation for o in bench.backend.derived.list()}
    # As after a crash between the objects and the document.
    there = bench.backend.catalog.get(FileVersion, bench.version(stored).key)
    assert there is not None
    there.document.extraction = None
    bench.backend.catalog.update(there.document, there.revision)
    bench.handle(*events)
    assert len(bench.reader.reads) == 2
    assert {o.name: o.generation for o in bench.backend.derived.list()} == before
    assert bench.version(stored).extraction is not None


def test_reader_that_cannot_be_had_leaves_the_file_for_another_attempt(bench: Bench) -> None:
    def refuse(request: ExtractRequest) -> None:
        raise Unavailable("The readers are closed.")

    bench.reader.during = refuse
    bench.store("a.dm3")
    (event,) = bench.events()
    with pytest.raises(Unavailable):
        bench.handle(event)
    bench.reader.during = lambda request: None
    bench.handle(event)
    assert bench.file("a.dm3").status is FileStatus.EXTRACTED


@pytest.mark.parametrize(
    ("topic", "data", "code"),
    [
        (Topic.OBJECT_FINALIZED, {"bucket": "other", "name": "x", "generation": 1}, "foreign_bucket"),
        (Topic.OBJECT_DELETED, {"bucket": "other", "name": "x", "generation": 1}, "foreign_bucket"),
        (Topic.OBJECT_CHANGED, {"bucket": "other", "object": "x"}, "foreign_bucket"),
        (Topic.OBJECT_FINALIZED, {"bucket": "raw", "name": "x"}, "bad_event"),
        (Topic.OBJECT_DELETED, {}, "bad_event"),
        (Topic.OBJECT_CHANGED, {"bucket": "raw"}, "bad_event"),
    ],
)
def test_event_that_is_not_for_this_back_end_is_refused_for_good(
    bench: Bench, topic: Topic, data: dict[str, Any], code: str
) -> None:
    event = Event(type=topic, key="x", at=bench.backend.clock(), data=data)
    with pytest.raises(InvalidInput) as raised:
        bench.handle(event)
    assert raised.value.code == code
    bench.backend.events.publish(event)
    bench.drain()
    (parked,) = bench.edition.events.parked()
    assert (parked.code, parked.attempts) == (code, 1)


def test_change_of_an_object_that_nobody_knows_is_nothing(bench: Bench) -> None:
    bench.handle(bench.changed("a.dm3"))
    assert bench.backend.catalog.get(File, f"files/{file_id('raw', bench.name('a.dm3'))}") is None


# ------------------------------------------------------------------------------------------------------- giving up


def broken(error: Exception) -> Callable[[ExtractRequest], None]:
    def during(request: ExtractRequest) -> None:
        raise error

    return during


def test_file_whose_reading_is_given_up_says_why_and_a_replay_reads_it(bench: Bench) -> None:
    bench.reader.during = broken(InvalidInput("The plug is loose.", code="loose_plug"))
    stored = bench.store("a.dm3")
    bench.drain()
    file = bench.file("a.dm3")
    assert (file.status, file.generation) == (FileStatus.FAILED, stored.generation)
    assert "The plug is loose." in str(file.reason)
    (parked,) = bench.edition.events.parked()
    bench.reader.during = lambda request: None
    assert bench.edition.events.replay(parked.id)
    bench.drain()
    assert (bench.file("a.dm3").status, bench.file("a.dm3").reason) == (FileStatus.EXTRACTED, None)


def test_result_that_is_there_is_not_given_up(bench: Bench) -> None:
    bench.store("a.dm3")
    bench.drain()
    access.change_instrument(bench.backend, "titan", {"zone": "Asia/Tokyo"})
    bench.reader.during = broken(InvalidInput("The plug is loose."))
    bench.backend.events.publish(bench.changed("a.dm3"))
    bench.drain()
    assert len(list(bench.edition.events.parked())) == 1
    assert bench.file("a.dm3").status is FileStatus.EXTRACTED


@pytest.mark.parametrize("topic", [Topic.OBJECT_FINALIZED, Topic.OBJECT_CHANGED])
def test_giving_up_names_the_version_that_was_not_read_and_no_other(bench: Bench, topic: Topic) -> None:
    first = bench.store("a.dm3", "first")
    bench.drain()
    second = bench.store("a.dm3", "second")
    (finalized,) = bench.events()
    event = finalized if topic is Topic.OBJECT_FINALIZED else bench.changed("a.dm3")
    ingest.object_gave_up(bench.backend, event, "The plug is loose.")
    ingest.object_gave_up(bench.backend, event, "Another reason.")
    assert bench.file("a.dm3").reason == "It could not be processed: The plug is loose."
    read = {v.generation: v.extraction and v.extraction.status for v in list_versions(bench.backend, finalized.key)}
    assert read == {first.generation: FileStatus.EXTRACTED, second.generation: FileStatus.FAILED}


def test_deleted_version_is_not_given_up(bench: Bench) -> None:
    bench.delete(bench.store("a.dm3"))
    finalized, deleted = bench.events()
    ingest.object_gave_up(bench.backend, bench.changed("a.dm3"), "The plug is loose.")
    bench.handle(deleted)
    ingest.object_gave_up(bench.backend, finalized, "The plug is loose.")
    assert bench.file("a.dm3").status is FileStatus.DELETED


def test_record_does_not_wait_for_a_file_that_was_given_up(desk: Any) -> None:
    bench = Bench(desk.edition, desk.backend)
    bench.reader.during = broken(Unavailable("The disk is full.", code="disk_full"))
    session = desk.start()
    session_files(bench, session.id, 1)
    desk.forward(minutes=5)
    desk.end()
    for _ in range(desk.backend.settings.attempts):
        bench.drain()
        desk.forward(minutes=11)
    bench.drain()
    desk.forward(minutes=1)
    bench.drain()
    found = bench.backend.catalog.get(Session, session.key)
    assert found is not None
    assert found.document.state is SessionState.RECORDED
    assert found.document.end is not None
    assert bench.backend.clock() < found.document.end.moment + bench.backend.settings.settle_after
    assert "The disk is full." in current_record(bench.backend, session.id).xml.decode()


# -------------------------------------------------------------------------------------------------- several versions


@pytest.mark.parametrize("backwards", [False, True])
def test_the_highest_generation_is_current_in_whatever_order_they_are_read(bench: Bench, backwards: bool) -> None:
    bench.store("a.dm3", "first")
    second = bench.store("a.dm3", "second")
    events = bench.events()
    bench.handle(*(reversed(events) if backwards else events))
    assert bench.file("a.dm3").generation == second.generation
    assert bench.titles("a.dm3") == ["second"]
    versions = list_versions(bench.backend, bench.file("a.dm3").id)
    assert [v.extraction.datasets[0].title for v in versions if v.extraction] == ["first", "second"]


def test_file_overwritten_while_it_is_read_ends_as_the_new_version(bench: Bench) -> None:
    bench.store("a.dm3", "first")

    def overwrite(request: ExtractRequest) -> None:
        bench.reader.during = lambda request: None
        bench.store("a.dm3", "second")

    bench.reader.during = overwrite
    bench.drain()
    assert bench.titles("a.dm3") == ["second"]


def test_file_deleted_before_it_is_read_is_deleted(bench: Bench) -> None:
    bench.delete(bench.store("a.dm3"))
    finalized, deleted = bench.events()
    bench.handle(finalized)
    assert bench.file("a.dm3").status is FileStatus.DELETED
    assert bench.reader.reads == []
    bench.handle(deleted)
    assert bench.file("a.dm3").status is FileStatus.DELETED


def test_deletion_that_comes_before_its_file_holds(bench: Bench) -> None:
    bench.delete(bench.store("a.dm3"))
    finalized, deleted = bench.events()
    bench.handle(deleted)
    bench.handle(finalized, finalized)
    assert bench.file("a.dm3").status is FileStatus.DELETED
    assert bench.file("a.dm3").generation is None
    assert bench.reader.reads == []


def test_file_deleted_while_it_is_read_is_deleted(bench: Bench) -> None:
    stored = bench.store("a.dm3")
    bench.reader.during = lambda request: bench.delete(stored)
    bench.drain()
    assert bench.file("a.dm3").status is FileStatus.DELETED


def test_bytes_that_are_lost_are_a_failure_and_not_waited_for(bench: Bench) -> None:
    stored = bench.store("a.dm3")
    bench.edition.raw.files.version(file_id(stored.bucket, stored.name), stored.generation).unlink()
    (finalized,) = bench.events()
    with pytest.raises(MissingObject, match="bytes of generation"):
        bench.handle(finalized)
    ingest.object_gave_up(bench.backend, finalized, "The bytes are gone.")
    assert (bench.file("a.dm3").status, bench.file("a.dm3").reason is not None) == (FileStatus.FAILED, True)


class MountedStore:
    """Shows every version as a store does whose objects are all too large to copy: current ones, from a mount."""

    def __init__(self, store: ObjectStore, *, mounted: bool = True) -> None:
        self._store = store
        self.mounted = mounted

    def __getattr__(self, name: str) -> Any:
        return getattr(self._store, name)

    @contextmanager
    def local_folder(self, objects: Sequence[ObjectRef]) -> Iterator[Path]:
        if objects and not self.mounted:
            raise TooLargeToCopy(f"{objects[0].name} is too large, and the bucket is not mounted.")
        self._check(objects)
        with self._store.local_folder(objects) as folder:
            yield folder
            self._check(objects)

    def _check(self, objects: Sequence[ObjectRef]) -> None:
        for ref in objects:
            current = self._store.stat(ref.name)
            if current is None or current.generation != ref.generation:
                raise NotCurrent(f"Generation {ref.generation} of {ref.name} is not current.")


def test_version_that_was_replaced_before_its_event_has_no_result_and_is_not_parked(bench: Bench) -> None:
    backend = replace(bench.backend, raw=MountedStore(bench.backend.raw))
    first, second = bench.store("a.dm3", "first"), bench.store("a.dm3", "second")
    bench.handle(*bench.events(), backend=backend)
    assert bench.version(first).extraction is None
    assert bench.version(second).extraction is not None
    assert (bench.file("a.dm3").generation, bench.titles("a.dm3")) == (second.generation, ["second"])


def test_version_that_is_replaced_while_it_is_read_has_no_result(bench: Bench) -> None:
    backend = replace(bench.backend, raw=MountedStore(bench.backend.raw))
    first = bench.store("a.dm3", "first")
    newer: list[StoredObject] = []
    bench.reader.during = lambda request: newer or newer.append(bench.store("a.dm3", "second"))
    bench.handle(*bench.events(), backend=backend)
    assert bench.version(first).extraction is None
    assert list(bench.backend.derived.list()) == []
    bench.handle(*bench.events(), backend=backend)
    assert (bench.file("a.dm3").generation, bench.titles("a.dm3")) == (newer[0].generation, ["second"])
    assert all(f"/{newer[0].generation}/" in derived.name for derived in bench.backend.derived.list())


def test_large_version_whose_replacement_was_deleted_says_why_it_is_not_read(bench: Bench) -> None:
    mounted = replace(bench.backend, raw=MountedStore(bench.backend.raw))
    first = bench.store("a.dm3", "first")
    bench.delete(bench.store("a.dm3", "second"))
    bench.handle(*bench.events(), backend=mounted)
    file = bench.file("a.dm3")
    assert (file.generation, file.status) == (first.generation, FileStatus.FAILED)
    assert f"Generation {first.generation}" in (file.reason or "")
    bench.handle(bench.changed("a.dm3"))
    assert (bench.file("a.dm3").status, bench.titles("a.dm3")) == (FileStatus.EXTRACTED, ["first"])


@pytest.mark.parametrize("gone", ["deleted", "rejected"])
def test_large_version_that_is_the_files_again_says_why_it_is_not_read(bench: Bench, gone: str) -> None:
    mounted = replace(bench.backend, raw=MountedStore(bench.backend.raw))
    first, second = bench.store("a.dm3", "first"), bench.store("a.dm3", "second")
    bench.handle(*bench.events(), backend=mounted)
    assert bench.version(first).extraction is None
    if gone == "deleted":
        bench.delete(second)
        bench.handle(*bench.events(), backend=mounted)
    else:
        verify_version(bench.backend, bench.version(second), size=0, md5="")
    bench.handle(bench.changed("a.dm3"), backend=mounted)
    file = bench.file("a.dm3")
    assert (file.generation, file.status) == (first.generation, FileStatus.FAILED)
    assert "is not current" in (file.reason or "")
    assert [found.why is not None for found in examine(bench.backend)] == [True]
    bench.handle(bench.changed("a.dm3"))
    assert (bench.file("a.dm3").status, bench.titles("a.dm3")) == (FileStatus.EXTRACTED, ["first"])


def test_large_version_whose_deletion_is_not_yet_told_is_not_given_up(bench: Bench) -> None:
    mounted = replace(bench.backend, raw=MountedStore(bench.backend.raw))
    first = bench.store("a.dm3", "first")
    bench.reader.during = lambda request: bench.delete(first)
    bench.handle(*bench.events(), backend=mounted)
    assert bench.version(first).extraction is None
    bench.handle(*bench.events(), backend=mounted)
    assert bench.file("a.dm3").status is FileStatus.DELETED


def test_result_of_a_large_version_stays_where_it_cannot_be_read_again(bench: Bench) -> None:
    mounted = replace(bench.backend, raw=MountedStore(bench.backend.raw))
    bench.store("a.dm3", "first")
    bench.handle(*bench.events(), backend=mounted)
    bench.delete(bench.store("a.dm3", "second"))
    bench.handle(*bench.events(), backend=mounted)
    access.change_instrument(bench.backend, "titan", {"zone": "Asia/Tokyo"})
    bench.handle(bench.changed("a.dm3"), backend=mounted)
    assert (bench.file("a.dm3").status, bench.titles("a.dm3")) == (FileStatus.EXTRACTED, ["first"])


def test_giving_up_does_not_replace_what_another_delivery_read_meanwhile(bench: Bench) -> None:
    stored = bench.store("a.dm3", "first")
    (finalized,) = bench.events()

    def with_other_inputs(version: FileVersion) -> None:
        assert version.extraction is not None
        version.extraction = version.extraction.model_copy(update={"inputs": "other inputs"})

    class Late(MountedStore):
        @contextmanager
        def local_folder(self, objects: Sequence[ObjectRef]) -> Iterator[Path]:
            if objects:
                bench.handle(finalized)
                change(bench.backend.catalog, FileVersion, bench.version(stored).key, with_other_inputs)
            with super().local_folder(objects) as folder:
                yield folder

    late = replace(bench.backend, raw=Late(bench.backend.raw, mounted=False))
    bench.handle(finalized, backend=late)
    assert (bench.file("a.dm3").status, bench.titles("a.dm3")) == (FileStatus.EXTRACTED, ["first"])


def test_pictures_are_drawn_where_the_stores_recovery_finds_what_a_killed_process_leaves(bench: Bench) -> None:
    reading = bench.edition.raw.files.reading
    drawn: list[Path | None] = []
    bench.reader.during = lambda request: drawn.append(request.preview_dir and request.preview_dir.parent)
    bench.store("a.dm3")
    bench.drain()
    assert drawn == [reading]
    assert list(reading.iterdir()) == []


def test_companion_that_is_replaced_while_it_is_read_is_read_by_its_own_event(bench: Bench) -> None:
    backend = replace(bench.backend, raw=MountedStore(bench.backend.raw))
    bench.store("scan_1.ser", "data")
    bench.store("scan.emi", "old")
    newer: list[StoredObject] = []
    bench.reader.during = lambda request: newer or newer.append(bench.store("scan.emi", "new"))
    while events := bench.events():
        bench.handle(*events, backend=backend)
    assert bench.titles("scan_1.ser") == ["data + new"]


def test_file_that_can_be_read_in_no_way_says_why_and_is_read_once_it_can(bench: Bench) -> None:
    store = MountedStore(bench.backend.raw, mounted=False)
    backend = replace(bench.backend, raw=store)
    bench.store("a.dm3", "large")
    events = bench.events()
    bench.handle(*events, backend=backend)
    file = bench.file("a.dm3")
    assert file.status is FileStatus.FAILED
    assert "not mounted" in (file.reason or "")
    store.mounted = True
    bench.handle(*events, backend=backend)
    assert bench.file("a.dm3").status is FileStatus.EXTRACTED


def test_earlier_version_is_the_files_again_where_the_newest_was_deleted(bench: Bench) -> None:
    first, second = bench.store("a.dm3", "first"), bench.store("a.dm3", "second")
    bench.drain()
    bench.delete(second)
    bench.drain()
    assert bench.file("a.dm3").generation == first.generation
    assert bench.titles("a.dm3") == ["first"]


def test_companion_that_comes_after_the_newest_version_was_rejected_is_read_with_the_earlier_one(bench: Bench) -> None:
    first, second = bench.store("scan_1.ser", "first"), bench.store("scan_1.ser", "second")
    bench.drain()
    verify_version(bench.backend, bench.version(second), size=0, md5="")
    bench.store("scan.emi", "tags")
    bench.drain()
    assert bench.file("scan_1.ser").generation == first.generation
    assert bench.titles("scan_1.ser") == ["first + tags"]


# ------------------------------------------------------------------------------------------------ files read together


@pytest.mark.parametrize(("leader", "companion"), PAIRS)
@pytest.mark.parametrize("companion_first", [False, True])
def test_companion_is_read_with_its_leader_in_whatever_order_they_come(
    bench: Bench, leader: str, companion: str, companion_first: bool
) -> None:
    for path in (companion, leader) if companion_first else (leader, companion):
        bench.store(path, path)
        bench.drain()
    assert bench.titles(leader) == [f"{leader} + {companion}"]
    file = bench.file(companion)
    assert (file.status, file.companion_of, file.datasets) == (FileStatus.EXTRACTED, leader, [])
    assert bench.file(leader).companion_of is None


def test_leader_is_read_again_with_a_new_version_of_its_companion_and_without_a_deleted_one(bench: Bench) -> None:
    bench.store("scan_1.ser", "data")
    old = bench.store("scan.emi", "old")
    bench.drain()
    new = bench.store("scan.emi", "new")
    bench.drain()
    assert bench.titles("scan_1.ser") == ["data + new"]
    bench.delete(new)
    bench.delete(old)
    bench.drain()
    assert bench.titles("scan_1.ser") == ["data"]
    assert bench.file("scan.emi").status is FileStatus.DELETED


def test_companion_whose_leader_was_deleted_is_a_file_of_its_own(bench: Bench) -> None:
    leader = bench.store("scan_1.ser", "data")
    bench.store("scan.emi", "tags")
    bench.drain()
    bench.delete(leader)
    bench.drain()
    assert bench.file("scan.emi").companion_of is None
    assert bench.titles("scan.emi") == ["tags"]


def test_result_is_dropped_where_a_later_companion_was_read_meanwhile(bench: Bench) -> None:
    stored = bench.store("scan_1.ser", "data")
    (event,) = bench.events()

    def companion_comes(request: ExtractRequest) -> None:
        bench.reader.during = lambda request: None
        bench.store("scan.emi", "tags")
        bench.handle(*bench.events())
        bench.handle(*bench.events())
        assert bench.version(stored).extraction is not None

    bench.reader.during = companion_comes
    bench.handle(event)
    assert bench.reader.reads == ["scan_1.ser", "scan_1.ser"]
    assert bench.titles("scan_1.ser") == ["data + tags"]


def test_result_stands_where_its_companion_is_the_later_one(bench: Bench) -> None:
    bench.store("scan_1.ser", "data")
    old = bench.store("scan.emi", "old")
    (leader, companion) = bench.events()

    def old_one_is_read_meanwhile(request: ExtractRequest) -> None:
        bench.reader.during = lambda request: None
        bench.handle(bench.changed("scan_1.ser"))

    bench.handle(companion)
    bench.reader.during = old_one_is_read_meanwhile
    bench.handle(leader)
    assert bench.titles("scan_1.ser") == ["data + old"]
    assert old.generation in bench.version(StoredObject.model_validate(leader.data)).extraction.companions.values()  # type: ignore[union-attr]


def test_files_of_other_folders_are_no_companions(bench: Bench) -> None:
    bench.store("scan_1.ser", "data")
    bench.store("deeper/scan.emi", "tags")
    bench.drain()
    assert bench.titles("scan_1.ser") == ["data"]
    assert bench.file("deeper/scan.emi").companion_of is None


def test_file_is_read_again_where_the_instruments_clock_settings_changed(bench: Bench) -> None:
    bench.store("a.dm3")
    bench.drain()
    bench.handle(bench.changed("a.dm3"))
    assert len(bench.reader.reads) == 1
    access.change_instrument(bench.backend, "titan", {"name": "Titan 2"})
    bench.handle(bench.changed("a.dm3"))
    assert len(bench.reader.reads) == 1
    access.change_instrument(bench.backend, "titan", {"zone": "Asia/Tokyo"})
    bench.handle(bench.changed("a.dm3"))
    assert len(bench.reader.reads) == 2
    assert bench.file("a.dm3").datasets[0].parameters["Zone"].value == "Asia/Tokyo"


# --------------------------------------------------------------------------------------------------------- summaries


def many_datasets(count: int, parameters: int) -> dict[str, Any]:
    values = {f"Parameter {n}": Parameter(value=n * 1.5, unit="nm", origin=f"Tags.{n}") for n in range(parameters)}
    datasets = [
        Dataset(index=n, type=DatasetType.IMAGE, title=f"frame {n}", parameters=dict(values)) for n in range(count)
    ]
    return {"datasets": datasets, "metadata": [{"frame": n} for n in range(count)]}


def test_result_too_large_for_the_catalog_is_a_summary_and_whole_in_the_complete_metadata(bench: Bench) -> None:
    bench.reader.fields = many_datasets(300, 100)
    stored = bench.store("a.dm3")
    bench.drain()
    assert list(bench.edition.events.parked()) == []
    file = bench.file("a.dm3")
    assert (file.status, len(file.datasets)) == (FileStatus.EXTRACTED, 300)
    assert all(not dataset.parameters for dataset in file.datasets)
    assert any("only in the complete metadata" in words for words in file.warnings)
    assert len(json.dumps(bench.version(stored).to_json())) < MAX_DOCUMENT_BYTES
    entries = json.loads(bench.derived(file.metadata_object))
    assert [entry["frame"] for entry in entries] == list(range(300))
    assert entries[299]["scopeline"]["parameters"]["Parameter 7"] == {
        "value": 10.5, "unit": "nm", "origin": "Tags.7", "warning": None
    }  # fmt: skip


def test_so_many_datasets_that_even_the_summary_is_too_large_are_cut_and_it_is_said(bench: Bench) -> None:
    bench.reader.fields = many_datasets(12_000, 1)
    bench.store("a.dm3")
    bench.drain()
    assert list(bench.edition.events.parked()) == []
    file = bench.file("a.dm3")
    assert 0 < len(file.datasets) < 12_000
    assert any(f"{len(file.datasets)} of its 12000 datasets" in words for words in file.warnings)


def test_endless_warnings_do_not_cost_the_file_its_result(bench: Bench) -> None:
    bench.reader.fields = {"warnings": ["x" * 1000] * 2000}
    bench.store("a.dm3")
    bench.drain()
    file = bench.file("a.dm3")
    assert file.status is FileStatus.EXTRACTED
    assert len(file.datasets) == 1
    assert len(file.warnings) < 50


def test_result_that_fits_is_kept_whole(bench: Bench) -> None:
    bench.reader.fields = many_datasets(50, 50)
    bench.store("a.dm3")
    bench.drain()
    assert all(len(dataset.parameters) == 50 for dataset in bench.file("a.dm3").datasets)
    assert bench.file("a.dm3").warnings == []


# ----------------------------------------------------------------------------------------------------- its session


def session_files(bench: Bench, session: str, count: int) -> None:
    for number in range(count):
        bench.backend.raw.write(f"titan/{session}/titan-pc/data/{number}.dm3", b"text")


def test_files_of_an_open_session_change_no_record(desk: Any) -> None:
    bench = Bench(desk.edition, desk.backend)
    session = desk.start()
    session_files(bench, session.id, 2)
    bench.drain()
    assert [topic for topic, _, _ in desk.waiting()] == []


def test_files_of_an_ended_session_change_its_record_once(desk: Any) -> None:
    bench = Bench(desk.edition, desk.backend)
    session = desk.start()
    desk.forward(minutes=5)
    desk.end()
    bench.drain()
    session_files(bench, session.id, 3)
    bench.drain()
    changed = [(key, due) for topic, key, due in desk.waiting() if topic == Topic.SESSION_CHANGED]
    assert [key for key, _ in changed] == [session.id]
    assert changed[0][1] >= 2


def test_deleted_file_changes_the_record_of_its_session(desk: Any) -> None:
    bench = Bench(desk.edition, desk.backend)
    session = desk.start()
    session_files(bench, session.id, 1)
    bench.drain()
    desk.forward(minutes=5)
    desk.end()
    bench.drain()
    (stored,) = bench.backend.raw.list()
    bench.delete(stored)
    bench.drain()
    assert [key for topic, key, _ in desk.waiting() if topic == Topic.SESSION_CHANGED] == [session.id]


# ------------------------------------------------------------------------------------------------------- interrupted


def state_of(bench: Bench, paths: list[str]) -> list[dict[str, Any]]:
    """What the catalog says of files, without ids and the moments at which it was written."""
    found = []
    for path in paths:
        file = bench.file(path)
        left_out = {"object", "path", "updated_at", "first_seen", "mtime", "generation", "metadata_object"}
        document = file.model_dump(mode="json", exclude=left_out)
        for dataset in document["datasets"]:
            dataset["preview"]["object"] = "picture"
        found.append(document)
    return found


def test_handling_cut_at_any_write_and_delivered_again_ends_the_same(desk: Any) -> None:
    bench = Bench(desk.edition, desk.backend)
    numbers = iter(range(1000))
    current: list[tuple[list[str], list[Event]]] = []

    def prepare() -> None:
        folder = next(numbers)
        paths = [f"{folder}/scan.emi", f"{folder}/scan_1.ser"]
        bench.store(paths[0], "tags")
        bench.store(paths[1], "data")
        companion, leader = bench.events()
        bench.handle(companion)
        bench.events()
        current[:] = [(paths, [leader])]

    def again() -> None:
        paths, events = current[0]
        bench.handle(*events)
        bench.drain()
        states.append(state_of(bench, paths))
        derived = [o.name for o in bench.backend.derived.list(bench.file(paths[1]).id)]
        assert len(derived) == 2
        prepare()

    states: list[list[dict[str, Any]]] = []
    prepare()
    writes = desk.cut_at_each_write(lambda backend: bench.handle(*current[0][1], backend=backend), again)
    # The file, its version, two derived objects, the result, the file's state, the companion's event.
    assert writes >= 6
    assert all(state == states[0] for state in states)
    assert states[0][1]["datasets"][0]["title"] == "data + tags"


# ------------------------------------------------------------------------------------------- any order, any number

STEPS: list[tuple[str, str, str]] = [
    ("store", "scan_1.ser", "data 1"),
    ("store", "scan_1.ser", "data 2"),
    ("store", "scan.emi", "tags"),
    ("store", "scan_2.ser", "more"),
    ("store", "image.tif", "picture"),
    ("delete", "image.tif", ""),
    ("store", "image.hdr", "header"),
]


@contextmanager
def fresh_bench() -> Iterator[Bench]:
    now = datetime(2026, 2, 6, 12, 0, tzinfo=UTC)
    with tempfile.TemporaryDirectory() as folder:
        given_settings = load_settings(data_dir=Path(folder))
        with embedded(given_settings, clock=lambda: now) as edition:
            edition.backend.catalog.create(Instrument(id="titan", name="Titan", zone="Europe/Berlin"))
            yield Bench(edition, edition.backend)


def take_step(bench: Bench, kind: str, path: str, text: str) -> None:
    if kind == "store":
        bench.store(path, text)
        return
    current = bench.backend.raw.stat(bench.name(path))
    assert current is not None
    bench.delete(current)


def play(chance: random.Random, repeat: float, early: float) -> list[dict[str, Any]]:
    """The catalog after all steps, when their events were delivered in an order and number by chance."""
    paths = sorted({path for _, path, _ in STEPS})
    with fresh_bench() as bench:
        waiting: list[Event] = []
        steps = list(STEPS)
        while steps or waiting:
            if steps and (not waiting or chance.random() > early):
                take_step(bench, *steps.pop(0))
            else:
                event = waiting.pop(chance.randrange(len(waiting)))
                bench.handle(event)
                if chance.random() < repeat:
                    waiting.append(event)
            waiting += bench.events()
        return state_of(bench, paths)


@settings(max_examples=25, deadline=None)
@given(chance=st.randoms(use_true_random=False), repeat=st.sampled_from([0.0, 0.3]), early=st.floats(0, 1))
def test_any_order_and_number_of_events_end_in_the_same_catalog(
    chance: random.Random, repeat: float, early: float
) -> None:
    found = {state["root"] + str(n): state for n, state in enumerate(play(chance, repeat, early))}
    states = list(found.values())
    titles = [[dataset["title"] for dataset in state["datasets"]] for state in states]
    # image.hdr, image.tif, scan.emi, scan_1.ser, scan_2.ser
    assert titles == [["header"], [], [], ["data 2 + tags"], ["more + tags"]]
    assert [state["status"] for state in states] == ["extracted", "deleted", "extracted", "extracted", "extracted"]
    assert [state["companion_of"] for state in states] == [None, None, "scan_1.ser", None, None]


def test_every_input_makes_a_difference() -> None:
    inputs = ingest.Inputs(1, (), (), "ser:1", 1)
    assert inputs.hash == ingest.Inputs(1, (), (), "ser:1", 1).hash
    others = [
        ingest.Inputs(2, (), (), "ser:1", 1),
        ingest.Inputs(1, (StoredObject(bucket="raw", name="a", generation=1),), (), "ser:1", 1),
        ingest.Inputs(1, (StoredObject(bucket="raw", name="a", generation=2),), (), "ser:1", 1),
        ingest.Inputs(1, (), ("a",), "ser:1", 1),
        ingest.Inputs(1, (), (), "ser:2", 1),
        ingest.Inputs(1, (), (), "ser:1", 2),
    ]
    assert len({other.hash for other in [inputs, *others]}) == 7


# ---------------------------------------------------------------------------------------------------------- the log


@pytest.mark.parametrize(
    ("place", "stands_in"),
    [
        ("titan/20260206-titan-abcdef/titan-pc/data", "20260206-titan-abcdef"),
        ("titan/unassigned/2026-02-06/pc-x", None),
    ],
)
def test_what_is_logged_of_a_file_names_its_session_wherever_the_object_stands(
    bench: Bench, caplog: pytest.LogCaptureFixture, place: str, stands_in: str | None
) -> None:
    told: list[tuple[str, str | None]] = []

    def fail(request: ExtractRequest) -> None:
        raise InvalidInput("It cannot be read here.")

    class Listener(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            told.append((record.getMessage().split()[0], subject().get("session")))

    caplog.set_level(logging.INFO, "scopeline")
    listener = Listener()
    logging.getLogger("scopeline").addHandler(listener)
    try:
        stored = bench.backend.raw.write(f"{place}/a.dm3", b"text")
        bench.drain()
        other = "20260207-titan-bcdefg"
        change(
            bench.backend.catalog,
            File,
            f"files/{file_id('raw', stored.name)}",
            lambda file: setattr(file, "session", other),
        )
        bench.backend.raw.write(stored.name, b"text again")
        bench.drain()
        bench.reader.during = fail
        bench.backend.raw.write(stored.name, b"text and again")
        bench.drain()
    finally:
        logging.getLogger("scopeline").removeHandler(listener)
    assert told[:2] == [("Stored", stands_in), ("Read", stands_in)]
    assert {session for _, session in told[2:]} == {other}
    assert [words for words, _ in told[2:4]] == ["Stored", "Read"]
    assert "is parked" in caplog.text
