"""What every ObjectStore does. An edition subclasses the suite and gives it `edition`."""

from __future__ import annotations

import base64
import hashlib
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Protocol

import google_crc32c
import pytest
from driving import PutAnswer, Uploads
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule, run_state_machine_as_test

from scopeline.domain.errors import InvalidInput
from scopeline.domain.events import Event, StoredObject, Topic
from scopeline.domain.names import file_id
from scopeline.ports import MissingObject, ObjectRef, ObjectStore, PreconditionFailed

UNIT = 256 * 1024
NAME = "titan/20260206-titan-7f3k2a/titan-pc/data/a.dm3"


class ObjectStoreEdition(Protocol):
    raw: ObjectStore
    derived: ObjectStore
    uploads: Uploads

    def events(self) -> list[Event]:
        """The events of the raw bucket that were not yet asked for."""


def read(store: ObjectStore, stored: StoredObject) -> bytes:
    with store.open(stored.name, stored.generation) as source:
        return source.read()


def send(edition: ObjectStoreEdition, url: str, data: bytes, chunk: int = UNIT) -> PutAnswer:
    """Upload all of `data` in chunks; the last answer."""
    if not data:
        return edition.uploads.put(url, "bytes */0")
    for start in range(0, len(data), chunk):
        part = data[start : start + chunk]
        answer = edition.uploads.put(url, f"bytes {start}-{start + len(part) - 1}/{len(data)}", part)
    return answer


