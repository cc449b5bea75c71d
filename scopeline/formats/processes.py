"""Where worker processes come from: the fork server on Linux, new Python processes elsewhere."""

from __future__ import annotations

import contextlib
import json
import logging
import os
import socket
import subprocess
import sys
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import BinaryIO, Protocol, cast

from scopeline.domain.errors import Unavailable

_log = logging.getLogger(__name__)

# One thread for each native library: the workers are the parallel part, and a process that forks may have no threads.
_ENVIRONMENT = {"OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1", "NUMBA_NUM_THREADS": "1"}
_PROGRAM = "scopeline.formats.worker"
_PRINTED_BYTES = 256 << 10
_END_SECONDS = 5.0


class Worker(Protocol):
    """A process that reads files: its channel, and its end."""

    requests: BinaryIO
    answers: BinaryIO

    @property
    def alive(self) -> bool:
        """Whether the process runs, as far as one can see now; asked while it is idle."""

    def kill(self) -> None:
        """End the process now; may be called from another thread while the channel is in use."""

    def end(self) -> int | None:
        """End the process and close the channel; the exit status (negative: a signal), None where nobody knows it."""

    def printed(self) -> str:
        """What native code of the process printed since it got its last file, as far as it is kept."""


class WorkerSource(Protocol):
    """Makes workers."""

    warning: str | None

    def start(self) -> None:
        """Get ready to make workers, without waiting until it is done."""

    def make(self) -> Worker:
        """A fresh worker. Raises Unavailable."""

    def close(self) -> None:
        """End everything that was started."""


class ForkServer:
    """Workers forked from one process without threads that has the heavy imports already (Linux).

    The server ends its workers and itself when the socket to it closes, so nothing outlives this process, however it
    ends; workers are killed when the server is (`worker.serve`).
    """

    warning: str | None = None

    def __init__(self, preload: Sequence[str]) -> None:
        self._preload = preload
        self._lock = threading.Lock()
        self._server: _Server | None = None
        self._closed = False

    def start(self) -> None:
        """Start the server. It imports its modules while this process goes on. Raises Unavailable."""
        with self._lock:
            if self._server is None and not self._closed:
                try:
                    self._server = _Server(self._preload)
                except OSError as error:
                    raise Unavailable(f"No reader process can be started: {error}.", code="readers_stopped") from error

    def make(self) -> Worker:
        """Fork a worker; a server that has gone is started again, once. Raises Unavailable."""
        for _ in range(2):
            self.start()
            server = self._server
            if server is None:
                raise Unavailable("The readers are closed: the service is ending.", code="readers_closed")
            try:
                return server.fork()
            except _ServerGone as gone:
                _log.warning("the process that starts readers went away: %s", gone)
                self._forget(server)
        raise Unavailable(
            "The process that starts readers cannot be kept running. The service's log says what it printed.",
            code="readers_stopped",
        )

    def close(self) -> None:
        """End the server and all its workers."""
        with self._lock:
            self._closed = True
            server, self._server = self._server, None
        if server:
            server.close()

    def _forget(self, server: _Server) -> None:
        with self._lock:
            if self._server is server:
                self._server = None
        server.close()


class _ServerGone(Exception):
    """The fork server does not answer any more."""


