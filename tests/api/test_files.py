from __future__ import annotations

from typing import Any

import pytest

LOCAL_ID = "7d9f1f54-9d5a-4d0f-8f55-0d9ad0b7d3f1"


@pytest.fixture
def file(lab: Any) -> dict[str, Any]:
    """A file of an open session that was stored and read."""
    lab.start()
    grant = lab.call("POST", "/v1/uploads", lab.upload_body()).get_json()
    return {**grant, "generation": lab.read(grant["object"], b"0123456789")}


def test_a_file_shows_its_datasets_with_addresses_of_their_previews(lab: Any, file: dict[str, Any]) -> None:
    answer = lab.call("GET", f"/v1/files/{file['file']}").get_json()
    assert (answer["status"], answer["generation"], answer["size"]) == ("extracted", file["generation"], 10)
    (dataset,) = answer["datasets"]
    assert dataset["id"] == f"{file['file']}.0"
    assert dataset["parameters"]["Voltage"] == {"value": 300, "unit": "kV", "origin": None, "warning": None}
    preview = lab.call("GET", dataset["preview"]["url"])
    assert (preview.status_code, preview.content_type) == (200, "image/png")
    assert preview.data.startswith(b"\x89PNG")


def test_metadata_is_the_complete_original(lab: Any, file: dict[str, Any]) -> None:
    answer = lab.call("GET", f"/v1/files/{file['file']}/metadata", token="site")
    assert answer.get_json() == [{"voltage": 300}]


def test_a_client_sees_its_own_uploads_and_previews_of_open_sessions_only(lab: Any, file: dict[str, Any]) -> None:
    path = f"/v1/files/{file['file']}"
    assert lab.call("GET", path, token="second-pc").status_code == 404
    assert lab.call("GET", f"/v1/files?session={LOCAL_ID}", token="second-pc").get_json()["files"] == []
    preview = f"{path}/datasets/0/preview"
    assert lab.call("GET", preview, token="second-pc").status_code == 200
    assert lab.call("GET", preview, token="jeol-pc").status_code == 403
    lab.call("POST", f"/v1/sessions/{LOCAL_ID}/end", {"at": lab.moment(), "sent": lab.moment()})
    assert lab.call("GET", preview).get_json()["code"] == "not_your_session"
    assert lab.call("GET", preview, token="site").status_code == 200


@pytest.mark.parametrize(
    ("header", "status", "body", "content_range"),
    [
        (None, 200, b"0123456789", None),
        ("bytes=2-4", 206, b"234", "bytes 2-4/10"),
        ("bytes=7-", 206, b"789", "bytes 7-9/10"),
        ("bytes=-3", 206, b"789", "bytes 7-9/10"),
        ("bytes=0-999", 206, b"0123456789", "bytes 0-9/10"),
        ("bytes=10-", 416, None, "bytes */10"),
        ("bytes=0-1,4-5", 200, b"0123456789", None),
        ("lines=1-2", 200, b"0123456789", None),
        ("bytes=x", 200, b"0123456789", None),
    ],
)
def test_content_is_sent_whole_or_in_one_range(
    lab: Any, file: dict[str, Any], header: str | None, status: int, body: bytes | None, content_range: str | None
) -> None:
    headers = {"Range": header} if header else {}
    answer = lab.call("GET", f"/v1/files/{file['file']}/content", token="site", **headers)
    assert (answer.status_code, answer.headers.get("Content-Range")) == (status, content_range)
    if body is None:
        assert answer.get_json()["code"] == "range_not_satisfiable"
    else:
        assert answer.data == body
        assert answer.headers["Accept-Ranges"] == "bytes"
    answer.close()


def test_an_empty_file_has_empty_content(lab: Any) -> None:
    lab.start()
    grant = lab.call("POST", "/v1/uploads", lab.upload_body(size=0)).get_json()
    lab.read(grant["object"], b"")
    whole = lab.call("GET", f"/v1/files/{grant['file']}/content", token="site")
    assert (whole.status_code, whole.data, whole.content_length) == (200, b"", 0)
    ranged = lab.call("GET", f"/v1/files/{grant['file']}/content", token="site", Range="bytes=0-")
    assert ranged.status_code in (200, 416)


