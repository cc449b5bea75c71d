from __future__ import annotations

import hashlib
from typing import Any

import pytest

LOCAL_ID = "7d9f1f54-9d5a-4d0f-8f55-0d9ad0b7d3f1"
OTHER_ID = "0a9f1f54-9d5a-4d0f-8f55-0d9ad0b7d3f1"
MD5 = hashlib.md5(b"hello").hexdigest()
WRONG_MD5 = "0" * 32


def announce(lab: Any, *files: dict[str, Any], token: str = "titan-pc") -> Any:
    entries = [{"root": "data", "size": 5, "mtime": lab.moment(), **file} for file in files]
    return lab.call("POST", f"/v1/sessions/{LOCAL_ID}/files", {"files": entries}, token=token)


def test_announced_files_are_expected_and_refused_ones_refuse_no_other(lab: Any) -> None:
    lab.start()
    answer = announce(
        lab,
        {"path": "a.dm3"},
        {"path": "../b.dm3"},
        {"path": "test_ignore.db"},
        {"path": "c\udc80.dm3"},
        {"path": "d.dm3", "root": "other"},
        {"path": "huge.dm3", "size": 10_001},
        {"path": "日本/e.dm3"},
    )
    assert answer.status_code == 200
    files = answer.get_json()["files"]
    assert [file.get("code", file.get("status")) for file in files] == [
        "announced",
        "invalid_path",
        "ignored",
        "invalid_path",
        "unknown_root",
        "file_too_large",
        "announced",
    ]
    assert files[0]["object"].endswith("/titan-pc/data/a.dm3")
    counts = lab.call("GET", f"/v1/sessions/{LOCAL_ID}").get_json()["files"]
    assert (counts["total"], counts["announced"]) == (2, 2)


def test_a_withdrawn_file_is_no_longer_waited_for_and_can_come_back(lab: Any) -> None:
    lab.start()
    announce(lab, {"path": "a.dm3"})
    (gone,) = announce(lab, {"path": "a.dm3", "withdrawn": True}).get_json()["files"]
    assert gone["status"] == "deleted"
    (back,) = announce(lab, {"path": "a.dm3"}).get_json()["files"]
    assert back["status"] == "announced"
    (never,) = announce(lab, {"path": "never.dm3", "withdrawn": True}).get_json()["files"]
    assert never["status"] == "deleted"
    assert lab.call("GET", f"/v1/sessions/{LOCAL_ID}").get_json()["files"]["total"] == 1


def test_more_than_500_files_are_refused(lab: Any) -> None:
    lab.start()
    answer = announce(lab, *({"path": f"{n}.dm3"} for n in range(501)))
    assert (answer.status_code, answer.get_json()["code"]) == (422, "invalid_body")


def test_an_upload_opens_at_the_objects_generation_and_stores_no_url(lab: Any) -> None:
    lab.start()
    first = lab.call("POST", "/v1/uploads", lab.upload_body())
    assert first.status_code == 201
    grant = first.get_json()
    assert (grant["already"], grant["replaces"]) == (False, 0)
    assert grant["upload_url"].startswith("/upload/")
    generation = lab.store(grant["object"])
    again = lab.call("POST", "/v1/uploads", lab.upload_body(md5=WRONG_MD5)).get_json()
    assert (again["already"], again["replaces"]) == (False, generation)
    secret = grant["upload_url"].rsplit("/", 1)[-1]
    file = lab.call("GET", f"/v1/files/{grant['file']}").get_data(as_text=True)
    assert secret not in file


def test_the_same_bytes_are_there_already_and_count_as_verified(lab: Any) -> None:
    lab.start()
    grant = lab.call("POST", "/v1/uploads", lab.upload_body()).get_json()
    generation = lab.store(grant["object"])
    again = lab.call("POST", "/v1/uploads", lab.upload_body(md5=MD5))
    assert again.status_code == 200
    assert again.get_json() == {
        "already": True,
        "object": grant["object"],
        "file": grant["file"],
        "generation": generation,
    }
    (version,) = lab.call("GET", f"/v1/files/{grant['file']}").get_json()["versions"]
    assert version["verified"] == "yes"


