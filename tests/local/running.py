"""`scopeline serve` as a process of its own, which tests start, watch and kill."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from scopeline.local.unused_ports import unused_port

# Generous: a machine may be busy with other tests. Nothing waits this long where all is well.
PATIENCE = 60.0
CALL_SECONDS = 10.0


def wait_for(what: str, condition: Callable[[], Any], *, seconds: float = PATIENCE, pause: float = 0.02) -> Any:
    """The first true answer of `condition`; fails with `what` where none comes in time."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if answer := condition():
            return answer
        time.sleep(pause)
    raise AssertionError(f"Not seen within {seconds:.0f} s: {what}.")


def free_port() -> int:
    return unused_port("127.0.0.1")


def living(session: int) -> dict[int, str]:
    """The processes of a session (setsid(2)) that run, with their command lines."""
    found = {}
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit():
            continue
        try:
            fields = (entry / "stat").read_text().rpartition(")")[2].split()
            command = (entry / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
        except (FileNotFoundError, ProcessLookupError):
            continue
        # proc(5): after the name come state, parent, group, session.
        if int(fields[3]) == session and fields[0] not in "ZX":
            found[int(entry.name)] = command
    return found


# A network's proxy, which never reaches a server of this machine.
PROXY = dict.fromkeys(("http_proxy", "HTTP_PROXY", "https_proxy", "HTTPS_PROXY"), "http://127.0.0.1:9")


class Service:
    """One data folder and its ports, on which the service can be started again and again.

    Each start is a session of its own, so that all its processes can be found and killed as one group. `before` is a
    command that the service's command is given to (`unshare`, a shell).
    """

    def __init__(
        self,
        folder: Path,
        *options: str,
        port: int | None = None,
        site_port: int | None = None,
        environment: Mapping[str, str] | None = None,
        before: Sequence[str] = (),
    ) -> None:
        self.data = folder / "data"
        self.port = port or free_port()
        self.site_port = site_port or free_port()
        self.log = folder / "service.log"
        self.process: subprocess.Popen[bytes] | None = None
        self._said = folder / "said"
        self._environment = {**os.environ, **(environment or {})}
        self._command = [
            *before, sys.executable, "-m", "scopeline", "serve", "--json", "--data-dir", str(self.data),
            "--port", str(self.port), "--site-port", str(self.site_port), *options,
        ]  # fmt: skip

    @property
    def api(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def pid(self) -> int:
        assert self.process is not None
        return self.process.pid

    def start(self) -> None:
        with self._said.open("wb") as said, self.log.open("ab") as log:
            self.process = subprocess.Popen(
                self._command,
                stdin=subprocess.DEVNULL,
                stdout=said,
                stderr=log,
                env=self._environment,
                start_new_session=True,
            )

    def said(self) -> str:
        return self._said.read_text()

    def complaints(self) -> str:
        return self.log.read_text(errors="replace")

    def ready(self) -> dict[str, str]:
        """The addresses, when everything answers."""
        return dict(json.loads(wait_for("the service's ready line", self._ready_line)))

    def _ready_line(self) -> str:
        assert self.process is not None
        ended = self.process.poll()
        assert ended is None, f"The service ended with status {ended}:\n{self.complaints()[-3000:]}"
        text = self.said()
        return text if text.endswith("\n") else ""

    def answers(self) -> bool:
        """Whether the API answers."""
        return self.get("/healthz") is not None

    def get(self, path: str, token: str | None = None) -> Any:
        """The JSON of an API call; None where the service does not answer now."""
        body = self.fetch(path, token)
        return None if body is None else json.loads(body)

    def fetch(self, path: str, token: str | None = None) -> bytes | None:
        asked = urllib.request.Request(self.api + path)
        if token:
            asked.add_header("Authorization", f"Bearer {token}")
        try:
            with urllib.request.urlopen(asked, timeout=CALL_SECONDS) as answer:
                return bytes(answer.read())
        except urllib.error.HTTPError as error:
            with error:
                raise AssertionError(f"{path} answered {error.code}: {error.read()!r}") from None
        except OSError:
            return None

    def members(self) -> dict[int, str]:
        return living(self.pid)

    def ended(self, *, seconds: float = PATIENCE) -> int:
        """The exit status, when it has ended."""
        assert self.process is not None
        return self.process.wait(timeout=seconds)

    def terminate(self) -> int:
        assert self.process is not None
        self.process.terminate()
        return self.ended()

    def kill(self, *, group: bool) -> None:
        """SIGKILL to the service alone, or to its whole group; then nothing of it may remain."""
        if group:
            os.killpg(self.pid, signal.SIGKILL)
        else:
            os.kill(self.pid, signal.SIGKILL)
        self.ended()
        self.assert_nothing_left()

    def assert_nothing_left(self) -> None:
        wait_for(f"the end of all processes of the service: {self.members()}", lambda: not self.members())

    def clean_up(self) -> None:
        """End what a failed test left."""
        if self.process is None:
            return
        for pid in self.members():
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        self.ended()
