"""The one SQLite database of the local edition, held by one process at a time.

Objects, catalog and queue share it, so that a stored object and its event are one transaction. Writes are serialised by
a lock of this process: SQLite's own waiting is by sleeping and not fair.
"""

from __future__ import annotations

import os
import sqlite3
import threading
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from scopeline.adapters.data_folder import lock_folder, make_private_folder
from scopeline.adapters.embedded.schema import MIGRATIONS
from scopeline.adapters.storage_errors import storage_problems
from scopeline.domain.errors import ScopelineError

Clock = Callable[[], datetime]
FaultPoint = Callable[[str], None]

BUSY_TIMEOUT_MS = 10_000
FILE_NAME = "scopeline.sqlite"


class DatabaseNewer(ScopelineError):
    """The database was written by a newer version of Scopeline."""

    code = "database_newer"


def utc_now() -> datetime:
    """The system's clock."""
    return datetime.now(UTC)


def no_fault(point: str) -> None:
    """The fault point of production: nothing happens at `point`."""


def microseconds(moment: datetime) -> int:
    """`moment` (aware) in microseconds since 1970."""
    since = moment - datetime(1970, 1, 1, tzinfo=UTC)
    return (since.days * 86_400 + since.seconds) * 1_000_000 + since.microseconds


class Transaction:
    """One write transaction: its connection, and what happens once it is durable."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self.connection = connection
        self.after_commit: list[Callable[[], None]] = []

    def next_number(self, counter: str, at_least: int = 0) -> int:
        """The next value of a counter: greater than every earlier one, and not below `at_least`."""
        row = self.connection.execute(
            "UPDATE counters SET value = max(value + 1, ?) WHERE name = ? RETURNING value", (at_least, counter)
        ).fetchone()
        return int(row[0])


class Arrivals:
    """Tells waiting workers that a topic has a new delivery, without polling."""

    def __init__(self) -> None:
        self._condition = threading.Condition()
        self._counts: dict[str, int] = {}

    def count(self, topic: str) -> int:
        """How often the topic was announced; given to `wait`, so that nothing announced in between is missed."""
        with self._condition:
            return self._counts.get(topic, 0)

    def announce(self, *topics: str) -> None:
        """Wake those that wait for any of the topics."""
        with self._condition:
            for topic in topics:
                self._counts[topic] = self._counts.get(topic, 0) + 1
            self._condition.notify_all()

    def wait(self, topic: str, seen: int, seconds: float) -> None:
        """Return when the topic was announced since `seen`, or after `seconds`."""
        with self._condition:
            self._condition.wait_for(lambda: self._counts.get(topic, 0) != seen, timeout=seconds)


class Database:
    """The database in `folder`, created or brought to the present schema, locked against other processes.

    `clock` is the clock of everything that stands on the database. `fault_point` is called with the name of each point
    at which tests end the process. With `exclusive` false the folder is not locked, and only the catalog may be used:
    so a command can make a token while the service runs. Raises DataFolderInUse, DatabaseNewer, DatabaseDamaged,
    Unavailable (`read_only`, `disk_full`).
    """

    def __init__(
        self, folder: Path, *, clock: Clock = utc_now, fault_point: FaultPoint = no_fault, exclusive: bool = True
    ) -> None:
        self.folder = folder
        self.path = folder / FILE_NAME
        self.clock = clock
        self.fault_point = fault_point
        self.arrivals = Arrivals()
        # Names this opening: a delivery whose owner is another one was interrupted when that process ended.
        self.opening = uuid.uuid4().hex
        self._connections: dict[threading.Thread, _Held] = {}
        self._connections_lock = threading.Lock()
        self._write_lock = threading.Lock()
        self._closed = False
        self._lock_file: int | None = None
        try:
            with storage_problems(f"Opening the data folder {folder}"):
                make_private_folder(folder)
                if exclusive:
                    self._lock_file = lock_folder(folder)
            with storage_problems(f"Opening the database {self.path}", folder):
                # SQLite gives its other files the same mode.
                self.path.touch(mode=0o600)
                self._bring_up_to_date(locked=exclusive)
        except BaseException:
            self.close()
            raise

    def now(self) -> int:
        """The clock in microseconds since 1970."""
        return microseconds(self.clock())

    @contextmanager
    def reading(self, what: str = "Reading the database") -> Iterator[sqlite3.Connection]:
        """This thread's connection, for single statements that read."""
        with storage_problems(what, self.folder), self._connection() as connection:
            yield connection

    @contextmanager
    def transaction(self, what: str = "Writing the database") -> Iterator[Transaction]:
        """One write transaction, durable when the block has ended; an exception undoes it. Not to be nested."""
        with storage_problems(what, self.folder), self._connection() as connection:
            if connection.in_transaction:
                raise RuntimeError("a write transaction of this thread is open already")
            with self._write_lock:
                connection.execute("BEGIN IMMEDIATE")
                transaction = Transaction(connection)
                try:
                    yield transaction
                    connection.execute("COMMIT")
                finally:
                    if connection.in_transaction:
                        connection.execute("ROLLBACK")
            for action in transaction.after_commit:
                action()

    def close(self) -> None:
        """Close all connections and let another process open the folder.

        No thread may begin anything any more. What one does now, it may finish; its connection is closed then.
        """
        with self._connections_lock:
            self._closed = True
            for held in self._connections.values():
                held.close_unless_used()
            self._connections.clear()
            if self._lock_file is not None:
                os.close(self._lock_file)
                self._lock_file = None

    def _bring_up_to_date(self, *, locked: bool) -> None:
        with self._connection() as connection:
            self._migrate_if_older(connection, locked=locked)

    def _migrate_if_older(self, connection: sqlite3.Connection, *, locked: bool) -> None:
        found = int(connection.execute("PRAGMA user_version").fetchone()[0])
        if found > len(MIGRATIONS):
            raise DatabaseNewer(
                f"The database {self.path} has schema {found}; this version of Scopeline knows {len(MIGRATIONS)}. "
                "Install the version that wrote it, or a later one."
            )
        if found == len(MIGRATIONS):
            return
        lock = None if locked else lock_folder(self.folder)
        try:
            _migrate(connection)
        finally:
            if lock is not None:
                os.close(lock)

    @contextmanager
    def _connection(self) -> Iterator[sqlite3.Connection]:
        """This thread's connection. SQLite's library ends the process where one is closed while it is used."""
        held = self._hold()
        try:
            yield held.connection
        finally:
            with self._connections_lock:
                held.uses -= 1
                if self._closed:
                    held.close_unless_used()

    def _hold(self) -> _Held:
        thread = threading.current_thread()
        with self._connections_lock:
            if self._closed:
                raise RuntimeError(f"the database {self.path} is closed")
            held = self._connections.get(thread)
            if held is None:
                for dead in [t for t in self._connections if not t.is_alive()]:
                    self._connections.pop(dead).connection.close()
                held = self._connections[thread] = _Held(_connect(self.path))
            held.uses += 1
            return held


@dataclass(slots=True)
class _Held:
    """A thread's connection, and how often it uses it now."""

    connection: sqlite3.Connection
    uses: int = 0

    def close_unless_used(self) -> None:
        if not self.uses:
            self.connection.close()


def _connect(path: Path) -> sqlite3.Connection:
    # Each connection is used by its own thread only, but is closed by another one.
    connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False, timeout=BUSY_TIMEOUT_MS / 1000)
    connection.row_factory = sqlite3.Row
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("PRAGMA synchronous = FULL")
    connection.execute("PRAGMA foreign_keys = ON")
    # What is deleted is overwritten. FAST would leave long documents in free pages, and is not measurably faster.
    connection.execute("PRAGMA secure_delete = ON")
    return connection


def _migrate(connection: sqlite3.Connection) -> None:
    # Read again: another process may have migrated before this one had the lock.
    found = int(connection.execute("PRAGMA user_version").fetchone()[0])
    for version, script in enumerate(MIGRATIONS[found:], start=found + 1):
        # executescript runs statement by statement, so the transaction has to be part of the script.
        connection.executescript(f"BEGIN IMMEDIATE;\n{script}\nPRAGMA user_version = {version};\nCOMMIT;")
