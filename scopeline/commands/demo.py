"""`scopeline demo`: a session from saved file to record page, before your eyes."""

from __future__ import annotations

import signal
import tempfile
import threading
import time
from pathlib import Path
from typing import Annotated

import typer


def demo(
    data: Annotated[
        Path | None, typer.Option(metavar="FOLDER", exists=True, file_okay=False, help="Play this folder's files.")
    ] = None,
    once: Annotated[bool, typer.Option("--once", help="Stop when the record's page was fetched.")] = False,
    out: Annotated[
        Path | None, typer.Option(metavar="FOLDER", help="Write record.xml, metadata/ and previews/ there.")
    ] = None,
    data_dir: Annotated[
        Path | None, typer.Option(metavar="FOLDER", help="Where the demonstration keeps its data.")
    ] = None,
    user: Annotated[str, typer.Option(help="Who is at the microscope.")] = "Ada Demo",
    instrument: Annotated[str, typer.Option(help="The instrument's id.")] = "demo-titan",
    zone: Annotated[str | None, typer.Option(help="The instrument's time zone; UTC at first.")] = None,
) -> None:
    """Start everything on free ports, play a session with the real logger, print its record page's address."""
    import platformdirs

    from scopeline.demo import run
    from scopeline.settings import load_settings

    data_dir = data_dir or Path(platformdirs.user_data_dir("scopeline-demo", appauthor=False))
    began = time.monotonic()

    def say(words: str) -> None:
        typer.echo(f"{time.monotonic() - began:6.1f} s  {words}")

    say(f"Starting API, workers and web site; data are kept in {data_dir}")
    access = run.prepare(load_settings(data_dir=data_dir), instrument, "Demo Titan", zone)
    options = ("--port", "0", "--site-port", "0", "--anonymous")
    with (
        run.running_service(data_dir, access.admin, *options) as service,
        tempfile.TemporaryDirectory(prefix="scopeline-demo-") as work,
    ):
        say(f"API at {service.api}, web site at {service.site}")
        part = run.realistic_part(Path(work)) if data is None else run.folder_part(data)
        session = run.play_session(service, access.client, Path(work), part, user=user, instrument=instrument, say=say)
        page = f"{service.site}/record/{session}"
        service.page(page)
        if out is not None:
            run.save_results(service, session, out)
            say(f"Record, metadata and previews are in {out}")
        say("The record's page:")
        typer.echo(page)
        if not once:
            typer.echo("Ctrl-C ends the demonstration.", err=True)
            _wait_for_end()


def _wait_for_end() -> None:
    """Return at Ctrl-C or SIGTERM."""
    ended = threading.Event()
    for wanted in (signal.SIGINT, signal.SIGTERM):
        signal.signal(wanted, lambda _number, _frame: ended.set())
    ended.wait()
