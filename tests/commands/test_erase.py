"""`scopeline erase`: it says what goes, asks, has it done, and lists what was erased."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from scopeline.adapters.embedded.event_worker import run_once
from scopeline.bootstrap import Embedded, embedded
from scopeline.cli import app
from scopeline.commands.beside import system_user
from scopeline.domain.errors import InvalidInput, NotFound
from scopeline.domain.instruments import Root, TokenKind
from scopeline.domain.sessions import Person
from scopeline.formats.results import Extracted, ExtractRequest
from scopeline.handlers import handlers
from scopeline.services import access
from scopeline.services.access import Caller
from scopeline.services.sessions import Start, start_session
from scopeline.settings import load_settings

LOCAL_ID = "7f0e6c1c-5a3e-4bd2-9c11-0d9ad0b7d3f2"


class NoReader:
    """Nothing is read here."""

    def extract(self, request: ExtractRequest) -> Extracted:
        raise AssertionError(request)


@contextmanager
def service(folder: Path) -> Iterator[Embedded]:
    with embedded(load_settings(data_dir=folder)) as edition:
        yield edition


def run(folder: Path, *words: str, answer: str | None = None) -> Result:
    words = ("erase", *words, "--data-dir", str(folder))
    return CliRunner().invoke(app, words, input=answer, catch_exceptions=False)


@pytest.fixture
def session(tmp_path: Path) -> str:
    """A session with two stored versions of one file."""
    with service(tmp_path) as edition:
        backend = edition.backend
        access.add_instrument(backend, {"id": "titan", "name": "Titan", "zone": "UTC"})
        access.set_client(backend, "titan-pc", {"data": Root(instrument="titan")})
        token, _ = access.make_token(backend, TokenKind.CLIENT, "titan-pc")
        now = datetime.now(UTC)
        caller = Caller(token, access.get_client(backend, "titan-pc"))
        people = [Person(person="Ada")]
        start = Start(local_id=LOCAL_ID, instrument="titan", at=now, sent=now, title="Gold\x1b[2J", people=people)
        made, _ = start_session(backend, caller, start)
        for content in (b"one", b"two"):
            backend.raw.write(f"titan/{made.id}/titan-pc/data/a.dm3", content)
        return made.id


def go_on(folder: Path) -> None:
    """Let the service do what was asked for."""
    with service(folder) as edition:
        run_once(edition.events, handlers(edition.backend, NoReader(), None))


def test_a_session_is_erased_after_a_yes(tmp_path: Path, session: str) -> None:
    asked = run(tmp_path, session, "--reason", "wish of  its\nowner", answer="y\n")
    assert asked.exit_code == 0
    assert f"session {session} of titan goes for good: 1 file, 2 stored versions" in asked.stderr
    assert str(tmp_path) in asked.stderr
    assert "Gold\ufffd[2J (Ada), started 20" in asked.stderr
    assert "running now, no record yet." in asked.stderr
    assert f"{session}  being erased\n" in asked.stdout
    assert f"by {system_user()}: wish of its owner\n" in asked.stdout
    go_on(tmp_path)
    listed = run(tmp_path, "--list").stdout
    assert "1 session erased or being erased.\n" in listed
    assert f"{session}  erased 20" in listed
    with service(tmp_path) as edition:
        assert list(edition.backend.raw.versions("")) == []


@pytest.mark.parametrize("answer", ["n\n", "\n"])
def test_nothing_is_erased_without_a_yes(tmp_path: Path, session: str, answer: str) -> None:
    asked = run(tmp_path, session, "--reason", "a mistake", answer=answer)
    assert asked.exit_code == 1
    assert "Nothing was erased." in asked.stderr
    assert run(tmp_path, "--list").stdout == f"In the data folder {tmp_path}: no session erased or being erased.\n"


def test_a_program_erases_and_reads_what_became_of_it(tmp_path: Path, session: str) -> None:
    tombstone = json.loads(run(tmp_path, LOCAL_ID, "--reason", "policy", "--yes", "--json").stdout)
    assert (tombstone["session"], tombstone["reason"], tombstone["erased_at"]) == (session, "policy", None)
    again = run(tmp_path, session, "--reason", "policy", "--yes", "--json")
    assert "was to be erased before" in again.stderr
    assert json.loads(again.stdout)["at"] == tombstone["at"]
    go_on(tmp_path)
    (listed,) = json.loads(run(tmp_path, "--list", "--json").stdout)
    assert (listed["files"], listed["versions"], bool(listed["erased_at"])) == (1, 2, True)


def test_an_unknown_session_is_refused(tmp_path: Path, session: str) -> None:
    with pytest.raises(NotFound, match="20200101-titan-aaaaaa") as raised:
        run(tmp_path, "20200101-titan-aaaaaa", "--reason", "policy", "--yes")
    assert raised.value.code == "unknown_session"


def test_the_wrong_folder_is_no_all_clear_and_stays_as_it_is(tmp_path: Path) -> None:
    folder = tmp_path / "elsewhere"
    with pytest.raises(NotFound) as raised:
        run(folder, "--list")
    assert raised.value.code == "no_data_folder"
    assert not folder.exists()


@pytest.mark.parametrize(
    "words",
    [
        [],
        ["20200101-titan-aaaaaa"],
        ["20200101-titan-aaaaaa", "--reason", " \n"],
        ["20200101-titan-aaaaaa", "--reason", "x" * 201],
        ["--list", "--reason", "policy"],
        ["--list", "--yes"],
        ["--list", "20200101-titan-aaaaaa"],
    ],
)
def test_words_that_do_not_go_together_are_wrong_use(tmp_path: Path, words: list[str]) -> None:
    with pytest.raises(InvalidInput):
        run(tmp_path, *words)
