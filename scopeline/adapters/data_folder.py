"""The data folder: only the service's user may read it, and one process at a time works on it."""

from __future__ import annotations

import fcntl
import os
from pathlib import Path

from scopeline.domain.errors import Conflict

OWNER_ONLY = 0o700


class DataFolderInUse(Conflict):
    """Another process works on the data folder."""

    code = "data_folder_in_use"


def make_private_folder(folder: Path) -> None:
    """Make the folder (and those above it) where it is not there; it is 0700 whatever the umask. Raises OSError.

    One that is there keeps the mode that somebody gave it.
    """
    folder.parent.mkdir(parents=True, exist_ok=True)
    try:
        folder.mkdir(mode=OWNER_ONLY)
    except FileExistsError:
        if not folder.is_dir():
            raise
        return
    folder.chmod(OWNER_ONLY)


def lock_folder(folder: Path) -> int:
    """The descriptor whose life is this process's hold of the data folder. Raises DataFolderInUse, OSError."""
    descriptor = os.open(folder / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        holder = os.read(descriptor, 32).decode(errors="replace").strip() or "unknown"
        os.close(descriptor)
        raise DataFolderInUse(
            f"The data folder {folder} is in use by process {holder}. One Scopeline works on a folder at a time: "
            "stop the other one, or give this one another folder."
        ) from None
    try:
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, f"{os.getpid()}\n".encode(), 0)
    except OSError:
        os.close(descriptor)
        raise
    return descriptor
