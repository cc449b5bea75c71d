"""`scopeline account`: people who may sign in to the web site of the local edition."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Annotated

import typer

SECONDS = 120


def account(
    name: Annotated[str, typer.Argument(help="The name to sign in with.")],
    administrator: Annotated[
        bool, typer.Option("--administrator", help="May manage accounts and workspaces in the site's /admin/.")
    ] = False,
    data_dir: Annotated[Path | None, typer.Option(help="Folder of the local edition.")] = None,
) -> None:
    """Make or change a person's account on the web site; asks for the password."""
    from scopeline.domain.errors import NotFound
    from scopeline.settings import load_settings

    folder = load_settings(data_dir=data_dir).data_dir / "site"
    if not folder.is_dir():
        raise NotFound(
            f"There is no web site in {folder} yet. Start it once: scopeline serve --data-dir {folder.parent}.",
            code="no_site",
        )
    password = _password()
    done = subprocess.run(
        [sys.executable, "-m", "cdcs_connector.site", "account", name, *(["--administrator"] if administrator else [])],
        env={**os.environ, "SCOPELINE_SITE_DATA_DIR": str(folder)},
        input=password + "\n",
        text=True,
        timeout=SECONDS,
        check=False,
    )
    if done.returncode:
        raise typer.Exit(done.returncode)


def _password() -> str:
    """What a person types twice, or the first line of standard input where that is no terminal."""
    if sys.stdin.isatty():
        return str(typer.prompt("Password", hide_input=True, confirmation_prompt=True))
    return sys.stdin.readline().rstrip("\r\n")
