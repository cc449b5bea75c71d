"""The Google Cloud edition on this machine: emulators, functions and site, started and ended together."""

from __future__ import annotations

import json
import os
import signal
import socket
import socketserver
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
import uuid
from collections.abc import Iterator
from contextlib import ExitStack
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from google.api_core.exceptions import DeadlineExceeded, RetryError
from running import PROXY, Service, free_port, wait_for

from scopeline.bootstrap import google
from scopeline.demo import run
from scopeline.domain.events import StoredObject
from scopeline.domain.files import File, FileStatus
from scopeline.domain.names import file_id
from scopeline.local.cloud_edition import _emulator_problems, call_now_and_then
from scopeline.local.cloud_settings import EMULATED, PROJECT, with_names
from scopeline.local.emulators import Emulators
from scopeline.local.functions_process import (
    FunctionFailed,
    FunctionProcess,
    function_environment,
    settings_environment,
)
from scopeline.local.resources import living_endpoint
from scopeline.local.storage_emulator import EmulatorFailed
from scopeline.settings import FUNCTIONS, Settings, load_settings

pytestmark = pytest.mark.filterwarnings("ignore:subprocess .* is still running:ResourceWarning")


@pytest.fixture
def service(tmp_path: Path, emulators: Any) -> Iterator[Service]:
    names = {"SCOPELINE_PROJECT": f"edition-{uuid.uuid4().hex[:12]}", "SCOPELINE_LOG_FORMAT": "text"}
    environment = {**emulators.environment(), **names, **PROXY}
    made = Service(tmp_path, "--edition", "gcp", "--anonymous", environment=environment)
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


def pid_of(service: Service, words: str) -> int:
    """The first process of the service whose command line has the words; those that it forks come later."""
    return min((pid for pid, command in service.members().items() if words in command), default=0)


def environment_of(service: Service, target: str) -> dict[str, str]:
    """The environment of a function's first process."""
    variables = Path(f"/proc/{pid_of(service, f'--target {target} ')}/environ").read_text().split("\0")
    return dict(variable.split("=", 1) for variable in variables if "=" in variable)


def test_a_function_that_is_killed_comes_back_and_a_second_service_on_the_folder_is_refused(
    service: Service, ready: dict[str, Any], tmp_path: Path
) -> None:
    killed = pid_of(service, "--target build_session ")
    os.kill(killed, signal.SIGKILL)
    words = "WARNING scopeline.local: The function build_session ended with status -9 and is started"
    wait_for("the words about its end", lambda: words in service.complaints())
    wait_for("the function's new process", lambda: pid_of(service, "--target build_session ") not in (0, killed))
    second = Service(tmp_path, "--edition", "gcp", environment=service._environment)
    second.log, second._said = tmp_path / "second.log", tmp_path / "second.said"
    second.start()
    assert second.ended() == 1
    assert f"{service.data} is in use by process {service.pid}" in second.complaints()
    for target in FUNCTIONS:
        given = environment_of(service, target)
        # What a killed function would leave is where the next start removes it.
        assert given["TMPDIR"] == str(service.data / "tmp")
        # No more is told than in the cloud, though the service itself has more.
        assert given["SCOPELINE_PROJECT"] == ready["environment"]["SCOPELINE_PROJECT"]
        assert "SCOPELINE_DATA_DIR" not in given
        assert ("SCOPELINE_RECORDS_TOKEN" in given) == (target == "publish_record")


def end_in_the_middle(service: Service, how: str) -> None:
    """End something while files come; what is to be there goes on, or is started again."""
    if how == "extract is killed":
        os.kill(pid_of(service, "--target extract "), signal.SIGKILL)
        return
    if how == "all is killed":
        service.kill(group=True)
    else:
        assert service.terminate() == 0
    service.start()


