"""Files, previews and metadata come through the site, after its own permission check."""

from __future__ import annotations

from typing import Any

import pytest


@pytest.fixture
def record(put: Any, samples: Any, session_id: str) -> str:
    """A published record of three datasets; its session."""
    assert put(session_id, samples.record_xml(3, session=session_id)).status_code == 201
    return session_id


def body(answer: Any) -> bytes:
    return b"".join(answer.streaming_content)


def test_a_preview_is_the_apis_and_may_be_kept_for_ever(browser: Any, api: Any, samples: Any, record: str) -> None:
    answer = browser.get(f"/files/{samples.file_id(1)}/2/0/preview")
    assert body(answer) == api.pictures[2]
    assert answer.headers["Content-Type"] == "image/png"
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert answer.headers["Cache-Control"] == "private, max-age=31536000, immutable"
    target, headers = api.requests[-1]
    assert target == f"/v1/files/{samples.file_id(1)}/datasets/0/preview?generation=2"
    assert headers["Authorization"] == f"Bearer {samples.SITE_TOKEN}"


def test_a_content_is_saved_and_never_run(browser: Any, samples: Any, record: str) -> None:
    answer = browser.get(f"/files/{samples.file_id(1)}/2/dust%20%C3%A9.emd")
    assert body(answer) == b"0123456789"
    assert answer.headers["Content-Type"] == "application/octet-stream"
    assert answer.headers["Content-Disposition"] == "attachment; filename*=UTF-8''dust%20%C3%A9.emd"
    assert answer.headers["Content-Length"] == "10"
    assert "Set-Cookie" not in answer.headers
    assert not answer.cookies


def test_a_part_of_a_content_can_be_asked_for(browser: Any, samples: Any, record: str) -> None:
    answer = browser.get(f"/files/{samples.file_id(0)}/1/a.emd", headers={"Range": "bytes=2-4"})
    assert (answer.status_code, body(answer)) == (206, b"234")
    assert answer.headers["Content-Range"] == "bytes 2-4/10"


def test_what_the_browser_has_is_not_sent_again(browser: Any, samples: Any, record: str) -> None:
    address = f"/files/{samples.file_id(0)}/1/0/preview"
    first = browser.get(address)
    tag = first.headers["ETag"]
    first.close()
    answer = browser.get(address, headers={"If-None-Match": tag})
    assert (answer.status_code, answer.content) == (304, b"")


def test_metadata_is_json(browser: Any, samples: Any, record: str) -> None:
    answer = browser.get(f"/files/{samples.file_id(2)}/3/metadata.json")
    assert answer.headers["Content-Type"] == "application/json"
    assert answer.headers["Content-Length"] == str(len(answer.content))
    assert [(d["generation"], d["signal"]) for d in answer.json()] == [(3, "HAADF"), (3, "EDS")]


def test_metadata_of_one_dataset_are_indented(browser: Any, samples: Any, record: str) -> None:
    address = f"/files/{samples.file_id(2)}/3/metadata.json"
    assert browser.get(f"{address}?dataset=1").content.decode().endswith('  "generation": 3,\n  "signal": "EDS"\n}')
    for nonsense in ("", "2", "-1", "x", "²"):
        assert len(browser.get(address, {"dataset": nonsense}).json()) == 2


def test_very_long_metadata_are_passed_on_as_they_are(
    browser: Any, samples: Any, record: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    from cdcs_connector.site import files

    monkeypatch.setattr(files, "MAX_INDENTED_BYTES", 10)
    assert b'"generation": 3, "signal"' in body(browser.get(f"/files/{samples.file_id(2)}/3/metadata.json"))


def test_a_version_that_is_gone_names_the_present_one(browser: Any, api: Any, samples: Any, record: str) -> None:
    file = samples.file_id(0)
    api.current[file] = 9
    for path in ("0/preview", "metadata.json", "a%20b.emd"):
        answer = browser.get(f"/files/{file}/1/{path}")
        assert answer.status_code == 410
        assert f'href="/files/{file}/9/{path}"' in answer.content.decode()
        assert answer.headers["Link"] == f'</files/{file}/9/{path}>; rel="latest-version"'


def test_while_the_api_is_away_the_reader_is_told(browser: Any, api: Any, samples: Any, record: str) -> None:
    api.down = True
    answer = browser.get(f"/files/{samples.file_id(0)}/1/0/preview")
    assert answer.status_code == 503
    assert answer.headers["Retry-After"] == "10"
    assert browser.get(f"/record/{record}").status_code == 200


def test_strangers_see_no_file_of_a_record_that_is_not_theirs(
    browser: Any, api: Any, samples: Any, record: str, closed_to_strangers: None
) -> None:
    for path in ("0/preview", "metadata.json", "a.emd"):
        assert browser.get(f"/files/{samples.file_id(0)}/1/{path}").status_code == 403
    assert api.requests == []


def test_people_who_signed_in_see_the_files_of_the_public_workspace(
    browser: Any, samples: Any, record: str, closed_to_strangers: None
) -> None:
    from django.contrib.auth.models import User

    browser.force_login(User.objects.create(username=f"person-{record}"))
    answer = browser.get(f"/files/{samples.file_id(0)}/1/0/preview")
    assert (answer.status_code, len(body(answer)) > 100) == (200, True)


def test_a_record_in_a_private_workspace_hides_its_files(browser: Any, put: Any, samples: Any, session_id: str) -> None:
    from cdcs_connector.site.models import PublishedRecord

    xml = samples.record_xml(1, session=session_id).replace(samples.file_id(0), "zzzz" + session_id[-6:])
    put(session_id, xml)
    data = PublishedRecord.objects.get(pk=session_id).data
    data.workspace = None
    data.save()
    assert browser.get(f"/files/zzzz{session_id[-6:]}/1/0/preview").status_code == 403
    assert browser.get(f"/record/{session_id}").status_code == 403
    assert browser.get(f"/data?id={data.pk}").status_code == 403
    assert session_id not in browser.get("/explore/").content.decode()


def test_files_of_a_running_session_follow_the_session(browser: Any, api: Any, samples: Any, session_id: str) -> None:
    file = samples.api_file(900, session_id)
    api.files[file["id"]] = file
    api.sessions[session_id] = samples.running_session(session_id)
    answer = browser.get(f"/files/{file['id']}/901/0/preview")
    assert (answer.status_code, len(body(answer)) > 100) == (200, True)
    api.sessions[session_id]["handling"] = "private"
    assert browser.get(f"/files/{file['id']}/901/0/preview").status_code == 403


def test_a_file_without_a_session_is_open_to_nobody(browser: Any, api: Any, samples: Any) -> None:
    file = {**samples.api_file(901, "x"), "session": None}
    api.files[file["id"]] = file
    assert browser.get(f"/files/{file['id']}/902/0/preview").status_code == 403


@pytest.mark.parametrize("path", ["unknown/1/0/preview", "../1/0/preview", "abc/x/0/preview", "abc/1/a/b"])
def test_an_address_of_no_file_is_not_found(browser: Any, path: str) -> None:
    assert browser.get(f"/files/{path}").status_code == 404


def test_files_can_only_be_read(browser: Any, samples: Any, record: str) -> None:
    assert browser.post(f"/files/{samples.file_id(0)}/1/a.emd").status_code == 405
