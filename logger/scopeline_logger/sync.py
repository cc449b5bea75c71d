"""The loop that watches, sends files and says what waits; it does all this in one thread, between chunks."""

import logging
import random
import threading
import time
from collections.abc import Callable

from scopeline_logger.errors import LoggerError, NotLetIn, Refused, Stopped, StoreBusy, Unreachable
from scopeline_logger.exchange import ERASED, Exchange
from scopeline_logger.memory import Memory
from scopeline_logger.open_files import OpenFiles
from scopeline_logger.outbox import START
from scopeline_logger.paths import extended, local, readable
from scopeline_logger.seen import IGNORED, LEFT, MAX_ATTEMPTS, REFUSED, VANISHED, SeenFile, path_of
from scopeline_logger.server import Server
from scopeline_logger.settings import Settings
from scopeline_logger.status import unreadable_sentence
from scopeline_logger.upload import Changed, Uploader, Vanished, WrongBytes
from scopeline_logger.watch import Watcher

_LOG = logging.getLogger(__name__)

LONGEST_PAUSE = 60.0
_LONGEST_ASKED_PAUSE = 600.0
_FACTS_SECONDS = 600.0
_HEARTBEAT_SECONDS = 60.0


class Pause:
    """Growing pauses after failures: 1, 2, 4 ... 60 s, each shortened by chance so that PCs do not ask in step."""

    def __init__(self) -> None:
        self._failures = 0
        self._until = 0.0

    def failed(self, asked: "float | None" = None) -> None:
        """It failed again; `asked`: the pause in seconds that the server wants."""
        length = min(LONGEST_PAUSE, 2.0 ** min(self._failures, 6)) * random.uniform(0.5, 1.0)
        self._failures += 1
        self._until = time.monotonic() + max(length, min(asked or 0.0, _LONGEST_ASKED_PAUSE))

    def worked(self) -> None:
        """It worked; no pause."""
        self._failures = 0
        self._until = 0.0

    def left(self) -> float:
        """Seconds until the next try."""
        return max(0.0, self._until - time.monotonic())


