from __future__ import annotations

from threading import Barrier, Thread
from typing import Any

LOCAL_ID = "7d9f1f54-9d5a-4d0f-8f55-0d9ad0b7d3f1"
OTHER_ID = "0a9f1f54-9d5a-4d0f-8f55-0d9ad0b7d3f1"
NOTE_ID = "1b9f1f54-9d5a-4d0f-8f55-0d9ad0b7d3f1"


def test_start_makes_a_session_with_an_id_of_its_own_day_and_instrument(lab: Any) -> None:
    answer = lab.start(title="Gold", people=[{"person": "Ada", "confirmed": True}], unknown="ignored")
    assert answer.status_code == 201
    session = answer.get_json()
    assert session["id"].startswith("20260206-titan-")
    assert session["state"] == "open"
    assert session["client"] == "titan-pc"
    assert session["page"] == f"http://site.test/record/{session['id']}"
    assert session["files"]["total"] == 0
    assert session["people"] == [{"person": "Ada", "role": "experimenter", "confirmed": False}]


def test_the_day_of_a_session_is_that_of_the_instruments_zone(lab: Any) -> None:
    late = "2026-02-06T23:30:00+00:00"
    assert lab.start(at=late, sent=late).get_json()["id"].startswith("20260207-titan-")


def test_start_again_is_the_same_session_unchanged_whatever_it_says(lab: Any) -> None:
    first = lab.start(title="Gold").get_json()
    lab.clock.forward(days=3)
    again = lab.start(title="Silver")
    assert again.status_code == 200
    assert again.get_json() == first


