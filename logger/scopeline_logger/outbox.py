"""The queue of calls: what was said to the logger and waits to be said to the server, in order."""

import collections
import json

from scopeline_logger.database import Database

START, EVENT, END = "start", "event", "end"
WAITING, SENT, REFUSED = "waiting", "sent", "refused"

Call = collections.namedtuple("Call", "id session kind body")


class Outbox:
    """Calls on disk. Each stays until the server has answered; a refused one stays with its reason."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def add(self, session: str, kind: str, body: dict) -> None:
        """Queue a call about the session of that local id."""
        self._database.run(
            "INSERT INTO calls (session, kind, body, state) VALUES (?, ?, ?, ?)",
            session,
            kind,
            json.dumps(body),
            WAITING,
        )

    def next(self) -> "Call | None":
        """The oldest call that waits."""
        row = self._database.row(
            "SELECT id, session, kind, body FROM calls WHERE state = ? ORDER BY id LIMIT 1", WAITING
        )
        return Call(row[0], row[1], row[2], json.loads(row[3])) if row else None

    def waiting(self, session: "str | None" = None) -> int:
        """How many calls wait, of one session or of all."""
        return self._count(WAITING, session)

    def is_waiting(self, session: str, kind: str) -> bool:
        """Whether a call of that kind waits."""
        return bool(
            self._database.number(
                "SELECT count(*) FROM calls WHERE state = ? AND session = ? AND kind = ?", WAITING, session, kind
            )
        )

    def has(self, session: str, kind: str) -> bool:
        """Whether a call of that kind was ever queued, whatever became of it."""
        return bool(self._database.number("SELECT count(*) FROM calls WHERE session = ? AND kind = ?", session, kind))

    def sent(self, call: int) -> None:
        """The server took the call."""
        self._database.run("UPDATE calls SET state = ?, reason = NULL WHERE id = ?", SENT, call)

    def refuse(self, call: int, reason: str) -> None:
        """The server will never take the call as it is."""
        self._database.run("UPDATE calls SET state = ?, reason = ? WHERE id = ?", REFUSED, reason, call)

    def forget(self, session: str) -> None:
        """Drop what was not sent of the session."""
        self._database.run("DELETE FROM calls WHERE session = ? AND state <> ?", session, SENT)

    def refused(self, session: "str | None" = None) -> "list[tuple]":
        """(session, kind, reason) of each refused call; of a refused session only START, which tells it all."""
        return self._database.rows(
            "SELECT session, kind, reason FROM calls WHERE state = ? AND (? IS NULL OR session = ?)"
            " AND (kind = ? OR session NOT IN (SELECT local_id FROM sessions WHERE refused IS NOT NULL)) ORDER BY id",
            REFUSED,
            session,
            session,
            START,
        )

    def forget_refused_sessions(self) -> "list[str]":
        """Drop what was refused of sessions whose START was refused: a later START was taken. Their notes' texts."""
        events = self._database.rows(
            "SELECT body FROM calls WHERE state = ? AND kind = ?"
            " AND session IN (SELECT local_id FROM sessions WHERE refused IS NOT NULL) ORDER BY id",
            REFUSED,
            EVENT,
        )
        self._database.run(
            "DELETE FROM calls WHERE state = ?"
            " AND session IN (SELECT local_id FROM sessions WHERE refused IS NOT NULL)",
            REFUSED,
        )
        return [text for text in (json.loads(row[0]).get("text") for row in events) if text]

    def say_start_again(self, session: str) -> bool:
        """Queue the session's START once more; False where it was refused or waits already."""
        return bool(
            self._database.run(
                "UPDATE calls SET state = ? WHERE session = ? AND kind = ? AND state = ?", WAITING, session, START, SENT
            )
        )

    def try_refused_again(self) -> int:
        """Queue what was refused once more; how many."""
        return int(self._database.run("UPDATE calls SET state = ?, reason = NULL WHERE state = ?", WAITING, REFUSED))

    def _count(self, state: str, session: "str | None") -> int:
        return int(
            self._database.number(
                "SELECT count(*) FROM calls WHERE state = ? AND (? IS NULL OR session = ?)", state, session, session
            )
        )
