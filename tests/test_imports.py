"""Which parts may know which libraries (design sections 2 and 3)."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

PACKAGE = Path(__file__).resolve().parent.parent / "scopeline"
FOREIGN = ("google", "boto3", "azure", "flask", "werkzeug", "waitress", "django", "rest_framework")
HEAVY = ("numpy", "dask", "rsciio", "h5py", "PIL", "lxml", "tifffile")


def modules(folder: str) -> list[str]:
    paths = sorted((PACKAGE / folder).rglob("*.py"))
    return [
        ".".join(("scopeline", *p.relative_to(PACKAGE).with_suffix("").parts)).removesuffix(".__init__") for p in paths
    ]


def loaded_by(names: list[str]) -> set[str]:
    """The top-level packages that a fresh process has in `sys.modules` because it imports `names`.

    Some packages are put there at every start: those whose installer made a namespace of them.
    """
    code = f"""
import importlib, json, sys
there = set(sys.modules)
for name in {names!r}:
    importlib.import_module(name)
print(json.dumps(list(set(sys.modules) - there)))
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120, check=True)
    return {name.partition(".")[0] for name in json.loads(done.stdout)}


@pytest.mark.parametrize("folder", ["domain", "formats", "records", "services"])
def test_the_library_knows_no_cloud_and_no_web_framework(folder: str) -> None:
    assert not loaded_by(modules(folder)) & set(FOREIGN)


@pytest.mark.parametrize("folder", ["domain", "services"])
def test_domain_and_services_load_nothing_heavy(folder: str) -> None:
    assert not loaded_by(modules(folder)) & set(HEAVY)


def test_the_domain_knows_nobody() -> None:
    for path in (PACKAGE / "domain").glob("*.py"):
        for line in path.read_text(encoding="utf-8").splitlines():
            if line.lstrip().startswith(("from scopeline", "import scopeline")):
                assert line.lstrip().startswith("from scopeline.domain"), f"{path.name}: {line}"


# What each folder may import of the project, beside itself; the arrows of docs/architecture.md.
INNER = ("domain", "formats", "records", "ports", "settings", "logs", "redaction")


@pytest.mark.parametrize(("folder", "allowed"), [("services", INNER), ("formats", ("domain",)), ("records", INNER)])
def test_inner_folders_do_not_know_outer_ones(folder: str, allowed: tuple[str, ...]) -> None:
    for path in sorted((PACKAGE / folder).rglob("*.py")):
        for line in path.read_text(encoding="utf-8").splitlines():
            found = re.match(r"\s*(?:from|import) scopeline(?!_)\.?(\w*)", line)
            if found:
                assert found[1] in (folder, *allowed), f"{path.name}: {line.strip()}"


def test_the_command_line_starts_light() -> None:
    assert not loaded_by(["scopeline.cli"]) & {*HEAVY, *FOREIGN}
