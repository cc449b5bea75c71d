"""The Cloud Storage emulator's program: the given one, or one built from the checkout's `tests/gcs_emulator`."""

from __future__ import annotations

import errno
import hashlib
import logging
import os
import shutil
import subprocess
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from scopeline.domain.errors import ScopelineError

log = logging.getLogger("scopeline.local")

VARIABLE = "SCOPELINE_GCS_EMULATOR"
BUILD_PREFIX = "tmp"
BUILDING = "Building the Cloud Storage emulator, once; this takes some minutes ..."
SOURCES = Path(__file__).resolve().parent.parent.parent / "tests" / "gcs_emulator"
# A first build downloads and compiles some 60 modules.
BUILD_SECONDS = 900
# Where Go has them all in its cache, a build takes less, and nothing is said of it.
QUIET_SECONDS = 2.0
HELP_SECONDS = 30


class EmulatorsMissing(ScopelineError):
    """A program that the emulators need is not on this machine."""

    code = "emulators_missing"


class EmulatorFailed(ScopelineError):
    """An emulator cannot be built or does not start."""

    code = "emulator_failed"


def storage_binary() -> Path:
    """The program, from SCOPELINE_GCS_EMULATOR or built once for each state of its sources.

    Raises EmulatorsMissing with what is missing, and EmulatorFailed with what the compiler said.
    """
    if named := os.environ.get(VARIABLE):
        if not os.access(named, os.X_OK):
            raise EmulatorsMissing(f"{VARIABLE} is {named!r}, which is not a program. Unset it to build one.")
        return Path(named)
    return build(SOURCES, _cache_folder())


def build(sources: Path, cache: Path) -> Path:
    """The program built from `sources`, kept in `cache` under the hash of the sources.

    Processes that ask at the same time wait for the one that builds.
    """
    files = sorted(path for pattern in ("*.go", "go.*") for path in sources.glob(pattern))
    if not files:
        raise EmulatorsMissing(
            f"There is no source of the Cloud Storage emulator in {sources}; it is part of a checkout of Scopeline, not"
            f" of what is installed. Set {VARIABLE} to a built one."
        )
    digest = hashlib.sha256()
    for path in files:
        digest.update(f"{path.name} {path.stat().st_size}\n".encode())
        digest.update(path.read_bytes())
    binary = cache / f"gcs-emulator-{digest.hexdigest()[:16]}"
    if not _is_program(binary):
        cache.mkdir(parents=True, exist_ok=True)
        with _locked(cache / "lock"):
            if not _is_program(binary):
                _clear_remains(cache)
                _compile(sources, binary)
    return binary


def _is_program(binary: Path) -> bool:
    """Whether the system can execute it: after a loss of power its name may be there without its bytes."""
    try:
        tried = subprocess.run(
            [binary, "-help"], stdin=subprocess.DEVNULL, capture_output=True, timeout=HELP_SECONDS, check=False
        )
    except FileNotFoundError:
        return False
    except OSError as error:
        # Another build would not help against the rest; the start says what it is.
        return error.errno != errno.ENOEXEC
    except subprocess.TimeoutExpired:
        return True
    return tried.returncode >= 0


def _clear_remains(cache: Path) -> None:
    """Remove the folders of builds that were killed; nobody builds while this process has the lock."""
    for folder in cache.glob(f"{BUILD_PREFIX}*"):
        # A compiler that outlived its starter may still write there: then the next build removes it.
        shutil.rmtree(folder, ignore_errors=True)


def _compile(sources: Path, binary: Path) -> None:
    go = shutil.which("go")
    if go is None:
        raise EmulatorsMissing(
            "There is no go on the PATH, with which the Cloud Storage emulator is built. Install Go 1.25 or later"
            f" (https://go.dev/dl/), or set {VARIABLE} to a built one."
        )
    with tempfile.TemporaryDirectory(prefix=BUILD_PREFIX, dir=binary.parent) as folder:
        made = Path(folder) / binary.name
        tell = threading.Timer(QUIET_SECONDS, log.warning, (BUILDING,))
        tell.start()
        try:
            done = subprocess.run(
                [go, "build", "-trimpath", "-ldflags=-s -w", "-o", str(made), "."],
                cwd=sources,
                capture_output=True,
                text=True,
                timeout=BUILD_SECONDS,
                check=False,
            )
        except subprocess.TimeoutExpired:
            raise EmulatorFailed(
                f"Building the Cloud Storage emulator took more than {BUILD_SECONDS} s. Is the Go module proxy slow?"
            ) from None
        finally:
            tell.cancel()
        if done.returncode != 0:
            raise EmulatorFailed(
                f"The Cloud Storage emulator in {sources} cannot be built: {done.stderr.strip()[-2000:]}"
            )
        with made.open("rb") as file:
            os.fsync(file.fileno())
        made.replace(binary)


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    import fcntl

    with path.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _cache_folder() -> Path:
    import platformdirs

    return Path(platformdirs.user_cache_dir("scopeline", appauthor=False))
