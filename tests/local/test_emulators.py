"""The emulators as a set that starts, answers, and leaves nothing behind."""

from __future__ import annotations

import logging
import os
import shutil
import signal
import socket
import subprocess
import sys
import threading
import urllib.request
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest
from running import PATIENCE, living, wait_for

from scopeline.domain.errors import InvalidInput
from scopeline.local import emulators as local
from scopeline.local.storage_emulator import (
    BUILDING,
    VARIABLE,
    EmulatorFailed,
    EmulatorsMissing,
    build,
    storage_binary,
)
from scopeline.local.unused_ports import unused_port
from scopeline.settings import load_settings

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="binding children to their parent is Linux's prctl(2)")

MODULE = [sys.executable, "-m", "scopeline.local.emulators"]
NAMES = ("STORAGE_EMULATOR_HOST", "FIRESTORE_EMULATOR_HOST", "PUBSUB_EMULATOR_HOST")
GO_MAIN = "package main\n\nfunc main() { println(%s) }\n"


@pytest.fixture
def programs(emulators: local.Emulators) -> None:
    """Leaves a test out, with the reason, where the emulators are not installed."""
    assert local.find_programs()


@pytest.fixture
def process(programs: None) -> Iterator[list[subprocess.Popen[str]]]:
    """Processes in sessions of their own that a test starts; none outlives it."""
    started: list[subprocess.Popen[str]] = []
    yield started
    for one in started:
        for pid in living(one.pid):
            os.kill(pid, signal.SIGKILL)
        one.communicate()


def start(process: list[subprocess.Popen[str]], *arguments: str) -> subprocess.Popen[str]:
    environment = {name: value for name, value in os.environ.items() if name not in NAMES}
    one = subprocess.Popen(
        [*MODULE, *arguments], stdout=subprocess.PIPE, text=True, start_new_session=True, env=environment
    )
    process.append(one)
    return one


def said(one: subprocess.Popen[str], lines: int) -> dict[str, str]:
    assert one.stdout is not None
    exports = [one.stdout.readline().strip().removeprefix("export ").partition("=") for _ in range(lines)]
    return {name: value for name, _, value in exports}


def assert_nothing_left(one: subprocess.Popen[str]) -> None:
    wait_for("the end of the emulators", lambda: not living(one.pid))


def answers(address: str) -> bool:
    with urllib.request.urlopen(address if "://" in address else f"http://{address}/", timeout=10) as answer:
        return bool(answer.status == 200)


def test_all_three_answer_and_end_with_the_context(programs: None) -> None:
    with local.emulators() as started:
        assert answers(f"{started.storage}/_internal/healthcheck")
        assert answers(started.firestore)
        assert answers(started.pubsub)
        assert set(started.pids) == {"storage", "firestore", "pubsub"}
        # A test may have stopped one or killed another.
        os.kill(started.pids["firestore"], signal.SIGSTOP)
        os.kill(started.pids["pubsub"], signal.SIGKILL)
    assert not [pid for pid in started.pids.values() if Path(f"/proc/{pid}").exists()]


def test_clients_find_them_by_the_printed_environment(process) -> None:
    one = start(process)
    exported = said(one, 3)
    assert set(exported) == set(NAMES)
    assert answers(exported["PUBSUB_EMULATOR_HOST"])
    assert answers(exported["STORAGE_EMULATOR_HOST"] + "/_internal/healthcheck")


@pytest.mark.parametrize(
    ("number", "status"),
    [(signal.SIGINT, 0), (signal.SIGTERM, 128 + signal.SIGTERM), (signal.SIGKILL, -signal.SIGKILL)],
)
def test_nothing_outlives_the_one_that_started_them(process, number: int, status: int) -> None:
    one = start(process)
    said(one, 3)
    assert len(living(one.pid)) == 4
    one.send_signal(number)
    assert one.wait(PATIENCE) == status
    assert_nothing_left(one)


def test_command_runs_with_them_and_its_status_is_ours(process) -> None:
    code = (
        "import os, sys; print(*(f'{n}={v}' for n, v in os.environ.items() if 'EMULATOR' in n), sep='\\n'); sys.exit(7)"
    )
    one = start(process, "--", sys.executable, "-c", code)
    output, _ = one.communicate(timeout=PATIENCE)
    assert set(NAMES) <= {line.partition("=")[0] for line in output.splitlines()}
    assert one.returncode == 7
    assert_nothing_left(one)


def test_killed_command_has_the_status_that_a_shell_gives_it(process) -> None:
    one = start(process, "--", sys.executable, "-c", "import os; os.kill(os.getpid(), 9)")
    assert one.wait(PATIENCE) == 128 + signal.SIGKILL


def test_ended_starter_ends_its_command(process) -> None:
    one = start(process, "--", sys.executable, "-c", "import time; print('export runs=1', flush=True); time.sleep(600)")
    said(one, 1)
    one.terminate()
    assert one.wait(PATIENCE) == 128 + signal.SIGTERM
    assert_nothing_left(one)


