"""What is in a folder, with sizes and times, in the fewest calls that the system allows."""

import os
import stat

FILE, FOLDER, LINK, OTHER = "file", "folder", "link", "other"


def list_folder(folder: str):  # type: ignore[no-untyped-def]
    """Yield (name, kind, size, mtime_ns) of each entry; for what is no file, size and time are -1 and 0.

    Links are not followed.

    Raises OSError where the folder cannot be read; entries that vanish meanwhile are left out.
    """
    scan = getattr(os, "scandir", None)  # Python 3.4 has none
    return _by_listdir(folder) if scan is None else _by_scandir(scan, folder)


def file_state(path: str) -> "tuple[int, int] | None":
    """(size, mtime_ns) of a plain file as the system has it now, or None where there is none. Raises OSError."""
    try:
        found = os.lstat(path)
    except (FileNotFoundError, NotADirectoryError):
        return None
    return (found.st_size, found.st_mtime_ns) if stat.S_ISREG(found.st_mode) else None


def check_readable(folder: str) -> None:
    """Raise OSError where the folder cannot be listed. Reads the first entry only: there may be 100,000."""
    entries = list_folder(folder)
    try:
        next(entries, None)
    finally:
        entries.close()


def why_unreadable(folder: str) -> "str | None":
    """Why the folder cannot be listed, or None."""
    try:
        check_readable(folder)
    except OSError as error:
        return error.strerror or str(error)
    return None


def _by_scandir(scan, folder: str):  # type: ignore[no-untyped-def]
    entries = scan(folder)
    try:
        for entry in entries:
            try:
                yield _seen(entry)
            except FileNotFoundError:
                continue
    finally:
        # Python 3.5 cannot close it.
        getattr(entries, "close", int)()


def _seen(entry) -> tuple:  # type: ignore[no-untyped-def]
    if entry.is_symlink():
        return entry.name, LINK, -1, 0
    if entry.is_dir(follow_symlinks=False):
        return entry.name, _folder_kind(entry.path), -1, 0
    if entry.is_file(follow_symlinks=False):
        found = entry.stat(follow_symlinks=False)
        return entry.name, FILE, found.st_size, found.st_mtime_ns
    return entry.name, OTHER, -1, 0


def _by_listdir(folder: str):  # type: ignore[no-untyped-def]
    for name in os.listdir(folder):
        path = os.path.join(folder, name)
        try:
            found = os.lstat(path)
        except FileNotFoundError:
            continue
        if stat.S_ISLNK(found.st_mode):
            yield name, LINK, -1, 0
        elif stat.S_ISDIR(found.st_mode):
            yield name, _folder_kind(path), -1, 0
        elif stat.S_ISREG(found.st_mode):
            yield name, FILE, found.st_size, found.st_mtime_ns
        else:
            yield name, OTHER, -1, 0


def _folder_kind(path: str) -> str:
    if os.name == "nt":
        from scopeline_logger import windows

        if windows.is_reparse_point(path):
            return LINK
    return FOLDER
