"""Says to the server what waits: calls in order, announcements of files, the heartbeat."""

import logging

from scopeline_logger import __version__, clock, paths
from scopeline_logger.announcements import WITHDRAW
from scopeline_logger.errors import Refused, Unreachable
from scopeline_logger.memory import Memory
from scopeline_logger.outbox import END, EVENT, START, Call
from scopeline_logger.seen import IGNORED, REFUSED
from scopeline_logger.server import Server
from scopeline_logger.sessions import Session

_LOG = logging.getLogger(__name__)

ANNOUNCE_AT_ONCE = 500
REFUSED_TOLD = 20
# Said about a session that the server does not know.
_UNKNOWN = ("unknown_session", "not_found")
# Said about a session, or a file of one, that a person had erased.
ERASED = "session_erased"


class Exchange:
    """Every method raises Unreachable where the server cannot take it now; what waits stays queued."""

    def __init__(self, memory: Memory, server: Server) -> None:
        self._memory = memory
        self._server = server

    def send_all(self) -> None:
        """Send calls and announcements until none waits."""
        while True:
            call = self._memory.outbox.next()
            if call is None:
                break
            if call.kind == END:
                # The server counts what was announced when END comes.
                self._announce(call.session)
            self._send(call)
        for session in self._memory.announcements.sessions():
            self._announce(session)

    def _send(self, call: Call) -> None:
        memory = self._memory
        session = memory.sessions.get(call.session)
        if memory.sessions.erased(call.session):
            memory.outbox.forget(call.session)
            return
        if call.kind != START and session is not None and session.refused:
            memory.outbox.refuse(call.id, "START of its session was refused: " + session.refused)
            return
        try:
            answer = self._say(call)
        except Refused as refusal:
            if refusal.code == ERASED:
                self._forget_erased(call.session, refusal)
                return
            if refusal.code in _UNKNOWN and call.kind != START and memory.outbox.say_start_again(call.session):
                raise Unreachable("The server no longer knows a session; its START is sent again.") from refusal
            _LOG.warning("The server refuses %s: %s", call.kind, refusal)
            with memory.database.transaction():
                memory.outbox.refuse(call.id, str(refusal))
                if call.kind == START:
                    memory.sessions.refuse(call.session, str(refusal), clock.now())
            return
        with memory.database.transaction():
            memory.outbox.sent(call.id)
            memory.sessions.learn(call.session, answer)
            if call.kind == START:
                for text in memory.outbox.forget_refused_sessions():
                    _LOG.warning("A note of a session that was refused is kept here only: %s", text)
                if session is not None and session.refused:
                    self._go_on(session)
        _LOG.info("Sent %s of session %s.", call.kind, answer["id"])

    def _forget_erased(self, session: str, refusal: Refused) -> None:
        _LOG.warning("Nothing more of session %s is sent. %s", session, refusal)
        self._memory.forget_erased(session, str(refusal))

    def _go_on(self, session: Session) -> None:
        """A session that was closed because its START was refused is accepted now: it runs, unless another began."""
        memory = self._memory
        if memory.outbox.has(session.local_id, END):
            return
        if memory.sessions.open_on(session.instrument) is None:
            memory.sessions.reopen(session.local_id)
        elif session.ended is not None:
            body = {"at": clock.moment_text(session.ended), "why": "the next session began"}
            memory.outbox.add(session.local_id, END, body)

    def _say(self, call: Call) -> dict:
        body = dict(call.body, sent=clock.moment_text(clock.now()))
        if call.kind == START:
            answer = self._server.start(body)
        elif call.kind == EVENT:
            answer = self._server.event(call.session, body)
        else:
            body["announced"] = self._memory.announcements.count(call.session)
            answer = self._server.end(call.session, body)
        if answer["local_id"] != call.session:
            raise Unreachable("The server answered about another session.")
        return answer

    def _announce(self, session: str) -> None:
        """Announce and withdraw the session's files; left for later while its START waits, or was refused."""
        memory = self._memory
        known = memory.sessions.get(session)
        if memory.sessions.erased(session):
            memory.announcements.forget_session(session)
            return
        if known is None or known.refused or memory.outbox.is_waiting(session, START):
            return
        while True:
            due = memory.announcements.due(session, ANNOUNCE_AT_ONCE)
            if not due:
                return
            try:
                answers = self._server.announce(session, [_announcement(row) for row in due])
            except Refused as refusal:
                if refusal.code == ERASED:
                    self._forget_erased(session, refusal)
                    return
                if refusal.code in _UNKNOWN and memory.outbox.say_start_again(session):
                    raise Unreachable("The server no longer knows a session; its START is sent again.") from refusal
                # Files go without being announced; whether they may, their uploads tell one by one.
                _LOG.warning("The server does not take announcements: %s", refusal)
                answers = [{} for _ in due]
            with memory.database.transaction():
                self._keep(session, due, answers)

    def _keep(self, session: str, due: "list[tuple]", answers: "list[dict]") -> None:
        for row, answer in zip(due, answers):  # noqa: B905 (Python 3.10 has strict)
            if row[1] != WITHDRAW and isinstance(answer.get("code"), str):
                state = IGNORED if answer["code"] == "ignored" else REFUSED
                reason = "%s: %s" % (answer["code"], answer.get("detail", ""))
                self._memory.seen.settle(row[0], state, reason)
                self._memory.announcements.forget(session, row[0])
        self._memory.announcements.told(session, [(row[0], row[1]) for row in due])

    def heartbeat(self, roots: "dict[str, str]") -> None:
        """Tell what waits here and what was refused."""
        seen = self._memory.seen
        oldest = seen.oldest_waiting()
        try:
            self._server.heartbeat(
                {
                    "at": clock.moment_text(clock.now()),
                    "version": __version__,
                    "roots": {name: paths.readable(folder) for name, folder in roots.items()},
                    "queue": {
                        "waiting": seen.count_waiting(),
                        "bytes": seen.bytes_waiting(),
                        "oldest": clock.moment_text(oldest) if oldest else None,
                    },
                    "refused": [
                        {"root": root, "path": paths.readable(path), "reason": reason}
                        for root, path, reason in seen.listed(REFUSED, REFUSED_TOLD)
                    ],
                }
            )
        except Refused as refusal:
            _LOG.warning("The server does not take the heartbeat: %s", refusal)


def _announcement(row: tuple) -> dict:
    file = {
        "root": row[2],
        "path": paths.to_wire(paths.join(row[3], row[4])),
        "size": row[5],
        "mtime": clock.file_time_text(row[6]),
    }
    if row[1] == WITHDRAW:
        file["withdrawn"] = True
    return file