def test_running_ones_are_those_of_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in zip(NAMES, ("http://s:1", "f:2", "p:3"), strict=True):
        monkeypatch.setenv(name, value)
    found = local.running_emulators()
    assert found == local.Emulators(storage="http://s:1", firestore="f:2", pubsub="p:3")
    assert found.environment() == dict(zip(NAMES, ("http://s:1", "f:2", "p:3"), strict=True))
    monkeypatch.delenv(NAMES[1])
    with pytest.raises(InvalidInput, match=NAMES[1]) as refused:
        local.running_emulators()
    assert refused.value.code == "bad_setting"
    monkeypatch.setenv(NAMES[0], "")
    monkeypatch.delenv(NAMES[2])
    assert local.running_emulators() is None


def test_those_that_do_not_answer_are_named_by_their_variables() -> None:
    with socket.socket() as deaf, HTTPServer(("127.0.0.1", 0), BaseHTTPRequestHandler) as server:
        deaf.bind(("127.0.0.1", 0))
        deaf.listen()
        serving = threading.Thread(target=server.serve_forever)
        serving.start()
        # It knows no path (501), but it is there.
        there, gone = f"127.0.0.1:{server.server_port}", f"127.0.0.1:{unused_port('127.0.0.1')}"
        found = local.Emulators(storage=f"http://{there}", firestore=f"127.0.0.1:{deaf.getsockname()[1]}", pubsub=gone)
        assert found.silent() == ["FIRESTORE_EMULATOR_HOST", "PUBSUB_EMULATOR_HOST"]
        server.shutdown()
        serving.join()


@pytest.mark.parametrize("host", ["127.0.0.1", "[::1]", "127.0.0.2"])
def test_an_answer_of_the_networks_proxy_is_none_of_theirs(host: str, monkeypatch: pytest.MonkeyPatch) -> None:
    gone = f"{host}:{unused_port('127.0.0.1')}"
    with HTTPServer(("127.0.0.1", 0), BaseHTTPRequestHandler) as proxy:
        serving = threading.Thread(target=proxy.serve_forever)
        serving.start()
        monkeypatch.setenv("http_proxy", f"http://127.0.0.1:{proxy.server_port}")
        monkeypatch.delenv("no_proxy", raising=False)
        monkeypatch.delenv("NO_PROXY", raising=False)
        found = local.Emulators(storage=f"http://{gone}", firestore=gone, pubsub=gone)
        assert len(found.silent()) == 3
        proxy.shutdown()
        serving.join()


def test_missing_java_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(EmulatorsMissing, match="java") as missing:
        local.find_programs()
    assert missing.value.code == "emulators_missing"


def program(folder: Path, name: str, text: str = "#!/bin/sh\n") -> Path:
    made = folder / name
    made.write_text(text)
    made.chmod(0o755)
    return made


def test_missing_cloud_sdk_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    program(tmp_path, "java")
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.delenv("CLOUDSDK_ROOT_DIR", raising=False)
    with pytest.raises(EmulatorsMissing, match="gcloud"):
        local.find_programs()


