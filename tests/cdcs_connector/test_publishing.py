"""Records come by PUT, once per session, and go by DELETE."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest


@pytest.fixture
def rows(site: Any) -> Any:
    from core_main_app.components.data.models import Data

    from cdcs_connector.site.models import PublishedRecord, RecordFile, StoredBody

    def count(session: str) -> tuple[int, int, int, int]:
        return (
            PublishedRecord.objects.filter(pk=session).count(),
            Data.objects.filter(file__contains=session).count(),
            StoredBody.objects.filter(name__contains=session).count(),
            RecordFile.objects.filter(record_id=session).count(),
        )

    return count


def test_a_first_publication_makes_one_record(put: Any, samples: Any, session_id: str, rows: Any) -> None:
    answer = put(session_id, samples.record_xml(12, session=session_id))
    assert answer.status_code == 201, answer.content
    assert answer.json() == {"session": session_id, "version": 1, "page": f"http://127.0.0.1:8000/record/{session_id}"}
    assert rows(session_id) == (1, 1, 1, 12)


def test_the_same_hash_again_writes_nothing(put: Any, samples: Any, session_id: str) -> None:
    from cdcs_connector.site.models import PublishedRecord

    xml = samples.record_xml(3, session=session_id)
    put(session_id, xml)
    before = PublishedRecord.objects.values().get(pk=session_id)
    answer = put(session_id, xml, version=2)
    assert (answer.status_code, answer.json()["unchanged"], answer.json()["version"]) == (200, True, 1)
    assert PublishedRecord.objects.values().get(pk=session_id) == before


def test_a_new_version_replaces_the_record_and_its_body(
    put: Any, browser: Any, samples: Any, session_id: str, rows: Any
) -> None:
    put(session_id, samples.record_xml(5, session=session_id, title="Before"))
    answer = put(session_id, samples.record_xml(4, session=session_id, title="After"), version=2, input_hash="second")
    assert (answer.status_code, answer.json()["version"]) == (200, 2)
    assert rows(session_id) == (1, 1, 1, 4)
    page = browser.get(f"/record/{session_id}").content.decode()
    assert "<h1>After</h1>" in page
    assert "Before" not in page


def test_a_lower_version_is_stale(put: Any, samples: Any, session_id: str) -> None:
    put(session_id, samples.record_xml(2, session=session_id), version=3)
    answer = put(session_id, samples.record_xml(3, session=session_id), version=2, input_hash="late")
    assert (answer.status_code, answer.json()["code"]) == (409, "stale_version")
    assert answer.headers["Content-Type"] == "application/problem+json"


ENTITIES = (
    '<!DOCTYPE Experiment [<!ENTITY a "x">]><Experiment xmlns="https://data.nist.gov/od/dm/nexus/experiment/v1.0"/>'
)
FOREIGN = '<Experiment xmlns="urn:other"/>'
WRONG = '<Experiment xmlns="https://data.nist.gov/od/dm/nexus/experiment/v1.0"><summary/><dataset/></Experiment>'


@pytest.mark.parametrize(
    ("xml", "words"),
    [
        ("<Experiment>", "cannot be read"),
        (ENTITIES, "document type"),
        (FOREIGN, "root element"),
        (WRONG, "does not fit the schema"),
        ("<a>" * 1000, "cannot be read"),
    ],
)
def test_what_is_no_record_is_refused_with_the_reason(
    put: Any, session_id: str, rows: Any, xml: str, words: str
) -> None:
    answer = put(session_id, xml)
    assert (answer.status_code, answer.json()["code"]) == (400, "invalid_record")
    assert words in answer.json()["detail"]
    assert rows(session_id) == (0, 0, 0, 0)


def test_a_record_of_another_session_is_refused(put: Any, samples: Any, session_id: str) -> None:
    answer = put(session_id, samples.record_xml(1))
    assert answer.status_code == 400
    assert "does not name session" in answer.json()["detail"]


@pytest.mark.parametrize("body", ["", "[]", "{", '{"version": 0, "input_hash": "a", "xml": "b"}', '{"xml": 3}'])
def test_a_body_of_another_form_is_refused(publisher: Any, session_id: str, body: str) -> None:
    answer = publisher.put(f"/rest/scopeline/records/{session_id}", body, content_type="application/json")
    assert (answer.status_code, answer.json()["code"]) == (422, "invalid_body")


def test_a_body_that_is_too_large_is_refused_unread(publisher: Any, session_id: str) -> None:
    answer = publisher.put(
        f"/rest/scopeline/records/{session_id}",
        "{}",
        content_type="application/json",
        headers={"Content-Length": str(10**9)},
    )
    assert (answer.status_code, answer.json()["code"]) == (413, "body_too_large")


@pytest.mark.parametrize("header", [None, "Token wrong", "Bearer 0123456789abcdef0123456789abcdef01234567", "Token"])
def test_without_the_publishers_token_nothing_is_published(
    browser: Any, samples: Any, session_id: str, header: str
) -> None:
    answer = browser.put(
        f"/rest/scopeline/records/{session_id}",
        {"version": 1, "input_hash": "a", "xml": samples.record_xml(1, session=session_id)},
        content_type="application/json",
        headers={"Authorization": header} if header else {},
    )
    assert (answer.status_code, answer.json()["code"]) == (401, "unauthorised")


def test_a_token_without_the_right_may_not_publish(browser: Any, samples: Any, session_id: str) -> None:
    from django.contrib.auth.models import User
    from rest_framework.authtoken.models import Token

    user = User.objects.create(username=f"reader-{session_id}")
    token = Token.objects.create(user=user)
    answer = browser.delete(f"/rest/scopeline/records/{session_id}", headers={"Authorization": f"Token {token.key}"})
    assert (answer.status_code, answer.json()["code"]) == (403, "forbidden")


def test_delete_takes_everything_away_and_can_be_followed_by_a_new_record(
    put: Any, publisher: Any, browser: Any, samples: Any, session_id: str, rows: Any
) -> None:
    put(session_id, samples.record_xml(4, session=session_id), version=7)
    assert publisher.delete(f"/rest/scopeline/records/{session_id}").status_code == 204
    assert rows(session_id) == (0, 0, 0, 0)
    assert browser.get(f"/record/{session_id}").status_code == 404
    assert publisher.delete(f"/rest/scopeline/records/{session_id}").status_code == 404
    assert put(session_id, samples.record_xml(4, session=session_id)).status_code == 201


def test_after_delete_nothing_in_the_database_names_the_session_or_what_stood_in_it(
    put: Any, publisher: Any, browser: Any, samples: Any, session_id: str
) -> None:
    from django.apps import apps
    from django.db import connection

    with connection.cursor() as cursor:
        # What is deleted is overwritten in the file, too.
        assert cursor.execute("PRAGMA secure_delete").fetchone() == (1,)
    title = f"Unobtainium {session_id}"
    put(session_id, samples.record_xml(4, session=session_id, title=title))
    put(session_id, samples.record_xml(5, session=session_id, title=title), version=2, input_hash="second")

    def naming() -> set[str]:
        return {
            model._meta.label
            for model in apps.get_models(include_auto_created=True)
            for row in model._default_manager.values_list()
            if any(session_id in (v.decode("utf-8", "replace") if isinstance(v, bytes) else str(v)) for v in row)
        }

    found = naming()
    assert {"core_main_app.Data", "scopeline_site.PublishedRecord", "scopeline_site.StoredBody"} <= found
    assert publisher.delete(f"/rest/scopeline/records/{session_id}").status_code == 204
    assert naming() == set()
    assert session_id not in browser.get("/explore/", {"q": "unobtainium"}).content.decode()
    assert session_id not in browser.get("/").content.decode()


def test_a_failure_in_the_middle_leaves_the_record_before(
    put: Any, samples: Any, session_id: str, rows: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    from django.db import DatabaseError

    from cdcs_connector.site import publishing
    from cdcs_connector.site.models import PublishedRecord

    put(session_id, samples.record_xml(5, session=session_id))

    def fail(*args: Any, **kwargs: Any) -> None:
        raise DatabaseError("the disk is full")

    monkeypatch.setattr(publishing.RecordFile.objects, "bulk_create", fail)
    answer = put(session_id, samples.record_xml(6, session=session_id), version=2, input_hash="second")
    assert (answer.status_code, answer.json()["code"]) == (503, "database_unavailable")
    assert rows(session_id) == (1, 1, 1, 5)
    assert PublishedRecord.objects.get(pk=session_id).version == 1


def test_publications_of_one_session_at_once_end_in_one_record(
    put: Any, samples: Any, session_id: str, rows: Any
) -> None:
    from django.db import connection

    from cdcs_connector.site.models import PublishedRecord

    start = threading.Barrier(4)
    statuses: list[int] = []

    def publish(version: int) -> None:
        start.wait(timeout=30)
        xml = samples.record_xml(version, session=session_id)
        try:
            statuses.append(put(session_id, xml, version=version, input_hash=str(version)).status_code)
        finally:
            connection.close()

    threads = [threading.Thread(target=publish, args=(n,)) for n in (1, 2, 3, 4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=60)
    assert len(statuses) == 4
    assert set(statuses) <= {200, 201, 409}
    assert PublishedRecord.objects.get(pk=session_id).version == 4
    assert rows(session_id) == (1, 1, 1, 4)


def test_records_that_come_at_once_are_checked_one_at_a_time(
    put: Any, session_id: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    from django.db import connection

    from cdcs_connector.site import publishing, record_xml

    at_work = threading.Lock()

    def alone(does: Callable[..., Any]) -> Callable[..., Any]:
        def do_slowly(*given: Any) -> Any:
            assert at_work.acquire(blocking=False), "two threads use the schema at once, which libxml2 does not stand"
            try:
                time.sleep(0.05)
                return does(*given)
            finally:
                at_work.release()

        return do_slowly

    monkeypatch.setattr(publishing, "_schema", alone(publishing._schema))
    monkeypatch.setattr(record_xml, "check_schema", alone(record_xml.check_schema))
    start = threading.Barrier(4)

    def refused(number: int) -> int:
        start.wait(timeout=30)
        try:
            answer = put(session_id, WRONG, input_hash=str(number))
            assert "does not fit the schema" in answer.json()["detail"]
            return int(answer.status_code)
        finally:
            connection.close()

    with ThreadPoolExecutor(4) as pool:
        assert list(pool.map(refused, range(4))) == [400] * 4


def test_a_record_is_found_by_what_stands_in_it(put: Any, browser: Any, samples: Any, session_id: str) -> None:
    xml = samples.record_xml(6, session=session_id, title=f"Zeolite {session_id}")
    own = '<meta name="Detector">DF-S</meta><meta name="Technique">Ptychography</meta><meta name="Stage Alpha"'
    put(session_id, xml.replace('<meta name="Stage Alpha"', own, 1))
    for words in (
        f"{session_id} df-s",
        f"{session_id} ptycho",
        f"{session_id} haadf",
        f"zeolite {session_id}",
        f"{session_id} researcher",
        f"{session_id} fe",
        f"{session_id} É.EMD",
    ):
        page = browser.get("/explore/", {"q": words}).content.decode()
        assert f'href="/record/{session_id}"' in page, words
    assert session_id not in browser.get("/explore/", {"q": "zeolite perovskite"}).content.decode()


def test_a_publication_is_on_the_disk_before_it_is_confirmed(site: Any) -> None:
    from django.db import connection

    with connection.cursor() as cursor:
        assert cursor.execute("PRAGMA journal_mode").fetchone() == ("wal",)
        assert cursor.execute("PRAGMA synchronous").fetchone() == (2,)  # FULL: each commit waits for the disk
