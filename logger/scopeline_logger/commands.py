"""What each command does. A command returns its exit code: 0 done, 1 done with listed failures."""

import argparse
import json
import threading
import uuid
from collections.abc import Callable

from scopeline_logger import clock, status
from scopeline_logger.errors import Refused, Unreachable, WrongUse
from scopeline_logger.exchange import Exchange
from scopeline_logger.lock import Lock
from scopeline_logger.memory import Memory
from scopeline_logger.outbox import END, EVENT, START
from scopeline_logger.seen import LEFT, REFUSED
from scopeline_logger.server import Server
from scopeline_logger.sessions import Session
from scopeline_logger.settings import Settings
from scopeline_logger.sync import Sync
from scopeline_logger.transport import Transport
from scopeline_logger.watch import Watcher

# A person waits for start, note and end; what the server does not take in this time is sent by sync.
PATIENCE_SECONDS = 5.0


class Commands:
    """The commands on one settings file. `tell` prints a line; `stop` is a threading.Event that ends long ones."""

    def __init__(self, settings: Settings, tell: "Callable[[str], object]", stop: threading.Event) -> None:
        self._settings = settings
        self._tell = tell
        self._stop = stop
        self._memory = Memory(settings)
        self._transport = Transport(settings.ca_file, settings.proxy)

    def close(self) -> None:
        """Close the database and the connections."""
        self._transport.close()
        self._memory.close()

    def start(self, options: argparse.Namespace) -> int:
        """Begin a session, with or without the server."""
        instrument = options.instrument or self._settings.instrument
        if not instrument:
            raise WrongUse("Which instrument? Use --instrument, or set instrument in %s." % self._settings.config)
        if not options.user.strip():
            raise WrongUse("Who is at the microscope? --user is empty.")
        running = self._memory.sessions.open_on(instrument)
        if running is not None and not options.end_open:
            raise WrongUse(
                "A session of %s on %s runs since %s. End it with 'end', or add --end-open."
                % (running.person, instrument, clock.moment_text(running.started))
            )
        began = self._moment(options.at)
        before = self._memory.sessions.last_end(instrument)
        if options.at and before is not None and began < before:
            raise WrongUse(
                "A session on %s lasted until %s, so this one cannot have begun before."
                % (instrument, clock.moment_text(before))
            )
        # What is in the folders now was there before the session, unless it came after a START that is told late.
        Watcher(self._settings, self._memory).look()
        with self._memory.database.transaction():
            if running is not None:
                self._queue_end(running, clock.now(), "the next session began")
            local_id = self._queue_start(instrument, options, began)
        self._send_now()
        return self._report(local_id, "Session started")

    def note(self, options: argparse.Namespace) -> int:
        """Write a note, or a change of sample or project, into the running session."""
        session = self._running(options.instrument)
        changes = [("note", "text", options.text), ("sample", "sample", _named(options.sample))]
        changes.append(("project", "project", _named(options.project)))
        said = [(kind, field, value) for kind, field, value in changes if value]
        if not said:
            raise WrongUse("Nothing to note. Give a text, --sample or --project.")
        at = clock.moment_text(self._moment(options.at))
        with self._memory.database.transaction():
            for kind, field, value in said:
                body = {"id": str(uuid.uuid4()), "kind": kind, "at": at, "person": session.person, field: value}
                self._memory.outbox.add(session.local_id, EVENT, body)
        self._send_now()
        return self._report(session.local_id, "Noted")

    def end(self, options: argparse.Namespace) -> int:
        """End the session; with `wait`, stay until everything of it was sent."""
        session = self._running(options.instrument)
        ended = self._moment(options.at)
        if ended < session.started:
            raise WrongUse(
                "The session began at %s, so it cannot have ended before." % clock.moment_text(session.started)
            )
        # Files that were written until now belong to the session; after an END that is told late, only until that.
        Watcher(self._settings, self._memory).look()
        with self._memory.database.transaction():
            self._queue_end(session, ended, None)
            if options.at:
                self._release_later_files(session, ended)
        self._send_now()
        if options.wait:
            self._work_until(lambda: self._is_settled(session.local_id))
        return self._report(session.local_id, "Session ended")

    def status(self, options: argparse.Namespace) -> int:
        """Tell how things stand."""
        trouble = None  # type: Unreachable | Refused | None
        try:
            self._memory.facts.learn(self._server(PATIENCE_SECONDS))
        except (Unreachable, Refused) as error:
            trouble = error
        state = status.gather(self._settings, self._memory, Lock(self._settings.lock).is_taken(), trouble)
        if options.json:
            self._tell(json.dumps(state, indent=2, sort_keys=True))
        else:
            for line in status.sentences(state):
                self._tell(line)
        return 0 if status.is_well(state) else 1

    def sync(self, options: argparse.Namespace) -> int:
        """Watch and send."""
        lock = Lock(self._settings.lock)
        if not lock.take():
            raise WrongUse("Another sync with %s is running already." % self._settings.config)
        try:
            return self._sync_alone(options)
        finally:
            lock.release()

    def _sync_alone(self, options: argparse.Namespace) -> int:
        work = self._make_sync()
        if options.all:
            work.watcher.look()
            self._tell("%d files that were there before will be sent." % self._memory.seen.send_left())
        if options.again:
            self._memory.outbox.try_refused_again()
            self._memory.seen.try_refused_again()
        if options.once:
            work.once()
        elif options.until_done:
            work.run(is_done=self._is_all_settled)
        else:
            self._tell("Watching %s." % ", ".join(sorted(self._settings.roots.values())))
            work.run()
            return 0
        return self._list_failures(work.trouble)

    def _moment(self, text: "str | None") -> float:
        """The moment that a person gave, or now."""
        now = clock.now()
        if not text:
            return now
        try:
            return clock.parse_past(text, now)
        except ValueError as error:
            raise WrongUse("--at: %s Write 09:14, or a date and time like 2026-02-06T09:14:00+01:00." % error)

    def _queue_start(self, instrument: str, options: argparse.Namespace, began: float) -> str:
        local_id = str(uuid.uuid4())
        body = {  # type: dict[str, object]
            "local_id": local_id,
            "instrument": instrument,
            "at": clock.moment_text(began),
            "people": [{"person": options.user.strip()}],
            "samples": [_named(name) for name in options.sample],
        }
        for name, value in (
            ("title", options.title),
            ("motivation", options.motivation),
            ("project", _named(options.project)),
        ):
            if value:
                body[name] = value
        memory = self._memory
        memory.sessions.add(
            Session(local_id, instrument, options.user.strip(), options.title, began, None, None, None, None)
        )
        memory.outbox.add(local_id, START, body)
        known = memory.facts.roots
        roots = [r for r in self._settings.roots if known.get(r, self._settings.instrument or instrument) == instrument]
        for file in memory.seen.claim(local_id, roots, began - self._settings.grace):
            memory.announcements.promise(local_id, file)
        return local_id

    def _release_later_files(self, session: Session, ended: float) -> None:
        """What came after an END that is told late and was not sent yet is no file of the session."""
        memory = self._memory
        for file in memory.seen.release(session.local_id, ended + self._settings.grace):
            memory.announcements.take_back(session.local_id, file)
            if not self._settings.send_without_session:
                memory.seen.settle(file, LEFT, "No session was running.")

    def _queue_end(self, session: Session, ended: float, why: "str | None") -> None:
        body = {"at": clock.moment_text(ended)}
        if why:
            body["why"] = why
        self._memory.sessions.end(session.local_id, ended)
        self._memory.outbox.add(session.local_id, END, body)

    def _running(self, instrument: "str | None") -> Session:
        sessions = [s for s in self._memory.sessions.open() if instrument in (None, s.instrument)]
        if not sessions:
            raise WrongUse(
                "No session is running%s. Begin one with 'start'." % (" on " + instrument if instrument else "")
            )
        if len(sessions) > 1:
            raise WrongUse(
                "Sessions run on %s. Say which with --instrument." % ", ".join(sorted(s.instrument for s in sessions))
            )
        return sessions[0]

    def _server(self, timeout: float) -> Server:
        settings = self._settings
        return Server(settings.url, settings.token, self._transport, min(timeout, settings.timeout))

    def _make_sync(self) -> Sync:
        settings = self._settings
        return Sync(settings, self._memory, self._server(settings.timeout), self._stop, self._tell)

    def _send_now(self) -> None:
        try:
            Exchange(self._memory, self._server(PATIENCE_SECONDS)).send_all()
        except Unreachable as error:
            self._tell("%s It is queued and will be sent by sync." % error)

    def _work_until(self, is_done: "Callable[[], bool]") -> None:
        """Do the work of sync until done, or wait for the sync that runs to do it."""
        lock = Lock(self._settings.lock)
        waited = False
        while not is_done() and not self._stop.is_set():
            if lock.take():
                try:
                    self._make_sync().run(is_done=is_done)
                finally:
                    lock.release()
                return
            if not waited:
                self._tell("Waiting for sync to send the files.")
                waited = True
            self._stop.wait(min(self._settings.poll, 1.0))

    def _is_settled(self, session: str) -> bool:
        memory = self._memory
        return not (
            memory.outbox.waiting(session)
            or memory.seen.count_waiting(session)
            or (session in memory.announcements.sessions() and not memory.sessions.known(session).refused)
        )

    def _is_all_settled(self) -> bool:
        return not self._memory.outbox.waiting() and not self._memory.seen.count_waiting()

    def _report(self, local_id: str, done: str) -> int:
        """Say what became of a command; 1 where the server refused something of the session."""
        session = self._memory.sessions.known(local_id)
        refused = self._memory.outbox.refused(local_id)
        files = self._memory.seen.listed(REFUSED, status.LISTED, local_id)
        erased = self._memory.sessions.erased(local_id)
        if erased:
            self._tell("Nothing more of this session is sent. %s" % erased)
            return 1
        for _, kind, reason in refused:
            self._tell("The server refused %s. %s" % (kind.upper(), reason))
        for _, path, reason in files:
            self._tell("Not sent: %s. %s" % (path, reason))
        if not (session.refused or any(kind == START for _, kind, _ in refused)):
            self._tell("%s: %s." % (done, session.server_id or local_id))
        if session.page:
            self._tell("Record: %s" % session.page)
        return 1 if refused or files else 0

    def _list_failures(self, trouble: "Unreachable | None") -> int:
        state = status.gather(self._settings, self._memory, True, trouble)
        lines = status.trouble_lines(state)
        if state["files"]["waiting"] or state["calls"]["waiting"]:
            lines.append(
                "Still to send: %d files, %d messages." % (state["files"]["waiting"], state["calls"]["waiting"])
            )
        for line in lines:
            self._tell(line)
        return 0 if status.is_well(state) and not lines else 1


def _named(name: "str | None") -> "dict | None":
    """A sample or project with that name, or None for no name."""
    return {"name": name} if name else None


def run(
    name: str,
    settings: Settings,
    options: argparse.Namespace,
    tell: "Callable[[str], object]",
    stop: threading.Event,
) -> int:
    """Run one command and give its exit code. Raises LoggerError and OSError."""
    commands = Commands(settings, tell, stop)
    try:
        return getattr(commands, name)(options)
    finally:
        commands.close()
