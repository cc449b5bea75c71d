"""Preconditions hold for every kind of request, not only for uploads."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest
from google.api_core.exceptions import NotFound, NotModified, PreconditionFailed

WRONG = 12345


@pytest.fixture
def blob(bucket):
    made = bucket.blob("a/b")
    made.upload_from_string(b"first")
    return made


def upload(http, bucket, name: str, content: bytes, **query):
    query = {"uploadType": "media", "name": name, **query}
    return http.post(f"/upload/storage/v1/b/{bucket.name}/o", params=query, data=content)


def test_plain_upload_creates_only_where_asked_to(http, bucket, blob) -> None:
    assert upload(http, bucket, "a/b", b"second", ifGenerationMatch=0).status_code == 412
    assert upload(http, bucket, "a/b", b"second", ifGenerationMatch=WRONG).status_code == 412
    assert bucket.blob("a/b").download_as_bytes() == b"first"
    assert upload(http, bucket, "a/b", b"second", ifGenerationMatch=blob.generation).status_code == 200
    assert upload(http, bucket, "new", b"new", ifGenerationMatch=0).status_code == 200


def test_wrong_generation_is_refused(bucket, blob) -> None:
    calls = [
        lambda: blob.reload(if_generation_match=WRONG),
        lambda: blob.download_as_bytes(if_generation_match=WRONG),
        lambda: blob.patch(if_generation_match=WRONG),
        lambda: blob.delete(if_generation_match=WRONG),
        lambda: blob.upload_from_string(b"x", if_generation_match=WRONG),
        lambda: bucket.copy_blob(blob, bucket, "copy", if_source_generation_match=WRONG),
        lambda: bucket.copy_blob(blob, bucket, "copy", if_generation_match=WRONG),
        lambda: bucket.blob("copy").rewrite(blob, if_generation_match=WRONG),
        lambda: bucket.blob("copy").compose([blob], if_generation_match=WRONG),
    ]
    for call in calls:
        with pytest.raises(PreconditionFailed):
            call()
    assert bucket.blob("a/b").download_as_bytes() == b"first"
    assert bucket.get_blob("copy") is None


def test_right_generation_is_accepted(bucket, blob) -> None:
    right = blob.generation
    blob.reload(if_generation_match=right)
    assert blob.download_as_bytes(if_generation_match=right) == b"first"
    blob.patch(if_generation_match=right)
    assert bucket.copy_blob(blob, bucket, "copy", if_source_generation_match=right, if_generation_match=0)
    blob.delete(if_generation_match=right)


def test_change_of_metadata_counts(blob) -> None:
    blob.metadata = {"a": "b"}
    blob.patch(if_metageneration_match=1)
    with pytest.raises(PreconditionFailed):
        blob.patch(if_metageneration_match=1)
    blob.delete(if_metageneration_match=2)


def test_unchanged_object_is_not_sent_again(blob) -> None:
    with pytest.raises(NotModified):
        blob.reload(if_generation_not_match=blob.generation)


def test_missing_object_is_not_found_where_nothing_is_expected_of_it(bucket) -> None:
    with pytest.raises(NotFound):
        bucket.blob("missing").delete()
    with pytest.raises(NotFound):
        bucket.blob("missing").download_as_bytes()


def test_of_many_writers_that_create_one_name_one_wins(http, bucket) -> None:
    def write(number: int) -> int:
        return upload(http, bucket, "one", str(number).encode(), ifGenerationMatch=0).status_code

    with ThreadPoolExecutor(8) as threads:
        assert sorted(threads.map(write, range(24))) == [200] + [412] * 23
