"""The Google Cloud edition on this machine: emulators, functions and site, started and ended together."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import threading
import urllib.error
import urllib.request
import uuid
from collections.abc import Iterator
from contextlib import ExitStack
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from running import Service, free_port, wait_for

from scopeline.demo import run
from scopeline.local.cloud_edition import PROJECT, call_now_and_then, with_names
from scopeline.local.functions_process import FunctionFailed, FunctionProcess, settings_environment
from scopeline.settings import Settings, load_settings

pytestmark = pytest.mark.filterwarnings("ignore:subprocess .* is still running:ResourceWarning")


@pytest.fixture
def service(tmp_path: Path, emulators: Any) -> Iterator[Service]:
    names = {"SCOPELINE_PROJECT": f"edition-{uuid.uuid4().hex[:12]}", "SCOPELINE_LOG_FORMAT": "text"}
    made = Service(tmp_path, "--edition", "gcp", "--anonymous", environment={**emulators.environment(), **names})
    yield made
    made.clean_up()


@pytest.fixture
def ready(service: Service) -> dict[str, Any]:
    service.start()
    return dict(wait_for("the service's ready line", service._ready_line, seconds=180) and json.loads(service.said()))


def fetch(url: str, **headers: str) -> tuple[int, bytes]:
    with urllib.request.urlopen(urllib.request.Request(url, headers=headers), timeout=30) as answer:
        return answer.status, answer.read()


@pytest.mark.data
def test_a_file_of_the_logger_becomes_a_page_and_nothing_is_left_when_the_service_is_killed(
    service: Service, ready: dict[str, Any], tmp_path: Path, titan_session: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Another command finds the edition by what was printed.
    for name, value in ready["environment"].items():
        monkeypatch.setenv(name, value)
    access = run.prepare(load_settings(), "titan", "Titan", "America/Denver")
    seen = run.Service(ready["api"], ready["site"], access.admin)
    name = "orion-zeiss_dataZeroed.tif"
    saved = tmp_path / "saved"
    saved.mkdir()
    (saved / name).write_bytes((titan_session / name).read_bytes())
    session = run.play_session(
        seen,
        access.client,
        tmp_path / "work",
        run.folder_part(saved),
        user="Ada Test",
        instrument="titan",
        say=lambda _words: None,
    )
    assert name.encode() in seen.page(f"{ready['site']}/record/{session}")
    (file,) = seen.get(f"/v1/files?session={session}")["files"]
    place = f"{ready['site']}/files/{file['id']}/{file['generation']}"
    # The API answers with a signed address of the bucket; the site follows it and passes the bytes on.
    whole = (saved / name).read_bytes()
    assert fetch(f"{place}/{name}") == (200, whole)
    assert fetch(f"{place}/{name}", Range="bytes=10-19") == (206, whole[10:20])
    assert fetch(f"{place}/0/preview")[1].startswith(b"\x89PNG")
    processes = service.members().values()
    for function in ("api", "extract", "build_session", "publish_record", "sweep"):
        assert any(f"--target {function} " in command for command in processes), function
    service.kill(group=False)


def test_other_commands_find_it_and_its_data_are_there_at_the_next_start(
    service: Service, ready: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in ready["environment"].items():
        monkeypatch.setenv(name, value)
    access = run.prepare(load_settings(), "titan", "Titan", "UTC")
    listed = subprocess.run(
        [sys.executable, "-m", "scopeline", "instruments", "list", "--json"],
        capture_output=True,
        timeout=60,
        check=True,
    )
    assert [instrument["id"] for instrument in json.loads(listed.stdout)] == ["titan"]
    assert service.terminate() == 0
    service.assert_nothing_left()
    service.start()
    wait_for("the service's second ready line", service._ready_line, seconds=180)
    instruments = service.get("/v1/me", access.client)["instruments"]
    assert [instrument["id"] for instrument in instruments] == ["titan"]


def test_a_port_that_is_taken_is_told_before_anything_starts(tmp_path: Path, emulators: Any) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        service = Service(tmp_path, "--edition", "gcp", port=other.getsockname()[1])
        service.start()
        assert service.ended() == 1
    assert "Cannot listen" in service.complaints()
    assert not service.members()


@pytest.fixture
def function(tmp_path: Path, emulators: Any) -> Iterator[FunctionProcess]:
    """`extract` as Cloud Run runs it, where callers are checked."""
    settings = with_names(Settings(project=f"checked-{uuid.uuid4().hex[:12]}", data_dir=tmp_path))
    checked = settings.model_copy(
        update={"push_audience": "https://scopeline.example", "push_service_account": "push@scopeline.example"}
    )
    environment = {**settings_environment(checked), **emulators.environment(), "K_SERVICE": "extract"}
    made = FunctionProcess("extract", "127.0.0.1", free_port(), environment, tmp_path / "extract.log")
    made.start()
    yield made
    made.stop()


def test_an_unsigned_push_is_refused_where_functions_check_their_callers(function: FunctionProcess) -> None:
    function.wait_until_ready()
    asked = urllib.request.Request(function.url, data=b"{}", method="POST")
    with pytest.raises(urllib.error.HTTPError) as refused:
        urllib.request.urlopen(asked, timeout=60)
    with refused.value as answer:
        assert (answer.code, json.loads(answer.read())["code"]) == (401, "token_missing")


def test_the_workers_of_a_function_end_when_its_first_process_is_killed(
    function: FunctionProcess, tmp_path: Path
) -> None:
    function.wait_until_ready()
    child = function._child
    assert child is not None
    workers = wait_for("a worker", lambda: Path(f"/proc/{child.pid}/task/{child.pid}/children").read_text().split())
    os.kill(child.pid, signal.SIGKILL)
    child.wait()
    wait_for("the end of the workers", lambda: not any(Path(f"/proc/{worker}/stat").exists() for worker in workers))


def test_a_function_that_cannot_start_is_told_with_its_last_words(tmp_path: Path) -> None:
    process = FunctionProcess("nothing", "127.0.0.1", free_port(), {}, tmp_path / "nothing.log")
    process.start()
    with pytest.raises(FunctionFailed, match=r"The function nothing ended with status 1: .*nothing\.log"):
        process.wait_until_ready()


def test_what_is_not_named_has_names_of_this_machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("scopeline.local.cloud_edition.default_data_folder", lambda: tmp_path)
    named = with_names(Settings())
    assert (named.edition, named.project, named.raw_bucket, named.derived_bucket, named.data_dir) == (
        "gcp",
        PROJECT,
        f"{PROJECT}-raw",
        f"{PROJECT}-derived",
        tmp_path / "gcp",
    )
    given = Settings(project="p", raw_bucket="r", derived_bucket="d", data_dir=tmp_path / "mine")
    assert with_names(given) == given.model_copy(update={"edition": "gcp"})


def test_another_process_has_the_same_settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    given = Settings(anonymous=True, data_dir=tmp_path, records_token="a-secret", raw_mount=tmp_path, copied_bytes=5)
    for name, value in settings_environment(given).items():
        monkeypatch.setenv(name, value)
    assert load_settings() == given


class Scheduled(BaseHTTPRequestHandler):
    """Counts calls; the first one fails."""

    calls: list[str]

    def do_POST(self) -> None:
        self.calls.append(self.command)
        self.send_response(500 if len(self.calls) == 1 else 200)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_arguments: object) -> None:
        return


def test_the_sweep_is_called_again_and_again_until_the_end(caplog: pytest.LogCaptureFixture) -> None:
    handler = type("Handler", (Scheduled,), {"calls": []})
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        serving = threading.Thread(target=server.serve_forever)
        serving.start()
        with ExitStack() as stack:
            call_now_and_then(stack, f"http://127.0.0.1:{server.server_port}", 0.01)
            wait_for("calls after a failed one", lambda: len(handler.calls) >= 3)
        ended = len(handler.calls)
        server.shutdown()
        serving.join()
    assert not [thread for thread in threading.enumerate() if thread.name == "sweep"]
    assert len(handler.calls) == ended
    assert "answered 500" in caplog.text
