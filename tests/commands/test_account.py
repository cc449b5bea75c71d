"""`scopeline account`: who may sign in to the local edition's web site."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

PASSWORD = "correct horse 42"


@pytest.fixture(scope="module")
def data_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data folder whose web site was prepared."""
    folder = tmp_path_factory.mktemp("data")
    (folder / "site").mkdir()
    assert site(folder, "init").returncode == 0
    return folder


def site(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "cdcs_connector.site", *arguments],
        env={**os.environ, "SCOPELINE_SITE_DATA_DIR": str(folder / "site")},
        capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip


def account(folder: Path, *arguments: str, password: str = PASSWORD) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "scopeline", "account", *arguments, "--data-dir", str(folder)],
        input=password + "\n", capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip


def standing(folder: Path, name: str, password: str) -> str:
    """Who signs in with the password, and whether as an administrator."""
    code = (
        "from django.contrib.auth import authenticate;"
        f"u = authenticate(username={name!r}, password={password!r});"
        "print('nobody' if u is None else f'{u.username} {u.is_superuser} {sorted(g.name for g in u.groups.all())}')"
    )
    return site(folder, "manage", "shell", "-v", "0", "-c", code).stdout.strip()


def test_an_account_is_made_and_changed(data_dir: Path) -> None:
    made = account(data_dir, "ada")
    assert (made.returncode, made.stdout) == (0, "Account ada made.\n"), made.stderr
    assert standing(data_dir, "ada", PASSWORD) == "ada False ['default']"
    changed = account(data_dir, "ada", "--administrator", password="another horse 43")
    assert changed.stdout == "Account ada changed.\n"
    assert standing(data_dir, "ada", PASSWORD) == "nobody"
    assert standing(data_dir, "ada", "another horse 43") == "ada True ['default']"


@pytest.mark.parametrize(("name", "password"), [("grace", "short"), ("no spaces/allowed", PASSWORD), ("grace", "")])
def test_a_bad_name_or_password_is_refused_with_the_reason(data_dir: Path, name: str, password: str) -> None:
    refused = account(data_dir, name, password=password)
    assert refused.returncode == 2
    assert refused.stderr.startswith(f"error: Account {name!r}:")


def test_without_a_site_there_is_a_sentence(tmp_path: Path) -> None:
    refused = account(tmp_path, "ada")
    assert (refused.returncode, "Start it once" in refused.stderr) == (1, True)