def test_content_is_not_sent_again_to_who_has_it(lab: Any, file: dict[str, Any]) -> None:
    path = f"/v1/files/{file['file']}/content"
    etag = lab.call("GET", path, token="site").headers["ETag"]
    with lab.call("GET", path, token="site", If_None_Match=etag) as again:
        assert (again.status_code, again.data) == (304, b"")
    lab.read(file["object"], b"new")
    with lab.call("GET", path, token="site", If_None_Match=etag) as changed:
        assert changed.data == b"new"
    with lab.call("GET", f"{path}?generation={file['generation']}", token="site") as old:
        assert old.data == b"0123456789"


def test_head_gives_the_size_and_no_bytes(lab: Any, file: dict[str, Any]) -> None:
    with lab.call("HEAD", f"/v1/files/{file['file']}/content", token="site") as answer:
        assert (answer.status_code, answer.content_length, answer.data) == (200, 10, b"")


@pytest.mark.parametrize("name", ["page.html", "drawing.svg", "script.xml"])
def test_what_a_browser_could_run_is_a_download_of_bytes(lab: Any, name: str) -> None:
    lab.start()
    grant = lab.call("POST", "/v1/uploads", lab.upload_body(name)).get_json()
    lab.read(grant["object"], b"<script>alert(1)</script>")
    with lab.call("GET", f"/v1/files/{grant['file']}/content", token="site") as answer:
        assert answer.content_type == "application/octet-stream"
        assert answer.headers["Content-Disposition"].startswith("attachment")
        assert answer.headers["X-Content-Type-Options"] == "nosniff"
        assert "sandbox" in answer.headers["Content-Security-Policy"]


def test_what_is_not_there_has_its_reason(lab: Any, file: dict[str, Any]) -> None:
    lab.call("POST", "/v1/uploads", lab.upload_body("later.dm3"))
    (later,) = [
        f for f in lab.call("GET", f"/v1/files?session={LOCAL_ID}").get_json()["files"] if f["name"] == "later.dm3"
    ]
    expected = {
        f"/v1/files/{later['id']}/content": (404, "not_stored"),
        f"/v1/files/{file['file']}/content?generation=7": (404, "not_stored"),
        f"/v1/files/{file['file']}/content?generation=x": (422, "invalid_body"),
        f"/v1/files/{file['file']}/datasets/1/preview": (404, "no_preview"),
        f"/v1/files/{file['file']}/datasets/x/preview": (404, "no_preview"),
        f"/v1/files/{file['file']}/datasets/{'9' * 5000}/preview": (404, "no_preview"),
        "/v1/files/nonsense": (404, "not_found"),
        f"/v1/files/{'a' * 24}": (404, "not_found"),
    }
    for path, problem in expected.items():
        answer = lab.call("GET", path, token="site")
        assert (answer.status_code, answer.get_json()["code"]) == problem, path


def test_files_since_a_moment_miss_no_change(lab: Any, file: dict[str, Any]) -> None:
    first = lab.call("GET", f"/v1/files?session={LOCAL_ID}").get_json()
    assert first["now"] < lab.moment()
    lab.clock.forward(minutes=1)
    lab.call("POST", "/v1/uploads", lab.upload_body("new.dm3"))
    later = lab.call("GET", f"/v1/files?session={LOCAL_ID}&since={first['now']}").get_json()
    assert "new.dm3" in [f["name"] for f in later["files"]]
    lab.clock.forward(minutes=1)
    none = lab.call("GET", f"/v1/files?session={LOCAL_ID}&since={lab.moment()}").get_json()
    assert none["files"] == []


def test_files_go_on_at_their_cursor(lab: Any) -> None:
    lab.start()
    for n in range(5):
        lab.call("POST", "/v1/uploads", lab.upload_body(f"{n}.dm3"))
    found, cursor = [], ""
    while cursor is not None:
        page = lab.call("GET", f"/v1/files?session={LOCAL_ID}&limit=2{cursor and '&cursor=' + cursor}").get_json()
        found += [f["name"] for f in page["files"]]
        cursor = page["cursor"]
    assert sorted(found) == [f"{n}.dm3" for n in range(5)]
