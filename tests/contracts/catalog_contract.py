"""What every Catalog does. An edition subclasses the suite and gives it `catalog`."""

from __future__ import annotations

import base64
import json
import threading
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from scopeline.domain.documents import Document, Moment, Part
from scopeline.domain.errors import InvalidInput
from scopeline.domain.files import File, FileStatus, FileVersion
from scopeline.domain.instruments import Instrument
from scopeline.domain.sessions import Session, SessionState, Stamp
from scopeline.ports import (
    FILES_OF_SESSION,
    FILES_OF_SESSION_IN_STATUS,
    INSTRUMENTS,
    MAX_ALTERNATIVES,
    NEWEST_VERSIONS,
    SESSIONS,
    SESSIONS_IN_STATE,
    SESSIONS_OF_INSTRUMENT,
    UNASSIGNED_FILES,
    VERSIONS_OF_FILE,
    Catalog,
    PreconditionFailed,
    Query,
    find_all,
)

START = datetime(2026, 2, 6, 12, tzinfo=UTC)


class Received(Part):
    received: Moment | None


class Undated(Document):
    """A session whose start may have no moment, which the domain's own always has."""

    id: str
    start: Received

    @property
    def key(self) -> str:
        return f"sessions/{self.id}"


def at(seconds: float) -> datetime:
    return START + timedelta(seconds=seconds)


def session(number: int, **changes: Any) -> Session:
    stamp = Stamp(at=at(number), sent=at(number), received=at(number))
    values: dict[str, Any] = {
        "id": f"20260206-titan-{number:06d}",
        "instrument": "titan",
        "local_id": f"{number:08d}-0000-4000-8000-000000000000",
        "client": "titan-pc",
        "start": stamp,
        "updated_at": at(number),
    }
    return Session(**{**values, **changes})


def file(number: int, **changes: Any) -> File:
    values: dict[str, Any] = {
        "bucket": "raw",
        "object": f"titan/s/pc/data/{number}.dm3",
        "session": "s",
        "instrument": "titan",
        "client": "pc",
        "root": "data",
        "path": f"{number}.dm3",
        "updated_at": at(number),
    }
    return File(**{**values, **changes})


def version(generation: int, of: str = "f") -> FileVersion:
    return FileVersion(file=of, generation=generation, size=1, md5="", crc32c="", stored_at=START)


def numbers(found: list[File]) -> list[int]:
    return [int(one.path.removesuffix(".dm3")) for one in found]


