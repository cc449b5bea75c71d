"""Files are read in worker processes: whatever happens to one is that file's reason and nothing more."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import BinaryIO

import pytest

from scopeline.domain.errors import Unavailable
from scopeline.domain.files import FileStatus
from scopeline.formats.pool import ReaderPool
from scopeline.formats.processes import Spawner
from scopeline.formats.results import ExtractRequest
from scopeline.formats.worker import Limits, send

linux = pytest.mark.skipif(sys.platform != "linux", reason="limits and the fork server are Linux's")

# Stands in for the readers in the worker: what the file's text says, happens. It is imported by the fork server, so
# that the real pool, server, worker, limits and signals are what is tested.
READER = """
import ctypes, os, signal, sys, time
import scopeline.formats.extract
from scopeline.domain.files import FileStatus
from scopeline.formats.results import Extracted

def extract_file(request):
    text = (request.folder / request.file_name).read_text()
    result = Extracted(file=request.file_name, status=FileStatus.EXTRACTED, reader="stand-in")
    if text == "pid":
        result.reason = str(os.getpid())
    elif text == "segfault":
        ctypes.string_at(0)
    elif text == "hang":
        signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})
        (request.folder / "hanging").touch()
        time.sleep(600)
    elif text == "spin":
        while True:
            pass
    elif text == "bomb":
        blocks = [bytearray(64 << 20) for _ in range(1000)]
    elif text == "raise":
        raise RuntimeError("no such\\nluck")
    elif text == "exit":
        os._exit(3)
    elif text == "unrelated":
        result.file = "another.dm3"
    elif text == "long":
        result.metadata = [{"text": "x" * (3 << 20)}]
    elif text == "nonsense":
        return type("Nonsense", (), {"model_dump_json": lambda self: "{]"})()
    elif text == "print":
        os.write(1, b"x" * 1_000) ; print("y" * 1_000_000) ; os.write(2, b"z" * 1_000)
    elif text == "write":
        with open(request.folder / "big", "wb") as file:
            for _ in range(64):
                file.write(bytes(1 << 20))
    elif text == "disk full":
        raise OSError(28, "No space left on device", "/previews/0.png")
    return result

scopeline.formats.extract.extract_file = extract_file
"""


@pytest.fixture
def reader(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """The name of the module that stands in for the readers."""
    folder = tmp_path / "modules"
    folder.mkdir()
    (folder / "stand_in_reader.py").write_text(READER)
    monkeypatch.setenv("PYTHONPATH", str(folder))
    return "stand_in_reader"


@pytest.fixture
def pool(reader: str) -> Iterator[ReaderPool]:
    with ReaderPool(2, preload=[reader], limits=Limits(memory_bytes=1 << 30, answer_bytes=1 << 20)) as pool:
        yield pool


@pytest.fixture
def request_for(tmp_path: Path) -> Callable[[str], ExtractRequest]:
    def make(text: str) -> ExtractRequest:
        name = f"{text.replace(' ', '_')}.dm3"
        (tmp_path / name).write_text(text)
        return ExtractRequest(folder=tmp_path, file_name=name)

    return make


Requests = Callable[[str], ExtractRequest]


def gone(pid: int) -> bool:
    """Whether no process has that number any more, dead ones that nobody waited for apart."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except (FileNotFoundError, ProcessLookupError):
        return True


def wait_until_gone(*pids: int) -> None:
    end = time.monotonic() + 20
    while not all(gone(pid) for pid in pids):
        assert time.monotonic() < end, f"of {pids}, some are still running"
        time.sleep(0.02)


@linux
@pytest.mark.parametrize(
    ("text", "limits", "words"),
    [
        ("segfault", {}, "signal 11 (segmentation fault)"),
        ("hang", {"wall_seconds": 0.3}, "took longer than 0.3 s"),
        ("spin", {"cpu_seconds": 0}, "processor time"),
        ("bomb", {"memory_bytes": 600 << 20}, "more than 600 MiB"),
        ("raise", {}, "RuntimeError: no such luck"),
        ("exit", {}, "status 3"),
        ("unrelated", {}, "another file"),
        ("long", {"answer_bytes": 1 << 20}, "more than the 1 MiB"),
        ("nonsense", {}, "could not be understood"),
        ("write", {"written_bytes": 1 << 20}, "larger than 1 MiB"),
    ],
)
def test_what_happens_to_a_reader_is_its_files_reason(
    pool: ReaderPool, request_for: Requests, text: str, limits: dict[str, float], words: str
) -> None:
    before = pool.extract(request_for("pid"))
    result = pool.extract(request_for(text), Limits(**limits))  # type: ignore[arg-type]
    assert result.status is FileStatus.FAILED
    assert result.file == f"{text}.dm3"
    assert result.reason is not None
    assert words in result.reason
    after = pool.extract(request_for("pid"))
    assert after.status is FileStatus.EXTRACTED
    assert after.reason != before.reason, "a worker that failed is replaced"
    assert gone(int(before.reason or 0))