class ObjectStoreContract:
    """Subclasses define the fixture `edition` and `fresh_store`."""

    model_examples = 25

    @pytest.fixture
    def edition(self) -> ObjectStoreEdition:
        raise NotImplementedError

    def fresh_store(self) -> AbstractContextManager[ObjectStore]:
        """An empty raw bucket for one round of the model test."""
        raise NotImplementedError

    @pytest.fixture
    def store(self, edition: ObjectStoreEdition) -> ObjectStore:
        return edition.raw

    # ------------------------------------------------------------------------------------------------- versions

    def test_what_was_written_can_be_read_with_its_checksums_and_metadata(self, store: ObjectStore) -> None:
        data = b"micrograph" * 1000
        stored = store.write(NAME, data, content_type="image/x-dm3", metadata={"session": "s1", "mtime": "µ"})
        assert store.stat(NAME) == store.stat(NAME, stored.generation) == stored
        assert (stored.bucket, stored.name, stored.size) == (store.bucket, NAME, len(data))
        assert stored.md5 == hashlib.md5(data).hexdigest()
        assert stored.crc32c == base64.b64encode(google_crc32c.value(data).to_bytes(4, "big")).decode()
        assert (stored.content_type, stored.metadata) == ("image/x-dm3", {"session": "s1", "mtime": "µ"})
        assert stored.stored_at is not None
        assert read(store, stored) == data

    def test_a_file_is_copied_and_left_as_it_is(self, store: ObjectStore, tmp_path: Path) -> None:
        source = tmp_path / "source.dm3"
        source.write_bytes(b"x" * 100_000)
        stored = store.write(NAME, source)
        assert source.read_bytes() == read(store, stored) == b"x" * 100_000

    def test_an_empty_object_is_an_object(self, store: ObjectStore) -> None:
        stored = store.write(NAME, b"")
        assert (stored.size, stored.md5) == (0, "d41d8cd98f00b204e9800998ecf8427e")
        assert read(store, stored) == b""

    def test_versions_are_seekable(self, store: ObjectStore) -> None:
        stored = store.write(NAME, b"0123456789")
        with store.open(NAME, stored.generation) as source:
            source.seek(4)
            assert source.read(3) == b"456"

    def test_a_second_write_is_a_new_version_and_the_first_stays_readable(self, store: ObjectStore) -> None:
        first, second = store.write(NAME, b"one"), store.write(NAME, b"two")
        assert second.generation > first.generation
        assert store.stat(NAME) == second
        assert (read(store, first), read(store, second)) == (b"one", b"two")

    def test_generations_grow_over_the_whole_store_and_across_deletion(self, store: ObjectStore) -> None:
        seen = []
        for n in range(6):
            stored = store.write(f"object {n % 2}", b"x")
            seen.append(stored.generation)
            if n % 3 == 0:
                assert store.delete(stored.name, stored.generation)
        assert seen == sorted(set(seen))

    def test_what_is_not_there_is_none_or_missing(self, store: ObjectStore) -> None:
        stored = store.write(NAME, b"x")
        assert store.stat("other") is None
        assert store.stat(NAME, stored.generation + 1) is None
        assert store.stat("other", stored.generation) is None
        for name, generation in (("other", stored.generation), (NAME, stored.generation + 1)):
            with pytest.raises(MissingObject):
                store.open(name, generation)

    @pytest.mark.parametrize("name", ["", ".", "..", "x" * 1025, "ä" * 513, "a\nb", "a\rb", "\ud800"])
    def test_names_that_no_store_takes_are_refused(self, store: ObjectStore, name: str) -> None:
        with pytest.raises(InvalidInput) as refused:
            store.write(name, b"x")
        assert refused.value.code == "invalid_object_name"
        assert store.stat(name) is None
        assert store.delete(name, 1) is False

    @pytest.mark.parametrize(
        "name", ["../../etc/passwd", "/etc/passwd", "-rf *", "ä/日本.dm3", "a/../b/.", "a//b", "x" * 1024]
    )
    def test_other_names_are_only_names(self, store: ObjectStore, name: str) -> None:
        stored = store.write(name, b"x")
        assert read(store, stored) == b"x"
        assert [found.name for found in store.list()] == [name]

    # -------------------------------------------------------------------------------------------- preconditions

    def test_create_only_refuses_a_name_that_has_a_current_version(self, store: ObjectStore) -> None:
        first = store.write(NAME, b"one", if_generation=0)
        with pytest.raises(PreconditionFailed):
            store.write(NAME, b"two", if_generation=0)
        assert store.stat(NAME) == first

    def test_replacing_wants_the_current_generation(self, store: ObjectStore) -> None:
        first = store.write(NAME, b"one")
        with pytest.raises(PreconditionFailed):
            store.write(NAME, b"two", if_generation=first.generation + 1)
        second = store.write(NAME, b"two", if_generation=first.generation)
        with pytest.raises(PreconditionFailed):
            store.write(NAME, b"three", if_generation=first.generation)
        assert store.stat(NAME) == second

    def test_after_deletion_of_the_current_version_there_is_none_until_the_next_write(self, store: ObjectStore) -> None:
        first, second = store.write(NAME, b"one"), store.write(NAME, b"two")
        assert store.delete(NAME, second.generation)
        assert store.stat(NAME) is None
        assert list(store.list()) == []
        assert read(store, first) == b"one"
        third = store.write(NAME, b"three", if_generation=0)
        assert store.stat(NAME) == third

    def test_of_many_writers_with_one_precondition_one_wins(self, store: ObjectStore) -> None:
        outcomes: list[str] = []
        start = threading.Barrier(6)

        def write(n: int) -> None:
            start.wait()
            try:
                store.write(NAME, b"%d" % n, if_generation=0)
                outcomes.append("won")
            except PreconditionFailed:
                outcomes.append("lost")

        threads = [threading.Thread(target=write, args=(n,)) for n in range(6)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert sorted(outcomes) == ["lost"] * 5 + ["won"]

    # ---------------------------------------------------------------------------------------------- deletion, list

    def test_deleting_again_or_what_is_not_there_is_false(self, store: ObjectStore) -> None:
        stored = store.write(NAME, b"x")
        assert store.delete(NAME, stored.generation + 1) is False
        assert store.delete(NAME, stored.generation) is True
        assert store.delete(NAME, stored.generation) is False
        with pytest.raises(MissingObject):
            store.open(NAME, stored.generation)

    def test_list_gives_current_versions_of_a_prefix_by_name(self, store: ObjectStore) -> None:
        for name in ("b/2", "b/1", "a", "b", "bb", "c", "b/ä", "b/z"):
            store.write(name, b"old")
        newest = {name: store.write(name, b"new") for name in ("b/1", "b/2", "b/z", "b/ä")}
        found = list(store.list("b/"))
        assert [one.name for one in found] == ["b/1", "b/2", "b/z", "b/ä"]
        assert found == list(newest.values())
        assert [one.name for one in store.list()] == ["a", "b", "b/1", "b/2", "b/z", "b/ä", "bb", "c"]
        assert list(store.list("none")) == []

    def test_list_goes_on_after_a_name(self, store: ObjectStore) -> None:
        for name in ("a", "b", "b/1", "b/2", "b/2x", "b/ä", "c"):
            store.write(name, b"x")

        def names(prefix: str, after: str) -> list[str]:
            return [one.name for one in store.list(prefix, after=after)]

        assert names("", "b/2") == ["b/2x", "b/ä", "c"]
        assert names("b/", "b/2") == ["b/2x", "b/ä"]
        assert names("b/", "b/3") == ["b/ä"]
        assert names("b/", "a") == names("b/", "b") == ["b/1", "b/2", "b/2x", "b/ä"]
        assert names("b/", "b/ä") == names("b/", "c") == names("", "c") == []

    def test_versions_are_all_of_a_prefix_by_name_and_generation(self, store: ObjectStore) -> None:
        stored = [store.write(name, b"x") for name in ("b/2", "a", "b/1", "b/2", "b/1", "b", "b/1", "c", "b/3")]
        store.delete("b/3", stored[-1].generation)
        store.delete("b/1", stored[4].generation)
        assert list(store.versions("b/")) == [stored[2], stored[6], stored[0], stored[3]]
        assert list(store.versions("b/1")) == [stored[2], stored[6]]
        assert {one.name for one in store.versions("")} == {"a", "b", "b/1", "b/2", "c"}
        assert list(store.versions("none")) == []

    def test_more_objects_than_a_page_are_listed_once_each(self, store: ObjectStore) -> None:
        with ThreadPoolExecutor(8) as threads:
            written = list(threads.map(lambda n: store.write(f"many/{n:04}", b""), range(1001)))
        assert list(store.list("many/")) == list(store.versions("many/")) == written

    # ------------------------------------------------------------------------------------------------ local folder

    def test_a_local_folder_shows_versions_under_their_file_names(self, store: ObjectStore) -> None:
        old, new = store.write("x/1", b"old"), store.write("x/1", b"new")
        companion = store.write("x/2", b"emi")
        refs = [ObjectRef(old.name, old.generation, "scan 1.ser"), ObjectRef("x/2", companion.generation, "-scan.emi")]
        with store.local_folder(refs) as folder:
            assert {path.name: path.read_bytes() for path in folder.iterdir()} == {
                "scan 1.ser": b"old",
                "-scan.emi": b"emi",
            }
            assert folder.is_absolute()
        assert not folder.exists()
        assert (read(store, old), read(store, new)) == (b"old", b"new")

    def test_a_local_folder_outlives_the_deletion_of_its_versions_but_not_its_context(self, store: ObjectStore) -> None:
        stored = store.write(NAME, b"x")
        with store.local_folder([ObjectRef(NAME, stored.generation, "a.dm3")]) as folder:
            store.delete(NAME, stored.generation)
            assert (folder / "a.dm3").read_bytes() == b"x"
        assert not folder.exists()

    def test_a_local_folder_of_no_objects_is_empty_and_may_be_written_while_another_is_opened_and_closed(
        self, store: ObjectStore
    ) -> None:
        stored = store.write(NAME, b"x")
        with store.local_folder([]) as own:
            assert list(own.iterdir()) == []
            with store.local_folder([ObjectRef(NAME, stored.generation, "a.dm3")]):
                (own / "0.png").write_bytes(b"picture")
            assert (own / "0.png").read_bytes() == b"picture"
        assert not own.exists()

    def test_a_local_folder_of_a_missing_version_is_refused(self, store: ObjectStore) -> None:
        stored = store.write(NAME, b"x")
        with pytest.raises(MissingObject), store.local_folder([ObjectRef(NAME, stored.generation + 1, "a.dm3")]):
            pytest.fail("the folder was given")

    @pytest.mark.parametrize("file_names", [["../a"], ["/a"], [""], [".."], ["a", "a"], ["a\0"]])
    def test_a_local_folder_refuses_names_that_leave_it_or_collide(
        self, store: ObjectStore, file_names: list[str]
    ) -> None:
        stored = store.write(NAME, b"x")
        refs = [ObjectRef(NAME, stored.generation, file_name) for file_name in file_names]
        with pytest.raises(InvalidInput) as refused, store.local_folder(refs):
            pytest.fail("the folder was given")
        assert refused.value.code == "invalid_file_name"

    # ------------------------------------------------------------------------------------------------------ events

    def test_raw_announces_every_version_and_deletion(self, edition: ObjectStoreEdition) -> None:
        stored = edition.raw.write(NAME, b"x", metadata={"session": "s"})
        (event,) = edition.events()
        assert (event.type, event.key) == (Topic.OBJECT_FINALIZED, file_id(edition.raw.bucket, NAME))
        assert StoredObject.model_validate(event.data) == stored
        edition.raw.delete(NAME, stored.generation)
        (event,) = edition.events()
        assert event.type is Topic.OBJECT_DELETED
        assert (event.data["name"], event.data["generation"]) == (NAME, stored.generation)

    def test_what_was_refused_is_not_announced(self, edition: ObjectStoreEdition) -> None:
        stored = edition.raw.write(NAME, b"x")
        edition.events()
        with pytest.raises(PreconditionFailed):
            edition.raw.write(NAME, b"y", if_generation=0)
        edition.raw.delete(NAME, stored.generation + 1)
        assert edition.events() == []

    def test_derived_announces_nothing(self, edition: ObjectStoreEdition) -> None:
        stored = edition.derived.write("preview.png", b"x")
        edition.derived.delete("preview.png", stored.generation)
        assert edition.events() == []

    def test_the_buckets_know_nothing_of_each_other(self, edition: ObjectStoreEdition) -> None:
        stored = edition.raw.write(NAME, b"x")
        assert edition.derived.stat(NAME) is None
        assert edition.derived.stat(NAME, stored.generation) is None
        assert edition.derived.delete(NAME, stored.generation) is False

    # ----------------------------------------------------------------------------------------------------- uploads

    def test_an_upload_in_chunks_becomes_one_version(self, edition: ObjectStoreEdition) -> None:
        data = bytes(range(256)) * 2300  # two whole units and a rest
        url = edition.raw.create_upload(
            NAME, size=len(data), if_generation=0, content_type="image/x-dm3", metadata={"session": "s"}
        )
        first = edition.uploads.put(url, f"bytes 0-{UNIT - 1}/{len(data)}", data[:UNIT])
        assert (first.status, first.stored) == (308, UNIT)
        assert edition.raw.stat(NAME) is None
        assert edition.events() == []
        assert edition.uploads.put(url, f"bytes {UNIT}-{2 * UNIT - 1}/{len(data)}", data[UNIT : 2 * UNIT]).status == 308
        last = edition.uploads.put(url, f"bytes {2 * UNIT}-{len(data) - 1}/{len(data)}", data[2 * UNIT :])
        assert last.status in (200, 201)
        stored = edition.raw.stat(NAME)
        assert stored is not None
        assert last.body is not None
        assert last.body["name"] == NAME
        assert int(last.body["generation"]) == stored.generation
        assert int(last.body["size"]) == len(data)
        assert base64.b64decode(last.body["md5Hash"]).hex() == stored.md5 == hashlib.md5(data).hexdigest()
        assert last.body["crc32c"] == stored.crc32c
        assert (stored.content_type, stored.metadata) == ("image/x-dm3", {"session": "s"})
        assert read(edition.raw, stored) == data
        assert [event.type for event in edition.events()] == [Topic.OBJECT_FINALIZED]

    @pytest.mark.parametrize("size", [0, 1, UNIT - 1, UNIT, UNIT + 1])
    def test_an_upload_of_any_size_arrives(self, edition: ObjectStoreEdition, size: int) -> None:
        url = edition.raw.create_upload(NAME, size=size, if_generation=0)
        assert send(edition, url, b"z" * size).status in (200, 201)
        stored = edition.raw.stat(NAME)
        assert stored is not None
        assert stored.size == size

    def test_the_status_tells_how_far_the_upload_is(self, edition: ObjectStoreEdition) -> None:
        size = 2 * UNIT
        url = edition.raw.create_upload(NAME, size=size, if_generation=0)
        empty = edition.uploads.put(url, f"bytes */{size}")
        assert (empty.status, "range" in empty.headers) == (308, False)
        edition.uploads.put(url, f"bytes 0-{UNIT - 1}/{size}", b"a" * UNIT)
        half = edition.uploads.put(url, f"bytes */{size}")
        assert (half.status, half.stored) == (308, UNIT)
        edition.uploads.put(url, f"bytes {UNIT}-{size - 1}/{size}", b"b" * UNIT)
        assert edition.uploads.put(url, f"bytes */{size}").status in (200, 201)

    def test_a_chunk_that_breaks_off_leaves_what_range_says(self, edition: ObjectStoreEdition) -> None:
        data = bytes(range(256)) * 4096  # four units
        url = edition.raw.create_upload(NAME, size=len(data), if_generation=0)
        edition.uploads.put(url, f"bytes 0-{UNIT - 1}/{len(data)}", data[:UNIT])
        edition.uploads.put(
            url, f"bytes {UNIT}-{len(data) - 1}/{len(data)}", data[UNIT:], breaks_off_after=UNIT + UNIT // 2
        )
        status = edition.uploads.put(url, f"bytes */{len(data)}")
        assert status.status == 308
        assert status.stored in (UNIT, 2 * UNIT)
        rest = edition.uploads.put(url, f"bytes {status.stored}-{len(data) - 1}/{len(data)}", data[status.stored :])
        assert rest.status in (200, 201)
        stored = edition.raw.stat(NAME)
        assert stored is not None
        assert read(edition.raw, stored) == data
        assert stored.md5 == hashlib.md5(data).hexdigest()

    def test_an_upload_that_lost_its_race_is_412_and_stores_nothing(self, edition: ObjectStoreEdition) -> None:
        url = edition.raw.create_upload(NAME, size=3, if_generation=0)
        other = edition.raw.write(NAME, b"other")
        edition.events()
        assert send(edition, url, b"abc").status == 412
        assert edition.raw.stat(NAME) == other
        assert edition.events() == []
        assert edition.uploads.put(url, "bytes */3").status in (404, 410, 412)

    def test_of_uploads_of_the_same_bytes_one_is_stored_and_none_of_them_is_lost(
        self, edition: ObjectStoreEdition
    ) -> None:
        urls = [edition.raw.create_upload(NAME, size=3, if_generation=0) for _ in range(6)]
        with ThreadPoolExecutor(6) as threads:
            answers = list(threads.map(lambda url: send(edition, url, b"abc"), urls))
        stored = edition.raw.stat(NAME)
        assert stored is not None
        assert len(edition.events()) == 1
        done = [answer.body for answer in answers if answer.status in (200, 201)]
        assert {body["generation"] for body in done if body} == {str(stored.generation)}
        assert {answer.status for answer in answers} <= {200, 201, 412}

    def test_an_unknown_upload_is_404(self, edition: ObjectStoreEdition) -> None:
        url = edition.raw.create_upload(NAME, size=3, if_generation=0)
        assert edition.uploads.put(url[:-4] + "aaaa", "bytes 0-2/3", b"abc").status in (404, 410)

    # ------------------------------------------------------------------------------------------------------- model

    def test_any_order_of_calls_does_what_a_simple_model_does(self) -> None:
        run_state_machine_as_test(
            lambda: StoreAgainstModel(self.fresh_store),
            settings=settings(
                max_examples=self.model_examples,
                stateful_step_count=25,
                deadline=None,
                derandomize=True,
                database=None,
                suppress_health_check=list(HealthCheck),
            ),
        )


class StoreAgainstModel(RuleBasedStateMachine):
    """The store beside two dictionaries: the living versions, and each name's current generation."""

    names = st.sampled_from(["a", "b", "a/b"])

    def __init__(self, fresh: Callable[[], AbstractContextManager[ObjectStore]]) -> None:
        super().__init__()
        self._context = fresh()
        self.store = self._context.__enter__()

    def teardown(self) -> None:
        self._context.__exit__(None, None, None)

    @initialize()
    def empty(self) -> None:
        self.versions: dict[tuple[str, int], bytes] = {}
        self.current: dict[str, int] = {}
        self.highest = 0

    @rule(name=names, data=st.binary(max_size=20), expected=st.sampled_from(["any", "none", "current", "stale"]))
    def write(self, name: str, data: bytes, expected: str) -> None:
        current = self.current.get(name, 0)
        if_generation = {"any": None, "none": 0, "current": current, "stale": current + 1}[expected]
        if if_generation not in (None, current):
            with pytest.raises(PreconditionFailed):
                self.store.write(name, data, if_generation=if_generation)
            return
        stored = self.store.write(name, data, if_generation=if_generation)
        assert stored.generation > self.highest
        self.highest = self.current[name] = stored.generation
        self.versions[name, stored.generation] = data

    @rule(name=names, choice=st.integers(0, 5))
    def delete(self, name: str, choice: int) -> None:
        generations = sorted(generation for known, generation in self.versions if known == name)
        generation = generations[choice] if choice < len(generations) else self.highest + 1
        assert self.store.delete(name, generation) == (self.versions.pop((name, generation), None) is not None)
        if self.current.get(name) == generation:
            del self.current[name]

    @invariant()
    def agrees(self) -> None:
        assert {one.name: one.generation for one in self.store.list()} == self.current
        for name in ("a", "b", "a/b"):
            stored = self.store.stat(name)
            assert (stored.generation if stored else None) == self.current.get(name)
        for (name, generation), data in self.versions.items():
            with self.store.open(name, generation) as source:
                assert source.read() == data