class CatalogContract:
    """Subclasses define the fixture `catalog`."""

    @pytest.fixture
    def catalog(self) -> Catalog:
        raise NotImplementedError

    # --------------------------------------------------------------------------------------------------- documents

    def test_a_created_document_can_be_read(self, catalog: Catalog) -> None:
        document = file(1, path="Probe µ/日本.dm3", size=2**40, mtime=at(0.000001))
        assert catalog.create(document) is True
        found = catalog.get(File, document.key)
        assert found is not None
        assert found.document == document

    def test_a_document_is_created_once(self, catalog: Catalog) -> None:
        assert catalog.create(file(1, reason="first"))
        assert catalog.create(file(1, reason="second")) is False
        found = catalog.get(File, file(1).key)
        assert found is not None
        assert found.document.reason == "first"

    def test_of_many_creators_one_wins(self, catalog: Catalog) -> None:
        outcomes: list[bool] = []
        start = threading.Barrier(6)

        def create(n: int) -> None:
            start.wait()
            outcomes.append(catalog.create(file(1, reason=str(n))))

        threads = [threading.Thread(target=create, args=(n,)) for n in range(6)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert sorted(outcomes) == [False] * 5 + [True]

    def test_what_is_not_there_is_none(self, catalog: Catalog) -> None:
        assert catalog.get(File, "files/none") is None
        assert catalog.delete("files/none") is False

    def test_an_update_wants_the_revision_that_was_read(self, catalog: Catalog) -> None:
        catalog.create(file(1))
        first = catalog.get(File, file(1).key)
        assert first is not None
        revision = catalog.update(file(1, reason="a"), first.revision)
        found = catalog.get(File, file(1).key)
        assert found is not None
        assert (found.document.reason, found.revision) == ("a", revision)
        with pytest.raises(PreconditionFailed):
            catalog.update(file(1, reason="b"), first.revision)
        again = catalog.get(File, file(1).key)
        assert again is not None
        assert again.document.reason == "a"

    def test_an_update_of_a_missing_document_fails(self, catalog: Catalog) -> None:
        catalog.create(file(1))
        found = catalog.get(File, file(1).key)
        assert found is not None
        with pytest.raises(PreconditionFailed):
            catalog.update(file(2), found.revision)

    @pytest.mark.parametrize("revision", ["", "0", "x", " 1", "9999999999999999999999"])
    def test_a_revision_that_was_never_given_fails(self, catalog: Catalog, revision: str) -> None:
        catalog.create(file(1))
        with pytest.raises(PreconditionFailed):
            catalog.update(file(1), revision)

    def test_a_revision_never_comes_again_after_deletion(self, catalog: Catalog) -> None:
        catalog.create(file(1))
        first = catalog.get(File, file(1).key)
        assert first is not None
        assert catalog.delete(file(1).key) is True
        assert catalog.get(File, file(1).key) is None
        catalog.create(file(1))
        with pytest.raises(PreconditionFailed):
            catalog.update(file(1), first.revision)

    def test_concurrent_updates_lose_nothing(self, catalog: Catalog) -> None:
        catalog.create(file(1, size=0))

        def add_one() -> None:
            while True:
                found = catalog.get(File, file(1).key)
                assert found is not None
                try:
                    catalog.update(file(1, size=(found.document.size or 0) + 1), found.revision)
                    return
                except PreconditionFailed:
                    continue

        threads = [threading.Thread(target=add_one) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        found = catalog.get(File, file(1).key)
        assert found is not None
        assert found.document.size == 4

    def test_a_document_that_is_too_large_is_refused(self, catalog: Catalog) -> None:
        with pytest.raises(InvalidInput) as refused:
            catalog.create(file(1, reason="x" * 1_100_000))
        assert refused.value.code == "document_too_large"
        catalog.create(file(1))
        found = catalog.get(File, file(1).key)
        assert found is not None
        with pytest.raises(InvalidInput):
            catalog.update(file(1, reason="x" * 1_100_000), found.revision)

    @pytest.mark.parametrize("name", ["", ".", "..", "__x__", "a/b", "a/", "x" * 1501, "é" * 751])
    def test_a_document_whose_id_not_every_catalog_takes_is_refused(self, catalog: Catalog, name: str) -> None:
        with pytest.raises(InvalidInput) as refused:
            catalog.create(Instrument(id=name, name="Titan"))
        assert refused.value.code == "invalid_key"
        assert catalog.get(Instrument, f"instruments/{name}") is None
        assert catalog.delete(f"instruments/{name}") is False

    @pytest.mark.parametrize("name", ["_", "...", "__x", "x" * 1500, "a b", "日本", "a%2Fb", "\n"])
    def test_other_ids_are_taken_as_they_are(self, catalog: Catalog, name: str) -> None:
        assert catalog.create(Instrument(id=name, name="Titan"))
        assert catalog.get(Instrument, f"instruments/{name}") is not None
        assert [one.id for one in find_all(catalog, Instrument, INSTRUMENTS)] == [name]

    # ----------------------------------------------------------------------------------------------------- queries

    def test_a_query_finds_only_equal_documents_of_its_collection_in_order(self, catalog: Catalog) -> None:
        for n in (3, 1, 2):
            catalog.create(file(n))
        catalog.create(file(4, session="other"))
        catalog.create(file(5, session=None))
        catalog.create(version(1))
        assert numbers(catalog.find(File, FILES_OF_SESSION, where={"session": "s"}).items) == [1, 2, 3]

    def test_equal_order_values_are_ordered_by_key(self, catalog: Catalog) -> None:
        for n in range(6):
            catalog.create(file(n, updated_at=START))
        found = catalog.find(File, FILES_OF_SESSION, where={"session": "s"}).items
        assert [one.key for one in found] == sorted(file(n).key for n in range(6))

    def test_descending_queries_turn_everything_around(self, catalog: Catalog) -> None:
        stamp = session(0).start
        for n in (1, 3, 2):
            catalog.create(session(n))
        for n in (11, 12):
            catalog.create(session(n, start=stamp))
        found = catalog.find(Session, SESSIONS).items
        assert [one.id[-6:] for one in found] == ["000003", "000002", "000001", "000012", "000011"]

    def test_a_list_of_values_means_any_of_them(self, catalog: Catalog) -> None:
        for n, status in enumerate(FileStatus):
            catalog.create(file(n, status=status))
        where = {"session": "s", "status": [FileStatus.STORED, FileStatus.ANNOUNCED]}
        found = catalog.find(File, FILES_OF_SESSION_IN_STATUS, where=where)
        assert [one.status for one in found.items] == [FileStatus.ANNOUNCED, FileStatus.STORED]
        assert catalog.count(FILES_OF_SESSION_IN_STATUS, where=where) == 2
        nothing = catalog.find(File, FILES_OF_SESSION_IN_STATUS, where={"session": "s", "status": []})
        assert nothing.items == []

    def test_too_many_alternatives_are_refused(self, catalog: Catalog) -> None:
        where = {"session": "s", "status": ["x"] * (MAX_ALTERNATIVES + 1)}
        with pytest.raises(InvalidInput):
            catalog.find(File, FILES_OF_SESSION_IN_STATUS, where=where)

    def test_none_finds_null_fields_and_nulls_come_first(self, catalog: Catalog) -> None:
        catalog.create(file(1, session=None, first_seen=at(5)))
        catalog.create(file(2, session=None, first_seen=None))
        catalog.create(file(3, session=None, first_seen=at(4)))
        catalog.create(file(4, session="s", first_seen=at(4)))
        where = {"instrument": "titan", "session": None}
        assert numbers(catalog.find(File, UNASSIGNED_FILES, where=where).items) == [2, 3, 1]
        assert numbers(catalog.find(File, UNASSIGNED_FILES, where=where, since=at(4)).items) == [3, 1]

    def test_since_is_inclusive_and_before_exclusive(self, catalog: Catalog) -> None:
        for n in range(6):
            catalog.create(file(n))
        where = {"session": "s"}
        found = catalog.find(File, FILES_OF_SESSION, where=where, since=at(2), before=at(4))
        assert numbers(found.items) == [2, 3]

    def test_moments_are_compared_as_moments(self, catalog: Catalog) -> None:
        for n in (0, 0.000001, 0.1, 0.999999, 1):
            catalog.create(file(int(n * 1_000_000), updated_at=at(n)))
        found = catalog.find(File, FILES_OF_SESSION, where={"session": "s"}, since=at(0.000001))
        assert numbers(found.items) == [1, 100_000, 999_999, 1_000_000]

    def test_numbers_are_ordered_as_numbers(self, catalog: Catalog) -> None:
        for generation in (10, 9, 1_795_249_049_506_192, 100):
            catalog.create(version(generation))
        catalog.create(version(1, of="other"))
        found = catalog.find(FileVersion, VERSIONS_OF_FILE, parent="f", since=10)
        assert [one.generation for one in found.items] == [10, 100, 1_795_249_049_506_192]
        assert catalog.count(VERSIONS_OF_FILE, parent="f") == 4

    def test_descending_queries_are_bounded_and_paged_as_others(self, catalog: Catalog) -> None:
        for generation in (10, 9, 1_795_249_049_506_192, 100):
            catalog.create(version(generation))
        first = catalog.find(FileVersion, NEWEST_VERSIONS, parent="f", since=10, limit=1)
        rest = catalog.find(FileVersion, NEWEST_VERSIONS, parent="f", since=10, limit=4, cursor=first.cursor)
        assert [one.generation for one in first.items + rest.items] == [1_795_249_049_506_192, 100, 10]
        assert rest.cursor is None
        below = catalog.find(FileVersion, NEWEST_VERSIONS, parent="f", before=10)
        assert [one.generation for one in below.items] == [9]

    def test_a_query_without_order_is_ordered_by_key(self, catalog: Catalog) -> None:
        for name in ("b", "a", "c"):
            catalog.create(Instrument(id=name, name=name))
        assert [one.id for one in find_all(catalog, Instrument, INSTRUMENTS)] == ["a", "b", "c"]

    def test_queries_see_updates_and_deletions(self, catalog: Catalog) -> None:
        for n in (1, 2):
            catalog.create(session(n))
        found = catalog.get(Session, session(1).key)
        assert found is not None
        catalog.update(session(1, state=SessionState.ENDED), found.revision)
        assert catalog.count(SESSIONS_IN_STATE, where={"state": SessionState.ENDED}) == 1
        assert catalog.count(SESSIONS_IN_STATE, where={"state": "open"}) == 1
        catalog.delete(session(2).key)
        assert catalog.count(SESSIONS_OF_INSTRUMENT, where={"instrument": "titan"}) == 1

    # ----------------------------------------------------------------------------------------------------- paging

    @pytest.mark.parametrize("limit", [1, 2, 3, 7, 500])
    def test_pages_give_everything_once_in_order(self, catalog: Catalog, limit: int) -> None:
        for n in range(7):
            catalog.create(file(n, session=None, first_seen=None if n % 3 == 0 else at(n // 2)))
        where = {"instrument": "titan", "session": None}
        whole = catalog.find(File, UNASSIGNED_FILES, where=where).items
        paged: list[File] = []
        cursor: str | None = None
        rounds = 0
        while rounds == 0 or cursor is not None:
            page = catalog.find(File, UNASSIGNED_FILES, where=where, limit=limit, cursor=cursor)
            assert len(page.items) <= limit
            paged += page.items
            cursor = page.cursor
            rounds += 1
        assert paged == whole
        assert len(paged) == 7
        assert rounds == -(-7 // limit)

    def test_descending_pages_give_everything_once_in_order(self, catalog: Catalog) -> None:
        for n in range(7):
            catalog.create(session(n, start=session(n // 3).start))
        whole = catalog.find(Session, SESSIONS).items
        first = catalog.find(Session, SESSIONS, limit=4)
        rest = catalog.find(Session, SESSIONS, limit=4, cursor=first.cursor)
        assert first.items + rest.items == whole
        assert rest.cursor is None

    def test_descending_pages_end_with_nulls(self, catalog: Catalog) -> None:
        for n, since in enumerate([None, at(1), None, at(1), at(2)]):
            catalog.create(Undated(id=str(n), start=Received(received=since)))
        found: list[str] = []
        cursor: str | None = None
        while len(found) < 5:
            page = catalog.find(Undated, SESSIONS, limit=1, cursor=cursor)
            found += [one.id for one in page.items]
            cursor = page.cursor
        assert found == ["4", "3", "1", "2", "0"]
        assert cursor is None

    def test_a_cursor_survives_changes_before_and_behind_it(self, catalog: Catalog) -> None:
        for n in (1, 3, 5):
            catalog.create(file(n))
        where = {"session": "s"}
        first = catalog.find(File, FILES_OF_SESSION, where=where, limit=2)
        catalog.create(file(0))
        catalog.create(file(4))
        catalog.delete(file(3).key)
        rest = catalog.find(File, FILES_OF_SESSION, where=where, cursor=first.cursor)
        assert numbers(rest.items) == [4, 5]

    @pytest.mark.parametrize("cursor", ["", "x", "é", "W10", "bnVsbA", "W1tdXQ", "[]", "WyJmaWxlc19vZl9zZXNzaW9uIl0"])
    def test_a_cursor_of_another_form_is_refused(self, catalog: Catalog, cursor: str) -> None:
        catalog.create(file(1))
        with pytest.raises(InvalidInput) as refused:
            catalog.find(File, FILES_OF_SESSION, where={"session": "s"}, cursor=cursor)
        assert refused.value.code == "invalid_cursor"

    def test_a_cursor_of_another_query_is_refused(self, catalog: Catalog) -> None:
        for n in (1, 2):
            catalog.create(file(n))
        cursor = catalog.find(File, FILES_OF_SESSION, where={"session": "s"}, limit=1).cursor
        with pytest.raises(InvalidInput) as refused:
            catalog.find(File, FILES_OF_SESSION_IN_STATUS, where={"session": "s", "status": "stored"}, cursor=cursor)
        assert refused.value.code == "invalid_cursor"

    def test_a_cursor_of_another_parent_is_refused(self, catalog: Catalog) -> None:
        for generation in (1, 2):
            catalog.create(version(generation))
        cursor = catalog.find(FileVersion, VERSIONS_OF_FILE, parent="f", limit=1).cursor
        with pytest.raises(InvalidInput) as refused:
            catalog.find(FileVersion, VERSIONS_OF_FILE, parent="g", cursor=cursor)
        assert refused.value.code == "invalid_cursor"

    def test_half_a_surrogate_pair_in_a_cursor_is_refused(self, catalog: Catalog) -> None:
        told = json.dumps(["files_of_session", "\ud800", "files/a"]).encode()
        with pytest.raises(InvalidInput) as refused:
            catalog.find(
                File,
                FILES_OF_SESSION,
                where={"session": "s"},
                cursor=base64.urlsafe_b64encode(told).decode().rstrip("="),
            )
        assert refused.value.code == "invalid_cursor"

    def test_a_parent_that_no_document_can_be_has_nothing_below_it(self, catalog: Catalog) -> None:
        for parent in ("", "..", "a/b", "__x__"):
            assert catalog.find(FileVersion, VERSIONS_OF_FILE, parent=parent).items == []
            assert catalog.count(VERSIONS_OF_FILE, parent=parent) == 0

    @pytest.mark.parametrize("limit", [0, -1, 501])
    def test_a_limit_out_of_range_is_refused(self, catalog: Catalog, limit: int) -> None:
        with pytest.raises(InvalidInput) as refused:
            catalog.find(Session, SESSIONS, limit=limit)
        assert refused.value.code == "invalid_limit"

    @pytest.mark.parametrize(
        ("query", "where", "parent"),
        [
            (Query("free", "files", ("size",)), {"size": 1}, None),
            (FILES_OF_SESSION, {}, None),
            (FILES_OF_SESSION, {"session": "s", "size": 1}, None),
            (FILES_OF_SESSION, {"session": "s"}, "f"),
            (VERSIONS_OF_FILE, {}, None),
            (FILES_OF_SESSION, {"session": object()}, None),
            (FILES_OF_SESSION, {"session": "x" * 1501}, None),
            (FILES_OF_SESSION, {"session": "\ud800"}, None),
        ],
    )
    def test_only_the_listed_queries_are_answered(
        self, catalog: Catalog, query: Query, where: dict[str, Any], parent: str | None
    ) -> None:
        with pytest.raises(InvalidInput) as refused:
            catalog.find(File, query, where=where, parent=parent)
        assert refused.value.code == "invalid_query"