def test_bytes_that_were_lost_are_wanted_again(lab: Any) -> None:
    lab.start()
    grant = lab.call("POST", "/v1/uploads", lab.upload_body()).get_json()
    generation = lab.store(grant["object"])
    lab.backend.raw.files.version(grant["file"], generation).unlink()
    again = lab.call("POST", "/v1/uploads", lab.upload_body(md5=MD5))
    assert (again.status_code, again.get_json()["already"], again.get_json()["replaces"]) == (201, False, generation)


@pytest.mark.parametrize(
    ("change", "status", "code"),
    [
        ({"session": OTHER_ID}, 409, "unknown_session"),
        ({"session": "nonsense"}, 409, "unknown_session"),
        ({"path": "/etc/passwd"}, 422, "invalid_path"),
        ({"path": "a/../../b"}, 422, "invalid_path"),
        ({"path": "line\nbreak"}, 422, "invalid_path"),
        ({"path": "n" * 256}, 422, "invalid_path"),
        ({"path": "test_ignore.db"}, 422, "ignored"),
        ({"path": "deep/$RECYCLE.BIN/a.dm3"}, 422, "ignored"),
        ({"root": "elsewhere"}, 422, "unknown_root"),
        ({"size": 10_001}, 413, "file_too_large"),
        ({"size": -1}, 422, "invalid_body"),
        ({"md5": "nonsense"}, 422, "invalid_body"),
    ],
)
def test_what_cannot_be_accepted_is_refused_and_leaves_nothing(
    lab: Any, change: dict[str, Any], status: int, code: str
) -> None:
    lab.start()
    answer = lab.call("POST", "/v1/uploads", lab.upload_body(**change))
    assert (answer.status_code, answer.get_json()["code"]) == (status, code)
    assert lab.call("GET", f"/v1/files?session={LOCAL_ID}").get_json()["files"] == []


def test_a_session_of_another_instrument_takes_no_upload(lab: Any) -> None:
    lab.start()
    answer = lab.call("POST", "/v1/uploads", lab.upload_body(), token="jeol-pc")
    assert (answer.status_code, answer.get_json()["code"]) == (403, "not_your_instrument")


def test_an_instruments_own_patterns_replace_the_defaults(lab: Any) -> None:
    kept = lab.call("POST", "/v1/uploads", lab.upload_body("a.db", session=None), token="jeol-pc")
    assert kept.status_code == 201
    refused = lab.call("POST", "/v1/uploads", lab.upload_body("A.BAK", session=None), token="jeol-pc")
    assert refused.get_json()["code"] == "ignored"


def test_confirm_before_the_version_was_read_marks_it(lab: Any) -> None:
    lab.start()
    grant = lab.call("POST", "/v1/uploads", lab.upload_body()).get_json()
    body = {"object": grant["object"], "generation": lab.store(grant["object"]), "size": 5, "md5": MD5}
    for _ in range(2):
        answer = lab.call("POST", "/v1/uploads/confirm", body)
        assert answer.get_json() == {"file": grant["file"], "generation": body["generation"], "verified": "yes"}
    file = lab.call("GET", f"/v1/files/{grant['file']}").get_json()
    assert (file["status"], file["generation"], file["md5"]) == ("stored", body["generation"], MD5)


def test_a_version_that_differs_is_rejected_for_good_and_the_one_before_counts_again(lab: Any) -> None:
    lab.start()
    grant = lab.call("POST", "/v1/uploads", lab.upload_body()).get_json()
    good = lab.read(grant["object"], b"hello")
    bad = lab.read(grant["object"], b"hallo")
    body = {"object": grant["object"], "generation": bad, "size": 5, "md5": MD5}
    refused = lab.call("POST", "/v1/uploads/confirm", body)
    assert (refused.status_code, refused.get_json()["code"]) == (409, "md5_mismatch")
    file = lab.call("GET", f"/v1/files/{grant['file']}").get_json()
    assert (file["generation"], file["status"]) == (good, "extracted")
    stored = hashlib.md5(b"hallo").hexdigest()
    assert lab.call("POST", "/v1/uploads/confirm", {**body, "md5": stored}).status_code == 409
    assert lab.call("POST", "/v1/uploads", lab.upload_body(md5=stored)).get_json()["already"] is False
    gone = lab.call("GET", f"/v1/files/{grant['file']}/content?generation={bad}", token="site")
    assert (gone.status_code, gone.get_json()["code"], gone.get_json()["current"]) == (410, "version_gone", good)


