"""docs/operations.md and the source name the same codes, metrics, settings and commands."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from datetime import UTC, datetime
from functools import cache
from pathlib import Path

import pytest
from typer.testing import CliRunner

from scopeline.api.metrics import exposition
from scopeline.cli import app
from scopeline.services.metrics import Measurements
from scopeline.services.sweep import TASKS
from scopeline.settings import Settings

REPOSITORY = Path(__file__).resolve().parent.parent
SOURCES = (
    *(
        path
        for package in ("scopeline", "cdcs_connector", "functions")
        for path in (REPOSITORY / package).rglob("*.py")
    ),
    REPOSITORY / "logger" / "scopeline_logger" / "resumable.py",  # what upload addresses answer
)
CODE = re.compile(r"[a-z][a-z0-9]*(?:_[a-z0-9]+)*")


@pytest.fixture(scope="module")
def page() -> str:
    return (REPOSITORY / "docs" / "operations.md").read_text(encoding="utf-8")


def codes_of(tree: ast.Module) -> Iterator[ast.expr]:
    """The expressions that give an error or answer its code."""
    for node in ast.walk(tree):
        if isinstance(node, ast.ClassDef):
            yield from (
                part.value for part in node.body if isinstance(part, ast.Assign) and _names(part.targets) == ["code"]
            )
        elif isinstance(node, ast.Call):
            yield from (keyword.value for keyword in node.keywords if keyword.arg == "code")
            called = getattr(node.func, "id", getattr(node.func, "attr", ""))
            place = {"problem": 1, "Problem": 1, "_problem": 1, "Failing": 0}.get(called)
            if place is not None:
                yield from node.args[place : place + 1]
        elif isinstance(node, ast.Assign) and _names(node.targets) in (["CODES"], ["_CODES"]):
            yield from node.value.values if isinstance(node.value, ast.Dict) else []


def codes_of_findings(tree: ast.Module) -> Iterator[ast.expr]:
    """Codes that are named first: BYTES_DIFFER = "bytes_differ"."""
    for node in tree.body:
        if isinstance(node, ast.Assign) and isinstance(node.value, ast.Constant):
            yield from (node.value for name in _names(node.targets) if node.value.value == name.lower() != name)


def _names(targets: list[ast.expr]) -> list[str]:
    return [target.id for target in targets if isinstance(target, ast.Name)]


@cache
def codes_in_source() -> dict[str, str]:
    """Each code that stands in the source, and one place where it does."""
    found: dict[str, str] = {}
    for path in SOURCES:
        tree = ast.parse(path.read_text(encoding="utf-8"))
        for expression in (*codes_of(tree), *(codes_of_findings(tree) if path.name == "findings.py" else ())):
            parts = expression.values if isinstance(expression, ast.BoolOp) else [expression]
            for part in parts:
                if isinstance(part, ast.Constant) and isinstance(part.value, str) and CODE.fullmatch(part.value):
                    found.setdefault(part.value, path.relative_to(REPOSITORY).as_posix())
    return found


def codes_on(page: str) -> set[str]:
    """The codes in the first column of the tables of codes."""
    tables = page[page.index("## Codes of work that fails") : page.index("## Work is stuck")]
    first = [line.split("|")[1] for line in tables.splitlines() if line.startswith("|")]
    return {
        code for cell in first for code in re.findall(r"`([^`]+)`", cell.split("(of ")[0]) if CODE.fullmatch(code)
    } - {"damaged"}


def test_every_code_of_the_source_stands_on_the_page(page: str) -> None:
    missing = {code: place for code, place in codes_in_source().items() if code not in codes_on(page)}
    assert missing == {}


def test_every_code_of_the_page_stands_in_the_source(page: str) -> None:
    assert codes_on(page) - codes_in_source().keys() == set()


def test_what_is_said_to_pass_by_itself_does(page: str) -> None:
    marks = {
        code: line.split("|")[2].strip()
        for line in page.splitlines()
        if line.startswith("| `") and line.count("|") == 5
        for code in re.findall(r"`([^`]+)`", line.split("|")[1])
    }
    raised: dict[str, set[bool]] = {}
    for path in SOURCES:
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
                for keyword in node.keywords:
                    if keyword.arg == "code" and isinstance(keyword.value, ast.Constant):
                        raised.setdefault(str(keyword.value.value), set()).add(node.func.id == "Unavailable")
    for code, mark in marks.items():
        if mark in ("T", "P") and code in raised and code not in ("missing_object", "no_answer"):
            assert raised[code] == {mark == "T"}, code


def test_the_search_for_codes_finds_each_form() -> None:
    found = codes_in_source()
    assert {
        "disk_full",
        "unexpected_error",
        "refused",
        "bad_request",
        "deleted_but_stored",
        "no_answer",
    } <= found.keys()
    assert len(found) > 90


def test_every_metric_of_the_page_is_measured_and_the_reverse(page: str) -> None:
    empty = Measurements(datetime(2026, 2, 6, tzinfo=UTC), [], [], [], [])
    measured = set(re.findall(r"^# TYPE (\w+)", exposition(empty), re.MULTILINE))
    told = set(re.findall(r"\bscopeline_[a-z_]+", page)) - {"scopeline_logger"}
    assert told <= measured
    assert measured - told == {"scopeline_sweep_found"}


def test_every_task_of_the_sweep_has_a_limit_on_the_page_and_a_row_in_its_decision(page: str) -> None:
    tasks = sorted(task.name for task in TASKS)
    metrics = page[page.index("| `scopeline_sweep_finished_seconds` of") : page.index("A measurement costs")]
    cells = [line.split("|")[1] for line in metrics.splitlines() if line.startswith("|")]
    limited = [name for cell in cells for name in re.findall(r"`(\w+)`", cell)]
    assert sorted(limited) == sorted(["scopeline_sweep_finished_seconds", *tasks])
    decision = (REPOSITORY / "docs" / "adr" / "0012-sweep.md").read_text(encoding="utf-8")
    assert sorted(re.findall(r"^\| `(\w+)`", decision, re.MULTILINE)) == tasks


def test_every_setting_of_the_page_is_one(page: str) -> None:
    told = set(re.findall(r"\bSCOPELINE_([A-Z_]+)\b", page))
    assert {name.lower() for name in told} <= set(Settings.model_fields)


@pytest.mark.parametrize("command", ["replay", "instruments", "serve"])
def test_every_option_of_the_page_is_one(page: str, command: str) -> None:
    told = {
        option
        for line in re.findall(rf"scopeline {command}[^`\n#]*", page)
        for option in re.findall(r"--[a-z-]+", line)
    }
    shown = "".join(
        CliRunner().invoke(app, [command, *more, "--help"], env={"COLUMNS": "200", "NO_COLOR": "1"}).output
        for more in ([], ["set"], ["token", "make"])
    )
    assert {option for option in told if option not in shown} == set()


def test_every_link_of_the_page_leads_somewhere(page: str) -> None:
    headings = {
        re.sub(r"[^a-z0-9 -]", "", line.lstrip("# ").lower()).replace(" ", "-")
        for line in page.splitlines()
        if line.startswith("#")
    }
    for target in re.findall(r"\]\(([^)]+)\)", page):
        name, _, anchor = target.partition("#")
        assert (REPOSITORY / "docs" / name).exists()
        assert not anchor or anchor in headings, anchor
