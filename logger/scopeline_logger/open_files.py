"""Whether somebody is still writing a file, where the system can tell; and opening without disturbing them."""

import io
import os
import sys
import time

# A look through /proc serves all files of the next moments.
_LOOK_LASTS = 1.0


class OpenFiles:
    """Knows which files are open for writing: by the share mode on Windows, by /proc on Linux; elsewhere it cannot."""

    def __init__(self) -> None:
        self._writing = set()  # type: set[str]
        self._looked = -_LOOK_LASTS

    def has_writer(self, path: str) -> bool:
        """Whether a program is known to hold the file open for writing. False also means: cannot be told."""
        if os.name == "nt":
            from scopeline_logger import windows

            return windows.has_writer(path)
        if sys.platform.startswith("linux"):
            if time.monotonic() - self._looked >= _LOOK_LASTS:
                self._writing = _open_for_writing()
                self._looked = time.monotonic()
            return os.path.realpath(path) in self._writing
        return False


def open_for_reading(path: str) -> "io.FileIO":
    """The file's bytes, unbuffered. Links are not followed. Raises OSError."""
    if os.name == "nt":
        from scopeline_logger import windows

        return windows.open_shared(path)
    flags = os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_CLOEXEC", 0)
    return io.FileIO(os.open(path, flags), "rb")


def _open_for_writing() -> "set[str]":
    """The files that any process visible to this user has open for writing."""
    found = set()  # type: set[str]
    me = str(os.getpid())
    for process in os.listdir("/proc"):
        if process.isdigit() and process != me:
            found.update(_written_by("/proc/" + process))
    return found


def _written_by(process: str) -> "list[str]":
    try:
        descriptors = os.listdir(process + "/fd")
    except OSError:  # another user's process, or one that just ended
        return []
    found = []
    for descriptor in descriptors:
        try:
            target = os.readlink("%s/fd/%s" % (process, descriptor))
            if target.startswith("/") and not target.startswith("/dev/") and _may_write(process, descriptor):
                found.append(target)
        except (OSError, ValueError):  # closed meanwhile
            continue
    return found


def _may_write(process: str, descriptor: str) -> bool:
    with open("%s/fdinfo/%s" % (process, descriptor)) as info:
        for line in info:
            if line.startswith("flags:"):
                return int(line.split()[1], 8) & os.O_ACCMODE != os.O_RDONLY
    return False
