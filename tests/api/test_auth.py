from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from scopeline.api.application import CALLS
from scopeline.api.auth import BY_PEOPLE, PUBLIC, RIGHTS
from scopeline.domain.instruments import TokenKind
from scopeline.services import access

SUBJECTS = {
    TokenKind.CLIENT: "titan-pc",
    TokenKind.HUB: "hub",
    TokenKind.ADMIN: "admin",
    TokenKind.SITE: "site",
}

# Who may call what, written out once more: client, hub, admin, site.
ALLOWED = {
    "me": "chas",
    "start": "cha",
    "end": "cha",
    "resume": "cha",
    "add_event": "cha",
    "announce": "cha",
    "upload": "cha",
    "confirm": "cha",
    "heartbeat": "cha",
    "list_sessions": "chas",
    "get_session": "chas",
    "list_files": "chas",
    "get_file": "chas",
    "preview": "chas",
    "content": "as",
    "metadata": "as",
    "record_xml": "as",
    "record_json": "as",
    "correct_session": "as",
    "get_overlay": "as",
    "edit_overlay": "as",
    "erase": "a",
    "failures": "a",
    "replay_failure": "a",
    "dismiss_failure": "a",
    "status": "a",
    "metrics": "a",
}


def test_every_call_stands_in_the_table_of_rights() -> None:
    names = {call.name for call in CALLS}
    assert names - PUBLIC == set(RIGHTS) == set(ALLOWED)
    assert set(RIGHTS) >= BY_PEOPLE


@pytest.mark.parametrize("kind", list(TokenKind))
@pytest.mark.parametrize("name", sorted(ALLOWED))
def test_each_kind_of_token_makes_its_calls_and_no_others(module_lab: Any, name: str, kind: TokenKind) -> None:
    (call,) = [call for call in CALLS if call.name == name]
    path = call.path.format(session="20260206-titan-aaaaaa", file="a" * 24, dataset=0, failure="1")
    headers = {"X-Scopeline-User": "ada", "If-Match": "*"}
    if kind in (TokenKind.HUB, TokenKind.ADMIN):
        headers["X-Scopeline-Client"] = "titan-pc"
    answer = module_lab.call(call.method, path, {} if call.body else None, token=SUBJECTS[kind], **headers)
    if kind.value[0] in ALLOWED[name]:
        assert answer.status_code in (200, 404, 422), answer.text
    else:
        assert (answer.status_code, answer.get_json()["code"]) == (403, "forbidden")


@pytest.mark.parametrize("name", sorted(ALLOWED))
def test_no_call_is_made_without_a_token(module_lab: Any, name: str) -> None:
    (call,) = [call for call in CALLS if call.name == name]
    path = call.path.format(session="20260206-titan-aaaaaa", file="a" * 24, dataset=0, failure="1")
    answer = module_lab.call(call.method, path, {} if call.body else None, token=None)
    assert (answer.status_code, answer.get_json()["code"]) == (401, "token_missing")
    assert answer.headers["WWW-Authenticate"].startswith("Bearer")


@pytest.mark.parametrize("path", ["/healthz", "/readyz", "/v1/openapi.json"])
def test_public_calls_need_no_token(module_lab: Any, path: str) -> None:
    assert module_lab.call("GET", path, token=None).status_code == 200


@pytest.mark.parametrize(
    "token", ["nonsense", "sl__", "sl_abc_def", "sl_../tokens_aaaaaaaaaaaaaaaaaaaaaaaa", "sl_a_" + "b" * 300]
)
def test_a_wrong_token_is_invalid(module_lab: Any, token: str) -> None:
    answer = module_lab.call("GET", "/v1/me", token=token)
    assert (answer.status_code, answer.get_json()["code"]) == (401, "token_invalid")


def test_a_token_ends_when_it_is_revoked_or_expired(lab: Any) -> None:
    token_id = lab.tokens["titan-pc"].split("_")[1]
    expires = lab.clock.now + timedelta(hours=1)
    _, lab.tokens["short"] = access.make_token(lab.backend, TokenKind.ADMIN, "short", expires_at=expires)
    assert lab.call("GET", "/v1/me", token="short").status_code == 200
    lab.clock.forward(hours=1)
    assert lab.call("GET", "/v1/me", token="short").get_json()["code"] == "token_expired"
    access.revoke_token(lab.backend, token_id)
    assert lab.call("GET", "/v1/me").get_json()["code"] == "token_revoked"


def test_a_hub_acts_for_its_clients_only(lab: Any) -> None:
    own = lab.call("GET", "/v1/me", token="hub", X_Scopeline_Client="titan-pc").get_json()
    assert own["client"]["id"] == "titan-pc"
    for named in ("jeol-pc", "nobody", ""):
        other = lab.call("GET", "/v1/me", token="hub", X_Scopeline_Client=named)
        assert (other.status_code, other.get_json()["code"]) == (403, "not_your_client")
    nobody = lab.call("POST", "/v1/heartbeat", {"at": lab.moment(), "version": "1"}, token="hub")
    assert (nobody.status_code, nobody.get_json()["code"]) == (400, "client_missing")
    posing = lab.call("GET", "/v1/me", X_Scopeline_Client="jeol-pc")
    assert posing.get_json()["code"] == "not_your_client"


@pytest.mark.parametrize("path", ["/v1/sessions/{}", "/v1/sessions/{}/overlay"])
def test_a_site_names_the_person_that_changes_something(lab: Any, path: str) -> None:
    session = lab.start().get_json()["id"]
    answer = lab.call("PATCH", path.format(session), {}, token="site", If_Match="*")
    assert (answer.status_code, answer.get_json()["code"]) == (400, "person_missing")
