"""What the Google Cloud edition on this machine runs with: names, emulators, and a data folder."""

from __future__ import annotations

import logging
import os
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from scopeline.adapters.data_folder import lock_folder, make_private_folder
from scopeline.adapters.storage_errors import storage_problems
from scopeline.local.emulators import Emulators, emulators, running_emulators
from scopeline.local.storage_emulator import EmulatorFailed
from scopeline.settings import Settings, default_data_folder

log = logging.getLogger("scopeline.local")

PROJECT = "scopeline-local"
# The emulator tries each second, the cloud later each time: attempts for half a minute.
EMULATED_ATTEMPTS = 30
# In the data folder: all that does not outlive emulators of our own.
EMULATED = "emulated"
GONE_AT_ITS_END = (
    "The emulators are its own: what it stores is gone at its end, files and records alike. To keep it, start "
    "scripts/emulators beside it and give it the variables that they print."
)


def with_names(settings: Settings) -> Settings:
    """The settings with a project, buckets and a folder of this edition where they name none."""
    project = settings.project or PROJECT
    named: dict[str, Any] = {
        "edition": "gcp",
        "project": project,
        "raw_bucket": settings.raw_bucket or f"{project}-raw",
        "derived_bucket": settings.derived_bucket or f"{project}-derived",
    }
    if "attempts" not in settings.model_fields_set:
        named["attempts"] = EMULATED_ATTEMPTS
    if "data_dir" not in settings.model_fields_set:
        # The local edition's web site is in the other folder.
        named["data_dir"] = default_data_folder() / "gcp"
    return settings.model_copy(update=named)


@contextmanager
def on_emulators(settings: Settings) -> Iterator[tuple[Settings, Emulators]]:
    """The settings with all names, and the emulators that the environment names, else own ones.

    Google's clients of this process find them meanwhile. Own ones begin empty: so does the data folder then, which is
    one inside that of the settings and goes with them (`folder_of_a_run`). Raises DataFolderInUse, EmulatorsMissing,
    EmulatorFailed, Unavailable.
    """
    settings = with_names(settings)
    found = running_emulators()
    if found is not None:
        _check_that_they_answer(found)
        yield settings, found
        return
    with held_folder(settings.data_dir):
        log.warning(GONE_AT_ITS_END)
        with (
            folder_of_a_run(settings.data_dir / EMULATED) as folder,
            emulators(folder) as started,
            _environment(started.environment()),
        ):
            yield settings.model_copy(update={"data_dir": folder}), started


@contextmanager
def held_folder(folder: Path) -> Iterator[None]:
    """Hold a data folder, which is made where it is not there. Raises DataFolderInUse, Unavailable."""
    with storage_problems(f"Opening the data folder {folder}"):
        make_private_folder(folder)
        held = lock_folder(folder)
    try:
        yield
    finally:
        os.close(held)


@contextmanager
def folder_of_a_run(folder: Path) -> Iterator[Path]:
    """The folder, private and empty, and removed when the context is left, also by Ctrl-C.

    After an error it is kept until the next run, because the logs in it may tell why. Raises Unavailable.
    """
    emptied_folder(folder)
    is_kept = False
    try:
        yield folder
    except Exception:
        is_kept = any(folder.iterdir())
        if is_kept:
            log.warning("What the run left, its logs among it, is kept until the next one: %s", folder)
        raise
    finally:
        if not is_kept:
            _remove(folder)


def _remove(folder: Path) -> None:
    """Remove a folder; what a process that was killed still writes there goes at the next start."""
    try:
        shutil.rmtree(folder)
    except OSError as error:
        log.warning("The folder %s is removed at the next start: %s", folder, error)


def emptied_folder(folder: Path) -> Path:
    """The folder, private and empty, whatever an earlier run left there. Raises Unavailable."""
    with storage_problems(f"Emptying the folder {folder}"):
        if folder.exists():
            shutil.rmtree(folder)
        make_private_folder(folder)
    return folder


def _check_that_they_answer(found: Emulators) -> None:
    """Raise EmulatorFailed with what to do where one of the environment's emulators does not answer."""
    named = found.environment()
    if silent := found.silent():
        told = ", ".join(f"{name}={named[name]}" for name in silent)
        raise EmulatorFailed(
            f"The environment names emulators that do not answer: {told}. Start them (scripts/emulators), or let own "
            f"ones be started: unset {' '.join(named)}"
        )


@contextmanager
def _environment(variables: Mapping[str, str]) -> Iterator[None]:
    """This process's environment has the variables meanwhile."""
    before = {name: os.environ.get(name) for name in variables}
    os.environ.update(variables)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value
