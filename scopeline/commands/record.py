"""`scopeline record`: the record of a folder of files."""

from __future__ import annotations

import os
import tempfile
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer

LISTED_FAILURES = 1


def record(
    folder: Annotated[Path, typer.Argument(metavar="FOLDER", exists=True, file_okay=False, help="A session's files.")],
    instrument: Annotated[str, typer.Option(help="The instrument's id.")],
    user: Annotated[str, typer.Option(help="Who was at the instrument.")],
    output: Annotated[Path, typer.Option("-o", "--output", metavar="FILE", help="Where the XML goes.")],
    start: Annotated[str | None, typer.Option(metavar="TIME", help="ISO 8601; default: the first file's time.")] = None,
    end: Annotated[str | None, typer.Option(metavar="TIME", help="ISO 8601; default: the last file's time.")] = None,
    title: Annotated[str | None, typer.Option(help="The record's title.")] = None,
    name: Annotated[str | None, typer.Option(help="The instrument's name; default: its id.")] = None,
    zone: Annotated[str, typer.Option(help="The instrument's time zone.")] = "UTC",
) -> None:
    """Write the record of a folder's files, as the service would build it."""
    _check_output(output, folder)
    from scopeline.local.folder_record import FolderSession, record_of_folder
    from scopeline.settings import load_settings

    made = record_of_folder(
        FolderSession(
            folder, instrument, name or instrument, zone, user, title, _moment(start, zone), _moment(end, zone)
        ),
        load_settings(),
    )
    _write(output, made.xml)
    for refused in made.refused:
        typer.echo(f"not taken: {refused}", err=True)
    for file in made.unread:
        typer.echo(f"{file.path}: {file.status}: {file.reason}", err=True)
    if made.unread or made.refused:
        raise typer.Exit(LISTED_FAILURES)


def _moment(text: str | None, zone: str) -> datetime | None:
    """A time as a person types it; without an offset, it is in the instrument's zone."""
    if text is None:
        return None
    from zoneinfo import ZoneInfo

    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise typer.BadParameter(f"{text!r} is no time; expected e.g. 2026-02-06T09:14") from None
    return moment if moment.tzinfo else moment.replace(tzinfo=ZoneInfo(zone)).astimezone(UTC)


def _check_output(path: Path, folder: Path) -> None:
    """Refuse what cannot become the record's file before any work is done."""
    if path.resolve().is_relative_to(folder.resolve()):
        raise typer.BadParameter(f"{path} is in the folder of the session's files.", param_hint="--output")
    if path.exists() and not path.is_file():
        raise typer.BadParameter(f"{path} is there and is no file.", param_hint="--output")
    if not path.resolve().parent.is_dir():
        raise typer.BadParameter(f"There is no folder {path.resolve().parent}.", param_hint="--output")


def _write(path: Path, data: bytes) -> None:
    """Write `data` to `path`, or where a link of that name leads, whole or not at all."""
    target = path.resolve()
    with tempfile.NamedTemporaryFile(dir=target.parent, prefix=f".{target.name}.", delete=False) as file:
        partial = Path(file.name)
        try:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
            partial.chmod(0o644)
            partial.replace(target)
        except BaseException:
            partial.unlink(missing_ok=True)
            raise
