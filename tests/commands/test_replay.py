"""`scopeline replay`: what gave up, trying it again, reading old files again."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from scopeline.adapters.embedded.event_worker import run_once
from scopeline.bootstrap import Embedded, embedded
from scopeline.cli import app
from scopeline.commands.beside import system_user
from scopeline.domain.errors import InvalidInput, NotFound, ScopelineError, Unavailable
from scopeline.domain.events import Event, Topic
from scopeline.domain.files import FileStatus
from scopeline.formats.results import Extracted, ExtractRequest
from scopeline.handlers import handlers
from scopeline.services import access
from scopeline.settings import load_settings

NAME = "titan/20260206-titan-aaaaaa/titan-pc/data/{}"


@contextmanager
def service(folder: Path) -> Iterator[Embedded]:
    with embedded(load_settings(data_dir=folder, attempts=1)) as edition:
        yield edition


def run(folder: Path, *words: str) -> Result:
    return CliRunner().invoke(app, ["replay", *words, "--data-dir", str(folder)], catch_exceptions=False)


def park(edition: Embedded, key: str, error: Exception) -> None:
    edition.events.publish(Event(type=Topic.SESSION_CHANGED, key=key, at=edition.backend.clock()))

    def fail(event: Event) -> None:
        raise error

    run_once(edition.events, {Topic.SESSION_CHANGED: fail})


def parked(edition: Embedded) -> list[str]:
    return [one.event.key for one in edition.events.parked()]


class Reader:
    """Reads anything."""

    def __init__(self) -> None:
        self.read: list[str] = []

    def extract(self, request: ExtractRequest) -> Extracted:
        self.read.append(request.file_name)
        return Extracted(file=request.file_name, status=FileStatus.UNSUPPORTED, reason="Not of any format.")


@pytest.fixture
def read_files(tmp_path: Path) -> Reader:
    """Two files that were read before the instrument's zone changed."""
    reader = Reader()
    with service(tmp_path) as edition:
        access.add_instrument(edition.backend, {"id": "titan", "name": "Titan", "zone": "UTC"})
        for name in ("a.dm3", "b.mrc"):
            edition.backend.raw.write(NAME.format(name), b"bytes")
        run_once(edition.events, handlers(edition.backend, reader, None))
        access.change_instrument(edition.backend, "titan", {"zone": "Europe/Berlin"})
    reader.read.clear()
    return reader


def test_it_lists_what_gave_up_for_people_and_for_programs(tmp_path: Path) -> None:
    with service(tmp_path):
        pass
    assert run(tmp_path).stdout == f"In the data folder {tmp_path}: nothing gave up.\n"
    assert json.loads(run(tmp_path, "--json").stdout) == []
    with service(tmp_path) as edition:
        park(edition, "passes", Unavailable("The site\nis away.", code="site_unavailable"))
        park(edition, "stays", InvalidInput("The record is refused.", code="refused"))
        listed = run(tmp_path)
        found: list[dict[str, Any]] = json.loads(run(tmp_path, "--json").stdout)
    assert listed.exit_code == 0
    first, second = listed.stdout.split("refused")[0], listed.stdout
    assert "session.changed of passes" in first
    assert "1 attempt, tried again by itself" in first
    assert "site_unavailable: The site is away." in first
    assert "waits for somebody" in second
    assert [(one["subject"], one["transient"], one["replayable"]) for one in found] == [
        ("passes", True, True),
        ("stays", False, False),
    ]
    assert all(one["id"] in listed.stdout for one in found)


def test_the_list_says_which_file_it_is_and_where(tmp_path: Path) -> None:
    with service(tmp_path) as edition:
        edition.backend.raw.write(NAME.format("day 1/a.dm3"), b"bytes")

        def fail(event: Event) -> None:
            raise InvalidInput("It is\x1b[31m broken.")

        run_once(edition.events, {Topic.OBJECT_FINALIZED: fail})
        listed = run(tmp_path).stdout
        (found,) = json.loads(run(tmp_path, "--json").stdout)
    assert f"In the data folder {tmp_path}: 1 gave up.\n" in listed
    assert "(day 1/a.dm3, session 20260206-titan-aaaaaa, instrument titan)\n" in listed
    assert "\x1b" not in listed
    assert (found["path"], found["session"], found["instrument"]) == ("day 1/a.dm3", "20260206-titan-aaaaaa", "titan")
    assert "schema" not in found


def test_a_message_that_nobody_understands_is_called_that(tmp_path: Path) -> None:
    with service(tmp_path) as edition:
        edition.events.publish(Event(type=Topic.OBJECT_FINALIZED, key="", at=edition.backend.clock()))

        def fail(event: Event) -> None:
            raise InvalidInput("No body.", code="bad_message")

        run_once(edition.events, {Topic.OBJECT_FINALIZED: fail})
        assert "  a message that nobody understands\n" in run(tmp_path).stdout


@pytest.mark.parametrize("words", [[], ["--json"], ["--all"], ["7"], ["--dismiss", "7"], ["--reextract"]])
def test_the_wrong_folder_is_no_all_clear_and_stays_as_it_is(tmp_path: Path, words: list[str]) -> None:
    folder = tmp_path / "elsewhere"
    with pytest.raises(NotFound, match=r"There is no database in the data folder .*elsewhere.*--data-dir") as raised:
        run(folder, *words)
    assert raised.value.code == "no_data_folder"
    assert not folder.exists()


