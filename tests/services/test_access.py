from __future__ import annotations

import json
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from scopeline.domain.errors import Conflict, InvalidInput, NotFound
from scopeline.domain.instruments import Root, Token, TokenKind
from scopeline.ports import TOKENS, find_all
from scopeline.services import access
from scopeline.services.access import Unauthorized


def test_a_tokens_secret_is_kept_nowhere(desk: Any) -> None:
    _, text = access.make_token(desk.backend, TokenKind.ADMIN, "ada")
    secret = text.split("_", 2)[2]
    kept = json.dumps([token.to_json() for token in find_all(desk.backend.catalog, Token, TOKENS)])
    assert secret not in kept
    assert access.check_token(desk.backend, text).subject == "ada"


def test_checking_a_token_is_one_read_and_no_write(desk: Any) -> None:
    _, text = access.make_token(desk.backend, TokenKind.ADMIN, "ada")
    calls: list[str] = []

    class Counting:
        def __getattr__(self, name: str) -> Any:
            calls.append(name)
            return getattr(desk.edition.backend.catalog, name)

    from dataclasses import replace

    access.check_token(replace(desk.backend, catalog=Counting()), text)
    assert calls == ["get"]


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(text=st.text() | st.from_regex(r"sl_[a-z0-9]{12}_[A-Za-z0-9_-]{43}", fullmatch=True))
def test_no_other_text_is_a_token(desk: Any, text: str) -> None:
    with pytest.raises(Unauthorized):
        access.check_token(desk.backend, text)


def test_part_of_a_secret_or_the_secret_of_another_token_is_refused(desk: Any) -> None:
    _, one = access.make_token(desk.backend, TokenKind.ADMIN, "one")
    _, two = access.make_token(desk.backend, TokenKind.ADMIN, "two")
    mixed = "_".join([*one.split("_", 2)[:2], two.split("_", 2)[2]])
    for text in (one[:-1], one + "A", mixed, one.upper()):
        with pytest.raises(Unauthorized):
            access.check_token(desk.backend, text)


def test_tokens_are_made_for_what_there_is(desk: Any) -> None:
    with pytest.raises(NotFound):
        access.make_token(desk.backend, TokenKind.CLIENT, "nobody")
    with pytest.raises(NotFound):
        access.make_token(desk.backend, TokenKind.HUB, "hub", clients=["nobody"])
    with pytest.raises(InvalidInput):
        access.make_token(desk.backend, TokenKind.HUB, "hub")
    with pytest.raises(InvalidInput):
        access.make_token(desk.backend, TokenKind.ADMIN, "ada", clients=["titan-pc"])
    with pytest.raises(InvalidInput):
        access.make_token(desk.backend, TokenKind.ADMIN, "ada", expires_at=desk.now - timedelta(seconds=1))


def test_revoking_twice_keeps_the_first_time(desk: Any) -> None:
    token, _ = access.make_token(desk.backend, TokenKind.ADMIN, "ada")
    first = access.revoke_token(desk.backend, token.id).revoked_at
    desk.forward(hours=1)
    assert access.revoke_token(desk.backend, token.id).revoked_at == first
    for unknown in ("0" * 12, "../x"):
        with pytest.raises(NotFound):
            access.revoke_token(desk.backend, unknown)


def test_instruments_count_the_changes_that_reading_depends_on(desk: Any) -> None:
    assert access.change_instrument(desk.backend, "titan", {"name": "Titan 2"}).revision == 1
    assert access.change_instrument(desk.backend, "titan", {"zone": "UTC"}).revision == 2
    assert access.change_instrument(desk.backend, "titan", {"zone": "UTC"}).revision == 2
    with pytest.raises(InvalidInput, match="Europe/Berlin"):
        access.change_instrument(desk.backend, "titan", {"zone": "Mars/Olympus"})
    with pytest.raises(Conflict):
        access.add_instrument(desk.backend, {"id": "titan", "name": "Again"})
    with pytest.raises(InvalidInput):
        access.add_instrument(desk.backend, {"id": "Titan 3", "name": "x"})


def test_a_clients_instruments_are_those_of_its_roots(desk: Any) -> None:
    access.add_instrument(desk.backend, {"id": "jeol", "name": "JEOL"})
    roots = {"data": Root(instrument="titan"), "eds": Root(instrument="jeol")}
    assert access.set_client(desk.backend, "titan-pc", roots).instruments == ["jeol", "titan"]
    with pytest.raises(NotFound):
        access.set_client(desk.backend, "titan-pc", {"data": Root(instrument="nothing")})
