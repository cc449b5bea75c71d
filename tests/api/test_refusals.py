"""What the log says of refused calls, and what it never says."""

from __future__ import annotations

import logging
from typing import Any

import pytest

from scopeline.api.refusals import safe_path

SECRET = "averysecretwordofatleasttwentycharacters"


@pytest.fixture(autouse=True)
def heard(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "scopeline")


def test_a_refused_call_is_one_line_with_who_called_and_no_query(lab: Any, caplog: pytest.LogCaptureFixture) -> None:
    answer = lab.call("GET", "/v1/failures?cursor=hidden")
    assert answer.status_code == 403
    (line,) = caplog.messages
    token = lab.tokens["titan-pc"].split("_")[1]
    assert line == f"Refused GET /v1/failures: 403 forbidden, token {token}."


def test_a_known_client_is_named(lab: Any, caplog: pytest.LogCaptureFixture) -> None:
    lab.call("GET", "/v1/sessions/20260206-titan-aaaaaa")
    assert "404 " in caplog.messages[0]
    assert caplog.messages[0].endswith(" of client titan-pc.")


@pytest.mark.parametrize(
    "token", [f"sl_0123456789ab_{SECRET}", f"sl_{SECRET}_{SECRET}", SECRET, f"0123456789ab_{SECRET}"]
)
def test_no_part_of_a_secret_is_told(lab: Any, caplog: pytest.LogCaptureFixture, token: str) -> None:
    assert lab.call("GET", "/v1/me", token=token).status_code == 401
    assert lab.call("GET", f"/v1/me?token={token}", token=None).status_code == 401
    assert lab.call("GET", f"/v1/files/sl_0123456789ab_{SECRET}", token=token).status_code == 401
    assert len(caplog.messages) == 3
    assert SECRET not in caplog.text


def test_what_is_not_refused_is_not_told(lab: Any, caplog: pytest.LogCaptureFixture) -> None:
    assert lab.call("GET", "/v1/me").status_code == 200
    assert caplog.messages == []


def test_an_unexpected_error_is_told_with_its_traceback(
    lab: Any, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(_backend: object) -> None:
        raise RuntimeError("broken")

    monkeypatch.setattr("scopeline.services.health.ask_stores", fail)
    assert lab.call("GET", "/readyz").status_code == 500
    assert [record.levelname for record in caplog.records] == ["ERROR", "ERROR"]
    assert "RuntimeError: broken" in caplog.text
    token = lab.tokens["titan-pc"].split("_")[1]
    assert f"Refused GET /readyz: 500 internal_error, token {token}. The server met" in caplog.messages[1]


@pytest.mark.parametrize(
    ("path", "told"),
    [
        ("/v1/files/abc", "/v1/files/abc"),
        (f"/upload/{SECRET}", "/upload/..."),
        (f"/Upload/{SECRET}", "/Upload/..."),
        (f"/v1/sl_0123456789ab_{SECRET}/x", "/v1/.../x"),
        ("/v1/a\nINFO faked\x1b[2J", "/v1/a?INFO faked?[2J"),
        ("/" + "x" * 300, "/" + "x" * 199),
    ],
)
def test_a_path_is_one_short_line_without_secrets(path: str, told: str) -> None:
    assert safe_path(path) == told
