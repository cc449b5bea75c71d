"""A session without a record has a page that follows it, and becomes the record's page."""

from __future__ import annotations

import re
from typing import Any

import pytest


@pytest.fixture
def session(api: Any, samples: Any, session_id: str) -> str:
    """A running session with one read file and one on its way."""
    counts = {**dict.fromkeys(api_states, 0), "total": 2, "extracted": 1, "stored": 1}
    note = {"at": "2026-11-21T10:52:00.000000Z", "kind": "note", "text": "Drift <re-aligned>", "person": "Researcher C"}
    api.sessions[session_id] = samples.running_session(session_id, files=counts, events=[note])
    for file in (samples.api_file(50, session_id), samples.api_file(51, session_id, status="stored", datasets=[])):
        api.files[file["id"]] = file
    return session_id


api_states = ("announced", "stored", "extracted", "unreadable", "unsupported", "failed", "deleted")


def test_the_page_shows_what_has_arrived_in_the_instruments_time(browser: Any, samples: Any, session: str) -> None:
    answer = browser.get(f"/record/{session}")
    page = answer.content.decode()
    assert answer.headers["Cache-Control"] == "no-store"
    assert "Dark field of iron oxide" in page
    assert "since <b>02:02</b> (UTC−08:00)" in page
    assert f'src="/files/{samples.file_id(50)}/51/0/preview"' in page
    assert "run 51.dm3" in page
    assert "being read" in page
    assert "1 file so far, 1 on its way" in page
    assert "<time>02:52</time>" in page
    assert "Drift &lt;re-aligned&gt;" in page
    assert samples.SITE_TOKEN not in page


def test_changes_are_asked_for_since_the_last_look(browser: Any, api: Any, samples: Any, session: str) -> None:
    late = samples.api_file(
        52, session, status="unreadable", datasets=[], placeholder={"url": "x"}, reason="It ends after 58 bytes."
    )
    api.files[late["id"]] = {**late, "updated_at": "2026-11-21T12:30:00.000000Z"}
    answer = browser.get(f"/record/{session}/live", {"since": "2026-11-21T12:00:00.000000Z"})
    changes = answer.json()
    assert changes["published"] is False
    assert changes["now"] == api.now
    assert changes["files"] == [late["id"]]
    (tile,) = changes["tiles"]
    assert "It ends after 58 bytes." in tile["html"]
    assert f"/files/{late['id']}/53/0/preview" in tile["html"]
    assert samples.SITE_TOKEN not in answer.content.decode()


def test_companions_and_deleted_files_have_no_tile(browser: Any, api: Any, samples: Any, session: str) -> None:
    for number, change in ((53, {"companion_of": "run 50.dm3"}), (54, {"status": "deleted"})):
        file = samples.api_file(number, session, **change)
        api.files[file["id"]] = file
    page = browser.get(f"/record/{session}").content.decode()
    assert "run 53.dm3" not in page
    assert "run 54.dm3" not in page


def test_several_signals_of_a_file_are_tiles_of_their_own(browser: Any, api: Any, samples: Any, session: str) -> None:
    file = samples.api_file(55, session)
    file["datasets"].append({**file["datasets"][0], "index": 1, "warnings": ["No scale."]})
    api.files[file["id"]] = file
    page = browser.get(f"/record/{session}").content.decode()
    assert "run 55.dm3 (1 of 2)" in page
    assert "run 55.dm3 (2 of 2)" in page
    assert "No scale." in page


def test_a_session_of_very_many_files_opens_with_the_newest(
    browser: Any, api: Any, samples: Any, session: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    from cdcs_connector.site import live

    monkeypatch.setattr(live, "MAX_TILES", 2)
    file = samples.api_file(58, session)
    api.files[file["id"]] = file
    page = browser.get(f"/record/{session}").content.decode()
    assert page.count('<figure class="tile') == 2
    assert "run 58.dm3" in page
    assert "1 older one is not shown" in page


def test_times_of_other_days_say_so_and_the_last_to_arrive_stands_first(
    browser: Any, api: Any, samples: Any, session: str
) -> None:
    old = samples.api_file(60, session)
    old["datasets"][0]["acquired"] = {"value": "2018-11-13T17:49:05.000000Z"}
    saved = samples.api_file(61, session, status="unsupported", datasets=[], mtime="2018-11-13T02:00:00.000000Z")
    for file in (saved, old):
        api.files[file["id"]] = file
    page = browser.get(f"/record/{session}").content.decode()
    assert "1024 × 1024 · 13 Nov 2018, 09:49:05" in page
    assert "unknown format · saved 12 Nov 2018, 18:00:00" in page
    names = re.findall(r'<span class="name">([^<]+)', page)
    assert names == ["run 51.dm3", "run 61.dm3", "run 60.dm3", "run 50.dm3"]


def test_the_published_record_takes_the_pages_place(browser: Any, put: Any, samples: Any, session: str) -> None:
    put(session, samples.record_xml(2, session=session))
    assert browser.get(f"/record/{session}/live").json() == {"published": True}
    assert '<article class="record">' in browser.get(f"/record/{session}").content.decode()


def test_an_ended_session_waits_for_its_record(browser: Any, api: Any, session: str) -> None:
    api.sessions[session].update(state="ended", end="2026-11-21T14:00:00.000000Z")
    assert "Session ended" in browser.get(f"/record/{session}").content.decode()


def test_a_session_that_nobody_ended_says_that_it_ended_by_itself(browser: Any, api: Any, session: str) -> None:
    api.sessions[session].update(state="ended", end="2026-11-21T14:00:00.000000Z", why_ended="forgotten")
    assert "Session ended by itself: nothing came any more" in browser.get(f"/record/{session}").content.decode()
    api.sessions[session].update(why_ended="END")
    assert "by itself" not in browser.get(f"/record/{session}").content.decode()


def test_an_erased_session_says_so_also_where_it_is_being_watched(browser: Any, api: Any, session: str) -> None:
    api.erased.add(session)
    for address in (f"/record/{session}", f"/record/{session}/live"):
        answer = browser.get(address)
        assert answer.status_code == 410
        assert "This session was erased" in answer.content.decode()
        assert "It was erased on 21 November 2026, 12:40 UTC, with its record" in answer.content.decode()
        assert "Dark field" not in answer.content.decode()
    api.erased_when = {}
    assert "It was erased, with its record" in browser.get(f"/record/{session}").content.decode()
    assert browser.get(f"/record/{session}/record.xml").status_code == 404


def test_a_file_of_an_erased_session_is_not_there(browser: Any, api: Any, samples: Any, session: str) -> None:
    api.erased.add(session)
    assert browser.get(f"/files/{samples.file_id(50)}/51/0/preview").status_code == 404


def test_strangers_do_not_learn_what_was_erased_where_reading_needs_a_name(
    browser: Any, api: Any, session: str, closed_to_strangers: None
) -> None:
    api.erased.add(session)
    assert browser.get(f"/record/{session}").status_code == 302
    assert browser.get(f"/record/{session}/live").status_code == 403


def test_while_the_api_is_away_the_page_says_so(browser: Any, api: Any, session: str) -> None:
    api.down = True
    assert browser.get(f"/record/{session}").status_code == 503
    assert browser.get(f"/record/{session}/live").status_code == 503


def test_strangers_watch_nothing_where_reading_needs_a_name(
    browser: Any, session: str, closed_to_strangers: None
) -> None:
    assert browser.get(f"/record/{session}").status_code == 302
    assert browser.get(f"/record/{session}/live").status_code == 403