def test_without_credentials_it_says_what_to_do(tmp_path: Path) -> None:
    emulated = ("STORAGE_EMULATOR_HOST", "FIRESTORE_EMULATOR_HOST", "PUBSUB_EMULATOR_HOST")
    done = subprocess.run(
        [sys.executable, "-m", "scopeline", "replay"],
        env={
            **{name: value for name, value in os.environ.items() if name not in emulated},
            "GOOGLE_APPLICATION_CREDENTIALS": str(tmp_path / "none.json"),
            **{
                f"SCOPELINE_{name}": value
                for name, value in (
                    ("EDITION", "gcp"), ("PROJECT", "p"), ("RAW_BUCKET", "r"), ("DERIVED_BUCKET", "d"),
                )
            },
        },
        capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip
    assert (done.returncode, done.stdout) == (1, "")
    assert "gcloud auth application-default login" in done.stderr
    assert "Traceback" not in done.stderr


def test_what_nobody_will_put_right_is_dismissed(tmp_path: Path) -> None:
    with service(tmp_path) as edition:
        park(edition, "one", InvalidInput("It is broken."))
        park(edition, "two", InvalidInput("It is broken."))
        first = next(iter(edition.events.parked())).id
        done = run(tmp_path, "--dismiss", first, "nonsense")
        assert done.exit_code == 1
        assert f"1 of 2 are dismissed by {system_user()}" in done.stdout
        assert "no failure 'nonsense'" in done.stderr
        assert parked(edition) == ["two"]
        assert json.loads(run(tmp_path, "--dismiss", first, "--json").stdout) == {"dismissed": [], "unknown": [first]}
        assert run_once(edition.events, {Topic.SESSION_CHANGED: lambda event: None}) == 0


def test_it_tries_again_what_is_named_beside_a_running_service(tmp_path: Path) -> None:
    with service(tmp_path) as edition:
        park(edition, "one", InvalidInput("It is broken."))
        park(edition, "two", InvalidInput("It is broken."))
        first = next(iter(edition.events.parked())).id
        done = run(tmp_path, first)
        assert done.exit_code == 0
        assert "1 of 1" in done.stdout
        assert "within 30 seconds" in done.stderr
        assert parked(edition) == ["two"]
        handled: list[str] = []
        run_once(edition.events, {Topic.SESSION_CHANGED: lambda event: handled.append(event.key)})
        assert handled == ["one"]


def test_all_are_tried_again_at_a_word(tmp_path: Path) -> None:
    with service(tmp_path) as edition:
        park(edition, "one", InvalidInput("It is broken."))
        park(edition, "two", InvalidInput("It is broken."))
        assert json.loads(run(tmp_path, "--all", "--json").stdout)["unknown"] == []
        assert parked(edition) == []
    nothing = run(tmp_path, "--all")
    assert (nothing.exit_code, nothing.stderr) == (0, "")


def test_ids_that_are_unknown_are_named_and_the_others_tried_again(tmp_path: Path) -> None:
    with service(tmp_path) as edition:
        park(edition, "one", InvalidInput("It is broken."))
        known = next(iter(edition.events.parked())).id
        done = run(tmp_path, "nonsense", known)
        assert done.exit_code == 1
        assert "nonsense" in done.stderr
        assert parked(edition) == []
    assert json.loads(run(tmp_path, "7", "--json").stdout) == {"replayed": [], "unknown": ["7"]}


@pytest.mark.parametrize(
    "words",
    [
        ["--all", "1"],
        ["--dismiss"],
        ["--dismiss", "--all"],
        ["--dismiss", "--reextract", "1"],
        ["--reextract", "1"],
        ["--reextract", "--all"],
        ["--reader", "mrc"],
        ["--dry-run"],
        ["--rate", "2"],
        ["--reextract", "--rate", "0"],
        ["--reextract", "--rate", "nan"],
        ["--reextract", "--reader", "nonsense"],
    ],
)
def test_words_that_do_not_go_together_are_wrong_use(tmp_path: Path, words: list[str]) -> None:
    with pytest.raises(InvalidInput):
        run(tmp_path, *words)


def test_an_unknown_reader_is_told_with_those_that_there_are(tmp_path: Path) -> None:
    with pytest.raises(ScopelineError, match="digitalmicrograph, tia"):
        run(tmp_path, "--reextract", "--reader", "nonsense")


def test_reading_again_is_tried_dry_first(tmp_path: Path, read_files: Reader) -> None:
    dry = run(tmp_path, "--reextract", "--dry-run")
    assert dry.exit_code == 0
    assert "2 of 2 files would be read again" in dry.stdout
    assert "a.dm3 (no reader): zone, day order or overrides of instrument titan changed" in dry.stdout
    with service(tmp_path) as edition:
        assert [state.waiting for state in edition.events.state()] == []


def test_old_files_are_read_again_by_the_service(tmp_path: Path, read_files: Reader) -> None:
    with service(tmp_path) as edition:
        done = run(tmp_path, "--reextract", "--rate", "1000", "--reader", "mrc")
        assert "1 of 1 files are read again" in done.stdout
        run_once(edition.events, handlers(edition.backend, read_files, None))
        assert read_files.read == ["b.mrc"]
        done = run(tmp_path, "--reextract", "--rate", "1000", "--json")
        assert {json.loads(line)["reader"] for line in done.stdout.splitlines()} == {None}
        assert [json.loads(line)["path"] for line in done.stdout.splitlines()] == [NAME.format("a.dm3")[-5:]]
        assert "1 of 2 files are read again" in done.stderr
        run_once(edition.events, handlers(edition.backend, read_files, None))
    assert read_files.read == ["b.mrc", "a.dm3"]
    assert "0 of 2" in run(tmp_path, "--reextract").stdout
