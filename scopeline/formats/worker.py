"""The processes that read files: the fork server, and the workers that it forks.

Nothing here is called by the service itself: `pool` starts this module as a program of its own and speaks with it in
frames (an eight-byte length, then JSON). A worker handles one file after the other until its channel is closed.
"""

from __future__ import annotations

import contextlib
import errno
import importlib
import json
import os
import signal
import socket
import struct
import sys
import traceback
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any, BinaryIO, NoReturn

RESULT, FAILURE, TROUBLE = b"R", b"F", b"T"  # of the file: what it holds, why not; of this computer

_REASON_LENGTH = 1000
_LENGTH = struct.Struct(">Q")
_PR_SET_PDEATHSIG = 1
_OOM_SCORE = "500"  # of -1000 to 1000: when memory runs out, a reader goes before the service


@dataclass(frozen=True, slots=True)
class Limits:
    """What reading one file may take. All but `wall_seconds` and `answer_bytes` are enforced on Linux only."""

    memory_bytes: int = 3 << 30  # RLIMIT_DATA: private writable memory; mapped files do not count
    cpu_seconds: int = 300
    wall_seconds: float = 600.0
    answer_bytes: int = 64 << 20
    written_bytes: int = 256 << 20  # RLIMIT_FSIZE: the largest file that a reader may write


class ChannelClosed(Exception):
    """The other side is gone, or closed the channel."""


class NotTaken(ChannelClosed):
    """The other side ended before it took all that was sent."""


class AnswerTooLong(Exception):
    """The other side announces a frame beyond the limit."""


def send(channel: BinaryIO, message: bytes) -> None:
    """Write one frame. Raises NotTaken."""
    try:
        channel.write(_LENGTH.pack(len(message)))
        channel.write(message)
        channel.flush()
    except (OSError, ValueError) as error:
        raise NotTaken(str(error)) from error


def receive(channel: BinaryIO, limit: int) -> bytes:
    """Read one frame of at most `limit` bytes. Raises ChannelClosed (of a socket: NotTaken) or AnswerTooLong."""
    (length,) = _LENGTH.unpack(_exactly(channel, _LENGTH.size))
    if length > limit:
        raise AnswerTooLong(f"{length:,} bytes were announced, at most {limit:,} are accepted")
    return _exactly(channel, length)


def _exactly(channel: BinaryIO, size: int) -> bytes:
    try:
        data = channel.read(size)
    except ConnectionResetError as error:
        # unix(7) on Linux: the other side closed its socket while something that was sent to it was still unread.
        raise NotTaken(str(error)) from error
    except (OSError, ValueError) as error:
        raise ChannelClosed(str(error)) from error
    if data is None or len(data) < size:
        raise ChannelClosed("the channel ended")
    return data


# ------------------------------------------------------------------------------------------------------- fork server


def serve(control: socket.socket, preload: Sequence[str]) -> None:
    """Fork workers on demand until `control` ends; then end them all.

    Requests are JSON, one a message: {"do": "fork"} with two descriptors (the worker's channel, and the file that takes
    what native libraries print), answered by {"pid"}; {"do": "reap", "pid"}: the worker is killed if it lives, and
    {"status"} is its exit status as subprocess has it (negative: the signal).
    """
    for name in preload:
        importlib.import_module(name)
    workers: set[int] = set()
    try:
        while True:
            message, descriptors, _, _ = socket.recv_fds(control, 4096, 2)
            if not message:
                return
            request = json.loads(message)
            if request["do"] == "fork":
                pid = _fork(control, *descriptors)
                workers.add(pid)
                answer: dict[str, int | None] = {"pid": pid}
            else:
                pid = int(request["pid"])
                answer = {"status": _reap(pid) if pid in workers else None}
                workers.discard(pid)
            control.send(json.dumps(answer).encode())
    except ConnectionError:
        return
    finally:
        for pid in workers:
            _reap(pid)


def _fork(control: socket.socket, channel: int, printed: int) -> int:
    pid = os.fork()
    if pid:
        os.close(channel)
        os.close(printed)
        return pid
    # From here on it is the worker, which must never return into the server's loop.
    try:
        control.close()
        _die_with_parent()
        os.dup2(printed, 1)
        os.dup2(printed, 2)
        os.close(printed)
        _print_nowhere()
        with os.fdopen(channel, "rb", closefd=False) as requests, os.fdopen(channel, "wb") as answers:
            work(requests, answers)
        os._exit(0)
    except BaseException:  # noqa: BLE001 - printed, for the service's log
        traceback.print_exc()
    finally:
        os._exit(1)


