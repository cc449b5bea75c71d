"""The web site as a child process of the local edition."""

from __future__ import annotations

import logging
import os
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from scopeline.domain.errors import ScopelineError
from scopeline.local.child import bound_command, end_child

logger = logging.getLogger("scopeline.local")

START_SECONDS = 180
STOP_SECONDS = 10.0
RESTART_PAUSE_SECONDS = 2.0


class SiteFailed(ScopelineError):
    """The web site did not start."""

    code = "site_failed"


@dataclass(frozen=True, slots=True)
class SiteOptions:
    """What the site's process is given."""

    data_dir: Path
    host: str
    port: int
    url: str
    api_url: str
    api_token: str
    facility: str
    anonymous: bool

    @property
    def local_url(self) -> str:
        """Where this machine reaches the site."""
        return address(self.host, self.port)

    def environment(self) -> dict[str, str]:
        """The environment of the site's processes."""
        return {
            **os.environ,
            "SCOPELINE_SITE_DATA_DIR": str(self.data_dir),
            "SCOPELINE_SITE_SERVER_URI": self.url,
            "SCOPELINE_SITE_API_URL": self.api_url,
            "SCOPELINE_SITE_API_TOKEN": self.api_token,
            "SCOPELINE_SITE_ANONYMOUS": "1" if self.anonymous else "0",
            "SCOPELINE_SITE_FACILITY": self.facility,
        }


class SiteProcess:
    """Prepares the site, runs it, and starts it again when it ends by itself."""

    def __init__(self, options: SiteOptions, log: Path) -> None:
        self.options = options
        self.log = log
        self._child: subprocess.Popen[bytes] | None = None
        self._stopping = threading.Event()
        self._lock = threading.Lock()
        self._watcher = threading.Thread(target=self._watch, name="site", daemon=True)

    def initialise(self) -> None:
        """Bring the site's database and stylesheets up to date; what it says goes to its log.

        Raises SiteFailed with the site's last words.
        """
        try:
            done = subprocess.run(
                _command("init"),
                env=self.options.environment(),
                capture_output=True,
                timeout=START_SECONDS,
                check=False,
            )
        except subprocess.TimeoutExpired:
            raise SiteFailed(
                f"The web site was not prepared in {self.options.data_dir} within {START_SECONDS} s. Is the disk slow?"
            ) from None
        said = (done.stdout + done.stderr).decode(errors="replace").strip()
        with suppress(OSError), self.log.open("a", encoding="utf-8") as log:  # a full disk is what the words may be of
            log.write(f"{said}\n")
        if done.returncode != 0:
            last = said.splitlines()[-1] if said else f"it ended with status {done.returncode}"
            raise SiteFailed(f"The web site cannot be prepared in {self.options.data_dir}: {last}. See {self.log}.")

    def start(self) -> None:
        """Start the site and return when it answers. Raises SiteFailed."""
        self._spawn()
        self._wait_until_ready()
        self._watcher.start()

    def publisher_token(self) -> str:
        """The token by which records are published; `initialise` made it."""
        return (self.options.data_dir / "publisher_token").read_text(encoding="utf-8").strip()

    def stop(self) -> None:
        """End the site's process."""
        self._stopping.set()
        with self._lock:
            child = self._child
        if child is not None:
            end_child(child, STOP_SECONDS)

    def _spawn(self) -> None:
        with self._lock, self.log.open("ab") as log:
            if self._stopping.is_set():
                return
            self._child = subprocess.Popen(
                _command("serve", "--host", self.options.host, "--port", str(self.options.port)),
                env=self.options.environment(),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
            )

    def _wait_until_ready(self) -> None:
        deadline = time.monotonic() + START_SECONDS
        while time.monotonic() < deadline:
            if self._child is not None and self._child.poll() is not None:
                raise SiteFailed(f"The web site ended with status {self._child.returncode}. See {self.log}.")
            if _answers(f"{self.options.local_url}/readyz"):
                return
            time.sleep(0.05)
        raise SiteFailed(f"The web site did not answer within {START_SECONDS} s. See {self.log}.")

    def _watch(self) -> None:
        while not self._stopping.is_set():
            child = self._child
            status = child.wait() if child is not None else None
            if self._stopping.wait(RESTART_PAUSE_SECONDS):
                return
            logger.warning("The web site ended with status %s and is started again.", status)
            try:
                self._spawn()
            except OSError as error:
                logger.error("The web site cannot be started now: %s.", error)


def address(host: str, port: int) -> str:
    """The address of what listens on a host and port of this machine."""
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


def _command(*arguments: str) -> list[str]:
    return bound_command(sys.executable, "-m", "cdcs_connector.site", *arguments)


def _answers(url: str) -> bool:
    try:
        with urllib.request.urlopen(url, timeout=5) as answer:
            return bool(answer.status == 200)
    except (urllib.error.URLError, OSError):
        return False
