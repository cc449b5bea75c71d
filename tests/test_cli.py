"""The `scopeline` command as a person or a program meets it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import typer.main

from scopeline import cli
from scopeline.domain.errors import InvalidInput, NotFound


def commands(group: Any, path: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    """The paths of all commands and groups below one."""
    for name, command in sorted(group.commands.items()):
        yield (*path, name)
        if hasattr(command, "commands"):
            yield from commands(command, (*path, name))


ALL = list(commands(typer.main.get_command(cli.app)))


def run(monkeypatch: pytest.MonkeyPatch, *arguments: str) -> int:
    """The exit status of the command with these arguments."""
    monkeypatch.setattr(sys, "argv", ["scopeline", *arguments])
    with pytest.raises(SystemExit) as ended:
        cli.main()
    code = ended.value.code
    return code if isinstance(code, int) else 0


def test_the_designs_first_commands_are_there() -> None:
    assert {("demo",), ("serve",), ("extract",), ("record",), ("account",), ("instruments", "add")} <= set(ALL)


@pytest.mark.parametrize("path", ALL, ids=" ".join)
def test_help_says_what_a_command_does(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], path: tuple[str, ...]
) -> None:
    assert run(monkeypatch, *path, "--help") == 0
    said = capsys.readouterr()
    assert said.err == ""
    lines = [line.strip() for line in said.out.splitlines() if line.strip()]
    assert lines[0].startswith("Usage: ")
    assert " ".join(path) in lines[0]
    assert any(line.endswith(".") for line in lines[1:4])


@pytest.mark.parametrize(
    "arguments",
    [
        ["nonsense"],
        ["serve", "--nonsense"],
        ["serve", "--port", "eighty"],
        ["extract"],
        ["demo", "--data", "/does/not/exist"],
        ["record"],
    ],
    ids=" ".join,
)
def test_wrong_use_exits_2_with_a_sentence(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], arguments: list[str]
) -> None:
    assert run(monkeypatch, *arguments) == 2
    said = capsys.readouterr()
    assert said.out == ""
    assert "Traceback" not in said.err
    assert said.err.strip().splitlines()[-1].startswith("Error: ")


@pytest.mark.parametrize(
    ("error", "status"), [(InvalidInput("Path 'x' is none."), 2), (NotFound("There is no 'x'."), 1)]
)
def test_what_goes_wrong_is_one_sentence_and_its_status(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], error: Exception, status: int
) -> None:
    def fail(**_: object) -> None:
        raise error

    monkeypatch.setattr(cli, "app", fail)
    assert run(monkeypatch) == status
    assert capsys.readouterr().err == f"scopeline: {error} ({error.code})\n"


def test_bad_setting_of_the_environment_exits_2(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    monkeypatch.setenv("SCOPELINE_ATTEMPTS", "many")
    assert run(monkeypatch, "serve", "--data-dir", str(tmp_path)) == 2
    assert "SCOPELINE_ATTEMPTS" in capsys.readouterr().err


def scopeline(*arguments: str) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "PYTHONWARNINGS": "error"}
    command = [sys.executable, "-m", "scopeline", *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False, env=environment, timeout=120)


def test_folder_that_cannot_be_used_exits_1_with_a_sentence(tmp_path: Path) -> None:
    (tmp_path / "data").write_text("a file")
    for command in ("serve", "demo"):
        done = scopeline(command, "--data-dir", str(tmp_path / "data"))
        assert done.returncode == 1
        assert "Traceback" not in done.stderr
        assert done.stderr.strip().splitlines()[-1].startswith("scopeline: ")


def test_json_is_one_line_per_file_and_nothing_else_is_said(tmp_path: Path) -> None:
    paths = [tmp_path / name for name in ("notes.txt", "other.txt", "unknown.xyz")]
    for path in paths:
        path.write_text("Gold on titania.")
    done = scopeline("extract", "--json", *map(str, paths))
    answers = [json.loads(line) for line in done.stdout.splitlines()]
    assert [Path(answer["file"]).name for answer in answers] == [path.name for path in paths]
    assert [answer["status"] for answer in answers] == ["extracted", "extracted", "unsupported"]
    assert answers[2]["reason"]
    assert done.returncode == 1
    assert done.stderr == ""


def test_without_arguments_it_says_what_it_can_do() -> None:
    done = scopeline()
    said = done.stdout + done.stderr
    assert said.strip().startswith("Usage: ")
    assert all(f"\n  {path[0]} " in said for path in ALL)
    assert "Traceback" not in said