def test_missing_emulator_of_the_sdk_is_named_with_its_component(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    program(tmp_path, "java")
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setenv("CLOUDSDK_ROOT_DIR", str(tmp_path))
    with pytest.raises(EmulatorsMissing, match="gcloud components install cloud-firestore-emulator"):
        local.find_programs()
    jar = tmp_path / "platform" / "cloud-firestore-emulator" / "cloud-firestore-emulator.jar"
    jar.parent.mkdir(parents=True)
    jar.touch()
    with pytest.raises(EmulatorsMissing, match="google-cloud-cli-pubsub-emulator"):
        local.find_programs()


def test_check_says_what_is_missing(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    environment = {**os.environ, "PATH": str(tmp_path)}
    done = subprocess.run([*MODULE, "--check"], env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert "java" in done.stderr
    assert "(emulators_missing)" in done.stderr


def test_emulator_that_does_not_start_is_told_with_its_last_words(
    programs: None, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv(VARIABLE, str(program(tmp_path, "broken", "#!/bin/sh\necho no luck today\nexit 3\n")))
    with pytest.raises(EmulatorFailed, match="storage emulator ended with status 3: no luck today"), local.emulators():
        pass


def test_given_storage_emulator_is_taken(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    given = program(tmp_path, "mine")
    monkeypatch.setenv(VARIABLE, str(given))
    assert storage_binary() == given
    load_settings()  # which refuses unknown names that begin with SCOPELINE_


def test_given_storage_emulator_that_is_no_program_is_refused(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv(VARIABLE, str(tmp_path / "missing"))
    with pytest.raises(EmulatorsMissing, match=VARIABLE):
        storage_binary()


# ------------------------------------------------------------------------------------------------------- building


@pytest.fixture
def sources(tmp_path: Path, programs: None) -> Path:
    folder = tmp_path / "sources"
    folder.mkdir()
    (folder / "go.mod").write_text("module said\n\ngo 1.25\n")
    (folder / "main.go").write_text(GO_MAIN % '"one"')
    return folder


@pytest.fixture
def builds(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, sources: Path) -> Path:
    """A file with a line for each call of the compiler."""
    calls, folder = tmp_path / "calls", tmp_path / "bin"
    folder.mkdir()
    calls.touch()
    program(folder, "go", f'#!/bin/sh\necho build >> "{calls}"\nexec "{shutil.which("go")}" "$@"\n')
    monkeypatch.setenv("PATH", str(folder), prepend=os.pathsep)
    return calls


def run(binary: Path) -> str:
    return subprocess.run([binary], capture_output=True, text=True, check=True).stderr.strip()


def test_program_is_built_once_for_each_state_of_its_sources(sources: Path, builds: Path, tmp_path: Path) -> None:
    cache = tmp_path / "cache"
    first = build(sources, cache)
    assert build(sources, cache) == first
    (sources / "main.go").write_text(GO_MAIN % '"two"')
    second = build(sources, cache)
    assert (run(first), run(second)) == ("one", "two")
    assert builds.read_text() == "build\n" * 2


def test_of_those_who_ask_at_the_same_time_one_builds(sources: Path, builds: Path, tmp_path: Path) -> None:
    made: list[Path] = []
    askers = [threading.Thread(target=lambda: made.append(build(sources, tmp_path / "cache"))) for _ in range(4)]
    for asker in askers:
        asker.start()
    for asker in askers:
        asker.join(PATIENCE)
    assert len(made) == 4
    assert len(set(made)) == 1
    assert builds.read_text() == "build\n"


@pytest.mark.parametrize("kept", [0, 0.5], ids=["no bytes", "half of the bytes"])
def test_a_kept_program_that_lost_its_bytes_is_built_again(
    sources: Path, builds: Path, tmp_path: Path, kept: float
) -> None:
    cache = tmp_path / "cache"
    binary = build(sources, cache)
    os.truncate(binary, int(binary.stat().st_size * kept))
    assert build(sources, cache) == binary
    assert run(binary) == "one"
    build(sources, cache)
    assert builds.read_text() == "build\n" * 2


def test_a_program_has_its_bytes_on_the_disk_before_its_name(
    sources: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    synced: list[tuple[int, list[Path]]] = []

    def noted(descriptor: int) -> None:
        synced.append((os.fstat(descriptor).st_ino, list((tmp_path / "cache").glob("gcs-emulator-*"))))

    monkeypatch.setattr(os, "fsync", noted)
    binary = build(sources, tmp_path / "cache")
    assert synced == [(binary.stat().st_ino, [])]


def test_what_a_killed_build_left_is_removed_by_the_next(sources: Path, tmp_path: Path) -> None:
    left = tmp_path / "cache" / "tmpabcdefgh"
    left.mkdir(parents=True)
    (left / "gcs-emulator-0123").write_bytes(b"half")
    binary = build(sources, tmp_path / "cache")
    assert {path.name for path in (tmp_path / "cache").iterdir()} == {"lock", binary.name}


class Marker(logging.Handler):
    """Makes a file when something is logged."""

    def __init__(self, file: Path) -> None:
        super().__init__()
        self.file = file

    def emit(self, record: logging.LogRecord) -> None:
        self.file.write_text(record.getMessage())


def test_a_build_that_takes_long_is_told_before_its_end(
    sources: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "bin").mkdir()
    told = tmp_path / "told"
    compiler = f'while [ ! -s "{told}" ]; do sleep 0.01; done\nexec "{shutil.which("go")}" "$@"'
    program(tmp_path / "bin", "go", f"#!/bin/sh\n{compiler}\n")
    monkeypatch.setenv("PATH", str(tmp_path / "bin"), prepend=os.pathsep)
    monkeypatch.setattr("scopeline.local.storage_emulator.QUIET_SECONDS", 0.01)
    marker = Marker(told)
    logging.getLogger("scopeline.local").addHandler(marker)
    try:
        build(sources, tmp_path / "cache")
    finally:
        logging.getLogger("scopeline.local").removeHandler(marker)
    assert told.read_text() == BUILDING


def test_a_program_that_is_there_or_quickly_made_is_not_told_of(
    sources: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("scopeline.local.storage_emulator.QUIET_SECONDS", PATIENCE)
    build(sources, tmp_path / "cache")
    monkeypatch.setattr("scopeline.local.storage_emulator.QUIET_SECONDS", 0)
    build(sources, tmp_path / "cache")
    assert BUILDING not in caplog.text
    assert not [thread for thread in threading.enumerate() if isinstance(thread, threading.Timer) and thread.is_alive()]


def test_what_the_compiler_says_is_told_and_nothing_is_kept(sources: Path, tmp_path: Path) -> None:
    (sources / "main.go").write_text(GO_MAIN % "undefinedName")
    with pytest.raises(EmulatorFailed, match="undefinedName"):
        build(sources, tmp_path / "cache")
    assert [path.name for path in (tmp_path / "cache").iterdir()] == ["lock"]


def test_missing_go_is_named(sources: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(EmulatorsMissing, match="Install Go"):
        build(sources, tmp_path / "cache")


def test_missing_sources_are_named(tmp_path: Path) -> None:
    with pytest.raises(EmulatorsMissing, match="checkout"):
        build(tmp_path, tmp_path / "cache")
