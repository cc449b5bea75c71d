"""What is true of a file follows from its versions."""

from __future__ import annotations

import random
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scopeline.domain.files import (
    SETTLED,
    Dataset,
    DatasetType,
    Extraction,
    File,
    FileStatus,
    FileVersion,
    Verified,
    current_version,
    derived_fields,
)
from scopeline.domain.names import file_id

NOW = datetime(2026, 2, 6, 12, 0, tzinfo=UTC)


def version(generation: int, **fields: Any) -> FileVersion:
    given = {
        "file": "f",
        "generation": generation,
        "size": 10 * generation,
        "md5": "m",
        "crc32c": "c",
        "stored_at": NOW,
    }
    return FileVersion(**{**given, **fields})


def read(status: FileStatus = FileStatus.EXTRACTED, **fields: Any) -> Extraction:
    return Extraction(inputs="x", status=status, **fields)


VERSIONS = st.lists(
    st.builds(
        version,
        st.integers(1, 50),
        verified=st.sampled_from(Verified),
        deleted=st.booleans(),
        extraction=st.none() | st.builds(read, st.sampled_from(sorted(SETTLED - {FileStatus.DELETED}))),
    ),
    unique_by=lambda v: v.generation,
    max_size=6,
)


def test_file_without_versions_is_announced() -> None:
    fields = derived_fields([])
    assert (fields["status"], fields["generation"], fields["datasets"]) == (FileStatus.ANNOUNCED, None, [])


def test_stored_version_is_not_read_yet() -> None:
    fields = derived_fields([version(1, mtime=NOW)])
    assert (fields["status"], fields["generation"], fields["size"], fields["mtime"]) == (FileStatus.STORED, 1, 10, NOW)


@pytest.mark.parametrize("status", sorted(SETTLED - {FileStatus.DELETED}))
def test_what_was_read_is_told(status: FileStatus) -> None:
    dataset = Dataset(index=0, type=DatasetType.IMAGE)
    fields = derived_fields([version(1, extraction=read(status, reason="r", reader="DM", datasets=[dataset]))])
    assert (fields["status"], fields["reason"], fields["reader"]) == (status, "r", "DM")
    assert fields["datasets"] == [dataset]


def test_newer_version_hides_what_was_read_of_the_older() -> None:
    fields = derived_fields([version(1, extraction=read(reader="DM")), version(2)])
    assert (fields["status"], fields["generation"], fields["reader"]) == (FileStatus.STORED, 2, None)


def test_rejected_version_does_not_count() -> None:
    fields = derived_fields([version(1, extraction=read()), version(2, verified=Verified.NO, extraction=read())])
    assert fields["generation"] == 1


def test_file_whose_only_version_was_rejected_is_waited_for_again() -> None:
    assert derived_fields([version(1, verified=Verified.NO)])["status"] is FileStatus.ANNOUNCED


def test_file_whose_versions_are_all_gone_is_deleted() -> None:
    fields = derived_fields([version(1, deleted=True, extraction=read()), version(2, deleted=True)])
    assert (fields["status"], fields["generation"], fields["datasets"]) == (FileStatus.DELETED, None, [])
    assert fields["reason"]


def test_unknown_time_of_a_version_does_not_erase_the_announced_one() -> None:
    assert "mtime" not in derived_fields([version(1)])


@given(VERSIONS)
def test_current_is_the_highest_neither_rejected_nor_deleted(versions: list[FileVersion]) -> None:
    living = [v.generation for v in versions if v.verified is not Verified.NO and not v.deleted]
    current = current_version(versions)
    assert (current.generation if current else None) == (max(living) if living else None)


@given(VERSIONS, st.randoms())
def test_order_of_versions_does_not_matter_and_the_file_takes_every_field(
    versions: list[FileVersion], chance: random.Random
) -> None:
    shuffled = list(versions)
    chance.shuffle(shuffled)
    fields = derived_fields(versions)
    assert derived_fields(iter(shuffled)) == fields
    file = File(
        bucket="raw", object="o", instrument="titan", client="pc", root="data", path="a/b.dm3", updated_at=NOW, **fields
    )
    assert File.from_json(file.to_json()) == file


def test_file_knows_its_id_key_and_name() -> None:
    file = File(bucket="raw", object="o", instrument="t", client="pc", root="data", path="a/b.dm3", updated_at=NOW)
    assert (file.id, file.key, file.name) == (file_id("raw", "o"), f"files/{file_id('raw', 'o')}", "b.dm3")
    assert version(7).key == "files/f/versions/7"
