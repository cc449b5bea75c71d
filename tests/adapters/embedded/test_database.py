from __future__ import annotations

import json
import signal
import sqlite3
import subprocess
import sys
import threading
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

import pytest

from scopeline.adapters.data_folder import DataFolderInUse
from scopeline.adapters.embedded.catalog import EmbeddedCatalog
from scopeline.adapters.embedded.database import Arrivals, Database, DatabaseNewer
from scopeline.adapters.embedded.events import EmbeddedEvents
from scopeline.adapters.embedded.schema import MIGRATIONS
from scopeline.adapters.storage_errors import DatabaseDamaged
from scopeline.domain.errors import Unavailable
from scopeline.domain.events import Event, Topic
from scopeline.domain.instruments import Instrument

HOLDER = """
import sys
from pathlib import Path
from scopeline.adapters.embedded.database import Database
database = Database(Path(sys.argv[1]))
print("open", flush=True)
sys.stdin.read()
"""


def hold(folder: Path) -> subprocess.Popen[str]:
    """A process that has the folder open."""
    process = subprocess.Popen(
        [sys.executable, "-c", HOLDER, str(folder)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "open\n"
    return process


def end(process: subprocess.Popen[str]) -> None:
    process.send_signal(signal.SIGKILL)
    process.communicate()


class TestOneProcess:
    def test_a_folder_that_another_process_holds_is_refused_with_a_sentence(self, tmp_path: Path) -> None:
        process = hold(tmp_path)
        try:
            with pytest.raises(DataFolderInUse) as refused:
                Database(tmp_path)
            assert str(tmp_path) in str(refused.value)
            assert str(process.pid) in str(refused.value)
            assert refused.value.code == "data_folder_in_use"
        finally:
            end(process)

    def test_a_killed_process_leaves_the_folder_free(self, tmp_path: Path) -> None:
        end(hold(tmp_path))
        Database(tmp_path).close()

    def test_the_same_process_cannot_open_it_twice_either(self, tmp_path: Path) -> None:
        with closing(Database(tmp_path)), pytest.raises(DataFolderInUse):
            Database(tmp_path)

    def test_closing_frees_the_folder(self, tmp_path: Path) -> None:
        for _ in range(2):
            Database(tmp_path).close()

    def test_the_catalog_can_be_used_beside_a_running_service(self, tmp_path: Path) -> None:
        process = hold(tmp_path)
        try:
            with closing(Database(tmp_path, exclusive=False)) as database:
                assert EmbeddedCatalog(database).create(Instrument(id="titan", name="Titan"))
        finally:
            end(process)
        with closing(Database(tmp_path)) as database:
            assert EmbeddedCatalog(database).get(Instrument, "instruments/titan") is not None

    def test_a_command_may_be_the_first_to_open_a_folder(self, tmp_path: Path) -> None:
        with closing(Database(tmp_path, exclusive=False)) as command, closing(Database(tmp_path)):
            assert EmbeddedCatalog(command).get(Instrument, "instruments/titan") is None


class TestSchema:
    def test_a_new_database_has_the_present_version(self, tmp_path: Path) -> None:
        with closing(Database(tmp_path)) as database, database.reading() as connection:
            assert connection.execute("PRAGMA user_version").fetchone()[0] == len(MIGRATIONS)
            assert connection.execute("PRAGMA journal_mode").fetchone()[0] == "wal"
            assert connection.execute("PRAGMA synchronous").fetchone()[0] == 2

    def test_a_newer_database_is_refused_and_left_alone(self, tmp_path: Path) -> None:
        Database(tmp_path).close()
        with closing(sqlite3.connect(tmp_path / "scopeline.sqlite")) as connection:
            connection.execute("PRAGMA user_version = 99")
        with pytest.raises(DatabaseNewer, match="schema 99"):
            Database(tmp_path)
        with closing(sqlite3.connect(tmp_path / "scopeline.sqlite")) as connection:
            assert connection.execute("PRAGMA user_version").fetchone()[0] == 99

    def test_a_migration_that_fails_changes_nothing(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        Database(tmp_path).close()
        broken = (*MIGRATIONS, "CREATE TABLE later (x); CREATE TABLE objects (x);")
        with monkeypatch.context() as patch:
            patch.setattr("scopeline.adapters.embedded.database.MIGRATIONS", broken)
            with pytest.raises(sqlite3.OperationalError):
                Database(tmp_path)
        with closing(Database(tmp_path)) as database, database.reading() as connection:
            assert connection.execute("SELECT count(*) FROM sqlite_master WHERE name = 'later'").fetchone()[0] == 0

    def test_a_database_of_the_version_before_is_migrated(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        with closing(Database(tmp_path)) as database:
            EmbeddedCatalog(database).create(Instrument(id="titan", name="Titan"))
        monkeypatch.setattr("scopeline.adapters.embedded.database.MIGRATIONS", (*MIGRATIONS, "CREATE TABLE later (x);"))
        with closing(Database(tmp_path)) as database, database.reading() as connection:
            assert connection.execute("PRAGMA user_version").fetchone()[0] == len(MIGRATIONS) + 1
            assert connection.execute("SELECT count(*) FROM later").fetchone()[0] == 0
            assert EmbeddedCatalog(database).get(Instrument, "instruments/titan") is not None

    def test_the_queue_of_the_first_version_is_kept(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        event = Event(type=Topic.SESSION_ENDED, key="s", at=datetime(2026, 2, 6, tzinfo=UTC))
        body = json.dumps(event.to_json())
        with monkeypatch.context() as patch:
            patch.setattr("scopeline.adapters.embedded.database.MIGRATIONS", MIGRATIONS[:1])
            with closing(Database(tmp_path)) as database, database.transaction() as transaction:
                # Two that are parked, one that waits for its time, one that waits for its next attempt.
                for due, attempts, parked_at in ((1, 8, 5), (1, 1, 6), (2**60, 0, None), (2**60, 2, None)):
                    transaction.connection.execute(
                        "INSERT INTO deliveries (topic, key, body, due, attempts, code, reason, parked_at) "
                        "VALUES ('session.ended', 's', ?, ?, ?, 'c', 'r', ?)",
                        (body, due, attempts, parked_at),
                    )
        with closing(Database(tmp_path)) as database:
            events = EmbeddedEvents(database)
            assert [(parked.transient, parked.since.microsecond) for parked in events.parked()] == [
                (True, 5),
                (False, 6),
            ]
            delivery = events.claim(Topic)
            assert delivery is not None
            assert (delivery.event, delivery.attempt) == (event, 3)
            events.acknowledge(delivery)
            assert events.claim(Topic) is None

    @pytest.mark.parametrize("content", [b"this is no database, but long enough to look at " * 50])
    def test_a_file_that_is_no_database_is_refused_with_a_sentence(self, tmp_path: Path, content: bytes) -> None:
        (tmp_path / "scopeline.sqlite").write_bytes(content)
        with pytest.raises(DatabaseDamaged, match="backup"):
            Database(tmp_path)
        assert (tmp_path / "scopeline.sqlite").read_bytes() == content


def is_closed(connection: sqlite3.Connection) -> bool:
    try:
        connection.execute("SELECT 1")
    except sqlite3.ProgrammingError:
        return True
    return False


class TestTransactions:
    def test_an_exception_undoes_everything_and_nobody_is_told(self, tmp_path: Path) -> None:
        told: list[str] = []
        with closing(Database(tmp_path)) as database:

            def fail_in_a_transaction() -> None:
                with database.transaction() as transaction:
                    transaction.next_number("generation")
                    transaction.after_commit.append(lambda: told.append("no"))
                    raise KeyError

            with pytest.raises(KeyError):
                fail_in_a_transaction()
            with database.transaction() as transaction:
                assert transaction.next_number("generation") == 1
                transaction.after_commit.append(lambda: told.append("yes"))
        assert told == ["yes"]

    def test_nesting_is_an_error_and_no_deadlock(self, tmp_path: Path) -> None:
        with (
            closing(Database(tmp_path)) as database,
            pytest.raises(RuntimeError, match="open already"),
            database.transaction(),
            database.transaction(),
        ):
            pytest.fail("a second transaction was opened")

    def test_writers_of_many_threads_wait_for_each_other(self, tmp_path: Path) -> None:
        numbers: list[int] = []
        with closing(Database(tmp_path)) as database:

            def count() -> None:
                for _ in range(20):
                    with database.transaction() as transaction:
                        numbers.append(transaction.next_number("generation"))

            threads = [threading.Thread(target=count) for _ in range(4)]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
        assert numbers == list(range(1, 81))

    def test_what_a_thread_has_begun_it_finishes_though_the_database_is_closed(self, tmp_path: Path) -> None:
        """SQLite's library ends the process where a connection is closed that another thread uses."""
        begun, closed = threading.Event(), threading.Event()
        counted: list[int] = []
        ended: list[bool] = []

        def count(database: Database) -> None:
            with database.transaction() as transaction:
                begun.set()
                closed.wait(30)
                counted.append(transaction.next_number("generation"))
            assert is_closed(transaction.connection)
            with pytest.raises(RuntimeError, match="is closed"), database.reading():
                pytest.fail("a closed database was read")
            ended.append(True)

        with closing(Database(tmp_path)) as database:
            counting = threading.Thread(target=count, args=(database,))
            counting.start()
            assert begun.wait(30)
        closed.set()
        counting.join(30)
        assert ended == [True]
        assert counted == [1]
        with closing(Database(tmp_path)) as database, database.transaction() as transaction:
            assert transaction.next_number("generation") == 2

    def test_the_connections_of_threads_that_ended_are_closed_when_another_one_begins(self, tmp_path: Path) -> None:
        used: list[sqlite3.Connection] = []

        def read() -> None:
            with database.reading() as connection:
                used.append(connection)

        with closing(Database(tmp_path)) as database:
            for _ in range(4):
                thread = threading.Thread(target=read)
                thread.start()
                thread.join(30)
            assert [is_closed(connection) for connection in used] == [True, True, True, False]
        assert is_closed(used[-1])

    def test_a_full_database_is_a_full_disk_and_nothing_is_half_stored(self, tmp_path: Path) -> None:
        with closing(Database(tmp_path)) as database:
            catalog = EmbeddedCatalog(database)
            with database.reading() as connection:
                pages = connection.execute("PRAGMA page_count").fetchone()[0]
                connection.execute(f"PRAGMA max_page_count = {pages + 2}")
            with pytest.raises(Unavailable) as refused:
                catalog.create(Instrument(id="titan", name="x" * 100_000))
            assert (refused.value.code, refused.value.status) == ("disk_full", 507)
            assert "Free space" in str(refused.value)
            assert catalog.get(Instrument, "instruments/titan") is None
            assert catalog.create(Instrument(id="titan", name="Titan"))


def test_an_announcement_between_look_and_wait_is_not_missed() -> None:
    arrivals = Arrivals()
    seen = arrivals.count("a")
    arrivals.announce("a")
    waiting = threading.Thread(target=arrivals.wait, args=("a", seen, 60.0))
    waiting.start()
    waiting.join(30)
    assert not waiting.is_alive()
