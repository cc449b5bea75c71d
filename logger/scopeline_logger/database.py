"""The logger's memory on disk: one SQLite file for the queue, the sessions and the files that were seen."""

import contextlib
import json
import os
import sqlite3

from scopeline_logger.errors import QueueFailure

SCHEMA_VERSION = 2

_SCHEMA = """
CREATE TABLE IF NOT EXISTS facts (name TEXT PRIMARY KEY, value TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS sessions (
    local_id TEXT PRIMARY KEY, instrument TEXT NOT NULL, person TEXT NOT NULL, title TEXT,
    started REAL NOT NULL, ended REAL, server_id TEXT, page TEXT, refused TEXT);
CREATE TABLE IF NOT EXISTS erased (session TEXT PRIMARY KEY, reason TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS calls (
    id INTEGER PRIMARY KEY AUTOINCREMENT, session TEXT NOT NULL, kind TEXT NOT NULL, body TEXT NOT NULL,
    state TEXT NOT NULL, reason TEXT);
CREATE INDEX IF NOT EXISTS calls_by_state ON calls (state, id);
CREATE TABLE IF NOT EXISTS files (
    id INTEGER PRIMARY KEY, root TEXT NOT NULL, folder TEXT NOT NULL, name TEXT NOT NULL,
    size INTEGER NOT NULL, mtime_ns INTEGER NOT NULL, first_seen REAL NOT NULL, state TEXT NOT NULL,
    session TEXT, reason TEXT, attempts INTEGER NOT NULL DEFAULT 0, upload TEXT, md5 TEXT, sent_size INTEGER,
    UNIQUE (root, folder, name));
CREATE INDEX IF NOT EXISTS files_by_state ON files (state, first_seen);
CREATE TABLE IF NOT EXISTS announcements (
    session TEXT NOT NULL, file INTEGER NOT NULL, state TEXT NOT NULL, PRIMARY KEY (session, file));
CREATE INDEX IF NOT EXISTS announcements_by_state ON announcements (state, session);
"""


class Database:
    """One connection. Every failure of the disk becomes a QueueFailure with a sentence."""

    def __init__(self, path: str) -> None:
        self.path = path
        self._inside = False
        with self._sentences():
            _create_private(path)
            self._connection = sqlite3.connect(path, timeout=30, isolation_level=None)
        try:
            with self._sentences():
                self._connection.execute("PRAGMA journal_mode = WAL")
                self._connection.execute("PRAGMA synchronous = FULL")
                self._check_version()
        except QueueFailure:
            self._connection.close()
            raise

    def _check_version(self) -> None:
        found = self._connection.execute("PRAGMA user_version").fetchone()[0]
        if found > SCHEMA_VERSION:
            raise QueueFailure(
                "The queue %s was written by a newer logger (format %d, this one knows %d). Install the newer logger."
                % (self.path, found, SCHEMA_VERSION)
            )
        if found < SCHEMA_VERSION:
            self._connection.executescript(_SCHEMA)
            self._connection.execute("PRAGMA user_version = %d" % SCHEMA_VERSION)

    def close(self) -> None:
        """Close the connection; what was committed stays."""
        self._connection.close()

    @contextlib.contextmanager
    def transaction(self):  # type: ignore[no-untyped-def]
        """Everything inside happens or nothing does. One inside another is part of the outer one."""
        if self._inside:
            yield
            return
        with self._sentences():
            self._connection.execute("BEGIN IMMEDIATE")
            self._inside = True
            try:
                yield
                self._connection.execute("COMMIT")
            except BaseException:
                with contextlib.suppress(sqlite3.Error):
                    self._connection.execute("ROLLBACK")
                raise
            finally:
                self._inside = False

    def run(self, statement: str, *values: object) -> int:
        """Run one statement; the number of rows that it changed."""
        with self._sentences():
            return self._connection.execute(statement, values).rowcount

    def insert(self, statement: str, *values: object) -> int:
        """Run one INSERT; the id of the new row."""
        with self._sentences():
            return int(self._connection.execute(statement, values).lastrowid or 0)

    def rows(self, question: str, *values: object) -> "list[tuple]":
        """All rows of the answer."""
        with self._sentences():
            return self._connection.execute(question, values).fetchall()

    def row(self, question: str, *values: object) -> "tuple | None":
        """The first row of the answer, or None."""
        with self._sentences():
            return self._connection.execute(question, values).fetchone()

    def number(self, question: str, *values: object) -> int:
        """The answer's only number; 0 for none."""
        row = self.row(question, *values)
        return int(row[0] or 0) if row else 0

    def fact(self, name: str) -> object:
        """What was remembered under `name`, or None."""
        row = self.row("SELECT value FROM facts WHERE name = ?", name)
        return json.loads(row[0]) if row else None

    def remember(self, name: str, value: object) -> None:
        """Keep `value` (anything that JSON can hold) under `name`."""
        self.run("INSERT OR REPLACE INTO facts (name, value) VALUES (?, ?)", name, json.dumps(value))

    @contextlib.contextmanager
    def _sentences(self):  # type: ignore[no-untyped-def]
        try:
            yield
        except sqlite3.Error as error:
            raise QueueFailure(self._sentence(str(error))) from error
        except OSError as error:
            if getattr(error, "filename", None) != self.path:
                raise
            raise QueueFailure(self._sentence(error.strerror or str(error))) from error

    def _sentence(self, why: str) -> str:
        lower = why.lower()
        if "full" in lower or "disk i/o" in lower or "no space" in lower:
            todo = "Free some space on this disk and try again; what was queued before is safe."
        elif "not a database" in lower or "malformed" in lower:
            todo = "Move the file away and start again; files still in the watched folders can be sent by 'sync --all'."
        elif "locked" in lower:
            todo = "Another logger command is busy with it; try again in a minute."
        else:
            todo = "Check that this user may write in that folder."
        return "The queue %s cannot be used: %s. %s" % (self.path, why, todo)


def _create_private(path: str) -> None:
    """Make the file if need be, so that only this user can read it: it holds upload addresses."""
    os.close(os.open(path, os.O_RDWR | os.O_CREAT, 0o600))
