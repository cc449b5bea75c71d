from __future__ import annotations

import random
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any

import pytest
from counting import CountingCatalog

from scopeline.domain.events import StoredObject
from scopeline.domain.files import FileStatus, FileVersion, Verified, derived_fields
from scopeline.services.changes import change
from scopeline.services.files import (
    get_file,
    get_or_create_file,
    list_versions,
    newest_versions,
    refresh_file,
    upsert_version,
    verify_version,
)

SESSION = "20260206-titan-dgnfed"


def stored_object(name: str, generation: int = 1, **more: Any) -> StoredObject:
    return StoredObject(bucket="raw", name=name, generation=generation, size=5, md5="0" * 32, **more)


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        (f"titan/{SESSION}/titan-pc/data/a b/c.dm3", (SESSION, "titan", "titan-pc", "data", "a b/c.dm3")),
        ("titan/20990101-titan-aaaaaa/pc/data/c.dm3", ("20990101-titan-aaaaaa", "titan", "pc", "data", "c.dm3")),
        ("titan/unassigned/2026-02-06/titan-pc-abcdefgh/a/b.dm3", (None, "titan", "titan-pc", "unknown", "a/b.dm3")),
        ("dropped by hand.tif", (None, "unknown", "unknown", "unknown", "dropped by hand.tif")),
        ("some/other/place/x.tif", (None, "some", "unknown", "unknown", "some/other/place/x.tif")),
    ],
)
def test_a_file_is_made_of_its_objects_name(desk: Any, name: str, expected: tuple[Any, ...]) -> None:
    file = get_or_create_file(desk.backend, stored_object(name))
    assert (file.session, file.instrument, file.client, file.root, file.path) == expected
    assert get_or_create_file(desk.backend, stored_object(name)) == file


def test_a_moment_that_nobody_can_read_is_no_reason_to_refuse_an_object(desk: Any) -> None:
    stored = stored_object(f"titan/{SESSION}/titan-pc/data/c.dm3", metadata={"mtime": "last tuesday"})
    file = get_or_create_file(desk.backend, stored)
    assert file.mtime is None
    assert upsert_version(desk.backend, file, stored).mtime is None


def test_many_writers_at_once_leave_what_follows_from_all_versions(desk: Any) -> None:
    name = f"titan/{SESSION}/titan-pc/data/c.dm3"
    file = get_or_create_file(desk.backend, stored_object(name))

    def write(generation: int) -> None:
        version = upsert_version(desk.backend, file, stored_object(name, generation))
        verify_version(desk.backend, version, size=5, md5="0" * 32 if generation % 2 else "1" * 32)
        refresh_file(desk.backend, file.id)

    with ThreadPoolExecutor(8) as threads:
        list(threads.map(write, range(1, 9)))
    found = get_file(desk.backend, file.id)
    expected = derived_fields(list_versions(desk.backend, file.id))
    assert (found.generation, found.status) == (7, FileStatus.STORED)
    assert {name: getattr(found, name) for name in expected} == expected


def test_a_late_write_of_something_older_is_put_right(desk: Any) -> None:
    name = f"titan/{SESSION}/titan-pc/data/c.dm3"
    file = get_or_create_file(desk.backend, stored_object(name))
    upsert_version(desk.backend, file, stored_object(name, 1))
    refresh_file(desk.backend, file.id)
    second = upsert_version(desk.backend, file, stored_object(name, 2))
    catalog = desk.backend.catalog

    class Slow:
        """A catalog in which somebody else rejects the version just before it is written down as the current one."""

        def __getattr__(self, method: str) -> Any:
            return getattr(catalog, method)

        def update(self, document: Any, revision: str) -> str:
            if document.generation == 2:
                verify_version(desk.backend, second, size=5, md5="1" * 32)
                assert refresh_file(desk.backend, file.id).generation == 1
            return catalog.update(document, revision)

    assert refresh_file(replace(desk.backend, catalog=Slow()), file.id).generation == 1
    assert get_file(desk.backend, file.id).generation == 1


def test_the_answer_to_a_checksum_is_final(desk: Any) -> None:
    stored = stored_object(f"titan/{SESSION}/titan-pc/data/c.dm3")
    file = get_or_create_file(desk.backend, stored)
    version = upsert_version(desk.backend, file, stored)
    assert verify_version(desk.backend, version, size=5, md5="1" * 32) is Verified.NO
    assert verify_version(desk.backend, version, size=5, md5="0" * 32) is Verified.NO


