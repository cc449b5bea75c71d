"""Reading files in worker processes, so that a crash, a hang or a bomb is that file's reason and nothing more."""

from __future__ import annotations

import contextlib
import logging
import queue
import signal
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from types import TracebackType
from typing import TYPE_CHECKING, Self

from scopeline.domain.errors import Unavailable
from scopeline.formats.processes import ForkServer, Spawner, Worker, WorkerSource
from scopeline.formats.worker import (
    FAILURE,
    RESULT,
    TROUBLE,
    AnswerTooLong,
    ChannelClosed,
    Limits,
    NotTaken,
    receive,
    request_frame,
    send,
)

if TYPE_CHECKING:
    from scopeline.formats.results import Extracted, ExtractRequest

_log = logging.getLogger(__name__)

# Imported once by the fork server and shared by all its workers.
PRELOAD = ("numpy", "dask.array", "scopeline.formats.preview", "scopeline.formats.extract")

_PLACEHOLDER = "placeholder.png"

_SIGNAL_WORDS = {
    "SIGSEGV": "segmentation fault",
    "SIGBUS": "bus error; the file may have become shorter while it was read",
    "SIGABRT": "abort",
    "SIGFPE": "arithmetic error",
    "SIGILL": "illegal instruction",
    "SIGKILL": "killed; the computer may have run out of memory",
    "SIGTERM": "terminated",
}


class ReaderPool:
    """Worker processes that read files, each used for many files and replaced after a failure.

    Call `start` early: on Linux it starts the fork server from which workers come. `extract` may be called from any
    number of threads; as many files as there are workers are read at a time. On other systems each worker is a new
    Python process, without limits of memory and processor time, which `warning` says.
    """

    def __init__(
        self,
        workers: int = 2,
        *,
        files_per_worker: int = 200,
        limits: Limits | None = None,
        preload: Sequence[str] = PRELOAD,
    ) -> None:
        if workers < 1 or files_per_worker < 1:
            raise ValueError(f"workers ({workers}) and files_per_worker ({files_per_worker}) must be at least 1")
        self.limits = limits or Limits()
        self._files_per_worker = files_per_worker
        self._source: WorkerSource = ForkServer(preload) if sys.platform == "linux" else Spawner()
        self._slots: queue.LifoQueue[_Slot] = queue.LifoQueue()
        for _ in range(workers):
            self._slots.put(_Slot())
        self._closed = threading.Event()

    @property
    def warning(self) -> str | None:
        """What this system cannot protect against; None on Linux."""
        return self._source.warning

    def start(self) -> Self:
        """Start what workers come from. Returns at once; its imports go on meanwhile."""
        self._source.start()
        return self

    def close(self) -> None:
        """End all workers. Files that are being read raise Unavailable in their callers."""
        self._closed.set()
        self._source.close()
        with contextlib.suppress(queue.Empty):
            while True:
                self._slots.get_nowait().end()

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def extract(self, request: ExtractRequest, limits: Limits | None = None) -> Extracted:
        """Read one file in a worker.

        Whatever happens to the worker is the result's reason. Raises Unavailable where the pool is closed or no worker
        can be started, which says nothing about the file.
        """
        with self._slot() as slot:
            return self._extract(slot, request, limits or self.limits)

    @contextlib.contextmanager
    def _slot(self) -> Iterator[_Slot]:
        while True:
            self._check_open()
            try:
                slot = self._slots.get(timeout=0.5)
                break
            except queue.Empty:
                continue
        try:
            yield slot
        finally:
            if slot.worker and (slot.files >= self._files_per_worker or self._closed.is_set()):
                slot.end()
            self._slots.put(slot)

    def _check_open(self) -> None:
        if self._closed.is_set():
            raise Unavailable("The readers are closed: the service is ending.", code="readers_closed")

    def _extract(self, slot: _Slot, request: ExtractRequest, limits: Limits) -> Extracted:
        if slot.worker and not slot.worker.alive:
            _log.warning("an idle reader is gone: %s", _ended(slot.end()))
        for _ in range(2):
            started = time.monotonic()
            worker = slot.worker or slot.begin(self._source.make())
            slot.files += 1
            try:
                return self._ask(worker, request, limits)
            except _ReaderGone as gone:
                printed = worker.printed()
                status = slot.end()
                self._check_open()
                if gone.reason is None and (status is None or not gone.had_file):
                    # Not this file's doing: the fork server was stopped, or the worker ended before it took the file.
                    _log.warning("a reader is gone that did not have %r: %s", request.file_name, _ended(status))
                    continue
                reason = gone.reason or _ended(status, limits)
                _log.warning("reading %r failed: %s", request.file_name, reason)
                if printed:
                    _log.info("the reader of %r printed:\n%s", request.file_name, printed)
                return _failed(request, reason, time.monotonic() - started)
            except BaseException:
                slot.end()  # its answer may still come, and would be taken for that of the next file
                raise
        raise Unavailable(f"Readers were stopped twice before they read {request.file_name!r}.", code="readers_stopped")

    def _ask(self, worker: Worker, request: ExtractRequest, limits: Limits) -> Extracted:
        alarm = _Alarm(worker, limits.wall_seconds)
        with alarm:
            try:
                send(worker.requests, request_frame(request.model_dump(mode="json"), limits))
                answer = receive(worker.answers, limits.answer_bytes)
            except ChannelClosed as error:
                alarm.stop()
                reason = f"The reader took longer than {limits.wall_seconds:g} s." if alarm.rang else None
                raise _ReaderGone(reason, had_file=not isinstance(error, NotTaken)) from error
            except AnswerTooLong as error:
                most = f"{limits.answer_bytes >> 20:,} MiB"
                raise _ReaderGone(f"The file's metadata takes more than the {most} that are accepted.") from error
        if alarm.rang:
            raise _ReaderGone(f"The reader took longer than {limits.wall_seconds:g} s.")
        return _understood(answer, request)


