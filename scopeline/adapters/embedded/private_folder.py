"""Folders that only the service's user may read: they hold everything that a laboratory measured."""

from __future__ import annotations

from pathlib import Path

OWNER_ONLY = 0o700


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
