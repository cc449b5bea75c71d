"""Which files were promised to which session: a record waits for them after END."""

from scopeline_logger.database import Database

DUE, DONE, WITHDRAW = "due", "done", "withdraw"


class Announcements:
    """Promises on disk."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def promise(self, session: "str | None", file: int) -> None:
        """The file is to be announced (again). Nothing to do for a file without a session."""
        if session is not None:
            self._database.run(
                "INSERT OR REPLACE INTO announcements (session, file, state) VALUES (?, ?, ?)", session, file, DUE
            )

    def take_back(self, session: "str | None", file: int) -> None:
        """The file will not come."""
        self._database.run("DELETE FROM announcements WHERE session = ? AND file = ? AND state = ?", session, file, DUE)
        self._database.run("UPDATE announcements SET state = ? WHERE session = ? AND file = ?", WITHDRAW, session, file)

    def told(self, session: str, files: "list[tuple]") -> None:
        """The server knows. `files`: (file, the state that was told)."""
        with self._database.transaction():
            for file, state in files:
                if state == WITHDRAW:
                    self._database.run(
                        "DELETE FROM announcements WHERE session = ? AND file = ? AND state = ?",
                        session,
                        file,
                        WITHDRAW,
                    )
                else:
                    self._database.run(
                        "UPDATE announcements SET state = ? WHERE session = ? AND file = ? AND state = ?",
                        DONE,
                        session,
                        file,
                        state,
                    )

    def forget(self, session: str, file: int) -> None:
        """The server does not take the file."""
        self._database.run("DELETE FROM announcements WHERE session = ? AND file = ?", session, file)

    def forget_session(self, session: str) -> None:
        """The server does not take any file of the session."""
        self._database.run("DELETE FROM announcements WHERE session = ?", session)

    def sessions(self) -> "list[str]":
        """The sessions that have something to tell."""
        return [
            row[0]
            for row in self._database.rows(
                "SELECT DISTINCT session FROM announcements WHERE state IN (?, ?)", DUE, WITHDRAW
            )
        ]

    def due(self, session: str, limit: int) -> "list[tuple]":
        """(file, state, root, folder, name, size, mtime_ns) of what is to be told."""
        return self._database.rows(
            "SELECT a.file, a.state, f.root, f.folder, f.name, f.size, f.mtime_ns FROM announcements a"
            " JOIN files f ON f.id = a.file WHERE a.session = ? AND a.state IN (?, ?) ORDER BY a.file LIMIT ?",
            session,
            DUE,
            WITHDRAW,
            limit,
        )

    def count(self, session: str) -> int:
        """How many files this PC has promised to the session."""
        return int(
            self._database.number(
                "SELECT count(*) FROM announcements WHERE session = ? AND state <> ?", session, WITHDRAW
            )
        )