class _ReaderGone(Exception):
    """The worker cannot be used any more; `reason` says why where its exit status does not.

    `had_file` is whether it ended after the file was handed over to it.
    """

    def __init__(self, reason: str | None, *, had_file: bool = True) -> None:
        super().__init__(reason)
        self.reason = reason
        self.had_file = had_file


class _Alarm:
    """Kills a worker that takes too long; its channel then ends."""

    def __init__(self, worker: Worker, seconds: float) -> None:
        self.rang = False
        self._worker = worker
        self._timer = threading.Timer(seconds, self._ring)
        self._timer.daemon = True

    def _ring(self) -> None:
        self.rang = True
        self._worker.kill()

    def __enter__(self) -> Self:
        self._timer.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def stop(self) -> None:
        """No ringing after this returns; `rang` is final."""
        self._timer.cancel()
        self._timer.join()


class _Slot:
    """The place of one worker, and how many files the worker that stands in it was given."""

    def __init__(self) -> None:
        self.worker: Worker | None = None
        self.files = 0

    def begin(self, worker: Worker) -> Worker:
        """Take a fresh worker."""
        self.worker, self.files = worker, 0
        return worker

    def end(self) -> int | None:
        """Stop the worker; its exit status, or None where nobody knows it."""
        if self.worker is None:
            return None
        worker, self.worker = self.worker, None
        return worker.end()


def _understood(answer: bytes, request: ExtractRequest) -> Extracted:
    """The result that a worker sent. Workers are not trusted: what is not about the request is not taken."""
    from scopeline.formats.results import Extracted

    kind, content = answer[:1], answer[1:]
    if kind == FAILURE:
        raise _ReaderGone(content.decode("utf-8", "replace"))
    if kind == TROUBLE:
        raise Unavailable(f"Reading {request.file_name!r}: {content.decode('utf-8', 'replace')}", code="reader_trouble")
    try:
        result = Extracted.model_validate_json(content)
    except ValueError as error:
        raise _ReaderGone("The reader's answer could not be understood.") from error
    if kind != RESULT or result.file != request.file_name or not _previews_stand(result, request):
        raise _ReaderGone("The reader's answer is about another file, or names pictures that are not there.")
    return result


def _previews_stand(result: Extracted, request: ExtractRequest) -> bool:
    previews = [each.preview for each in result.datasets] + [result.placeholder]
    names = [each.object for each in previews if each is not None]
    if request.preview_dir is None:
        return not names
    return all("/" not in name and (request.preview_dir / name).is_file() for name in names)


def _failed(request: ExtractRequest, reason: str, seconds: float) -> Extracted:
    """The result of a file whose reader failed, with a placeholder where pictures are wanted."""
    from scopeline.domain.files import FileStatus, Preview
    from scopeline.formats.preview import placeholder
    from scopeline.formats.results import Extracted

    result = Extracted(file=request.file_name, status=FileStatus.FAILED, reason=reason, seconds=round(seconds, 6))
    if request.preview_dir is not None:
        picture = placeholder(request.file_name, FileStatus.FAILED, reason)
        picture.save(request.preview_dir / _PLACEHOLDER)
        result.placeholder = Preview(
            object=_PLACEHOLDER, width=picture.width, height=picture.height, caption=picture.caption
        )
    return result


def _ended(status: int | None, limits: Limits | None = None) -> str:
    """Why a worker ended, in words."""
    if status is None:
        return "The process that started it was stopped."
    if status >= 0:
        return f"The reader ended by itself with status {status} before it answered."
    try:
        name = signal.Signals(-status).name
    except ValueError:
        name = ""
    if name == "SIGXCPU" and limits:
        return f"The reader used more than {limits.cpu_seconds} s of processor time."
    words = _SIGNAL_WORDS.get(name, name)
    return f"The reader was stopped by signal {-status}{f' ({words})' if words else ''}."