def _reap(pid: int) -> int:
    # The worker is our child and not yet waited for, so the number cannot be another process's.
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, signal.SIGKILL)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


def _die_with_parent() -> None:
    """Be killed when the fork server ends, however it does (prctl(2), PR_SET_PDEATHSIG)."""
    import ctypes

    parent = os.getppid()
    ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    if os.getppid() != parent:
        os._exit(1)


# ------------------------------------------------------------------------------------------------------------ worker


def work(requests: BinaryIO, answers: BinaryIO) -> None:
    """Read one file for each request until the requests end."""
    if sys.platform == "linux":
        _be_modest()
    while True:
        try:
            message = json.loads(receive(requests, sys.maxsize))
        except ChannelClosed:
            return
        limits = Limits(**message["limits"])
        if sys.platform == "linux":
            _renew_limits(limits)
        send(answers, _answer(message["request"], limits))


def _be_modest() -> None:
    import faulthandler
    import resource

    faulthandler.enable()
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    with contextlib.suppress(OSError), open("/proc/self/oom_score_adj", "w") as file:  # noqa: PTH123
        file.write(_OOM_SCORE)


def _renew_limits(limits: Limits) -> None:
    """Soft limits for the next file. Hard ones stay, so that the processor time can be raised again."""
    import resource

    used = resource.getrusage(resource.RUSAGE_SELF)
    cpu = int(used.ru_utime + used.ru_stime) + limits.cpu_seconds + 1
    for kind, value in (
        (resource.RLIMIT_DATA, limits.memory_bytes),
        (resource.RLIMIT_CPU, cpu),
        (resource.RLIMIT_FSIZE, limits.written_bytes),
    ):
        hard = resource.getrlimit(kind)[1]
        resource.setrlimit(kind, (value if hard == resource.RLIM_INFINITY else min(value, hard), hard))
    _forget_printed()


def _forget_printed() -> None:
    """Empty the file that takes what is printed: what was said of the last file does not concern this one."""
    with contextlib.suppress(OSError):
        os.pwrite(2, bytes(os.lseek(2, 0, os.SEEK_CUR)), 0)
        os.lseek(2, 0, os.SEEK_SET)


def _answer(request: dict[str, Any], limits: Limits) -> bytes:
    """The answer for one file: a kind (RESULT, FAILURE or TROUBLE), then JSON or the reason in words."""
    from scopeline.formats.extract import extract_file
    from scopeline.formats.results import ExtractRequest

    try:
        return RESULT + extract_file(ExtractRequest.model_validate(request)).model_dump_json().encode()
    except MemoryError:
        return FAILURE + _words(f"Reading takes more than {limits.memory_bytes >> 20:,} MiB, which a reader may use.")
    except OSError as error:
        if error.errno == errno.EFBIG:
            return FAILURE + _words(f"The reader wrote a file larger than {limits.written_bytes >> 20:,} MiB.")
        return TROUBLE + _words(f"{error.strerror or error} ({error.filename})" if error.filename else str(error))
    except Exception as error:  # noqa: BLE001 - the process boundary: whatever a reader raises is the file's reason
        traceback.print_exc()
        return FAILURE + _words(f"The reader stopped with an error: {type(error).__name__}: {error}")


def _words(text: str) -> bytes:
    return " ".join(text.split())[:_REASON_LENGTH].encode("utf-8", "replace")


def request_frame(request: dict[str, Any], limits: Limits) -> bytes:
    """The frame's content that asks a worker for one file."""
    return json.dumps({"request": request, "limits": asdict(limits)}).encode()


def _print_nowhere() -> None:
    """What Python code prints goes nowhere, so that a full capture is no error of the reader."""
    sys.stdout = open(os.devnull, "w")  # noqa: PTH123, SIM115 - as long as the process


def main(arguments: Sequence[str]) -> None:
    """`serve FD MODULE...` is the fork server (Linux); `work` is one worker on standard input and output."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C goes to the whole group: the service ends its readers itself
    if arguments[0] == "serve":
        with socket.socket(fileno=int(arguments[1])) as control:
            serve(control, arguments[2:])
        return
    answers = os.fdopen(os.dup(1), "wb")
    nothing = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nothing, 1)
    os.dup2(nothing, 2)
    work(sys.stdin.buffer, answers)


def _run() -> NoReturn:
    main(sys.argv[1:])
    # Threads or exit handlers of a native library shall not keep the process.
    os._exit(0)


if __name__ == "__main__":
    _run()