class Sync:
    """Watches and sends until it is told to stop. `stop`: a threading.Event; `tell`: prints a line for people."""

    def __init__(
        self,
        settings: Settings,
        memory: Memory,
        server: Server,
        stop: threading.Event,
        tell: "Callable[[str], object]",
    ) -> None:
        self._settings = settings
        self._memory = memory
        self._server = server
        self._stop = stop
        self._tell = tell
        self._exchange = Exchange(memory, server)
        self.watcher = Watcher(settings, memory)
        self._uploader = Uploader(server, memory.seen, settings.roots, settings.chunk, self._between_chunks)
        self._open_files = OpenFiles()
        self._server_pause = Pause()
        self._file_pauses = {}  # type: dict[int, Pause]
        self._facts_due = self._heartbeat_due = 0.0
        self._trouble = None  # type: Unreachable | None
        self._told_away = {}  # type: dict[str, str]

    def run(self, is_done: "Callable[[], bool] | None" = None) -> None:
        """Work until stopped, or until `is_done()` says so when nothing can be done at once. Raises QueueFailure."""
        self._memory.seen.refuse_other_roots(sorted(self._settings.roots))
        try:
            while not self._stop.is_set():
                self._turn()
                if self._send_next():
                    continue
                if is_done is not None and is_done():
                    return
                self._stop.wait(min(self._settings.poll, 1.0))
        except Stopped:
            pass

    def once(self) -> None:
        """Look, wait until files have shown that they are finished, send those, and end."""
        self.watcher.look()
        self._stop.wait(self._settings.stability)
        self.watcher.look()
        self.run(is_done=lambda: True)

    @property
    def trouble(self) -> "Unreachable | None":
        """Why the server cannot be used now, or None."""
        return self._trouble

    def _turn(self) -> None:
        self.watcher.look_if_due()
        self._tell_of_folders()
        if self._server_pause.left():
            return
        try:
            self._talk()
        except Unreachable as error:
            self._note_trouble(error)
        except Refused as error:
            self._note_trouble(Unreachable("The server does not say who it is (%s)." % error))

    def _tell_of_folders(self) -> None:
        """Say which folders cannot be read, and which can be again; each once."""
        away = dict(self.watcher.away)
        for root, folder in sorted(self._settings.roots.items()):
            if root in away and away[root] != self._told_away.get(root):
                self._tell(unreadable_sentence(readable(folder), root, away[root]))
            elif root in self._told_away and root not in away:
                self._tell("Folder %s of root %s can be read again." % (readable(folder), root))
        self._told_away = away

    def _talk(self) -> None:
        now = time.monotonic()
        if now >= self._facts_due:
            self._memory.facts.learn(self._server)
            self._facts_due = now + _FACTS_SECONDS
        self._exchange.send_all()
        if now >= self._heartbeat_due:
            self._exchange.heartbeat(self._settings.roots)
            self._heartbeat_due = now + _HEARTBEAT_SECONDS
        self._note_no_trouble()

    def _note_trouble(self, error: Unreachable) -> None:
        if str(error) != str(self._trouble):
            _LOG.warning("%s", error)
            self._tell(str(error))
        self._trouble = error
        self._server_pause.failed(LONGEST_PAUSE if isinstance(error, NotLetIn) else error.retry_after)

    def _note_no_trouble(self) -> None:
        if self._trouble is not None:
            self._tell("The server is there again.")
        self._trouble = None
        self._server_pause.worked()

    def _between_chunks(self) -> None:
        if self._stop.is_set():
            raise Stopped("Stopped while a file was sent.")
        self._turn()

    def _send_next(self) -> bool:
        """Send the next file that is ready; whether one was tried."""
        if self._server_pause.left():
            return False
        file = self._next_ready()
        if file is None:
            return False
        erased = self._memory.sessions.erased(file.session)
        if erased:
            self._give_up(file, LEFT, erased)
            return True
        try:
            session = self._session_to_send(file.session)
            md5 = self._uploader.send(file, session)
        except (Stopped, Unreachable) as error:
            if isinstance(error, Stopped):
                raise
            self._memory.seen.hold(file.id, str(error))
            self._note_trouble(error)
            if isinstance(error, StoreBusy):
                # Its pauses grow, the server's end when another call works: so the files behind it get their turn.
                self._pause(file.id)
            return True
        except LoggerError as error:
            self._keep_failure(file, error)
            return True
        self._memory.seen.sent(file, md5)
        self.watcher.steady_since.pop(file.id, None)
        self._file_pauses.pop(file.id, None)
        self._tell("Sent %s." % readable(path_of(file)))
        return True

    def _next_ready(self) -> "SeenFile | None":
        after = (0.0, 0)
        while True:
            files = self._memory.seen.waiting(after)
            if not files:
                return None
            for file in files:
                pause = self._file_pauses.get(file.id)
                if self.watcher.is_steady(file.id) and (pause is None or not pause.left()) and self._may_go(file):
                    return file
            after = (files[-1].first_seen, files[-1].id)

    def _may_go(self, file: SeenFile) -> bool:
        if file.session is not None and self._memory.outbox.is_waiting(file.session, START):
            return False
        path = local(extended(self._settings.roots[file.root]), path_of(file))
        if self._open_files.has_writer(path):
            self._memory.seen.hold(file.id, "A program has it open for writing.")
            self._pause(file.id)
            return False
        return True

    def _session_to_send(self, local_id: "str | None") -> "str | None":
        """A session that the server refused cannot have files; they are sent without one, to be safe."""
        session = self._memory.sessions.get(local_id) if local_id else None
        return None if session is None or session.refused else session.local_id

    def _keep_failure(self, file: SeenFile, error: LoggerError) -> None:
        seen = self._memory.seen
        _LOG.warning("%s of root %s was not sent: %s", readable(path_of(file)), file.root, error)
        if isinstance(error, Vanished):
            self._vanished(file)
        elif isinstance(error, Changed):
            # The next look sees its new size and time, and waits until they stay.
            self.watcher.steady_since.pop(file.id, None)
            seen.hold(file.id, str(error))
        elif isinstance(error, WrongBytes):
            if seen.failed(file.id, str(error)) >= MAX_ATTEMPTS:
                self._give_up(file, REFUSED, "%s Sent %d times." % (error, MAX_ATTEMPTS))
            self._pause(file.id)
        elif isinstance(error, Refused) and error.code == "unknown_session":
            self._memory.outbox.say_start_again(file.session)
            seen.hold(file.id, str(error))
            self._pause(file.id)
        elif isinstance(error, Refused) and error.code == ERASED:
            if file.session is not None:
                self._memory.forget_erased(file.session, str(error))
            self._give_up(file, LEFT, str(error))
        elif isinstance(error, Refused) and error.status in (400, 403, 413, 422):
            self._give_up(file, IGNORED if error.code == "ignored" else REFUSED, str(error))
        else:
            seen.hold(file.id, str(error))
            self._pause(file.id)

    def _vanished(self, file: SeenFile) -> None:
        if self.watcher.has_root(file.root):
            self._give_up(file, VANISHED, "It was gone before it could be sent.")
        else:
            self._pause(file.id)

    def _give_up(self, file: SeenFile, state: str, reason: str) -> None:
        with self._memory.database.transaction():
            self._memory.seen.settle(file.id, state, reason)
            self._memory.announcements.take_back(file.session, file.id)
        self._tell("Not sent: %s. %s" % (readable(path_of(file)), reason))

    def _pause(self, file: int) -> None:
        self._file_pauses.setdefault(file, Pause()).failed()
