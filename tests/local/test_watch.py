"""What is looked after while the Google Cloud edition runs on this machine."""

from __future__ import annotations

import logging
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from running import PATIENCE, free_port

from scopeline.local.emulators import Emulators, Started
from scopeline.local.functions_process import FIRST_PAUSE_SECONDS, LONGEST_PAUSE_SECONDS, FunctionProcess
from scopeline.local.watch import Watch

pytestmark = pytest.mark.filterwarnings("ignore:subprocess .* is still running:ResourceWarning")


class Answering(BaseHTTPRequestHandler):
    """Any answer says that somebody is there."""

    def do_GET(self) -> None:
        self.send_response(404)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_arguments: object) -> None:
        return


@contextmanager
def answering(port: int) -> Iterator[None]:
    with ThreadingHTTPServer(("127.0.0.1", port), Answering) as server:
        serving = threading.Thread(target=server.serve_forever)
        serving.start()
        yield
        server.shutdown()
        serving.join()


def never() -> bool:
    return False


def test_the_silence_of_others_emulators_is_told_once_and_its_end_too(caplog: pytest.LogCaptureFixture) -> None:
    port = free_port()
    place = f"127.0.0.1:{port}"
    found = Emulators(f"http://{place}", place, place)
    watch = Watch([], found, lambda: pytest.fail("they are not ours"), 0.0)
    with answering(port):
        watch.look(never)
        assert not caplog.records
    watch.look(never)
    watch.look(never)
    (told,) = caplog.records
    assert told.levelno == logging.ERROR
    assert f"PUBSUB_EMULATOR_HOST={place}" in told.getMessage()
    with answering(port):
        watch.look(never)
        watch.look(never)
    assert [record.getMessage() for record in caplog.records[1:]] == ["The emulators of the environment answer again."]
    assert watch.failure is None


def test_the_end_of_an_own_emulator_is_the_end_of_all_and_told_with_its_last_words(tmp_path: Path) -> None:
    log = tmp_path / "pubsub"
    with log.open("wb") as said:
        code = "import sys; sys.stdin.read(); print('no memory'); sys.exit(3)"
        child = subprocess.Popen([sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=said)
    ended: list[str] = []
    found = Emulators("http://s:1", "f:2", "p:3", (Started("pubsub", child, log),))
    watch = Watch([], found, lambda: ended.append("called"), 0.0)
    watch.look(never)
    assert (ended, watch.failure) == ([], None)
    child.communicate(timeout=60)
    watch.look(never)
    watch.look(never)
    assert ended == ["called"]
    assert str(watch.failure).startswith("The pubsub emulator ended with status 3: no memory What was stored is gone")


@pytest.fixture
def ending(tmp_path: Path) -> Iterator[FunctionProcess]:
    """A function that ends at once."""
    process = FunctionProcess("nothing", "127.0.0.1", free_port(), {}, tmp_path / "nothing.log")
    yield process
    process.stop()


def ended(process: FunctionProcess) -> int:
    """Its process, when that has ended."""
    child = process._child
    assert child is not None
    assert child.wait(PATIENCE) == 1
    return child.pid


def test_a_function_that_ends_again_and_again_is_started_later_each_time(
    ending: FunctionProcess, caplog: pytest.LogCaptureFixture
) -> None:
    ending.start()
    for pause in (FIRST_PAUSE_SECONDS, 2 * FIRST_PAUSE_SECONDS):
        pid, now = ended(ending), time.monotonic()
        ending.start_again_where_it_ended(now)
        ending.start_again_where_it_ended(now + pause / 2)
        assert ended(ending) == pid
        assert f"ended with status 1 and is started again in {pause:.0f} s" in caplog.messages[-1]
        ending.start_again_where_it_ended(now + pause)
        assert ended(ending) != pid
    # One that ran for a while is not one that ends again and again.
    ending.start_again_where_it_ended(time.monotonic() + 2 * LONGEST_PAUSE_SECONDS)
    assert f"is started again in {FIRST_PAUSE_SECONDS:.0f} s" in caplog.messages[-1]
    assert len(caplog.messages) == 3


@pytest.mark.parametrize(
    ("lines", "told"),
    [
        (['{"severity": "ERROR", "message": "Full."}', '{"severity": "INFO", "message": "Ends."}'], "Full"),
        (["2026-02-06T12:00:00Z WARNING a: Full.", "2026-02-06T12:00:01Z INFO a: Ends."], "WARNING a: Full"),
        (["Segmentation fault", ""], "Segmentation fault"),
    ],
)
def test_the_reason_of_an_end_is_the_last_complaint_since_the_start(
    ending: FunctionProcess, caplog: pytest.LogCaptureFixture, lines: list[str], told: str
) -> None:
    old = '{"severity": "ERROR", "message": "Of another run."}\n'
    ending.log.write_text(old)
    ending.start()
    ended(ending)
    ending.log.write_text(old)
    ending.start_again_where_it_ended(time.monotonic())
    assert "it said nothing of it" in caplog.messages[-1]
    ending.start_again_where_it_ended(time.monotonic() + LONGEST_PAUSE_SECONDS)
    ended(ending)
    with ending.log.open("a") as log:
        log.writelines(f"{line}\n" for line in lines)
    ending.start_again_where_it_ended(time.monotonic())
    assert f"{told}. See {ending.log}" in caplog.messages[-1]


def test_a_function_that_is_stopped_stays_away(ending: FunctionProcess, caplog: pytest.LogCaptureFixture) -> None:
    ending.start()
    ending.begin_stop()
    child = ending._child
    assert child is not None
    child.wait(PATIENCE)
    for later in (0.0, 2 * LONGEST_PAUSE_SECONDS):
        ending.start_again_where_it_ended(time.monotonic() + later)
    assert ending._child is child
    assert not caplog.records
