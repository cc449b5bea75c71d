"""Versions of objects: kept, listed, read and deleted by generation."""

from __future__ import annotations

import pytest
from google.api_core.exceptions import Conflict, NotFound


def write(bucket, name: str, *contents: bytes) -> list[int]:
    """The generations of contents that are written one after the other."""
    generations = []
    for content in contents:
        blob = bucket.blob(name)
        blob.upload_from_string(content)
        generations.append(blob.generation)
    return generations


def listed(client, bucket, **options) -> list[tuple[str, int]]:
    return [(blob.name, blob.generation) for blob in client.list_blobs(bucket, versions=True, **options)]


def test_generations_grow(versioned) -> None:
    generations = write(versioned, "a", b"1", b"2", b"3")
    assert generations == sorted(set(generations))


def test_replaced_version_is_read_by_its_generation_only(versioned) -> None:
    old, new = write(versioned, "dir/a b", b"old", b"new")
    assert versioned.blob("dir/a b").download_as_bytes() == b"new"
    assert versioned.blob("dir/a b", generation=old).download_as_bytes() == b"old"
    assert versioned.get_blob("dir/a b", generation=old).download_as_bytes() == b"old"
    assert versioned.get_blob("dir/a b").generation == new


def test_versions_are_listed_by_name_and_generation_on_pages_of_any_size(client, versioned) -> None:
    expected = [("a", g) for g in write(versioned, "a", b"1", b"2", b"3")]
    expected += [("b", g) for g in write(versioned, "b", b"1")]
    expected += [("c/d", g) for g in write(versioned, "c/d", b"1", b"2")]
    for size in (None, 1, 2, 4, 100):
        assert listed(client, versioned, page_size=size) == expected
    assert listed(client, versioned, prefix="c/") == expected[-2:]


def test_deletion_without_a_generation_keeps_the_version(client, versioned) -> None:
    (only,) = write(versioned, "a", b"1")
    versioned.blob("a").delete()
    assert versioned.get_blob("a") is None
    assert list(client.list_blobs(versioned)) == []
    assert listed(client, versioned) == [("a", only)]
    assert versioned.blob("a", generation=only).download_as_bytes() == b"1"


@pytest.mark.parametrize("which", [0, 1])
def test_deletion_of_a_generation_is_for_ever(client, versioned, which: int) -> None:
    generations = write(versioned, "a", b"old", b"new")
    gone, left = generations[which], generations[1 - which]
    versioned.blob("a", generation=gone).delete()
    assert listed(client, versioned) == [("a", left)]
    assert versioned.get_blob("a", generation=gone) is None
    with pytest.raises(NotFound):
        versioned.blob("a", generation=gone).download_as_bytes()
    with pytest.raises(NotFound):
        versioned.blob("a", generation=gone).delete()
    assert versioned.blob("a", generation=left).download_as_bytes()


def test_after_deletion_of_the_current_generation_no_version_is_current(versioned) -> None:
    _, current = write(versioned, "a", b"old", b"new")
    versioned.blob("a", generation=current).delete()
    assert versioned.get_blob("a") is None
    versioned.blob("a").upload_from_string(b"again", if_generation_match=0)


def test_copy_of_a_deleted_generation_is_refused(versioned) -> None:
    old, _ = write(versioned, "a", b"old", b"new")
    kept = versioned.copy_blob(versioned.blob("a"), versioned, "b", source_generation=old)
    assert kept.download_as_bytes() == b"old"
    versioned.blob("a", generation=old).delete()
    with pytest.raises(NotFound):
        versioned.copy_blob(versioned.blob("a"), versioned, "c", source_generation=old)


def test_bucket_without_versions_keeps_none(client, bucket) -> None:
    old, new = write(bucket, "a", b"old", b"new")
    assert listed(client, bucket) == [("a", new)]
    with pytest.raises(NotFound):
        bucket.blob("a", generation=old).delete()
    bucket.blob("a", generation=new).delete()
    assert listed(client, bucket) == []


def test_change_of_metadata_makes_no_version(client, versioned) -> None:
    (only,) = write(versioned, "a", b"1")
    blob = versioned.get_blob("a")
    blob.metadata = {"seen": "yes"}
    blob.patch()
    assert listed(client, versioned) == [("a", only)]
    again = versioned.get_blob("a")
    assert (again.metadata, again.metageneration) == ({"seen": "yes"}, 2)


def test_bucket_is_deleted_only_when_no_version_is_left(client, versioned) -> None:
    (only,) = write(versioned, "a", b"1")
    versioned.blob("a").delete()
    with pytest.raises(Conflict):
        versioned.delete()
    versioned.blob("a", generation=only).delete()
    versioned.delete()
    assert client.lookup_bucket(versioned.name) is None


def test_change_of_another_field_keeps_versioning(client, versioned) -> None:
    versioned.labels = {"facility": "emat"}
    versioned.patch()
    again = client.get_bucket(versioned.name)
    assert (again.versioning_enabled, again.labels) == (True, {"facility": "emat"})