def test_many_starts_at_once_are_one_session(lab: Any) -> None:
    answers: list[Any] = []
    barrier = Barrier(6)

    def start(n: int) -> None:
        client = lab.http.application.test_client()
        now = lab.moment(days=n)
        barrier.wait(10)
        answers.append(
            client.post(
                "/v1/sessions",
                json={"local_id": LOCAL_ID, "instrument": "titan", "at": now, "sent": now, "title": str(n)},
                headers={"Authorization": f"Bearer {lab.tokens['titan-pc']}"},
            )
        )

    threads = [Thread(target=start, args=(n,)) for n in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert sorted(answer.status_code for answer in answers) == [200] * 5 + [201]
    assert len({answer.get_json()["id"] for answer in answers}) == 1
    assert len(lab.call("GET", "/v1/sessions?instrument=titan").get_json()["sessions"]) == 1


def test_the_servers_time_of_a_moment_leaves_out_the_clients_clock(lab: Any) -> None:
    wrong_clock = lab.start(at="2011-01-01T08:00:00+01:00", sent="2011-01-01T08:10:00+01:00").get_json()
    assert wrong_clock["start"] == lab.moment(minutes=10)
    assert wrong_clock["id"].startswith("20110101-titan-")


def test_a_client_clock_set_back_between_moment_and_sending_gives_no_future(lab: Any) -> None:
    session = lab.start(at="2027-01-01T08:00:00Z", sent="2026-02-06T12:00:00Z").get_json()
    assert session["start"] == lab.moment()


def test_end_by_local_id_and_again_keeps_the_first_end(lab: Any) -> None:
    lab.start()
    lab.clock.forward(hours=1)
    end = {"at": lab.moment(), "sent": lab.moment(), "announced": 3}
    first = lab.call("POST", f"/v1/sessions/{LOCAL_ID}/end", end).get_json()
    assert (first["state"], first["end"], first["announced"]) == ("ended", lab.moment(), {"titan-pc": 3})
    lab.clock.forward(hours=1)
    again = lab.call("POST", f"/v1/sessions/{first['id']}/end", {"at": lab.moment(), "sent": lab.moment()})
    assert again.status_code == 200
    assert again.get_json()["end"] == first["end"]


def test_resume_opens_an_ended_session_and_a_late_repeat_of_the_end_does_not_close_it(lab: Any) -> None:
    lab.start()
    lab.clock.forward(hours=1)
    end = {"at": lab.moment(), "sent": lab.moment()}
    lab.call("POST", f"/v1/sessions/{LOCAL_ID}/end", end)
    lab.clock.forward(minutes=1)
    resumed = lab.call("POST", f"/v1/sessions/{LOCAL_ID}/resume", {"at": lab.moment(), "sent": lab.moment()})
    assert (resumed.get_json()["state"], resumed.get_json()["end"]) == ("open", None)
    late = lab.call("POST", f"/v1/sessions/{LOCAL_ID}/end", {**end, "sent": lab.moment()})
    assert late.get_json()["state"] == "open"


def test_the_same_event_twice_is_one_event(lab: Any) -> None:
    lab.start()
    note = {"id": NOTE_ID, "kind": "note", "at": lab.moment(minutes=5), "sent": lab.moment(), "text": "drift\x0b!"}
    for _ in range(2):
        answer = lab.call("POST", f"/v1/sessions/{LOCAL_ID}/events", note)
        assert answer.status_code == 200
    (event,) = answer.get_json()["events"]
    assert (event["text"], event["at"]) == ("drift\ufffd!", lab.moment(minutes=5))


def test_an_event_without_its_content_is_refused(lab: Any) -> None:
    lab.start()
    body = {"id": NOTE_ID, "kind": "sample", "at": lab.moment(), "sent": lab.moment(), "text": "no sample"}
    answer = lab.call("POST", f"/v1/sessions/{LOCAL_ID}/events", body)
    assert (answer.status_code, answer.get_json()["code"]) == (422, "empty_event")


def test_a_session_of_another_instrument_is_not_the_clients(lab: Any) -> None:
    lab.start()
    now = {"at": lab.moment(), "sent": lab.moment()}
    for method, path, body in (
        ("GET", f"/v1/sessions/{LOCAL_ID}", None),
        ("POST", f"/v1/sessions/{LOCAL_ID}/end", now),
        ("POST", f"/v1/sessions/{LOCAL_ID}/resume", now),
        ("POST", f"/v1/sessions/{LOCAL_ID}/files", {"files": []}),
        ("GET", f"/v1/files?session={LOCAL_ID}", None),
    ):
        answer = lab.call(method, path, body, token="jeol-pc")
        assert (answer.status_code, answer.get_json()["code"]) == (403, "not_your_instrument"), path
    answer = lab.start(instrument="titan", local_id=OTHER_ID, token="jeol-pc")
    assert answer.get_json()["code"] == "not_your_instrument"


def test_an_unknown_session_is_not_found(lab: Any) -> None:
    for ref in (OTHER_ID, "20260206-titan-aaaaaa", "nonsense", "%00", "a" * 3000):
        answer = lab.call("GET", f"/v1/sessions/{ref}")
        assert (answer.status_code, answer.get_json()["code"]) == (404, "unknown_session")


def test_a_client_lists_its_own_sessions_and_open_ones_of_its_instruments(lab: Any) -> None:
    mine = lab.start().get_json()["id"]
    lab.call("POST", f"/v1/sessions/{mine}/end", {"at": lab.moment(), "sent": lab.moment()})
    open_one = lab.start(local_id=OTHER_ID).get_json()["id"]

    def listed(token: str, query: str = "") -> list[str]:
        return [s["id"] for s in lab.call("GET", f"/v1/sessions{query}", token=token).get_json()["sessions"]]

    assert set(listed("titan-pc", "?instrument=titan")) == {mine, open_one}
    assert listed("second-pc") == [open_one]
    assert listed("second-pc", "?instrument=titan&state=open") == [open_one]
    assert listed("jeol-pc") == []
    assert set(listed("site")) == {mine, open_one}
    assert lab.call("GET", f"/v1/sessions/{mine}", token="second-pc").get_json()["code"] == "not_your_session"


def test_lists_go_on_at_their_cursor(lab: Any) -> None:
    ids = {lab.start(local_id=f"{n:08x}-0000-4000-8000-000000000000").get_json()["id"] for n in range(5)}
    found, cursor = [], ""
    while cursor is not None:
        page = lab.call("GET", f"/v1/sessions?limit=2{cursor and '&cursor=' + cursor}", token="site").get_json()
        found += [s["id"] for s in page["sessions"]]
        cursor = page["cursor"]
    assert len(found) == 5
    assert set(found) == ids
    bad = lab.call("GET", "/v1/sessions?cursor=nonsense", token="site")
    assert (bad.status_code, bad.get_json()["code"]) == (422, "invalid_cursor")
