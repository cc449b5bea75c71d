"""One command makes a site out of an empty folder; again, it changes nothing; in a new version, it updates."""

from __future__ import annotations

import os
import shutil
import sqlite3
import stat
import subprocess
import sys
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

TOKEN = "fedcba9876543210fedcba9876543210fedcba98"


Run = Callable[..., "subprocess.CompletedProcess[str]"]


def initialise(folder: Path, samples: Any, **changes: str) -> subprocess.CompletedProcess[str]:
    """Run `init` on the folder with changed settings ("unset": without that one)."""
    values = {**os.environ, **samples.environment(folder, "http://127.0.0.1:9", TOKEN), **changes}
    values = {name: value for name, value in values.items() if value != "unset"}
    command = [sys.executable, "-m", "cdcs_connector.site", "init"]
    return subprocess.run(command, env=values, capture_output=True, text=True, timeout=120)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory, samples: Any) -> tuple[Path, str]:
    """A folder that `init` made, and what it said."""
    folder = tmp_path_factory.mktemp("made")
    done = initialise(folder, samples)
    assert (done.returncode, done.stderr) == (0, "")
    return folder, done.stdout


@pytest.fixture
def folder(made: tuple[Path, str], tmp_path: Path) -> Path:
    """A copy of that folder."""
    return Path(shutil.copytree(made[0], tmp_path / "data"))


@pytest.fixture
def run(folder: Path, samples: Any) -> Run:
    """Run `init` on the copy with changed settings."""
    return lambda **changes: initialise(folder, samples, **changes)


