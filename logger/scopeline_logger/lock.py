"""One `sync` per settings file: a lock that the system lets go when its process ends, however it ends."""

import os


class Lock:
    """An exclusive lock on a file."""

    def __init__(self, path: str) -> None:
        self._path = path
        self._file = -1

    def take(self) -> bool:
        """Take the lock; False where another process has it."""
        file = os.open(self._path, os.O_RDWR | os.O_CREAT, 0o600)
        if _lock(file):
            self._file = file
            return True
        os.close(file)
        return False

    def release(self) -> None:
        """Let the lock go."""
        if self._file >= 0:
            os.close(self._file)
            self._file = -1

    def is_taken(self) -> bool:
        """Whether another process has the lock now."""
        if not os.path.exists(self._path):
            return False
        if self.take():
            self.release()
            return False
        return True


if os.name == "nt":
    import msvcrt

    def _lock(file: int) -> bool:
        try:
            msvcrt.locking(file, msvcrt.LK_NBLCK, 1)  # type: ignore[attr-defined]
        except OSError:
            return False
        return True

else:
    import fcntl

    def _lock(file: int) -> bool:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            return False
        return True
