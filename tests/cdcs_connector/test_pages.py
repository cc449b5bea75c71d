"""What people see: lists, records, running sessions, and errors with their right status."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest


def test_the_front_page_lists_records_with_pictures_and_what_runs(
    browser: Any, put: Any, api: Any, samples: Any, session_id: str
) -> None:
    put(session_id, samples.record_xml(8, session=session_id, title="Grain <b>boundaries</b>"))
    api.sessions["20261121-titanx-runaaa"] = samples.running_session("20261121-titanx-runaaa", files=None)
    page = browser.get("/").content.decode()
    assert f'href="/record/{session_id}"' in page
    assert "Grain &lt;b&gt;boundaries&lt;/b&gt;" in page
    assert "29 November 2018, 09:00" in page
    assert page.count(f"/files/{samples.file_id(0)}/1/0/preview") >= 1
    assert 'href="/record/20261121-titanx-runaaa"' in page


def test_the_front_page_stands_while_the_api_is_away(browser: Any, api: Any) -> None:
    api.down = True
    answer = browser.get("/")
    assert answer.status_code == 200
    assert "cannot be shown just now" in answer.content.decode()


def test_private_sessions_are_listed_for_nobody(browser: Any, api: Any, samples: Any) -> None:
    api.sessions["20261121-titanx-hidden"] = samples.running_session("20261121-titanx-hidden", handling="private")
    assert "20261121-titanx-hidden" not in browser.get("/").content.decode()
    assert browser.get("/record/20261121-titanx-hidden").status_code == 403
    assert browser.get("/record/20261121-titanx-hidden/live").status_code == 403


def test_cdcs_address_of_a_record_shows_the_same(browser: Any, put: Any, samples: Any, session_id: str) -> None:
    from cdcs_connector.site.models import PublishedRecord

    put(session_id, samples.record_xml(4, session=session_id))
    data = PublishedRecord.objects.get(pk=session_id).data_id
    one, other = browser.get(f"/record/{session_id}"), browser.get(f"/data?id={data}")
    assert other.status_code == 200
    cut = [a.content.decode().split('<article class="record">')[1].split("</article>")[0] for a in (one, other)]
    assert cut[0] == cut[1]


def test_a_record_can_be_had_as_xml(browser: Any, put: Any, samples: Any, session_id: str) -> None:
    xml = samples.record_xml(2, session=session_id)
    put(session_id, xml)
    answer = browser.get(f"/record/{session_id}/record.xml")
    assert answer.content.decode() == xml
    assert answer.headers["Content-Type"] == "application/xml"


@pytest.fixture
def meanwhile(site: Any, monkeypatch: pytest.MonkeyPatch) -> Callable[[str, Callable[[], Any]], None]:
    """Have something happen between a reader's look at a session's row and its look at the body that the row names."""
    from cdcs_connector.site.storage import DatabaseStorage

    opening = DatabaseStorage._open

    def arrange(session: str, happen: Callable[[], Any]) -> None:
        pending = [happen]

        def opened(self: Any, name: str, mode: str = "rb") -> Any:
            if session in name and pending:
                pending.pop()()
            return opening(self, name, mode)

        monkeypatch.setattr(DatabaseStorage, "_open", opened)

    return arrange


OWN_PAGES = ["/record/{session}", "/record/{session}/record.xml", "/data?id={data}"]
PAGES_OF_CDCS = ["/rest/data/{data}/", "/rest/data/download/{data}/"]


@pytest.mark.parametrize("path", [*OWN_PAGES, *PAGES_OF_CDCS])
def test_a_record_can_be_read_while_it_is_published_again(
    path: str, browser: Any, put: Any, samples: Any, session_id: str, meanwhile: Any
) -> None:
    from django.contrib.auth.models import User

    from cdcs_connector.site.models import PublishedRecord

    browser.force_login(User.objects.create(username=f"reader-{session_id}"))
    put(session_id, samples.record_xml(3, session=session_id, title="Before"))
    data = PublishedRecord.objects.get(pk=session_id).data_id
    again = samples.record_xml(3, session=session_id, title="After")
    statuses = []
    meanwhile(session_id, lambda: statuses.append(put(session_id, again, version=2, input_hash="second").status_code))
    answer = browser.get(path.format(session=session_id, data=data))
    assert (statuses, answer.status_code) == ([200], 200)
    assert "After" in answer.content.decode()


@pytest.mark.parametrize("path", OWN_PAGES)
def test_a_record_that_is_withdrawn_while_it_is_read_is_not_there(
    path: str, browser: Any, put: Any, publisher: Any, samples: Any, session_id: str, meanwhile: Any
) -> None:
    from cdcs_connector.site.models import PublishedRecord

    put(session_id, samples.record_xml(3, session=session_id))
    data = PublishedRecord.objects.get(pk=session_id).data_id
    statuses = []
    meanwhile(
        session_id, lambda: statuses.append(publisher.delete(f"/rest/scopeline/records/{session_id}").status_code)
    )
    answer = browser.get(path.format(session=session_id, data=data))
    assert (statuses, answer.status_code) == ([204], 404)


def test_a_record_comes_with_all_that_its_pages_ask_of_it(put: Any, samples: Any, session_id: str) -> None:
    """It may be withdrawn before a second question."""
    from django.contrib.auth.models import AnonymousUser
    from django.db import connection
    from django.test.utils import CaptureQueriesContext

    from cdcs_connector.site import access

    put(session_id, samples.record_xml(3, session=session_id))
    found = access.record_of(AnonymousUser(), session_id)
    assert found is not None
    with CaptureQueriesContext(connection) as asked:
        assert found.data.file.name.endswith(f"{session_id}.xml")
        assert found.data.template_id
    assert len(asked) == 0


@pytest.mark.parametrize("path", ["/", "/explore/", "/record/20181129-titanx-k4m7pa", "/data?id=1"])
def test_strangers_are_asked_to_sign_in(browser: Any, closed_to_strangers: None, path: str) -> None:
    from urllib.parse import quote

    answer = browser.get(path)
    assert (answer.status_code, answer.headers["Location"]) == (302, f"/login?next={quote(path)}")


def test_signing_in_leads_back_and_nowhere_else(browser: Any, session_id: str) -> None:
    from django.contrib.auth.models import User

    User.objects.create_user(session_id, password="a long enough secret")
    wrong = browser.post("/login", {"username": session_id, "password": "x"})
    assert wrong.status_code == 200
    assert "do not match" in wrong.content.decode()
    for next_page, leads_to in (("/explore/", "/explore/"), ("https://elsewhere.example/", "/")):
        answer = browser.post("/login", {"username": session_id, "password": "a long enough secret", "next": next_page})
        assert (answer.status_code, answer.headers["Location"]) == (302, leads_to)


def test_the_menu_signs_out_and_leads_staff_to_the_administration(browser: Any, session_id: str) -> None:
    from django.contrib.auth.models import User

    user = User.objects.create_user(f"menu-{session_id}", first_name="Ada", last_name="Demo")
    browser.force_login(user)
    page = browser.get("/").content.decode()
    assert "<b>Ada Demo</b>" in page
    assert 'action="/logout"' in page
    assert 'href="/admin/"' not in page
    User.objects.filter(pk=user.pk).update(is_staff=True)
    assert 'href="/admin/"' in browser.get("/").content.decode()
    assert browser.post("/logout").status_code == 302
    assert "Ada Demo" not in browser.get("/").content.decode()


@pytest.mark.parametrize(
    "path",
    ["/nothing", "/record/20101129-titanx-aaaaaa", "/record/x", "/data?id=0", "/data?id=x", "/data", "/docs/api/"],
)
def test_what_is_not_there_is_404(browser: Any, path: str) -> None:
    answer = browser.get(path)
    assert answer.status_code == 404
    assert "There is nothing at this address" in answer.content.decode()


def test_no_page_allows_scripts_or_styles_in_itself(browser: Any, put: Any, samples: Any, session_id: str) -> None:
    put(session_id, samples.record_xml(12, session=session_id))
    for path in ("/", "/explore/", f"/record/{session_id}", "/login", "/nothing", "/admin/login/"):
        answer = browser.get(path)
        policy = answer.headers["Content-Security-Policy"]
        assert "default-src 'none'" in policy
        assert "unsafe" not in policy
        if not path.startswith("/admin"):
            page = answer.content.decode()
            assert " style=" not in page
            assert "<style" not in page
            assert "<script>" not in page
            assert "onclick" not in page


def test_readiness_is_503_without_the_database(browser: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    from django.db import OperationalError, connection

    assert browser.get("/readyz").json()["status"] == "ready"

    def fail(*args: Any, **kwargs: Any) -> None:
        raise OperationalError("unable to open database file")

    monkeypatch.setattr(connection, "cursor", fail)
    answer = browser.get("/readyz")
    assert (answer.status_code, answer.json()["code"]) == (503, "database_unavailable")


def test_the_rest_interface_of_cdcs_answers(browser: Any, put: Any, samples: Any, session_id: str) -> None:
    from django.contrib.auth.models import User

    from cdcs_connector.site.models import PublishedRecord

    put(session_id, samples.record_xml(2, session=session_id))
    data = PublishedRecord.objects.get(pk=session_id).data_id
    browser.force_login(User.objects.create(username=f"rest-{session_id}"))
    assert browser.get(f"/rest/data/{data}/").json()["title"].startswith("EDS tomography")
    found = browser.post(
        "/rest/data/query/", {"query": {"Experiment.id": session_id}, "all": "true"}, content_type="application/json"
    )
    assert [d["id"] for d in found.json()] == [data]


def test_an_administrator_sees_core_and_site_tables(browser: Any, put: Any, samples: Any, session_id: str) -> None:
    from django.contrib.auth.models import User

    put(session_id, samples.record_xml(2, session=session_id))
    browser.force_login(User.objects.create_superuser(f"admin-{session_id}"))
    for path in ("/admin/", "/admin/core_main_app/data/", "/admin/core_main_app/workspace/", "/admin/auth/user/"):
        assert browser.get(path).status_code == 200