@pytest.mark.parametrize("how", ["extract is killed", "all is killed", "it is ended"])
def test_what_comes_while_something_ends_is_read_soon_after(
    service: Service, ready: dict[str, Any], monkeypatch: pytest.MonkeyPatch, how: str
) -> None:
    for name, value in ready["environment"].items():
        monkeypatch.setenv(name, value)
    run.prepare(load_settings(), "titan", "Titan", "UTC")
    with google(load_settings()) as edition:
        stored = []
        for number in range(12):
            name = f"titan/20260206-titan-aaaaaa/titan-pc/data/{number}.txt"
            stored.append(edition.backend.raw.write(name, b"some words"))
            if number == 3:
                end_in_the_middle(service, how)
            time.sleep(0.5 if how == "extract is killed" else 0)

        def is_read(version: StoredObject) -> bool:
            found = edition.backend.catalog.get(File, f"files/{file_id(version.bucket, version.name)}")
            return found is not None and found.document.status is FileStatus.EXTRACTED

        wait_for("all files", lambda: all(map(is_read, stored)), seconds=180, pause=0.5)


def test_a_second_edition_does_not_take_the_messages_of_a_running_one(
    service: Service, ready: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "elsewhere").mkdir()
    second = Service(tmp_path / "elsewhere", "--edition", "gcp", environment=service._environment)
    second.start()
    assert second.ended() == 1
    project = ready["environment"]["SCOPELINE_PROJECT"]
    assert f"Another Scopeline works with the project {project} on these emulators" in second.complaints()
    assert service.get("/readyz") is not None
    for name, value in ready["environment"].items():
        monkeypatch.setenv(name, value)
    with google(load_settings()) as edition:
        assert living_endpoint(edition.backend.settings, edition.clients), "messages go to nobody any more"


def test_with_emulators_of_its_own_data_begin_empty_and_go_with_it_unless_one_fails(
    tmp_path: Path, emulators: Any
) -> None:
    unnamed = dict.fromkeys(emulators.environment(), "")
    service = Service(tmp_path, "--edition", "gcp", environment={**unnamed, "SCOPELINE_LOG_FORMAT": "text"})
    left = [service.data / EMULATED / name for name in ("site/site.sqlite3", "tmp/scopeline-reading-a")]
    kept = service.data / "site" / "of other emulators"
    for path in (*left, kept):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("of a killed run")
    try:
        service.start()
        wait_for("the service's ready line", service._ready_line, seconds=180)
        told = json.loads(service.said())
        assert told["environment"]["SCOPELINE_DATA_DIR"] == str(service.data / EMULATED)
        assert "what it stores is gone at its end" in told["notice"]
        assert "what it stores is gone at its end" in service.complaints()
        assert left[0].read_bytes() != b"of a killed run"
        assert not left[1].exists()
        assert kept.exists()
        # Not by chance in the system's folder.
        assert [path for path in (service.data / EMULATED).iterdir() if path.name.startswith("scopeline-emulators-")]
        os.kill(pid_of(service, "CloudFirestore start"), signal.SIGKILL)
        assert service.ended() == 1
        assert "scopeline: The firestore emulator ended with status -9: " in service.complaints()
        service.assert_nothing_left()
        assert f"is kept until the next one: {service.data / EMULATED}" in service.complaints()
        assert (service.data / EMULATED / "functions" / "api.log").is_file()
        service.start()
        wait_for("the service's second ready line", service._ready_line, seconds=180)
        assert service.terminate() == 0
        assert not (service.data / EMULATED).exists()
        assert kept.exists()
    finally:
        service.clean_up()


def test_emulators_of_the_environment_that_are_gone_are_told_with_what_to_unset(tmp_path: Path) -> None:
    gone = Emulators(f"http://127.0.0.1:{free_port()}", f"127.0.0.1:{free_port()}", f"127.0.0.1:{free_port()}")
    service = Service(tmp_path, "--edition", "gcp", environment=gone.environment())
    service.start()
    assert service.ended() == 1
    assert f"PUBSUB_EMULATOR_HOST={gone.pubsub}" in service.complaints()
    assert "unset STORAGE_EMULATOR_HOST FIRESTORE_EMULATOR_HOST PUBSUB_EMULATOR_HOST" in service.complaints()


