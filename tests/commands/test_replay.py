"""`scopeline replay`: what gave up, trying it again, reading old files again."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from scopeline.adapters.embedded.event_worker import run_once
from scopeline.bootstrap import Embedded, embedded
from scopeline.cli import app
from scopeline.domain.errors import InvalidInput, ScopelineError, Unavailable
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
    assert "Nothing gave up" in run(tmp_path).stdout
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
    assert "a.dm3: zone, day order or overrides of instrument titan changed" in dry.stdout
    with service(tmp_path) as edition:
        assert [state.waiting for state in edition.events.state()] == []


def test_old_files_are_read_again_by_the_service(tmp_path: Path, read_files: Reader) -> None:
    with service(tmp_path) as edition:
        done = run(tmp_path, "--reextract", "--rate", "1000", "--reader", "mrc")
        assert "1 of 1 files are read again" in done.stdout
        run_once(edition.events, handlers(edition.backend, read_files, None))
        assert read_files.read == ["b.mrc"]
        done = run(tmp_path, "--reextract", "--rate", "1000", "--json")
        assert [json.loads(line)["path"] for line in done.stdout.splitlines()] == [NAME.format("a.dm3")[-5:]]
        assert "1 of 2 files are read again" in done.stderr
        run_once(edition.events, handlers(edition.backend, read_files, None))
    assert read_files.read == ["b.mrc", "a.dm3"]
    assert "0 of 2" in run(tmp_path, "--reextract").stdout
