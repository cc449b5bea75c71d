"""Retention policies, locks and holds keep objects from being deleted."""

from __future__ import annotations

from datetime import timedelta

import pytest
from google.api_core.exceptions import Forbidden


def retained(bucket, seconds: int = 3600):
    bucket.retention_period = seconds
    bucket.patch()
    return bucket


def reason(error: pytest.ExceptionInfo[Forbidden]) -> str:
    return str(error.value.errors[0]["reason"])


def test_retained_object_says_until_when(bucket) -> None:
    retained(bucket, 3600)
    bucket.blob("a").upload_from_string(b"1")
    blob = bucket.get_blob("a")
    assert blob.retention_expiration_time == blob.time_created + timedelta(seconds=3600)
    assert [b.retention_expiration_time for b in bucket.list_blobs()] == [blob.retention_expiration_time]


def test_policy_holds_for_objects_that_were_there_before(bucket) -> None:
    bucket.blob("a").upload_from_string(b"1")
    retained(bucket)
    with pytest.raises(Forbidden, match="retention policy") as refused:
        bucket.blob("a").delete()
    assert reason(refused) == "retentionPolicyNotMet"
    with pytest.raises(Forbidden):
        bucket.blob("a").upload_from_string(b"2")
    assert bucket.blob("a").download_as_bytes() == b"1"


def test_no_version_is_deleted_but_a_new_one_may_take_its_place(versioned) -> None:
    retained(versioned)
    generations = []
    for content in (b"1", b"2"):
        blob = versioned.blob("a")
        blob.upload_from_string(content)
        generations.append(blob.generation)
    for generation in generations:
        with pytest.raises(Forbidden) as refused:
            versioned.blob("a", generation=generation).delete()
        assert reason(refused) == "retentionPolicyNotMet"
    versioned.blob("a").delete()
    assert [b.generation for b in versioned.list_blobs(versions=True)] == generations


def test_after_its_time_a_version_may_go(bucket) -> None:
    bucket.blob("a").upload_from_string(b"1")
    retained(bucket, 0)
    bucket.blob("a").delete()


def test_removed_policy_holds_nothing(bucket) -> None:
    retained(bucket).blob("a").upload_from_string(b"1")
    bucket.retention_period = None
    bucket.patch()
    assert bucket.get_blob("a").retention_expiration_time is None
    bucket.blob("a").delete()


def test_locked_policy_can_only_be_prolonged(client, bucket) -> None:
    retained(bucket, 3600)
    bucket.lock_retention_policy()
    for shorter in (60, None):
        again = client.get_bucket(bucket.name)
        again.retention_period = shorter
        with pytest.raises(Forbidden):
            again.patch()
    again = client.get_bucket(bucket.name)
    again.retention_period = 7200
    again.patch()
    again = client.get_bucket(bucket.name)
    assert (again.retention_period, again.retention_policy_locked) == (7200, True)


@pytest.mark.parametrize("hold", ["temporary_hold", "event_based_hold"])
def test_held_object_can_neither_be_deleted_nor_replaced(versioned, hold: str) -> None:
    blob = versioned.blob("a")
    blob.upload_from_string(b"1")
    setattr(blob, hold, True)
    blob.patch()
    assert getattr(versioned.get_blob("a"), hold) is True
    for attempt in (
        lambda: versioned.blob("a").delete(),
        lambda: versioned.blob("a", generation=blob.generation).delete(),
    ):
        with pytest.raises(Forbidden, match="cannot be deleted, overwritten or archived") as refused:
            attempt()
        assert reason(refused) == "objectUnderActiveHold"
    with pytest.raises(Forbidden, match="cannot be deleted, overwritten or archived"):
        versioned.blob("a").upload_from_string(b"2")
    setattr(blob, hold, False)
    blob.patch()
    versioned.blob("a", generation=blob.generation).delete()


def test_hold_that_comes_with_the_upload_counts(http, bucket) -> None:
    path = f"/upload/storage/v1/b/{bucket.name}/o?uploadType=resumable&name=a"
    url = http.post(path, json={"temporaryHold": True}).headers["Location"]
    assert http.put(url, data=b"1").status_code == 200
    with pytest.raises(Forbidden):
        bucket.blob("a").delete()


def test_refused_session_says_so_at_its_end(http, bucket) -> None:
    bucket.blob("a").upload_from_string(b"1")
    retained(bucket)
    url = bucket.blob("a").create_resumable_upload_session(size=1)
    answer = http.put(url, data=b"2")
    assert answer.status_code == 403
    assert answer.json()["error"]["errors"][0]["reason"] == "retentionPolicyNotMet"
