"""`scopeline demo`: a session from saved file to record page, before your eyes."""

from __future__ import annotations

import signal
import tempfile
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

if TYPE_CHECKING:
    from scopeline.settings import Settings


def demo(
    data: Annotated[
        Path | None, typer.Option(metavar="FOLDER", exists=True, file_okay=False, help="Play this folder's files.")
    ] = None,
    edition: Annotated[
        Literal["embedded", "gcp"] | None,
        typer.Option(help="embedded: all on this machine; gcp: Google Cloud's functions here, on emulators."),
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
    from scopeline.demo import run

    began = time.monotonic()

    def say(words: str) -> None:
        typer.echo(f"{time.monotonic() - began:6.1f} s  {words}")

    settings = _settings(edition, data_dir)
    kept = f"; data are kept in {settings.data_dir}" if run.keeps_its_data(settings) else ""
    say(f"Starting API, workers and web site{kept}")
    with run.edition_for(settings) as prepared, tempfile.TemporaryDirectory(prefix="scopeline-demo-") as work:
        access = run.prepare(prepared, instrument, "Demo Titan", zone)
        options = ("--port", "0", "--site-port", "0", "--anonymous")
        with run.running_service(prepared, access.admin, *options) as service:
            say(f"API at {service.api}, web site at {service.site}")
            part = run.realistic_part(Path(work)) if data is None else run.folder_part(data)
            session = run.play_session(
                service, access.client, Path(work), part, user=user, instrument=instrument, say=say
            )
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


def _settings(edition: str | None, data_dir: Path | None) -> Settings:
    """The settings, with a folder and a project of the demonstration's own; each edition has another folder."""
    import platformdirs

    from scopeline.settings import load_settings

    settings = load_settings(edition=edition)
    name = "scopeline-demo" if settings.edition == "embedded" else f"scopeline-demo-{settings.edition}"
    folder = data_dir or Path(platformdirs.user_data_dir(name, appauthor=False))
    return settings.model_copy(update={"data_dir": folder, "project": settings.project or "scopeline-demo"})


def _wait_for_end() -> None:
    """Return at Ctrl-C or SIGTERM."""
    ended = threading.Event()
    for wanted in (signal.SIGINT, signal.SIGTERM):
        signal.signal(wanted, lambda _number, _frame: ended.set())
    ended.wait()