def test_nothing_is_written_where_nothing_changed_and_time_never_goes_back(desk: Any) -> None:
    stored = stored_object(f"titan/{SESSION}/titan-pc/data/c.dm3")
    file = get_or_create_file(desk.backend, stored)
    version = upsert_version(desk.backend, file, stored)
    first = refresh_file(desk.backend, file.id)
    desk.forward(minutes=1)
    assert refresh_file(desk.backend, file.id) == first
    desk.forward(hours=-1)
    verify_version(desk.backend, version, size=5, md5="1" * 32)
    assert refresh_file(desk.backend, file.id).updated_at == first.updated_at


# --------------------------------------------------------------------------------------------------- many versions


def mark_deleted(desk: Any, file_id: str, generation: int) -> None:
    def edit(version: FileVersion) -> None:
        version.deleted = True

    change(desk.backend.catalog, FileVersion, f"files/{file_id}/versions/{generation}", edit)


@pytest.mark.parametrize("seed", range(8))
def test_the_newest_versions_say_what_all_of_them_say(desk: Any, seed: int) -> None:
    chance = random.Random(seed)
    name = f"titan/{SESSION}/titan-pc/data/c.dm3"
    file = get_or_create_file(desk.backend, stored_object(name))
    generations = sorted(chance.sample(range(1, 100), 12))
    for generation in generations:
        version = upsert_version(desk.backend, file, stored_object(name, generation))
        if chance.random() < seed / 7:
            if chance.random() < 0.5:
                mark_deleted(desk, file.id, generation)
            else:
                verify_version(desk.backend, version, size=5, md5="1" * 32)
    expected = derived_fields(list_versions(desk.backend, file.id))
    for known in [None, 1, *generations, 100]:
        said = newest_versions(desk.backend, file.model_copy(update={"generation": known}))
        assert derived_fields(said) == expected
        assert len({version.generation for version in said}) == len(said)


def test_a_file_of_many_versions_is_refreshed_by_few_reads(desk: Any) -> None:
    name = f"titan/{SESSION}/titan-pc/data/log.txt"
    catalog = CountingCatalog(desk.backend.catalog)
    backend = replace(desk.backend, catalog=catalog)
    file = get_or_create_file(backend, stored_object(name))
    for generation in range(1, 101):
        upsert_version(backend, file, stored_object(name, generation))
        catalog.take()
        assert refresh_file(backend, file.id).generation == generation
        assert catalog.take()[0] <= 4
    mark_deleted(desk, file.id, 100)
    assert refresh_file(backend, file.id).generation == 99
    assert catalog.take()[0] <= 7


def test_a_file_whose_many_versions_were_all_deleted_is_deleted(desk: Any) -> None:
    name = f"titan/{SESSION}/titan-pc/data/log.txt"
    file = get_or_create_file(desk.backend, stored_object(name))
    for generation in range(1, 101):
        upsert_version(desk.backend, file, stored_object(name, generation))
    assert refresh_file(desk.backend, file.id).generation == 100
    for generation in range(2, 101):
        mark_deleted(desk, file.id, generation)
    catalog = CountingCatalog(desk.backend.catalog)
    assert refresh_file(replace(desk.backend, catalog=catalog), file.id).generation == 1
    assert len(catalog.calls) < 15
    mark_deleted(desk, file.id, 1)
    assert refresh_file(desk.backend, file.id).status is FileStatus.DELETED


def test_a_version_that_comes_while_older_ones_are_looked_at_is_not_missed(desk: Any) -> None:
    name = f"titan/{SESSION}/titan-pc/data/c.dm3"
    file = get_or_create_file(desk.backend, stored_object(name))
    upsert_version(desk.backend, file, stored_object(name, 1))
    rejected = upsert_version(desk.backend, file, stored_object(name, 2))
    verify_version(desk.backend, rejected, size=5, md5="1" * 32)
    catalog = desk.backend.catalog
    looks: list[list[int]] = []

    class Slow:
        """A catalog in which a version is stored, and its file refreshed, behind the first page of a look."""

        def __getattr__(self, method: str) -> Any:
            return getattr(catalog, method)

        def find(self, *given: Any, **named: Any) -> Any:
            page = catalog.find(*given, **named)
            looks.append([version.generation for version in page.items])
            if len(looks) == 1:
                upsert_version(desk.backend, file, stored_object(name, 3))
                assert refresh_file(desk.backend, file.id).generation == 3
            return page

    assert refresh_file(replace(desk.backend, catalog=Slow()), file.id).generation == 3
    assert looks[:2] == [[2], [1]]
    assert get_file(desk.backend, file.id).generation == 3