@linux
def test_a_failed_file_gets_a_labelled_picture(pool: ReaderPool, request_for: Requests, tmp_path: Path) -> None:
    previews = tmp_path / "previews"
    previews.mkdir()
    result = pool.extract(request_for("segfault").model_copy(update={"preview_dir": previews}))
    assert result.placeholder is not None
    assert (previews / result.placeholder.object).read_bytes().startswith(b"\x89PNG")
    assert result.placeholder.caption is not None
    assert "segmentation fault" in result.placeholder.caption


@linux
def test_a_full_disk_is_not_the_files_fault(pool: ReaderPool, request_for: Requests) -> None:
    with pytest.raises(Unavailable, match="No space left"):
        pool.extract(request_for("disk full"))


@linux
def test_what_readers_print_is_kept_off_the_terminal(
    pool: ReaderPool, request_for: Requests, capfd: pytest.CaptureFixture[str]
) -> None:
    assert pool.extract(request_for("print")).status is FileStatus.EXTRACTED
    assert capfd.readouterr() == ("", "")


@linux
def test_the_stack_of_a_crash_is_logged(
    pool: ReaderPool, request_for: Requests, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level("INFO"):
        pool.extract(request_for("print"))
        pool.extract(request_for("segfault"))
    assert "Fatal Python error: Segmentation fault" in caplog.text
    assert "zzz" not in caplog.text, "what was printed for an earlier file"


@linux
def test_a_worker_reads_several_files_and_is_then_replaced(reader: str, request_for: Requests) -> None:
    with ReaderPool(1, preload=[reader], files_per_worker=2) as pool:
        pids = [pool.extract(request_for("pid")).reason for _ in range(4)]
    assert pids[0] == pids[1] != pids[2] == pids[3]


@linux
def test_many_threads_share_the_workers(pool: ReaderPool, request_for: Requests) -> None:
    requests = [request_for(text) for text in ["pid", "segfault", "pid", "exit", "pid", "raise"] * 5]
    with ThreadPoolExecutor(8) as threads:
        results = list(threads.map(pool.extract, requests))
    assert [r.file for r in results] == [r.file_name for r in requests]
    for request, result in zip(requests, results, strict=True):
        wanted = FileStatus.EXTRACTED if request.file_name == "pid.dm3" else FileStatus.FAILED
        assert result.status is wanted


@linux
def test_limits_of_a_worker(pool: ReaderPool, request_for: Requests) -> None:
    pid = int(pool.extract(request_for("pid"), Limits(memory_bytes=500 << 20)).reason or 0)
    limits = Path(f"/proc/{pid}/limits").read_text()
    found = {line[:25].strip(): line[26:].split()[0] for line in limits.splitlines()}
    assert found["Max data size"] == str(500 << 20)
    assert found["Max address space"] == "unlimited", "mapped files may be larger than memory"
    assert found["Max core file size"] == "0"
    assert int(Path(f"/proc/{pid}/oom_score_adj").read_text()) == 500


@linux
def test_a_stopped_fork_server_is_started_again(pool: ReaderPool, request_for: Requests) -> None:
    pid = int(pool.extract(request_for("pid")).reason or 0)
    server = int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])
    os.kill(server, signal.SIGKILL)
    wait_until_gone(pid)
    again = int(pool.extract(request_for("pid")).reason or 0)
    assert again != pid


@linux
@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGSEGV])
def test_a_worker_that_died_while_it_was_idle_is_no_files_reason(
    pool: ReaderPool, request_for: Requests, number: signal.Signals
) -> None:
    pid = int(pool.extract(request_for("pid")).reason or 0)
    os.kill(pid, number)
    wait_until_gone(pid)
    after = pool.extract(request_for("pid"))
    assert (after.status, after.file) == (FileStatus.EXTRACTED, "pid.dm3")
    assert after.reason != str(pid)
    crashed = pool.extract(request_for("segfault"))
    assert crashed.status is FileStatus.FAILED, "a death after the file was handed over is that file's"