def tables(folder: Path) -> dict[str, list[Any]]:
    with closing(sqlite3.connect(folder / "site.sqlite3")) as database:
        names = [n for (n,) in database.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
        return {name: database.execute(f'SELECT * FROM "{name}"').fetchall() for name in names}


def test_the_second_run_changes_nothing(run: Run, folder: Path) -> None:
    before = tables(folder)
    again = run()
    assert (again.returncode, again.stdout) == (0, "The site is up to date.\n")
    assert tables(folder) == before


def test_secrets_are_made_once_for_their_owner_only(tmp_path: Path, samples: Any) -> None:
    folder = tmp_path / "fresh"
    assert initialise(folder, samples, SCOPELINE_SITE_PUBLISHER_TOKEN="unset").returncode == 0
    for name in ("secret_key", "publisher_token"):
        assert stat.S_IMODE((folder / name).stat().st_mode) == 0o600
        assert len((folder / name).read_text().strip()) >= 40
    token = (folder / "publisher_token").read_text()
    again = initialise(folder, samples, SCOPELINE_SITE_PUBLISHER_TOKEN="unset")
    assert again.stdout == "The site is up to date.\n"
    assert (folder / "publisher_token").read_text() == token
    assert [row[0] for row in tables(folder)["authtoken_token"]] == [token.strip()]


DYING = """
import itertools, os, sys
from django.db.models.signals import post_migrate
from cdcs_connector.site.__main__ import main

calls = itertools.count(1)

def die_then(**_):
    if next(calls) == int(sys.argv[1]):
        os._exit(9)

post_migrate.connect(die_then)
main(["init"])
"""


@pytest.mark.parametrize("application", [1, 4, 8])
def test_a_run_that_died_after_the_last_migration_is_finished_by_the_next(
    application: int, tmp_path: Path, made: tuple[Path, str], samples: Any
) -> None:
    folder = tmp_path / "data"
    values = {**os.environ, **samples.environment(folder, "http://127.0.0.1:9", TOKEN)}
    died = subprocess.run([sys.executable, "-c", DYING, str(application)], env=values, timeout=120)
    assert died.returncode == 9
    again = initialise(folder, samples)
    assert (again.returncode, again.stderr) == (0, "")
    complete = {name: len(rows) for name, rows in tables(made[0]).items()}
    assert {name: len(rows) for name, rows in tables(folder).items()} == complete
    assert initialise(folder, samples).stdout == "The site is up to date.\n"


def run_python(code: str, folder: Path, samples: Any, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run Python code in a process with the environment of a site in `folder`."""
    values = {**os.environ, **samples.environment(folder, "http://127.0.0.1:9", TOKEN)}
    command = [sys.executable, "-c", code, *arguments]
    return subprocess.run(command, env=values, capture_output=True, text=True, timeout=120)


NOTING = """
from django.db.migrations.executor import MigrationExecutor
from cdcs_connector.site.__main__ import main

note = MigrationExecutor.record_migration

def noting(self, migration):
    print("noted", "inside" if self.connection.in_atomic_block else "outside", migration)
    note(self, migration)

MigrationExecutor.record_migration = noting
main(["init"])
"""


def test_each_migration_is_noted_in_the_transaction_of_its_changes(tmp_path: Path, samples: Any) -> None:
    done = run_python(NOTING, tmp_path / "data", samples)
    notes = [line for line in done.stdout.splitlines() if line.startswith("noted ")]
    assert len(notes) > 40, done.stderr
    assert [line for line in notes if not line.startswith("noted inside ")] == []


DYING_AFTER_A_COMMIT = """
import os, sys
from django.db.backends.sqlite3.schema import DatabaseSchemaEditor
from django.db.migrations.executor import MigrationExecutor
from cdcs_connector.site.__main__ import main

apply, leave = MigrationExecutor.apply_migration, DatabaseSchemaEditor.__exit__
now = []

def applying(self, state, migration, **options):
    now[:] = [f"{migration.app_label}.{migration.name}"]
    return apply(self, state, migration, **options)

def leaving(self, *error):
    leave(self, *error)
    if now == sys.argv[1:] and not self.connection.in_atomic_block:
        os._exit(9)

MigrationExecutor.apply_migration, DatabaseSchemaEditor.__exit__ = applying, leaving
main(["init"])
"""


# Migrations with statements that are deferred to their end, and one of the site's own.
@pytest.mark.parametrize(
    "migration", ["auth.0001_initial", "core_main_app.0006_blob_metadata", "scopeline_site.0001_initial"]
)
def test_a_run_that_died_between_two_migrations_is_finished_by_the_next(
    migration: str, tmp_path: Path, made: tuple[Path, str], samples: Any
) -> None:
    folder = tmp_path / "data"
    assert run_python(DYING_AFTER_A_COMMIT, folder, samples, migration).returncode == 9
    again = initialise(folder, samples)
    assert (again.returncode, again.stderr) == (0, "")
    complete = {name: len(rows) for name, rows in tables(made[0]).items()}
    assert {name: len(rows) for name, rows in tables(folder).items()} == complete
    assert definitions(folder) == definitions(made[0])


PLAIN_DJANGO = """
import django
django.setup()
from django.core.management import call_command
from django.core.management.commands import migrate
call_command(migrate.Command(), interactive=False, verbosity=0)
"""


def test_the_tables_and_indexes_are_those_that_django_makes(
    tmp_path: Path, made: tuple[Path, str], samples: Any
) -> None:
    (tmp_path / "secret_key").write_text("x" * 50)
    done = run_python(PLAIN_DJANGO, tmp_path, samples)
    assert (done.returncode, done.stderr) == (0, "")
    assert definitions(made[0]) == definitions(tmp_path)


def definitions(folder: Path) -> set[tuple[str, str]]:
    """Every table, index and trigger, with the statement that made it."""
    with closing(sqlite3.connect(folder / "site.sqlite3")) as database:
        return set(database.execute("SELECT name, sql FROM sqlite_master"))


def test_a_given_token_is_kept_in_the_database_only_and_can_be_changed(run: Run, folder: Path) -> None:
    assert not (folder / "publisher_token").exists()
    assert [row[0] for row in tables(folder)["authtoken_token"]] == [TOKEN]
    assert "publisher's token set" in run(SCOPELINE_SITE_PUBLISHER_TOKEN=TOKEN[::-1]).stdout
    assert [row[0] for row in tables(folder)["authtoken_token"]] == [TOKEN[::-1]]


def test_anonymous_reading_is_given_and_taken_back(made: tuple[Path, str], run: Run) -> None:
    assert "group anonymous: search allowed" in made[1]
    assert "group anonymous: search withdrawn" in run(SCOPELINE_SITE_ANONYMOUS="0").stdout


def test_a_changed_schema_becomes_the_current_version_with_the_stylesheets(
    run: Run, folder: Path, samples: Any, tmp_path: Path
) -> None:
    changed = tmp_path / "changed.xsd"
    changed.write_text(samples.schema().read_text() + "<!-- another edition -->\n")
    assert "schema: Nexus Experiment (Version 2)" in run(SCOPELINE_SITE_SCHEMA=str(changed)).stdout
    assert run(SCOPELINE_SITE_SCHEMA=str(changed)).stdout == "The site is up to date.\n"
    assert len(tables(folder)["core_main_app_templatexslrendering"]) == 2


def test_a_stylesheet_of_an_older_version_is_replaced(run: Run, folder: Path) -> None:
    with closing(sqlite3.connect(folder / "site.sqlite3")) as database:
        database.execute("UPDATE scopeline_site_storedbody SET body = ? WHERE name LIKE '%record.xsl'", [b"<old/>"])
        database.commit()
    assert run().stdout == "stylesheet: Scopeline record\n"
    assert b"<old/>" not in [body for _, body, _ in tables(folder)["scopeline_site_storedbody"]]


def test_the_database_keeps_a_write_ahead_log(folder: Path) -> None:
    with closing(sqlite3.connect(folder / "site.sqlite3")) as database:
        assert database.execute("PRAGMA journal_mode").fetchone() == ("wal",)


def test_a_bad_setting_stops_with_a_sentence(run: Run) -> None:
    done = run(SCOPELINE_SITE_PUBLISHER_TOKEN="short", SCOPELINE_SITE_SCHEMA="/nonexistent.xsd")
    assert done.returncode == 2
    assert done.stderr == "error: SCOPELINE_SITE_PUBLISHER_TOKEN: 5 characters; expected 20 to 40.\n"


def test_a_database_that_is_none_stops_with_a_sentence(run: Run, folder: Path) -> None:
    (folder / "site.sqlite3").write_bytes(b"not a database" * 1000)
    done = run()
    assert done.returncode == 2
    assert "cannot be prepared" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"DATA_DIR": None}, "SCOPELINE_SITE_DATA_DIR: found nothing"),
        ({"SERVER_URI": "records"}, "SCOPELINE_SITE_SERVER_URI: found 'records'"),
        ({"ANONYMOUS": "perhaps"}, "SCOPELINE_SITE_ANONYMOUS: found 'perhaps'"),
        ({"API_TIMEOUT": "0"}, "SCOPELINE_SITE_API_TIMEOUT: found '0'"),
    ],
)
def test_a_bad_setting_is_named_with_value_and_expectation(
    changes: dict[str, str | None], words: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from cdcs_connector.site.settings import BadSettings, SiteSettings

    for name, value in {"DATA_DIR": str(tmp_path), **changes}.items():
        if value is None:
            monkeypatch.delenv(f"SCOPELINE_SITE_{name}", raising=False)
        else:
            monkeypatch.setenv(f"SCOPELINE_SITE_{name}", value)
    with pytest.raises(BadSettings, match=words):
        SiteSettings.from_environment()


def test_a_foreign_kind_of_database_is_refused(tmp_path: Path) -> None:
    from cdcs_connector.site.settings import BadSettings, SiteSettings

    with pytest.raises(BadSettings, match="expected postgresql://"):
        SiteSettings(data_dir=tmp_path, database="mysql://x/y").database_options()


def test_postgres_has_the_engine_name_that_cdcs_core_looks_for(tmp_path: Path) -> None:
    from cdcs_connector.site.settings import SiteSettings

    settings = SiteSettings(data_dir=tmp_path, database="postgresql://cdcs:p%40ss@db.example:5433/records")
    options = settings.database_options()
    # With any other name of the same driver, core makes no full-text trigger and says nothing.
    assert options["ENGINE"] == "django.db.backends.postgresql_psycopg2"
    assert (options["USER"], options["PASSWORD"], options["HOST"], options["PORT"]) == (
        "cdcs",
        "p@ss",
        "db.example",
        "5433",
    )
