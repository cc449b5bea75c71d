"""Faults that tests ask for."""

from __future__ import annotations

import time

import pytest
import requests


def ask_for(http, **fault) -> str:
    answer = http.post("/_faults", json=fault)
    assert answer.status_code == 200, answer.text
    return f"/_faults/{answer.json()['id']}"


def test_fault_answers_as_often_as_asked_and_counts(http, bucket) -> None:
    fault = ask_for(http, method="GET", path=f"/b/{bucket.name}/o", status=503, count=2)
    path = f"/storage/v1/b/{bucket.name}/o"
    assert [http.get(path).status_code for _ in range(3)] == [503, 503, 200]
    told = http.get(fault).json()
    assert (told["hits"], told["left"]) == (2, 0)


def test_fault_meets_only_the_requests_it_names(http, bucket) -> None:
    fault = ask_for(http, method="DELETE", path=f"/b/{bucket.name}/o/a", status=429, count=1)
    bucket.blob("a").upload_from_string(b"1")
    assert bucket.blob("a").download_as_bytes() == b"1"
    refused = http.delete(f"/storage/v1/b/{bucket.name}/o/a")
    assert refused.status_code == 429
    assert refused.json()["error"]["errors"][0]["reason"] == "rateLimitExceeded"
    assert http.get(fault).json()["hits"] == 1


def test_query_is_part_of_what_the_path_is_compared_with(http, bucket) -> None:
    ask_for(http, path=f"{bucket.name}.*uploadType=resumable", status=500, count=1)
    bucket.blob("a").upload_from_string(b"multipart")
    session = {"uploadType": "resumable", "name": "b"}
    assert http.post(f"/upload/storage/v1/b/{bucket.name}/o", params=session, json={}).status_code == 500


def test_googles_client_tries_again_after_a_fault(http, bucket) -> None:
    bucket.blob("a").upload_from_string(b"1")
    fault = ask_for(http, method="GET", path=f"/b/{bucket.name}/o/a", status=503, count=1)
    assert bucket.get_blob("a") is not None
    assert http.get(fault).json()["hits"] == 1


def test_hanging_request_is_only_late(http, bucket) -> None:
    bucket.blob("a").upload_from_string(b"1")
    ask_for(http, path=f"/b/{bucket.name}/o/a", hang_seconds=0.2, count=1)
    begun = time.monotonic()
    assert http.get(f"/storage/v1/b/{bucket.name}/o/a").status_code == 200
    assert time.monotonic() - begun >= 0.2


def test_hanging_request_holds_up_no_other_and_its_client_may_give_up(http, bucket) -> None:
    ask_for(http, path=f"/b/{bucket.name}/o/a", hang_seconds=60, count=1)
    with pytest.raises(requests.Timeout):
        http.get(f"/storage/v1/b/{bucket.name}/o/a", timeout=0.2)
    assert http.get(f"/storage/v1/b/{bucket.name}/o/a").status_code == 404


@pytest.mark.parametrize("status", [503, None])
def test_answer_of_a_request_that_was_done_can_be_lost(http, bucket, status: int | None) -> None:
    kind = {"status": status} if status else {"hang_seconds": 0.01}
    ask_for(http, method="POST", path=f"/upload/storage/v1/b/{bucket.name}/o", after=True, count=1, **kind)
    path = f"/upload/storage/v1/b/{bucket.name}/o?uploadType=media&name=a&ifGenerationMatch=0"
    if status:
        assert http.post(path, data=b"1").status_code == status
    else:
        with pytest.raises(requests.ConnectionError):
            http.post(path, data=b"1")
    assert bucket.blob("a").download_as_bytes() == b"1"
    assert http.post(path, data=b"1").status_code == 412


def test_ended_fault_meets_nothing_more(http, bucket) -> None:
    fault = ask_for(http, path=bucket.name, status=503, count=100)
    assert http.delete(fault).json()["left"] == 100
    assert http.get(f"/storage/v1/b/{bucket.name}").status_code == 200
    assert http.get(fault).status_code == 404


def test_all_faults_are_told_of(http, bucket) -> None:
    faults = {ask_for(http, path=f"{bucket.name}/{n}", status=503, count=1) for n in range(3)}
    assert faults <= {f"/_faults/{told['id']}" for told in http.get("/_faults").json()["faults"]}


@pytest.mark.parametrize(
    "wrong",
    [
        {"path": "a", "count": 1},
        {"path": "(", "status": 503},
        {"status": 503},
        {"path": "a", "status": 200},
        {"path": "a", "status": 503, "count": 0},
        {"path": "a", "status": 503, "times": 1},
    ],
)
def test_fault_that_makes_no_sense_is_refused(http, wrong) -> None:
    assert http.post("/_faults", json=wrong).status_code == 400