class Unhelpful(socketserver.StreamRequestHandler):
    """Says that it is there, and does nothing that is asked: Google's clients wait for an answer in HTTP/2."""

    asked: threading.Event

    def handle(self) -> None:
        if self.rfile.readline().startswith(b"GET "):
            while self.rfile.readline().strip():
                pass
            self.wfile.write(b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
        else:
            self.asked.set()
            self.rfile.read()


class Server(socketserver.ThreadingTCPServer):
    """Handlers that still wait do not hold up its end."""

    daemon_threads = True


def test_a_start_that_waits_for_emulators_is_ended_by_a_signal(tmp_path: Path) -> None:
    handler = type("Handler", (Unhelpful,), {"asked": threading.Event()})
    with Server(("127.0.0.1", 0), handler) as server:
        serving = threading.Thread(target=server.serve_forever)
        serving.start()
        place = f"127.0.0.1:{server.server_address[1]}"
        service = Service(
            tmp_path, "--edition", "gcp", environment=Emulators(f"http://{place}", place, place).environment()
        )
        try:
            service.start()
            wait_for("a call", handler.asked.is_set)
            assert service.terminate() == 0
            service.assert_nothing_left()
        finally:
            service.clean_up()
            server.shutdown()
            serving.join()


@pytest.mark.parametrize("raised", [DeadlineExceeded("Late\nand more"), RetryError("Timeout of 60 s", None)])
def test_what_the_emulators_refuse_is_a_sentence(raised: Exception) -> None:
    expected = rf"STORAGE_EMULATOR_HOST=http://s:1.*{type(raised).__name__}: [^\n]*$"
    with pytest.raises(EmulatorFailed, match=expected), _emulator_problems(Emulators("http://s:1", "f:2", "p:3")):
        raise raised


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
    home = {"HOME": str(tmp_path / "home"), "XDG_RUNTIME_DIR": ""}
    (tmp_path / "home").mkdir()
    given = function_environment(checked, "extract")
    environment = {**given, **emulators.environment(), **home, "K_SERVICE": "extract"}
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


def test_a_function_leaves_nothing_in_its_users_home(function: FunctionProcess, tmp_path: Path) -> None:
    function.wait_until_ready()
    with pytest.raises(urllib.error.HTTPError) as refused:
        urllib.request.urlopen(urllib.request.Request(function.url, data=b"{}", method="POST"), timeout=60)
    refused.value.close()
    function.stop()
    assert list((tmp_path / "home").iterdir()) == []


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


def lines_of(function: FunctionProcess) -> list[dict[str, Any]]:
    """Its log; each line is an entry of Cloud Logging."""
    return [json.loads(line) for line in function.log.read_text().splitlines()]


def test_each_line_of_a_functions_log_is_json_whoever_speaks(function: FunctionProcess) -> None:
    function.wait_until_ready()
    with pytest.raises(urllib.error.HTTPError) as refused:
        urllib.request.urlopen(urllib.request.Request(function.url, data=b"{}", method="POST"), timeout=60)
    refused.value.close()
    child = function._child
    assert child is not None
    (worker,) = Path(f"/proc/{child.pid}/task/{child.pid}/children").read_text().split()
    os.kill(int(worker), signal.SIGKILL)
    wait_for("the words of gunicorn", lambda: "gunicorn.error" in function.log.read_text())
    spoken = {line["logger"]: line for line in lines_of(function)}
    assert spoken["scopeline.functions"]["message"].startswith("extract was refused")
    assert worker in spoken["gunicorn.error"]["message"]


def test_a_wrong_setting_is_json_in_the_log_and_not_told_to_callers(tmp_path: Path) -> None:
    environment = {"SCOPELINE_RECORD_TOKEN": "tell-nobody", "SCOPELINE_PROJECT": "p"}
    process = FunctionProcess("publish_record", "127.0.0.1", free_port(), environment, tmp_path / "publish.log")
    process.start()
    try:
        process.wait_until_ready()
        with pytest.raises(urllib.error.HTTPError) as refused:
            urllib.request.urlopen(urllib.request.Request(process.url, data=b"{}", method="POST"), timeout=60)
        with refused.value as answer:
            body = answer.read()
        assert (answer.code, json.loads(body)["code"]) == (500, "bad_setting")
        assert b"RECORD" not in body
        (line,) = lines_of(process)
        assert line["severity"] == "ERROR"
        assert "There is no setting SCOPELINE_RECORD_TOKEN." in line["message"]
        assert "tell-nobody" not in process.log.read_text()
    finally:
        process.stop()


def test_a_function_that_cannot_start_is_told_with_its_last_words(tmp_path: Path) -> None:
    process = FunctionProcess("nothing", "127.0.0.1", free_port(), {}, tmp_path / "nothing.log")
    process.start()
    with pytest.raises(FunctionFailed, match=r"The function nothing ended with status 1: .*nothing\.log"):
        process.wait_until_ready()


def test_the_end_of_a_line_is_no_reason_why_a_function_ended(tmp_path: Path) -> None:
    process = FunctionProcess("nothing", "127.0.0.1", free_port(), {}, tmp_path / "nothing.log")
    process.log.write_text(json.dumps({"severity": "INFO", "message": "Read file " + "a" * 100_000}) + "\n")
    assert process._last_words().startswith("it said nothing of it.")


def test_what_is_not_named_has_names_of_this_machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("scopeline.local.cloud_settings.default_data_folder", lambda: tmp_path)
    named = with_names(Settings())
    assert (named.edition, named.project, named.raw_bucket, named.derived_bucket, named.data_dir) == (
        "gcp",
        PROJECT,
        f"{PROJECT}-raw",
        f"{PROJECT}-derived",
        tmp_path / "gcp",
    )
    assert named.attempts == 30
    given = Settings(project="p", raw_bucket="r", derived_bucket="d", data_dir=tmp_path / "mine", attempts=8)
    assert with_names(given) == given.model_copy(update={"edition": "gcp"})


def test_another_process_has_the_same_settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    given = Settings(anonymous=True, data_dir=tmp_path, records_token="a-secret", raw_mount=tmp_path, copied_bytes=5)
    for name, value in settings_environment(given).items():
        monkeypatch.setenv(name, value)
    assert load_settings() == given


def test_a_function_has_the_settings_that_it_reads_and_no_others(tmp_path: Path) -> None:
    given = Settings(pid_prefix="hdl:20.500/", attempts=3, records_token="a-secret", data_dir=tmp_path, project="p")
    seen = {function: function_environment(given, function) for function in FUNCTIONS}
    assert {function for function, told in seen.items() if told.get("SCOPELINE_PROJECT") == "p"} == {*FUNCTIONS}
    assert {function for function, told in seen.items() if told.get("SCOPELINE_ATTEMPTS") == "3"} == {
        "extract",
        "build_session",
        "publish_record",
    }
    assert {function for function, told in seen.items() if "SCOPELINE_RECORDS_TOKEN" in told} == {"publish_record"}
    assert {function for function, told in seen.items() if "SCOPELINE_PID_PREFIX" in told} == {"api", "build_session"}
    assert not any("SCOPELINE_DATA_DIR" in told for told in seen.values())


def test_a_function_has_no_settings_of_the_process_that_starts_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SCOPELINE_NOBODY_KNOWS", "this")
    monkeypatch.setenv("scopeline_attempts", "nonsense")
    made = FunctionProcess("api", "127.0.0.1", free_port(), {"SCOPELINE_PROJECT": "p"}, tmp_path / "api.log")
    made.start()
    try:
        assert made._child is not None
        wait_for("the function's program", lambda: b"--target" in Path(f"/proc/{made._child.pid}/cmdline").read_bytes())
        variables = Path(f"/proc/{made._child.pid}/environ").read_text().split("\0")
        assert [each for each in variables if each.upper().startswith("SCOPELINE")] == ["SCOPELINE_PROJECT=p"]
    finally:
        made.stop()


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
