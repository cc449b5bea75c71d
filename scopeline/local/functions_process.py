"""A Cloud Run function as a process of this machine: functions-framework with gunicorn, as the cloud runs it.

`python -m scopeline.local.functions_process OPTIONS...` is the command `functions-framework OPTIONS...`, whose worker
processes also end when the first one is killed.
"""

from __future__ import annotations

import json
import logging
import os
import runpy
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path

from pydantic import SecretStr

from scopeline.domain.errors import ScopelineError
from scopeline.local.child import bound_command, end_child, end_with
from scopeline.local.site_process import address
from scopeline.settings import Settings, read_by

logger = logging.getLogger("scopeline.local")

SOURCE = Path(__file__).resolve().parent.parent.parent / "functions" / "main.py"
START_SECONDS = 120.0
STOP_SECONDS = 5.0
LAST_BYTES = 8192  # of a log, in which a reason is looked for
ANSWER_SECONDS = 5.0
# Deliveries that wait for the end of a window hold a thread each.
THREADS = 32
# Before a function that ended by itself is started again: twice as long each time, unless it ran for a while.
FIRST_PAUSE_SECONDS, LONGEST_PAUSE_SECONDS = 1.0, 60.0


class FunctionFailed(ScopelineError):
    """A function did not start."""

    code = "function_failed"


class FunctionProcess:
    """One function: `target` is its entry point in functions/main.py. gunicorn replaces a worker that dies."""

    def __init__(self, target: str, host: str, port: int, environment: dict[str, str], log: Path) -> None:
        self.target = target
        self.host = host
        self.port = port
        self.log = log
        self.environment = environment
        self._child: subprocess.Popen[bytes] | None = None
        self._lock = threading.Lock()
        self._is_stopping = False
        self._started_at = 0.0
        self._log_begins = 0
        self._pause = 0.0
        self._start_again_at: float | None = None

    @property
    def url(self) -> str:
        """Where it answers."""
        return address(self.host, self.port)

    def start(self) -> None:
        """Start it, without waiting until it answers. Raises FunctionFailed."""
        if not SOURCE.is_file():
            raise FunctionFailed(
                f"There is no {SOURCE}. The functions are part of a checkout of Scopeline, not of what is installed."
            )
        options = ("--source", str(SOURCE), "--target", self.target, "--host", self.host, "--port", str(self.port))
        # As in the cloud, it has the settings that it is given, and none of this process.
        inherited = {name: value for name, value in os.environ.items() if not name.upper().startswith("SCOPELINE_")}
        with self._lock, self.log.open("ab") as log:
            if self._is_stopping:
                return
            self._log_begins = log.tell()
            self._started_at = time.monotonic()
            self._child = subprocess.Popen(
                bound_command(sys.executable, "-m", "scopeline.local.functions_process", *options),
                env={**inherited, **self.environment, "THREADS": str(THREADS)},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
            )

    def wait_until_ready(self) -> None:
        """Return when it takes calls. Raises FunctionFailed."""
        assert self._child is not None
        deadline = time.monotonic() + START_SECONDS
        while not self._listens():
            if self._child.poll() is not None:
                raise FunctionFailed(
                    f"The function {self.target} ended with status {self._child.returncode}: {self._last_words()}"
                )
            if time.monotonic() > deadline:
                raise FunctionFailed(
                    f"The function {self.target} did not answer on {self.url} within {START_SECONDS:.0f} s. "
                    f"See {self.log}."
                )
            time.sleep(0.05)

    def start_again_where_it_ended(self, now: float) -> None:
        """Bring a function back that ended by itself, after a pause; called now and then with `time.monotonic()`."""
        if self._is_stopping or self._child is None or (status := self._child.poll()) is None:
            return
        if self._start_again_at is None:
            lasted = now - self._started_at > LONGEST_PAUSE_SECONDS
            self._pause = FIRST_PAUSE_SECONDS if lasted or not self._pause else self._longer_pause()
            self._start_again_at = now + self._pause
            logger.warning(
                "The function %s ended with status %s and is started again in %.0f s: %s",
                self.target,
                status,
                self._pause,
                self._last_words(),
            )
        elif now >= self._start_again_at:
            self._start_again_at = None
            try:
                self.start()
            except OSError as error:
                self._pause = self._longer_pause()
                self._start_again_at = now + self._pause
                logger.error("The function %s cannot be started now: %s.", self.target, error)

    def _longer_pause(self) -> float:
        return min(2 * self._pause, LONGEST_PAUSE_SECONDS)

    def begin_stop(self) -> None:
        """Ask it to end, without waiting until it does; it is not started any more."""
        with self._lock:
            self._is_stopping = True
        if self._child is not None:
            self._child.terminate()

    def stop(self) -> None:
        """End it; messages that it works on come again."""
        with self._lock:
            self._is_stopping = True
        if self._child is not None:
            end_child(self._child, STOP_SECONDS)

    def _listens(self) -> bool:
        try:
            socket.create_connection((self.host, self.port), timeout=ANSWER_SECONDS).close()
        except OSError:
            return False
        return True

    def _last_words(self) -> str:
        """The last of its words since its start that may be a reason, and where all are."""
        with self.log.open("rb") as log:
            end = log.seek(0, os.SEEK_END)
            begins = log.seek(max(self._log_begins, end - LAST_BYTES))
            # Where it begins in the midst of a line, that one is no word of its own.
            lines = log.read().decode(errors="replace").splitlines()[begins > self._log_begins :]
        told = [words for words in map(_complaint, lines) if words]
        return f"{told[-1].rstrip('.') if told else 'it said nothing of it'}. See {self.log}."


def _complaint(line: str) -> str:
    """What a line of a function's log says, in either form, where that is no mere information."""
    try:
        entry = json.loads(line)
        level, words = entry["severity"], str(entry["message"])
    except (ValueError, TypeError, KeyError):
        level, words = "".join(line.split(" ", 2)[1:2]), line
    return "" if level in ("DEBUG", "INFO") else words.strip()


def settings_environment(settings: Settings) -> dict[str, str]:
    """The environment variables by which another process has the same settings."""
    return {
        f"SCOPELINE_{name.upper()}": _text(value)
        for name in Settings.model_fields
        if (value := getattr(settings, name)) is not None
    }


def function_environment(settings: Settings, function: str) -> dict[str, str]:
    """The environment variables by which a function has the settings that it reads, and no others."""
    read = {
        f"SCOPELINE_{name.upper()}"
        for name, field in Settings.model_fields.items()
        if function in read_by(field).functions
    }
    return {name: value for name, value in settings_environment(settings).items() if name in read}


def _text(value: object) -> str:
    if isinstance(value, SecretStr):
        return value.get_secret_value()
    return str(int(value)) if isinstance(value, bool) else str(value)


def main() -> None:
    """Be functions-framework; whatever is forked from here on ends with the process that forked it."""
    from gunicorn.config import ControlSocketDisable  # type: ignore[import-untyped]

    # functions-framework takes no settings of gunicorn, which puts its control socket into the user's home.
    ControlSocketDisable.default = True
    forking: dict[str, int] = {}
    os.register_at_fork(
        before=lambda: forking.update(process=os.getpid()), after_in_child=lambda: end_with(forking["process"])
    )
    runpy.run_module("functions_framework", run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    main()