def test_only_the_client_that_sent_a_file_confirms_it(lab: Any) -> None:
    lab.start()
    grant = lab.call("POST", "/v1/uploads", lab.upload_body()).get_json()
    body = {"object": grant["object"], "generation": lab.store(grant["object"]), "size": 5, "md5": WRONG_MD5}
    for token, change in (("second-pc", {}), ("titan-pc", {"generation": 7}), ("titan-pc", {"object": "a/b"})):
        answer = lab.call("POST", "/v1/uploads/confirm", {**body, **change}, token=token)
        assert (answer.status_code, answer.get_json()["code"]) == (404, "missing_object")


def test_start_claims_what_was_first_seen_since_then(lab: Any) -> None:
    before = lab.upload_body("before.dm3", session=None, key="b", first_seen=lab.moment(minutes=30))
    since = lab.upload_body("since.dm3", session=None, key="s", first_seen=lab.moment(minutes=5))
    for body in (before, since):
        assert lab.call("POST", "/v1/uploads", body).status_code == 201
    at = lab.moment(minutes=10)
    lab.start(at=at, sent=lab.moment())
    files = lab.call("GET", f"/v1/files?session={LOCAL_ID}").get_json()["files"]
    assert [file["name"] for file in files] == ["since.dm3"]


def test_a_file_without_a_session_joins_the_one_that_is_running_on_its_instrument(lab: Any) -> None:
    session = lab.start().get_json()["id"]
    lab.clock.forward(minutes=1)
    grant = lab.call("POST", "/v1/uploads", lab.upload_body(session=None), token="second-pc").get_json()
    assert grant["object"].startswith("titan/unassigned/2026-02-06/second-pc-")
    file = lab.call("GET", f"/v1/files/{grant['file']}", token="second-pc").get_json()
    assert file["session"] == session


def test_a_start_that_arrives_after_its_end_was_over_gives_later_files_back(lab: Any) -> None:
    during = lab.upload_body("during.dm3", session=None, key="d", first_seen=lab.moment(minutes=50))
    after = lab.upload_body("after.dm3", session=None, key="a", first_seen=lab.moment(minutes=5))
    for body in (during, after):
        lab.call("POST", "/v1/uploads", body)
    lab.start(at=lab.moment(minutes=60), sent=lab.moment())
    lab.clock.forward(seconds=1)
    end = {"at": lab.moment(minutes=30), "sent": lab.moment()}
    lab.call("POST", f"/v1/sessions/{LOCAL_ID}/end", end)
    files = lab.call("GET", f"/v1/files?session={LOCAL_ID}").get_json()["files"]
    assert [file["name"] for file in files] == ["during.dm3"]


@pytest.mark.parametrize(
    ("mtime", "kept"),
    [
        ("0001-01-01T00:00:00+14:00", "1601-01-01T00:00:00.000000Z"),
        ("9999-12-31T23:59:59.999999-12:00", "2999-01-01T00:00:00.000000Z"),
        ("1980-01-01T01:00:00+01:00", "1980-01-01T00:00:00.000000Z"),
    ],
)
def test_a_files_own_time_may_be_nonsense(lab: Any, mtime: str, kept: str) -> None:
    lab.start()
    (entry,) = announce(lab, {"path": "a.dm3", "mtime": mtime}).get_json()["files"]
    assert lab.call("GET", f"/v1/files/{entry['file']}").get_json()["mtime"] == kept
