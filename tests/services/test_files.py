from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any

import pytest

from scopeline.domain.events import StoredObject
from scopeline.domain.files import FileStatus, Verified, derived_fields
from scopeline.services.files import (
    get_file,
    get_or_create_file,
    list_versions,
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
