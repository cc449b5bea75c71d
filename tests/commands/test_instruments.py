from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from scopeline.bootstrap import embedded
from scopeline.commands.instruments import app
from scopeline.domain.errors import InvalidInput, NotFound
from scopeline.services.access import Unauthorized, check_token
from scopeline.settings import load_settings


def run(folder: Path, *words: str) -> str:
    result = CliRunner().invoke(app, [*words, "--data-dir", str(folder)], catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return result.stdout


@pytest.fixture(autouse=True)
def data_folder(tmp_path: Path) -> None:
    """A service was started on the folder before."""
    with embedded(load_settings(data_dir=tmp_path)):
        pass


def as_json(folder: Path, *words: str) -> Any:
    return json.loads(run(folder, *words, "--json"))


def check(folder: Path, token: str) -> str:
    with embedded(load_settings(data_dir=folder)) as edition:
        return check_token(edition.backend, token).subject


def test_a_microscope_its_pc_and_a_token_are_made_and_the_token_revoked(tmp_path: Path) -> None:
    run(tmp_path, "add", "titan", "--name", "Titan", "--zone", "Europe/Berlin", "--day-first")
    assert as_json(tmp_path, "show", "titan")["day_first"] is True
    run(tmp_path, "client", "add", "titan-pc", "--root", "data=titan", "--root", "eds=titan:eds")
    (client,) = as_json(tmp_path, "client", "list")
    assert client["roots"]["eds"] == {"instrument": "titan", "detector": "eds"}
    token = run(tmp_path, "token", "make", "client", "titan-pc").strip()
    assert check(tmp_path, token) == "titan-pc"
    listed = run(tmp_path, "token", "list")
    assert "titan-pc" in listed
    assert token.split("_", 2)[2] not in listed
    run(tmp_path, "token", "revoke", token)
    with pytest.raises(Unauthorized, match="revoked"):
        check(tmp_path, token)


def test_a_token_can_end_by_itself(tmp_path: Path) -> None:
    made = as_json(tmp_path, "token", "make", "admin", "ada", "--days", "30")
    assert made["expires_at"] > made["created_at"]
    assert "secret_sha256" not in made
    assert check(tmp_path, made["token"]) == "ada"


def test_what_is_not_named_stays(tmp_path: Path) -> None:
    run(tmp_path, "add", "titan", "--name", "Titan", "--zone", "UTC", "--ignore", "*.bak")
    changed = as_json(tmp_path, "set", "titan", "--location", "Basement")
    assert (changed["name"], changed["location"], changed["ignore"]) == ("Titan", "Basement", ["*.bak"])
    assert as_json(tmp_path, "set", "titan", "--default-ignore")["ignore"] is None
    assert "Basement" in run(tmp_path, "list")


def test_wrong_words_say_what_is_expected(tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match="Europe/Berlin") as raised:
        run(tmp_path, "add", "titan", "--name", "Titan", "--zone", "Mars/Olympus")
    assert "Value error" not in str(raised.value)
    with pytest.raises(InvalidInput, match="NAME=INSTRUMENT"):
        run(tmp_path, "client", "add", "pc", "--root", "data")
    with pytest.raises(NotFound, match="instruments add"):
        run(tmp_path, "show", "titan")


def test_tokens_are_made_while_a_service_holds_the_folder(tmp_path: Path) -> None:
    with embedded(load_settings(data_dir=tmp_path)) as edition:
        token = run(tmp_path, "token", "make", "admin", "ada").strip()
        assert check_token(edition.backend, token).subject == "ada"


def test_the_patterns_that_are_in_force_are_shown(tmp_path: Path) -> None:
    run(tmp_path, "add", "titan", "--name", "Titan", "--zone", "UTC")
    assert "*.tmp" in run(tmp_path, "show", "titan")
    assert "(the defaults)" in run(tmp_path, "show", "titan")
    run(tmp_path, "set", "titan", "--ignore", "*.bak", "--ignore", "raw/*")
    assert "*.bak, raw/*\n" in run(tmp_path, "show", "titan")


def test_options_that_nothing_reads_are_refused(tmp_path: Path) -> None:
    words = ["add", "titan", "--name", "T", "--zone", "UTC", "--colour", "red", "--data-dir", str(tmp_path)]
    assert CliRunner().invoke(app, words).exit_code == 2


@pytest.mark.parametrize(
    ("words", "writes"),
    [
        (["add", "talos", "--name", "Talos", "--zone", "UTC"], True),
        (["set", "titan", "--name", "Titan 2"], True),
        (["client", "add", "pc", "--root", "data=titan"], True),
        (["token", "make", "admin", "ada"], True),
        (["show", "titan"], False),
        (["token", "list"], False),
    ],
)
def test_what_writes_says_where(tmp_path: Path, words: list[str], writes: bool) -> None:
    run(tmp_path, "add", "titan", "--name", "Titan", "--zone", "UTC")
    result = CliRunner().invoke(app, [*words, "--data-dir", str(tmp_path)], catch_exceptions=False)
    assert (f"Written to the data folder {tmp_path}." in result.stderr) is writes
    assert "Written" not in result.stdout


def overrides(folder: Path, *words: str) -> Any:
    return as_json(folder, "set", "titan", *words)["overrides"]


def test_overrides_are_set_and_taken_back_one_by_one(tmp_path: Path) -> None:
    run(tmp_path, "add", "titan", "--name", "Titan", "--zone", "UTC")
    assert overrides(tmp_path, "--override", "Camera Length=0.12 m", "--override", "Specimen=Au on C") == {
        "Camera Length": 120,
        "Specimen": "Au on C",
    }
    assert overrides(tmp_path, "--override", "Spot Size=3", "--no-override", "Specimen") == {
        "Camera Length": 120,
        "Spot Size": 3,
    }
    shown = run(tmp_path, "show", "titan")
    assert "Camera Length=120 mm, Spot Size=3\n" in shown
    assert as_json(tmp_path, "show", "titan")["revision"] == 3
    assert overrides(tmp_path, "--location", "Basement") == {"Camera Length": 120, "Spot Size": 3}


def test_a_wrong_override_changes_nothing(tmp_path: Path) -> None:
    run(tmp_path, "add", "titan", "--name", "Titan", "--zone", "UTC")
    for words, said in (
        (["--override", "Spot Size=3", "--override", "Camera Lenght=120"], "Did you mean 'Camera Length'"),
        (["--override", "Camera Length=long"], "not a number"),
        (["--no-override", "Spot Size"], "There are: none"),
    ):
        with pytest.raises(InvalidInput, match=said):
            run(tmp_path, "set", "titan", *words)
    assert as_json(tmp_path, "show", "titan")["overrides"] == {}


def test_where_no_service_was_started_nothing_is_made(tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere"
    with pytest.raises(NotFound, match=r"no database in the data folder .*elsewhere") as raised:
        run(elsewhere, "list")
    assert raised.value.code == "no_data_folder"
    assert not elsewhere.exists()
