"""The functions as functions-framework calls them: who is let in, and what is answered."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import functions_framework
import pytest
from werkzeug.test import Client, TestResponse

from scopeline.adapters.gcp.messages import PushedMessage
from scopeline.adapters.gcp.receiver import Outcome
from scopeline.adapters.gcp.topics import FLOWS
from scopeline.domain.errors import Unavailable

SOURCE = Path(__file__).resolve().parents[2] / "functions" / "main.py"
PUSHED = tuple(flow.function for flow in FLOWS)
NOWHERE = "127.0.0.1:9"


@pytest.fixture(autouse=True)
def environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """Settings, and emulators that are never asked in these tests."""
    for name, value in {
        "SCOPELINE_PROJECT": "functions-test",
        "SCOPELINE_RAW_BUCKET": "raw-b",
        "SCOPELINE_DERIVED_BUCKET": "derived-b",
        "PUBSUB_EMULATOR_HOST": NOWHERE,
        "FIRESTORE_EMULATOR_HOST": NOWHERE,
        "STORAGE_EMULATOR_HOST": f"http://{NOWHERE}",
    }.items():
        monkeypatch.setenv(name, value)
    # The process's log is pytest's.
    monkeypatch.setattr("scopeline.process_log.start_log", lambda _settings: None)
    monkeypatch.setattr("scopeline.process_log.start_function_log", lambda: None)


def serve(target: str) -> Client:
    return functions_framework.create_app(target, str(SOURCE)).test_client()


def push(attributes: dict[str, str], data: bytes = b"{}") -> dict[str, Any]:
    message = {
        "messageId": "1",
        "publishTime": "2026-02-06T12:00:00Z",
        "attributes": attributes,
        "data": base64.b64encode(data).decode(),
    }
    return {"message": message, "subscription": "projects/p/subscriptions/s"}


# What a bucket tells of an object's new metadata, which asks for nothing.
NOTHING = push({"eventType": "OBJECT_METADATA_UPDATE", "payloadFormat": "JSON_API_V1"})


def problem(answer: TestResponse) -> tuple[int, str]:
    assert answer.content_type == "application/problem+json"
    body = json.loads(answer.data)
    assert body["detail"]
    return answer.status_code, body["code"]


@pytest.mark.parametrize("target", PUSHED)
def test_a_message_that_asks_for_nothing_is_acknowledged(target: str) -> None:
    answer = serve(target).post("/", json=NOTHING)
    assert (answer.status_code, answer.data) == (204, b"")


@pytest.mark.parametrize("target", PUSHED)
@pytest.mark.parametrize("body", [b"", b"{}", b"\xff", b'{"message": 5}', b"[]"])
def test_what_is_no_push_is_refused(target: str, body: bytes) -> None:
    assert problem(serve(target).post("/", data=body, content_type="application/json")) == (400, "bad_message")


@pytest.mark.parametrize("target", [*PUSHED, "sweep"])
def test_in_cloud_run_a_call_without_a_token_is_refused(target: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("K_SERVICE", target)
    monkeypatch.setenv("SCOPELINE_PUSH_AUDIENCE", "https://scopeline.example")
    monkeypatch.setenv("SCOPELINE_PUSH_SERVICE_ACCOUNT", "push@scopeline.example")
    client = serve(target)
    assert problem(client.post("/", json=NOTHING)) == (401, "token_missing")


@pytest.mark.parametrize(("token_asked", "started"), [(True, 0), (False, 1)])
def test_nothing_is_started_for_who_may_not_push(
    token_asked: bool, started: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    starts: list[object] = []
    monkeypatch.setattr("scopeline.cloud_functions.CloudFunctions.start_readers", lambda parts: starts.append(parts))
    if token_asked:
        monkeypatch.setenv("K_SERVICE", "extract")
        monkeypatch.setenv("SCOPELINE_PUSH_AUDIENCE", "https://scopeline.example")
        monkeypatch.setenv("SCOPELINE_PUSH_SERVICE_ACCOUNT", "push@scopeline.example")
    serve("extract").post("/", json=NOTHING)
    assert len(starts) == started


@pytest.mark.parametrize("target", [*PUSHED, "sweep"])
def test_in_cloud_run_nothing_is_done_while_nobody_is_named_who_may_call(
    target: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("K_SERVICE", target)
    assert problem(serve(target).post("/", json=NOTHING)) == (500, "bad_setting")


def test_records_are_not_published_without_a_token(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SCOPELINE_RECORDS_URL", "https://records.example")
    assert problem(serve("publish_record").post("/", json=NOTHING)) == (500, "bad_setting")
    assert serve("build_session").post("/", json=NOTHING).status_code == 204


def test_the_api_answers_as_it_does_elsewhere() -> None:
    client = serve("api")
    assert client.get("/healthz").status_code == 200
    assert problem(client.get("/v1/sessions")) == (401, "token_missing")
    assert problem(client.get("/v1/nothing")) == (404, "not_found")
    assert json.loads(client.get("/v1/openapi.json").data)["openapi"]


class Stopped:
    """The parts of a process whose messages end in `receive`."""

    def __init__(self, receive: Callable[[PushedMessage], Outcome]) -> None:
        self.callers = self
        self.receive = receive

    def check(self, _authorization: str | None) -> None:
        return

    def receiver(self, _function: str) -> Stopped:
        return self


def receiving(monkeypatch: pytest.MonkeyPatch, receive: Callable[[PushedMessage], Outcome]) -> Client:
    monkeypatch.setattr("scopeline.cloud_functions.CloudFunctions", lambda: Stopped(receive))
    return serve("build_session")


def test_a_message_that_is_to_come_again_is_not_acknowledged(monkeypatch: pytest.MonkeyPatch) -> None:
    answer = receiving(monkeypatch, lambda _message: Outcome.AGAIN).post("/", json=NOTHING)
    assert answer.status_code == 503
    assert int(answer.headers["Retry-After"]) > 0


def test_a_store_that_is_away_lets_the_message_come_again(monkeypatch: pytest.MonkeyPatch) -> None:
    def receive(_message: PushedMessage) -> Outcome:
        raise Unavailable("Firestore is away.")

    answer = receiving(monkeypatch, receive).post("/", json=NOTHING)
    assert problem(answer) == (503, "unavailable")
    assert int(answer.headers["Retry-After"]) > 0


def test_an_unexpected_error_is_logged_and_lets_the_message_come_again(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def receive(_message: PushedMessage) -> Outcome:
        raise ZeroDivisionError("a secret")

    answer = receiving(monkeypatch, receive).post("/", json=NOTHING)
    assert problem(answer) == (500, "internal_error")
    assert b"a secret" not in answer.data
    assert "ZeroDivisionError" in caplog.text


SECRET = "Zm9v-tell-nobody"


@pytest.mark.parametrize("target", [*PUSHED, "sweep", "api"])
@pytest.mark.parametrize(
    ("name", "words"), [("SCOPELINE_RECORD_TOKEN", "Did you mean SCOPELINE_RECORDS_TOKEN"), ("SCOPELINE_PORT", "port")]
)
def test_a_caller_is_not_told_which_setting_is_wrong(
    target: str, name: str, words: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv(name, SECRET)
    answer = serve(target).post("/", json=NOTHING)
    assert problem(answer) == (500, "bad_setting")
    assert json.loads(answer.data)["detail"] == "A setting of this function is wrong; its log says which."
    assert name not in answer.text
    assert SECRET not in answer.text
    (said,) = [record for record in caplog.records if record.name == "scopeline.functions"]
    assert said.levelname == "ERROR"
    assert words in said.getMessage()


def test_loading_the_source_makes_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    # Wrong settings do not matter before a call.
    monkeypatch.setenv("SCOPELINE_PORT", "nonsense")
    assert problem(serve("extract").post("/", json=NOTHING)) == (500, "bad_setting")