@linux
@pytest.mark.parametrize("when", ["before it is sent", "before it is read"])
def test_a_worker_that_dies_before_it_takes_the_file_is_replaced(
    pool: ReaderPool, request_for: Requests, monkeypatch: pytest.MonkeyPatch, when: str
) -> None:
    pid = int(pool.extract(request_for("pid")).reason or 0)
    os.kill(pid, signal.SIGSTOP)  # it lives, and reads nothing any more
    dead: list[int] = []

    def send_to_the_dying(channel: BinaryIO, message: bytes) -> None:
        if when == "before it is read":
            send(channel, message)
        if not dead:
            os.kill(pid, signal.SIGKILL)
            wait_until_gone(pid)
            dead.append(pid)
        if when == "before it is sent":
            send(channel, message)

    monkeypatch.setattr("scopeline.formats.pool.send", send_to_the_dying)
    result = pool.extract(request_for("pid"))
    assert dead == [pid]
    assert result.status is FileStatus.EXTRACTED
    assert result.reason != str(pid)


@linux
def test_closing_ends_all_and_interrupts_what_is_read(reader: str, request_for: Requests, tmp_path: Path) -> None:
    pool = ReaderPool(2, preload=[reader]).start()
    pid = int(pool.extract(request_for("pid")).reason or 0)
    raised: list[Exception] = []
    hanging = request_for("hang")

    def read() -> None:
        try:
            pool.extract(hanging)
        except Unavailable as error:
            raised.append(error)

    thread = threading.Thread(target=read)
    thread.start()
    while not (tmp_path / "hanging").exists():
        time.sleep(0.01)
    pool.close()
    thread.join(20)
    assert [error.code for error in raised if isinstance(error, Unavailable)] == ["readers_closed"]
    wait_until_gone(pid)
    with pytest.raises(Unavailable):
        pool.extract(request_for("pid"))


def server_of(worker: int) -> int:
    return int(Path(f"/proc/{worker}/stat").read_text().rpartition(")")[2].split()[1])


def children(pid: int) -> list[int]:
    return [int(each) for each in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


@linux
def test_a_killed_service_leaves_no_process(reader: str, tmp_path: Path) -> None:
    (tmp_path / "hang.dm3").write_text("hang")
    (tmp_path / "pid.dm3").write_text("pid")
    program = f"""
import sys, threading
from pathlib import Path
from scopeline.formats.pool import ReaderPool
from scopeline.formats.results import ExtractRequest
pool = ReaderPool(2, preload=[{reader!r}]).start()
hang = ExtractRequest(folder=Path({str(tmp_path)!r}), file_name="hang.dm3")
threading.Thread(target=pool.extract, args=(hang,)).start()
pid = pool.extract(hang.model_copy(update={{"file_name": "pid.dm3"}})).reason
print(pid, flush=True)
threading.Event().wait()
"""
    root = Path(__file__).resolve().parents[2]
    environment = {**os.environ, "PYTHONPATH": f"{root}{os.pathsep}{os.environ['PYTHONPATH']}"}
    with subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, env=environment) as service:
        assert service.stdout is not None
        worker = int(service.stdout.readline())
        server = server_of(worker)
        everyone = [server, *children(server)]
        assert worker in everyone
        service.kill()
        wait_until_gone(*everyone)


def test_a_spawned_worker_reads_as_well(monkeypatch: pytest.MonkeyPatch, reader: str, tmp_path: Path) -> None:
    (tmp_path / "nothing.dm3").write_bytes(b"")
    (tmp_path / "hang.fifo").write_bytes(b"")
    pool = ReaderPool(1, preload=[])
    monkeypatch.setattr(pool, "_source", Spawner())
    with pool:
        assert pool.warning is not None
        assert "without limits" in pool.warning
        result = pool.extract(ExtractRequest(folder=tmp_path, file_name="nothing.dm3"))
        assert result.status in (FileStatus.UNREADABLE, FileStatus.UNSUPPORTED)
        late = pool.extract(ExtractRequest(folder=tmp_path, file_name="nothing.dm3"), Limits(wall_seconds=0.0))
        assert late.reason is not None
        assert "took longer" in late.reason


def test_a_pool_needs_a_worker() -> None:
    with pytest.raises(ValueError, match="at least 1"):
        ReaderPool(0)