class _Server:
    """One fork server process and the socket to it."""

    def __init__(self, preload: Sequence[str]) -> None:
        self._lock = threading.Lock()
        self._printed = _capture()
        self._control, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with theirs:
            self._process = subprocess.Popen(
                _command("serve", str(theirs.fileno()), *preload),
                pass_fds=(theirs.fileno(),),
                stdin=subprocess.DEVNULL,
                stdout=self._printed,
                stderr=self._printed,
                env=_environment(),
            )

    def fork(self) -> ForkedWorker:
        """A new worker."""
        ours, theirs = socket.socketpair()
        printed = _capture()
        with theirs:
            try:
                answer = self._ask({"do": "fork"}, (theirs.fileno(), printed))
            except _ServerGone:
                ours.close()
                os.close(printed)
                raise
        return ForkedWorker(self, int(answer["pid"] or 0), ours, printed)

    def reap(self, pid: int) -> int | None:
        """Kill the worker where it lives; its exit status, None where the server is gone (and the worker with it)."""
        try:
            return self._ask({"do": "reap", "pid": pid})["status"]
        except _ServerGone:
            return None

    def close(self) -> None:
        """End the server, and so its workers."""
        with contextlib.suppress(OSError):
            self._control.shutdown(socket.SHUT_RDWR)
        try:
            self._process.wait(_END_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        with self._lock:
            self._control.close()
            if self._printed >= 0:
                os.close(self._printed)
                self._printed = -1

    def _ask(self, request: dict[str, object], descriptors: Sequence[int] = ()) -> dict[str, int | None]:
        with self._lock:
            try:
                socket.send_fds(self._control, [json.dumps(request).encode()], descriptors)
                answer = self._control.recv(4096)
            except OSError as error:
                raise _ServerGone(str(error)) from error
            if not answer:
                raise _ServerGone(_text(self._printed) or "it ended without a word")
        found: dict[str, int | None] = json.loads(answer)
        return found


class ForkedWorker:
    """A worker of the fork server."""

    def __init__(self, server: _Server, pid: int, channel: socket.socket, printed: int) -> None:
        self.pid = pid
        self._server = server
        self._channel = channel
        self._printed = printed
        self.requests: BinaryIO = channel.makefile("wb")
        self.answers: BinaryIO = channel.makefile("rb")
        self._status: int | None = None
        self._reaped = False
        self._lock = threading.Lock()

    @property
    def alive(self) -> bool:
        """Whether the process still holds its end of the channel."""
        try:
            self._channel.recv(1, socket.MSG_PEEK | socket.MSG_DONTWAIT)
        except BlockingIOError:
            return True
        except OSError:
            return False
        return False  # the channel's end, or words that nobody asked for

    def kill(self) -> None:
        """End the process; the channel then ends, too."""
        with self._lock:
            if not self._reaped:
                self._status = self._server.reap(self.pid)
                self._reaped = True

    def end(self) -> int | None:
        """End the process and close the channel."""
        self.kill()
        for stream in (self.requests, self.answers):
            with contextlib.suppress(OSError):  # what was not sent yet has no receiver any more
                stream.close()
        self._channel.close()
        os.close(self._printed)
        return self._status

    def printed(self) -> str:
        """What the worker's native code printed for its last file, and the stack of a crash."""
        return _text(self._printed)


class Spawner:
    """Each worker a new Python process, for systems without `fork` or without Linux's limits."""

    warning: str | None = (
        "On this system readers run without limits of memory and processor time: a hostile file can slow the computer "
        "down. The limit of time per file holds."
    )

    def __init__(self) -> None:
        self._made: list[SpawnedWorker] = []

    def start(self) -> None:
        """Nothing to prepare."""

    def make(self) -> Worker:
        """Start a worker. Raises Unavailable."""
        try:
            worker = SpawnedWorker()
        except OSError as error:
            raise Unavailable(f"No reader process can be started: {error}.", code="readers_stopped") from error
        self._made = [*(w for w in self._made if w.alive), worker]
        return worker

    def close(self) -> None:
        """Kill the workers that live."""
        for worker in self._made:
            worker.kill()


class SpawnedWorker:
    """A worker on the pipes of its standard input and output."""

    def __init__(self) -> None:
        self._process = subprocess.Popen(
            _command("work"),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env=_environment(),
        )
        self.requests = cast(BinaryIO, self._process.stdin)
        self.answers = cast(BinaryIO, self._process.stdout)

    @property
    def alive(self) -> bool:
        """Whether the process runs."""
        return self._process.poll() is None

    def kill(self) -> None:
        """End the process."""
        self._process.kill()

    def end(self) -> int | None:
        """End the process and close the pipes."""
        self._process.kill()
        status = self._process.wait()
        for stream in (self.requests, self.answers):
            with contextlib.suppress(OSError):
                stream.close()
        return status

    def printed(self) -> str:
        """Nothing is kept."""
        return ""


def _command(*arguments: str) -> list[str]:
    # -P: modules in the current folder, which may be a folder of somebody's data, are not to be imported.
    return [sys.executable, "-P", "-m", _PROGRAM, *arguments]


def _environment() -> dict[str, str]:
    """This process's environment, with the folder that this package is imported from on the path."""
    root = str(Path(__file__).resolve().parents[2])
    paths = [root, *filter(None, [os.environ.get("PYTHONPATH")])]
    return {**os.environ, **_ENVIRONMENT, "PYTHONPATH": os.pathsep.join(paths)}


def _capture() -> int:
    """A file in memory of fixed size: writing beyond its end fails, so that what is printed cannot fill anything."""
    import fcntl

    file = os.memfd_create("printed", os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
    os.ftruncate(file, _PRINTED_BYTES)
    fcntl.fcntl(file, fcntl.F_ADD_SEALS, fcntl.F_SEAL_GROW | fcntl.F_SEAL_SHRINK)
    return file


def _text(capture: int) -> str:
    return os.pread(capture, _PRINTED_BYTES, 0).split(b"\0", 1)[0].decode("utf-8", "replace").strip()
