from __future__ import annotations

from typing import Any

import pytest

from scopeline.domain.instruments import Client
from scopeline.services.health import StoreProbes
from scopeline.services.ignore import DEFAULT_IGNORE


def test_calls_share_what_the_stores_are_being_asked(lab: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    used: list[StoreProbes] = []
    monkeypatch.setattr(StoreProbes, "ask", lambda probes: used.append(probes))
    for _ in range(2):
        assert lab.call("GET", "/readyz", token=None).status_code == 200
    assert used[0] is used[1]


def test_a_client_learns_who_it_is_and_what_to_leave_out(lab: Any) -> None:
    me = lab.call("GET", "/v1/me").get_json()
    assert me["token"]["kind"] == "client"
    assert me["client"] == {
        "id": "titan-pc",
        "instruments": ["titan"],
        "roots": {"data": {"instrument": "titan", "detector": None}},
    }
    assert me["instruments"] == [{"id": "titan", "name": "Titan", "zone": "Europe/Berlin"}]
    assert me["ignore"] == list(DEFAULT_IGNORE)
    assert me["server_time"] == lab.moment()
    assert lab.call("GET", "/v1/me", token="jeol-pc").get_json()["ignore"] == ["*.bak"]
    assert lab.call("GET", "/v1/me", token="site").get_json()["client"] is None


def test_a_heartbeat_is_written_down_with_the_clocks_difference(lab: Any) -> None:
    body = {
        "at": lab.moment(minutes=5),
        "version": "0.1.0",
        "roots": {"data": "D:\\Data"},
        "queue": {"waiting": 3, "bytes": 10, "oldest": lab.moment(hours=1)},
        "refused": [{"path": "bad\udc80name", "code": "invalid_path"}],
    }
    answer = lab.call("POST", "/v1/heartbeat", body)
    assert answer.get_json()["server_time"] == lab.moment()
    client = lab.backend.catalog.get(Client, "clients/titan-pc").document
    assert (client.last_heartbeat, client.clock_offset, client.version) == (lab.clock.now, 300.0, "0.1.0")
    assert client.queue["waiting"] == 3
    assert client.queue["refused"] == [{"path": "bad?name", "code": "invalid_path"}]


def test_the_site_learns_of_all_instruments_and_a_client_of_its_own(lab: Any) -> None:
    def known_to(token: str) -> list[str]:
        return [each["id"] for each in lab.call("GET", "/v1/me", token=token).get_json()["instruments"]]

    assert known_to("site") == known_to("admin") == ["jeol", "titan"]
    assert known_to("titan-pc") == ["titan"]
    assert known_to("hub") == []
