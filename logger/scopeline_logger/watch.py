"""Looks at the watched folders and keeps the catalogue: what is new, what changed, what is gone.

A full look reads every folder. A quick look reads only folders whose own time changed (something was made, renamed or
deleted in them) and folders in which something happened lately, because a file that grows does not change its folder.
Both take a bounded share of a processor: the pause after a look grows with what the look cost.
"""

import logging
import time

from scopeline_logger import paths
from scopeline_logger.ignore import IgnoreList
from scopeline_logger.listing import check_readable
from scopeline_logger.memory import Memory
from scopeline_logger.settings import Settings
from scopeline_logger.visit import FolderState, Visit, folder_time

_LOG = logging.getLogger(__name__)

FULL_SHARE = 0.005
QUICK_SHARE = 0.05
_KEEP_LOOK_SECONDS = 30.0


class Watcher:
    """Looks at all roots. `steady_since`: since when (monotonic) this process has seen each waiting file unchanged."""

    def __init__(self, settings: Settings, memory: Memory) -> None:
        self._settings = settings
        self._memory = memory
        self._folders = {name: {} for name in settings.roots}  # type: dict[str, dict[str, FolderState]]
        self._next_full = self._next_quick = 0.0
        self._looked = {}  # type: dict[str, float]
        self._kept_looks = {}  # type: dict[str, float]
        self.steady_since = {}  # type: dict[int, float]
        self.away = {}  # type: dict[str, str]

    def look_if_due(self) -> bool:
        """Look where it is time to; whether it was."""
        if time.monotonic() >= self._next_full:
            self.look(full=True)
            return True
        if time.monotonic() >= self._next_quick:
            self.look(full=False)
            return True
        return False

    def look(self, full: bool = True) -> None:
        """Look at all roots now. A root that cannot be read keeps what is known of it, and is in `away`."""
        began = time.process_time()
        ignore = IgnoreList(self._memory.facts.ignore + self._settings.ignore)
        for name, folder in sorted(self._settings.roots.items()):
            was_away = name in self.away
            if self._is_there(name, folder):
                self._look_at_root(name, full or was_away, ignore)
        cost = time.process_time() - began
        now = time.monotonic()
        if full:
            self._next_full = now + max(self._settings.poll, cost / FULL_SHARE)
        self._next_quick = now + max(self._settings.poll, cost / QUICK_SHARE)

    def has_root(self, root: str) -> bool:
        """Whether the folder of a root can be read; a drive that is away takes no file back."""
        return root in self._settings.roots and self._is_there(root, self._settings.roots[root])

    def is_steady(self, file: int) -> bool:
        """Whether a file has kept its size and time for the set number of seconds."""
        since = self.steady_since.get(file)
        return since is not None and time.monotonic() - since >= self._settings.stability

    def _is_there(self, root: str, folder: str) -> bool:
        try:
            check_readable(folder)
        except OSError as error:
            if root not in self.away:
                _LOG.warning("The folder of root %s cannot be read: %s", root, error.strerror)
            self.away[root] = error.strerror or str(error)
            return False
        self.away.pop(root, None)
        return True

    def _look_at_root(self, root: str, full: bool, ignore: IgnoreList) -> None:
        looked = self._looked.get(root)
        if looked is None:
            fact = self._memory.database.fact("look " + root)
            looked = fact if isinstance(fact, float) else None
        visit = Visit(self._settings, self._memory, self.steady_since, root, ignore, looked)
        if looked is None:
            # Possibly 100,000 rows: one transaction, or each folder would cost a flush of the disk.
            with self._memory.database.transaction():
                self._walk(visit, root, full)
        else:
            self._walk(visit, root, full)
        self._keep_look(root, visit.now)

    def _keep_look(self, root: str, moment: float) -> None:
        """Remember when a root was looked at; on disk not at every look, to let the disk sleep."""
        self._looked[root] = moment
        if abs(moment - self._kept_looks.get(root, 0.0)) >= _KEEP_LOOK_SECONDS:
            self._memory.database.remember("look " + root, moment)
            self._kept_looks[root] = moment

    def _walk(self, visit: Visit, root: str, full: bool) -> None:
        folders = self._folders[root]
        todo = [""] if full or not folders else self._folders_due(root)
        done = set()  # type: set[str]
        while todo:
            folder = todo.pop()
            if folder in done:
                continue
            done.add(folder)
            is_new = folder not in folders
            for inner in visit.folder(folder, folders.setdefault(folder, FolderState())):
                if full or is_new or inner not in folders:
                    todo.append(inner)
        if full:
            for gone in set(folders) - done:
                del folders[gone]

    def _folders_due(self, root: str) -> "list[str]":
        top = paths.extended(self._settings.roots[root])
        now = time.monotonic()
        due = self._memory.seen.folders_waiting(root)
        for folder, state in self._folders[root].items():
            if state.lively_until > now or folder_time(paths.local(top, folder)) != state.mtime_ns:
                due.append(folder)
        return due
