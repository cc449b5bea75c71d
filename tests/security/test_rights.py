"""Who may make which call: every caller, every call, one table."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import pytest

from scopeline.adapters.embedded.event_worker import run_once
from scopeline.api.application import CALLS
from scopeline.api.auth import PUBLIC
from scopeline.domain.errors import InvalidInput
from scopeline.domain.events import Event, Topic
from scopeline.domain.instruments import TokenKind
from scopeline.services import access

LOCAL_ID = "7d9f1f54-9d5a-4d0f-8f55-0d9ad0b7d3f1"
MD5 = "5d41402abc4b2a76b9719d911017c592"  # of "hello", which the laboratory stores

# Callers, in the order of the table's columns. The session that is asked for was started by `titan-pc` on `titan`.
CALLERS = {
    "owner": ("titan-pc", {}),
    "same": ("second-pc", {}),  # another PC of the same instrument
    "other": ("jeol-pc", {}),  # a PC of another instrument
    "hub": ("hub", {"X_Scopeline_Client": "titan-pc"}),
    "hub2": ("hub-2", {"X_Scopeline_Client": "titan-pc"}),  # acts for others only
    "admin": ("admin", {"X_Scopeline_Client": "titan-pc"}),
    "site": ("site", {"X_Scopeline_User": "ada"}),
    "nobody": ("site", {}),  # a site that names no person
}

# Answers while the session runs, and after it has ended where that makes a difference.
RUNNING = """
call             owner  same  other  hub  hub2  admin  site  nobody
me               200    200   200    200  403   200    200   200
heartbeat        200    200   200    200  403   200    403   403
failures         403    403   403    403  403   200    403   403
replay_failure   403    403   403    403  403   200    403   403
dismiss_failure  403    403   403    403  403   200    403   403
status           403    403   403    403  403   200    403   403
metrics          403    403   403    403  403   200    403   403
start            201    201   403    201  403   201    403   403
end              200    200   403    200  403   200    403   403
resume           200    200   403    200  403   200    403   403
add_event        200    200   403    200  403   200    403   403
list_sessions    200    200   200    200  403   200    200   200
get_session      200    200   403    200  403   200    200   200
announce         200    200   403    200  403   200    403   403
upload           201    201   403    201  403   201    403   403
confirm          200    404   404    200  403   200    403   403
list_files       200    200   403    200  403   200    200   200
get_file         200    404   404    200  403   200    200   200
preview          200    200   403    200  403   200    200   200
metadata         403    403   403    403  403   200    200   200
content          403    403   403    403  403   200    200   200
record_xml       403    403   403    403  403   200    200   200
record_json      403    403   403    403  403   200    200   200
correct_session  403    403   403    403  403   200    200   400
get_overlay      403    403   403    403  403   200    200   200
edit_overlay     403    403   403    403  403   200    200   400
erase            403    403   403    403  403   202    403   403
"""
ENDED = """
call             owner  same  other  hub  hub2  admin  site  nobody
resume           200    200   403    200  403   200    403   403
get_session      200    403   403    200  403   200    200   200
list_files       200    200   403    200  403   200    200   200
get_file         200    404   404    200  403   200    200   200
preview          403    403   403    403  403   200    200   200
"""


def table(text: str) -> dict[tuple[str, str], int]:
    """The statuses by call and caller."""
    head, *rows = [line.split() for line in text.strip().splitlines()]
    assert head[1:] == list(CALLERS)
    return {(row[0], caller): int(status) for row in rows for caller, status in zip(CALLERS, row[1:], strict=True)}


@dataclass
class World:
    """What there is to ask for."""

    lab: Any
    session: str
    file: str
    object: str
    generation: int
    failure: str
    made: int = 0

    def new_id(self) -> str:
        self.made += 1
        return str(uuid.UUID(int=self.made))

    def ask(self, name: str, token: str | None, headers: dict[str, str]) -> Any:
        """Make the call as somebody who knows all names."""
        (call,) = [call for call in CALLS if call.name == name]
        path = call.path.format(session=self.session, file=self.file, dataset=0, failure=self.failure)
        query, body = QUERIES.get(name, lambda _: "")(self), BODIES.get(name, lambda _: None)(self)
        more = {"If_Match": "*"} if call.if_match else {}
        return self.lab.call(call.method, path + query, body, token=token, **headers, **more)

    @property
    def moment(self) -> dict[str, str]:
        return {"at": self.lab.moment(), "sent": self.lab.moment()}


QUERIES: dict[str, Callable[[World], str]] = {"list_files": lambda w: f"?session={w.session}"}
BODIES: dict[str, Callable[[World], Any]] = {
    "heartbeat": lambda w: {"at": w.lab.moment(), "version": "1"},
    "start": lambda w: {"local_id": w.new_id(), "instrument": "titan", **w.moment},
    "end": lambda w: w.moment,
    "resume": lambda w: w.moment,
    "add_event": lambda w: {"id": w.new_id(), "kind": "note", "text": "thin here", **w.moment},
    "announce": lambda w: {"files": [{"root": "data", "path": "b.dm3", "size": 5, "mtime": w.lab.moment()}]},
    "upload": lambda w: w.lab.upload_body("b.dm3"),
    "confirm": lambda w: {"object": w.object, "generation": w.generation, "size": 5, "md5": MD5},
    "correct_session": lambda w: {"reason": "mistyped", "title": "Catalysts"},
    "edit_overlay": lambda w: {"edits": [{"target": "session", "field": "title", "value": "Catalysts"}]},
    "erase": lambda w: {"reason": "asked for by the user"},
}


def refuse(event: Event) -> None:
    raise InvalidInput(f"{event.key} is never taken.")


@pytest.fixture
def world(lab: Any) -> World:
    session = lab.start().get_json()["id"]
    grant = lab.call("POST", "/v1/uploads", lab.upload_body()).get_json()
    generation = lab.read(grant["object"])
    lab.tokens["hub-2"] = access.make_token(lab.backend, TokenKind.HUB, "hub-2", clients=["jeol-pc"])[1]
    lab.backend.events.publish(Event(type=Topic.RECORD_BUILT, key=session, at=lab.clock.now))
    run_once(lab.backend.events, {Topic.RECORD_BUILT: refuse})
    (parked,) = lab.backend.events.parked()
    return World(lab, session, grant["file"], grant["object"], generation, parked.id)


def test_every_call_has_a_row() -> None:
    names = {call.name for call in CALLS} - PUBLIC
    assert {name for name, _ in table(RUNNING)} == names, "A new call needs a row: who may make it?"
    assert {name for name, _ in table(ENDED)} <= names


def test_every_call_with_a_body_is_asked_with_one() -> None:
    assert {call.name for call in CALLS if call.body} == set(BODIES)


@pytest.mark.parametrize("name", sorted({name for name, _ in table(RUNNING)}))
def test_each_caller_is_allowed_what_the_table_says(world: World, name: str) -> None:
    answers = {}
    for caller, (token, headers) in _refused_first(table(RUNNING), name):
        answers[caller] = world.ask(name, token, dict(headers)).status_code
    assert answers == {caller: table(RUNNING)[name, caller] for caller in CALLERS}


@pytest.mark.parametrize("name", sorted({name for name, _ in table(ENDED)}))
def test_what_changes_when_the_session_has_ended(world: World, name: str) -> None:
    world.ask("end", "titan-pc", {})
    for caller, (token, headers) in _refused_first(table(ENDED), name):
        if name == "resume":
            world.ask("end", "titan-pc", {})
        answer = world.ask(name, token, dict(headers))
        assert (caller, answer.status_code) == (caller, table(ENDED)[name, caller]), answer.text


def _refused_first(wanted: dict[tuple[str, str], int], name: str) -> list[tuple[str, Any]]:
    """The callers of a call, those that may change something last; each finds what the ones before it left."""
    return sorted(CALLERS.items(), key=lambda item: wanted[name, item[0]] < 300)


@pytest.mark.parametrize("name", sorted({name for name, _ in table(RUNNING)}))
def test_nobody_is_let_in_without_a_token_that_is_valid_now(world: World, name: str) -> None:
    lab = world.lab
    expires = lab.clock.now + timedelta(minutes=1)
    _, expired = access.make_token(lab.backend, TokenKind.ADMIN, "short", expires_at=expires)
    token, revoked = access.make_token(lab.backend, TokenKind.ADMIN, "gone")
    access.revoke_token(lab.backend, token.id)
    lab.clock.forward(minutes=1)
    valid = lab.tokens["admin"]
    wrong_secret = valid[:-1] + ("A" if valid[-1] != "A" else "B")
    other_id = valid.replace(valid.split("_")[1], lab.tokens["site"].split("_")[1])
    for shown, code in (
        (None, "token_missing"),
        ("garbage", "token_invalid"),
        (valid[:-1], "token_invalid"),
        (valid + "A", "token_invalid"),
        (wrong_secret, "token_invalid"),
        (other_id, "token_invalid"),
        (expired, "token_expired"),
        (revoked, "token_revoked"),
    ):
        answer = world.ask(name, shown, {"X_Scopeline_Client": "titan-pc", "X_Scopeline_User": "ada"})
        assert (answer.status_code, answer.get_json()["code"]) == (401, code)


@pytest.mark.parametrize("name", sorted(PUBLIC - {"openapi"}))
def test_public_calls_tell_nothing_of_what_is_there(world: World, name: str) -> None:
    answer = world.ask(name, None, {})
    assert answer.status_code == 200
    assert set(answer.get_json()) == {"status"}


@pytest.mark.parametrize("caller", ["same", "other"])
def test_what_is_another_clients_looks_like_what_is_not_there(world: World, caller: str) -> None:
    token = CALLERS[caller][0]
    there = world.ask("get_file", token, {})
    world.file = "a" * 24
    absent = world.ask("get_file", token, {})
    assert (there.status_code, there.get_json()["code"]) == (absent.status_code, absent.get_json()["code"])


def test_lists_show_a_client_nothing_of_others(world: World) -> None:
    lab = world.lab
    assert lab.call("GET", "/v1/sessions", token="jeol-pc").get_json()["sessions"] == []
    theirs = lab.call("GET", f"/v1/files?session={world.session}", token="second-pc").get_json()
    assert theirs["files"] == []
    world.ask("end", "titan-pc", {})
    assert lab.call("GET", "/v1/sessions", token="second-pc").get_json()["sessions"] == []


def test_a_client_sends_no_file_to_another_instruments_session(world: World) -> None:
    answer = world.lab.call("POST", "/v1/uploads", world.lab.upload_body(session=world.session), token="jeol-pc")
    assert (answer.status_code, answer.get_json()["code"]) == (403, "not_your_instrument")
    before = list(world.lab.backend.raw.list(""))
    assert [stored.name for stored in before] == [world.object]


def test_two_clients_never_write_one_object(world: World) -> None:
    names = {
        world.lab.call("POST", "/v1/uploads", world.lab.upload_body("same.dm3", session=where), token=token).get_json()[
            "object"
        ]
        for token in ("titan-pc", "second-pc")
        for where in (world.session, None)
    }
    assert len(names) == 4
