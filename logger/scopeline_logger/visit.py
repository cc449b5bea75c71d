"""One look at one root: compares folders with the catalogue and writes down what is different."""

import logging
import os
import time

from scopeline_logger import clock, paths
from scopeline_logger.ignore import IgnoreList
from scopeline_logger.listing import FILE, FOLDER, file_state, list_folder
from scopeline_logger.memory import Memory
from scopeline_logger.seen import IGNORED, LEFT, REFUSED, SENT, VANISHED, WAITING, Known
from scopeline_logger.sessions import session_of
from scopeline_logger.settings import Settings

_LOG = logging.getLogger(__name__)

# A folder's time may stay the same for changes within this many seconds (FAT: two).
_COARSE_SECONDS = 3.0
_LIVELY_SECONDS = 600.0


class FolderState:
    """A folder's own time, and until when (monotonic) it is read at every look whatever that time says."""

    __slots__ = ("lively_until", "mtime_ns")

    def __init__(self) -> None:
        self.mtime_ns = -1
        self.lively_until = 0.0


class Visit:
    """One look at one root. `steady_since` is kept up to date; `last_look` is None before the first look ever."""

    def __init__(
        self,
        settings: Settings,
        memory: Memory,
        steady_since: "dict[int, float]",
        root: str,
        ignore: IgnoreList,
        last_look: "float | None",
    ) -> None:
        self._settings = settings
        self._memory = memory
        self._seen = memory.seen
        self._announcements = memory.announcements
        self._steady_since = steady_since
        self._root = root
        self._top = paths.extended(settings.roots[root])
        self._ignore = ignore
        self.now = clock.now()
        # The names of the folder as the server would have them, and as they are here.
        self._spellings = {}  # type: dict[str, str]
        self._last_look = last_look
        instrument = self._memory.facts.roots.get(root, self._settings.instrument)
        since = -1e18 if self._last_look is None else self._last_look - self._settings.grace
        self._sessions = [s for s in self._memory.sessions.recent(since) if s.instrument == instrument]

    def folder(self, folder: str, state: FolderState) -> "list[str]":
        """Bring the catalogue of one folder up to date; its inner folders."""
        path = paths.local(self._top, folder)
        own_time = folder_time(path)
        known = self._seen.in_folder(self._root, folder)
        inner, found = [], []
        try:
            for name, kind, size, mtime_ns in list_folder(path):
                if kind == FOLDER:
                    if self._is_watched(folder, name):
                        inner.append(paths.join(folder, name))
                    continue
                before = known.pop(paths.storable(name), None)
                if before is not None and before[1:3] == (size, mtime_ns) and before.state in (SENT, LEFT, REFUSED):
                    continue
                found.append((name, kind, size, mtime_ns, before))
        except (FileNotFoundError, NotADirectoryError):
            inner = []
        except OSError as error:
            _LOG.warning("A folder of root %s cannot be read: %s", self._root, error.strerror)
            return []
        self._spellings = self._known_spellings(folder) if any(not _is_ascii(f[0]) for f in found) else {}
        gone = [k for k in known.values() if k.state == WAITING]
        lively = self._apply(folder, path, found, gone)
        monotonic = time.monotonic()
        if lively:
            state.lively_until = monotonic + _LIVELY_SECONDS
        if own_time != state.mtime_ns:
            state.mtime_ns = own_time
            state.lively_until = max(state.lively_until, monotonic + _COARSE_SECONDS)
        return inner

    def _known_spellings(self, folder: str) -> "dict[str, str]":
        known = self._seen.in_folder(self._root, folder)
        return {paths.to_wire(name): name for name, k in known.items() if k.state in (WAITING, SENT, LEFT)}

    def _is_watched(self, folder: str, name: str) -> bool:
        path = paths.join(folder, name)
        if self._ignore.matches(path, name):
            return False
        own = self._settings.data_folder
        same_name = name.lower() == os.path.basename(own).lower()
        return not (same_name and os.path.samefile(paths.local(self._top, path), own))

    def _apply(self, folder: str, path: str, found: list, gone: list) -> bool:
        """Write down what is different; whether something is."""
        changes = [f for f in found if self._steady(path, f)]
        if not changes and not gone:
            return any(f[4] is not None and f[4].state == WAITING for f in found)
        with self._memory.database.transaction():
            for name, kind, size, mtime_ns, before in changes:
                self._one(folder, name, kind, (size, mtime_ns), before)
            for known in gone:
                self._vanish(known)
        return self._last_look is not None

    def _steady(self, path: str, entry: tuple) -> bool:
        """Whether an entry differs from what is known. Windows lists stale sizes of files that are being written."""
        name, kind, size, mtime_ns, before = entry
        if before is None or before.state in (IGNORED, VANISHED):
            return True
        if os.name == "nt" and kind == FILE:
            exact = file_state(os.path.join(path, name))
            if exact is not None:
                size, mtime_ns = exact
        if before[1:3] == (size, mtime_ns):
            if before.state == WAITING:
                self._steady_since.setdefault(before.id, time.monotonic())
            return False
        return True

    def _one(self, folder: str, name: str, kind: str, state: tuple, before: "Known | None") -> None:
        path = paths.join(folder, name)
        if kind != FILE:
            self._put(folder, name, before, (REFUSED, None, "It is a link or a device, not a file."), state)
        elif self._ignore.matches(path, name):
            if before is None or before.state != IGNORED:
                self._put(folder, name, before, (IGNORED, None, "A pattern of ignored names matches."), state)
        elif paths.complaint(path) is not None:
            self._put(folder, name, before, (REFUSED, None, paths.complaint(path)), state)
        elif self._spellings.setdefault(paths.to_wire(name), name) != name:
            self._put(
                folder, name, before, (REFUSED, None, "Another file differs only in the spelling of accents."), state
            )
        else:
            self._new_or_changed(folder, name, state, before)

    def _new_or_changed(self, folder: str, name: str, state: tuple, before: "Known | None") -> None:
        session = self._session(state[1], before)
        if session is not None:
            self._put(folder, name, before, (WAITING, session, None), state)
        elif before is None and self._last_look is None:
            self._put(folder, name, before, (LEFT, None, "It was there before the logger."), state)
        elif not self._settings.send_without_session and (before is None or before.state != WAITING):
            self._put(folder, name, before, (LEFT, None, "No session was running."), state)
        else:
            self._put(folder, name, before, (WAITING, None, None), state)

    def _session(self, mtime_ns: int, before: "Known | None") -> "str | None":
        """A file that is still being written keeps its session; so does one that changed while none was running."""
        if before is not None and before.state == WAITING:
            return before.session
        found = session_of(mtime_ns / 1e9, self._last_look, self.now, self._sessions, self._settings.grace)
        if found is not None:
            return found.local_id
        return before.session if before is not None else None

    def _put(self, folder: str, name: str, before: "Known | None", state: tuple, found: tuple) -> None:
        if before is None:
            stored = paths.storable(name)
            self._seen.add(self._root, folder, stored, state, found, self.now)
            number = self._seen.id_of(self._root, folder, stored) if state[0] == WAITING else 0
        else:
            number = before.id
            self._seen.change(number, state, found)
            if before.session is not None and before.session != state[1] and before.state == WAITING:
                self._announcements.take_back(before.session, number)
        if state[0] == WAITING:
            self._announcements.promise(state[1], number)
            self._steady_since[number] = time.monotonic()

    def _vanish(self, known: Known) -> None:
        self._seen.settle(known.id, VANISHED, "It was gone before it could be sent.")
        self._announcements.take_back(known.session, known.id)
        self._steady_since.pop(known.id, None)


def _is_ascii(name: str) -> bool:
    return all(ord(c) < 128 for c in name)


def folder_time(path: str) -> int:
    """A folder's own time, or -2 where it is gone."""
    try:
        return os.stat(path).st_mtime_ns
    except OSError:
        return -2
