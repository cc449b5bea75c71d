"""Plays a session with the real logger: files appear in a watched folder as an instrument writes them."""

from __future__ import annotations

import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

from scopeline.domain.errors import ScopelineError
from scopeline.local.child import bound_command, end_child

COMMAND_SECONDS = 120
STOP_SECONDS = 15.0
PIECES = 3


class LoggerFailed(ScopelineError):
    """The logger did not do what the player asked."""

    code = "logger_failed"


@dataclass(frozen=True, slots=True)
class Scene:
    """One file, and what the microscopist does before it is saved."""

    source: Path
    target: str  # path below the watched folder
    note: str | None = None
    sample: str | None = None
    at: datetime | None = None  # when it happened; None: now


@dataclass(slots=True)
class Logger:
    """An instrument PC's logger: a watched folder, a settings file and the commands of a person."""

    folder: Path
    server: str
    token: str
    instrument: str
    stability: float = 1.0
    poll: float = 0.25
    _sync: subprocess.Popen[bytes] | None = field(default=None, init=False)

    @property
    def root(self) -> Path:
        """The folder that the instrument's software writes to."""
        return self.folder / "instrument"

    @property
    def config(self) -> Path:
        """The logger's settings file."""
        return self.folder / "logger.ini"

    def set_up(self) -> None:
        """Write the settings file and make the watched folder."""
        self.root.mkdir(parents=True, exist_ok=True)
        self.config.touch(mode=0o600)
        self.config.write_text(
            f"[server]\nurl = {self.server}\ntoken = {self.token}\n\n"
            f"[logger]\ninstrument = {self.instrument}\nstability = {self.stability}\npoll = {self.poll}\n\n"
            f"[roots]\ndata = {self.root}\n",
            encoding="utf-8",
        )

    def run(self, *arguments: str) -> str:
        """Run one command of the logger and return what it printed. Raises LoggerFailed."""
        done = subprocess.run(self._command(*arguments), capture_output=True, timeout=COMMAND_SECONDS, check=False)
        output = done.stdout.decode(errors="replace")
        if done.returncode != 0:
            words = (done.stderr.decode(errors="replace").strip() or output.strip())[-1000:]
            raise LoggerFailed(f"scopeline-logger {arguments[0]} ended with status {done.returncode}: {words}")
        return output

    def start_sync(self) -> None:
        """Start watching and sending, as a process that ends with this one."""
        with (self.folder / "sync.log").open("ab") as log:
            self._sync = subprocess.Popen(
                bound_command(*self._command("sync")), stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT
            )

    def stop_sync(self) -> None:
        """End the watching process."""
        if self._sync is None:
            return
        end_child(self._sync, STOP_SECONDS)
        self._sync = None

    def _command(self, *arguments: str) -> list[str]:
        return [sys.executable, "-m", "scopeline_logger", "--config", str(self.config), *arguments]


def write_as_instrument(source: Path, target: Path, pause: float) -> None:
    """Copy `source` to `target` piece by piece, with pauses, and give it the source's time at the end."""
    target.parent.mkdir(parents=True, exist_ok=True)
    size = source.stat().st_size
    piece = max(1, -(-size // PIECES))
    with source.open("rb") as reading, target.open("wb") as writing:
        for number in range(PIECES):
            writing.write(reading.read(piece))
            writing.flush()
            if number < PIECES - 1 and pause:
                time.sleep(pause)
    shutil.copystat(source, target)


def play(
    logger: Logger,
    scenes: Sequence[Scene],
    *,
    pause: float = 0.05,
    on_scene: Callable[[int, Scene], None] | None = None,
) -> None:
    """Let the scenes happen one after another. Raises LoggerFailed."""
    for number, scene in enumerate(scenes, start=1):
        said = ["--at", scene.at.isoformat(timespec="seconds")] if scene.at else []
        if scene.sample:
            logger.run("note", "--sample", scene.sample, *said)
        if scene.note:
            logger.run("note", scene.note, *said)
        if on_scene is not None:
            on_scene(number, scene)
        write_as_instrument(scene.source, logger.root / scene.target, pause)


def scenes_of_folder(folder: Path) -> list[Scene]:
    """The files of any folder, in the order in which they were written. Raises LoggerFailed where there are none."""
    files = [path for path in folder.rglob("*") if path.is_file() and not path.is_symlink()]
    if not files:
        raise LoggerFailed(
            f"There are no files in {folder}. Name a folder with an instrument's files.", code="no_files"
        )
    files.sort(key=lambda path: (path.stat().st_mtime, str(path)))
    return [Scene(path, path.relative_to(folder).as_posix()) for path in files]
