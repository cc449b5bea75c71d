from __future__ import annotations

from typing import Any

import pytest

from scopeline.domain.errors import ScopelineError
from scopeline.domain.events import Event, Topic
from scopeline.domain.findings import Finding
from scopeline.services.replay import failures


def park(lab: Any, key: str) -> None:
    events = lab.backend.events
    events.publish(Event(type=Topic.OBJECT_CHANGED, key=key, at=lab.clock.now))
    events.fail(events.claim([Topic.OBJECT_CHANGED]), ScopelineError("It cannot be read.", code="broken"))


def listed(lab: Any) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = lab.call("GET", "/v1/failures", token="admin").get_json()["failures"]
    return found


def test_failures_are_listed_oldest_first_page_by_page(lab: Any) -> None:
    for n in range(3):
        lab.clock.forward(minutes=1)
        park(lab, f"file{n}")
    found, cursor = [], ""
    while cursor is not None:
        page = lab.call("GET", f"/v1/failures?limit=2{cursor and '&cursor=' + cursor}", token="admin").get_json()
        found += page["failures"]
        cursor = page["cursor"]
    assert [(f["subject"], f["code"], f["reason"]) for f in found] == [
        (f"file{n}", "broken", "It cannot be read.") for n in range(3)
    ]
    bad = lab.call("GET", "/v1/failures?cursor=nonsense", token="admin")
    assert (bad.status_code, bad.get_json()["code"]) == (422, "invalid_cursor")


def test_an_administrator_has_one_tried_again(lab: Any) -> None:
    park(lab, "one")
    park(lab, "two")
    failure = listed(lab)[0]
    answer = lab.call("POST", f"/v1/failures/{failure['id']}/replay", token="admin")
    assert (answer.status_code, answer.get_json()) == (200, {"id": failure["id"]})
    assert [one["subject"] for one in listed(lab)] == ["two"]
    assert lab.backend.events.claim([Topic.OBJECT_CHANGED]).event.key == "one"
    again = lab.call("POST", f"/v1/failures/{failure['id']}/replay", token="admin")
    assert (again.status_code, again.get_json()["code"]) == (404, "unknown_failure")


def test_an_administrator_dismisses_what_nobody_will_put_right(lab: Any, caplog: pytest.LogCaptureFixture) -> None:
    park(lab, "one")
    park(lab, "two")
    failure = listed(lab)[0]
    answer = lab.call("DELETE", f"/v1/failures/{failure['id']}", token="admin")
    assert (answer.status_code, answer.get_json()) == (200, {"id": failure["id"]})
    assert [one["subject"] for one in listed(lab)] == ["two"]
    assert lab.backend.events.claim([Topic.OBJECT_CHANGED]) is None
    (said,) = [line for line in caplog.messages if "dismissed" in line]
    assert said.startswith(f"admin dismissed the failure {failure['id']}, object.changed of one: broken")
    again = lab.call("DELETE", f"/v1/failures/{failure['id']}", token="admin")
    assert (again.status_code, again.get_json()["code"]) == (404, "unknown_failure")


@pytest.mark.parametrize("token", ["titan-pc", "hub", "site"])
def test_nobody_else_has_anything_tried_again(lab: Any, token: str) -> None:
    park(lab, "one")
    answer = lab.call("POST", f"/v1/failures/{listed(lab)[0]['id']}/replay", token=token)
    assert answer.status_code == 403
    assert [one["subject"] for one in listed(lab)] == ["one"]


@pytest.mark.parametrize("failure", ["nonsense", "7", "9" * 500, "%2e%2e%2fx", "%00", "a" * 24 + ".1"])
def test_what_is_none_is_not_tried_again(lab: Any, failure: str) -> None:
    answer = lab.call("POST", f"/v1/failures/{failure}/replay", token="admin")
    assert answer.status_code == 404
    assert answer.content_type == "application/problem+json"


def test_what_differs_between_store_and_catalog_is_listed_and_compared_again(lab: Any) -> None:
    finding = Finding(
        file="a" * 24,
        generation=3,
        object="titan/x",
        code="bytes_differ",
        reason="Other bytes.",
        since=lab.clock.now,
    )
    lab.backend.catalog.create(finding)
    lab.clock.forward(minutes=1)
    park(lab, "one")
    assert [(one["subject"], one["code"], one["transient"]) for one in listed(lab)] == [
        ("a" * 24, "bytes_differ", False),
        ("one", "broken", False),
    ]
    # Its version is not stored any more, so nothing differs.
    assert lab.call("POST", f"/v1/failures/{finding.id}/replay", token="admin").status_code == 200
    assert [one["subject"] for one in listed(lab)] == ["one"]


def test_the_list_has_the_same_fields_as_the_commands(lab: Any) -> None:
    park(lab, "one")
    assert listed(lab) == [failure.model_dump(mode="json") for failure in failures(lab.backend)]
