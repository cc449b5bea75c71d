"""The sessions that began on this PC, and which of them a file belongs to."""

import collections

from scopeline_logger.database import Database

Session = collections.namedtuple(
    "Session", "local_id instrument person title started ended server_id page refused"
)  # started, ended: seconds since 1970 by this PC's clock; ended, server_id, page, refused: None until known

_COLUMNS = ", ".join(Session._fields)


class Sessions:
    """The sessions on disk."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def add(self, session: Session) -> None:
        """Keep a new session."""
        marks = ", ".join("?" * len(Session._fields))
        self._database.run("INSERT INTO sessions (%s) VALUES (%s)" % (_COLUMNS, marks), *session)

    def get(self, local_id: str) -> "Session | None":
        """The session of that local id."""
        return self._one("WHERE local_id = ?", local_id)

    def known(self, local_id: str) -> Session:
        """The session of that local id, which this PC began. Raises LookupError."""
        session = self.get(local_id)
        if session is None:
            raise LookupError("No session %s was started on this PC." % local_id)
        return session

    def open_on(self, instrument: str) -> "Session | None":
        """The session that runs on an instrument."""
        return self._one("WHERE instrument = ? AND ended IS NULL ORDER BY started DESC", instrument)

    def open(self) -> "list[Session]":
        """All sessions that run."""
        return self._many("WHERE ended IS NULL ORDER BY started DESC")

    def latest(self) -> "Session | None":
        """The session that began last and was not refused."""
        return self._one("WHERE refused IS NULL ORDER BY rowid DESC")

    def last_end(self, instrument: str) -> "float | None":
        """When the last session on an instrument that is over ended, or None."""
        session = self._one(
            "WHERE instrument = ? AND ended IS NOT NULL AND refused IS NULL ORDER BY ended DESC", instrument
        )
        return session.ended if session else None

    def recent(self, moment: float) -> "list[Session]":
        """The sessions that run or ended after `moment`, the newest first."""
        return self._many("WHERE ended IS NULL OR ended >= ? ORDER BY started DESC", moment)

    def end(self, local_id: str, moment: float) -> None:
        """The session is over."""
        self._database.run("UPDATE sessions SET ended = ? WHERE local_id = ?", moment, local_id)

    def learn(self, local_id: str, answer: dict) -> None:
        """Keep the server's id of the session and the address of its page."""
        self._database.run(
            "UPDATE sessions SET server_id = ?, page = ?, refused = NULL WHERE local_id = ?",
            answer["id"],
            answer.get("page"),
            local_id,
        )

    def refuse(self, local_id: str, reason: str, moment: float) -> None:
        """The server does not take the session, so it is over. Its files are sent without one: they are safe."""
        self._database.run(
            "UPDATE sessions SET refused = ?, ended = coalesce(ended, ?) WHERE local_id = ?", reason, moment, local_id
        )

    def erase(self, local_id: str, reason: str, moment: float) -> None:
        """A person had the session erased on the server, so it is over."""
        self._database.run("INSERT OR IGNORE INTO erased (session, reason) VALUES (?, ?)", local_id, reason)
        self._database.run("UPDATE sessions SET ended = coalesce(ended, ?) WHERE local_id = ?", moment, local_id)

    def erased(self, local_id: "str | None") -> "str | None":
        """What the server said when it had erased the session, or None."""
        row = self._database.row("SELECT reason FROM erased WHERE session = ?", local_id)
        return row[0] if row else None

    def reopen(self, local_id: str) -> None:
        """The session runs after all."""
        self._database.run("UPDATE sessions SET ended = NULL WHERE local_id = ?", local_id)

    def _one(self, condition: str, *values: object) -> "Session | None":
        row = self._database.row("SELECT %s FROM sessions %s LIMIT 1" % (_COLUMNS, condition), *values)
        return Session(*row) if row else None

    def _many(self, condition: str, *values: object) -> "list[Session]":
        return [
            Session(*row) for row in self._database.rows("SELECT %s FROM sessions %s" % (_COLUMNS, condition), *values)
        ]


def session_of(
    written: float, last_look: "float | None", now: float, sessions: "list[Session]", grace: float
) -> "Session | None":
    """The session that a file belongs to which a look found new or changed, or None.

    A file's time is believed where it lies between the last look and now: then the session decides that ran at that
    time, or within `grace` seconds of it. Any other time (a copy that kept its old time, a clock that was set) says
    nothing; but the file came after the last look, so it belongs to the session that runs, or to the one that ended
    since. Before the first look of a folder (`last_look` None), only the file's time can tell.

    `sessions`: those of the file's instrument, the newest first. All times are seconds of this PC's clock.
    """
    believed = written <= now + grace and (last_look is None or written >= last_look - grace)
    if believed:
        return _at(written, now, sessions, 0.0) or _at(written, now, sessions, grace)
    if last_look is None:
        return None
    for session in sessions:
        if session.ended is None or session.ended >= last_look:
            return session
    return None


def _at(moment: float, now: float, sessions: "list[Session]", grace: float) -> "Session | None":
    for session in sessions:
        # A running session began before now, whatever a clock that was put back says.
        started = min(session.started, now) if session.ended is None else session.started
        if started - grace <= moment and (session.ended is None or moment <= session.ended + grace):
            return session
    return None
