"""`scopeline erase`: a session goes with all that is stored of it; a tombstone stays."""

from __future__ import annotations

import json
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from scopeline.commands.beside import place_of, plain, system_user
from scopeline.domain.documents import utc_text
from scopeline.domain.errors import InvalidInput

if TYPE_CHECKING:
    from scopeline.domain.erasure import Tombstone
    from scopeline.domain.sessions import Session
    from scopeline.services.backend import Backend

NOT_ERASED = 1
LONGEST_REASON = 200


def erase(
    session: Annotated[str | None, typer.Argument(help="Id of the session.")] = None,
    reason: Annotated[
        str | None, typer.Option(metavar="TEXT", help="Why. The words stay: they should name nobody.")
    ] = None,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    listed: Annotated[bool, typer.Option("--list", help="List what was erased, and what is being erased.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON: the tombstone, or an array of all.")] = False,
    data_dir: Annotated[Path | None, typer.Option("--data-dir", help="Folder of the local edition.")] = None,
) -> None:
    """Erase a session with its files, previews, metadata, record and page.

    It says what will go and asks. The service does it soon after; --list tells when it is done. The exit status is 1
    where it was not asked for after all.
    """
    words = " ".join((reason or "").split())
    if listed and (session is not None or reason is not None or yes):
        raise InvalidInput("--list shows all sessions that were erased. Expected nothing with it but --json.")
    if not listed and (session is None or not words):
        raise InvalidInput("Expected a session's id and --reason TEXT, or --list.")
    if len(words) > LONGEST_REASON:
        raise InvalidInput(f"The reason has {len(words)} characters. Expected at most {LONGEST_REASON}.")
    from scopeline.bootstrap import backend_beside
    from scopeline.settings import load_settings

    with backend_beside(load_settings(data_dir=data_dir)) as backend:
        if session is None:
            _list(backend, as_json=as_json)
        elif not _erase(backend, session, words, yes=yes, as_json=as_json):
            raise typer.Exit(NOT_ERASED)


def _erase(backend: Backend, session: str, reason: str, *, yes: bool, as_json: bool) -> bool:
    """Ask, and have it erased; False where the answer was no."""
    from scopeline.services.erase import request_erasure, survey
    from scopeline.services.tombstones import SessionErased

    try:
        found = survey(backend, session)
    except SessionErased:
        # Asked for before: the same request goes on with what is left.
        typer.echo(f"Session {session} was to be erased before.", err=True)
    else:
        typer.echo(
            f"In {place_of(backend.settings)}: session {found.session.id} of {found.session.instrument} goes for good: "
            f"{_counted(found.files, 'file')}, {_counted(found.versions, 'stored version')}, and all that was made of "
            f"them.\n{_about(found.session)}",
            err=True,
        )
        if not yes and not typer.confirm("Erase it?", default=False, err=True):
            typer.echo("Nothing was erased.", err=True)
            return False
    tombstone = request_erasure(backend, system_user(), session, reason)
    print(json.dumps(tombstone.model_dump(mode="json", exclude={"schema_version"})) if as_json else _line(tombstone))
    if tombstone.erased_at is None:
        typer.echo(
            "The service does it, or will when it is started. `scopeline erase --list` says when it is done; "
            "`scopeline replay`, what holds it up.",
            err=True,
        )
    return True


def _about(session: Session) -> str:
    """By what people know the session, on a line."""
    people = ", ".join(person.person for person in session.people) or "nobody named"
    end = f"ended {_time(session.end.moment)}" if session.end else "running now"
    record = f"record version {session.record.version}" if session.record else "no record yet"
    title, began = session.title or "Without a title", _time(session.start.moment)
    return plain(f"{title} ({people}), started {began}, {end}, {record}.")


def _list(backend: Backend, *, as_json: bool) -> None:
    from scopeline.domain.erasure import Tombstone
    from scopeline.ports import TOMBSTONES, find_all

    found = list(find_all(backend.catalog, Tombstone, TOMBSTONES))
    if as_json:
        print(json.dumps([each.model_dump(mode="json", exclude={"schema_version"}) for each in found]))
        return
    number = _counted(len(found), "session") if found else "no session"
    print(f"In {place_of(backend.settings)}: {number} erased or being erased.")
    for each in found:
        print(_line(each))


def _line(tombstone: Tombstone) -> str:
    done = f"erased {_time(tombstone.erased_at)}" if tombstone.erased_at else "being erased"
    return (
        f"{tombstone.session}  {done}\n"
        f"    asked for {_time(tombstone.at)} by {tombstone.who}: {tombstone.reason}\n"
        f"    {_counted(tombstone.files, 'file')}, {_counted(tombstone.versions, 'stored version')}"
    )


def _time(moment: datetime) -> str:
    return f"{utc_text(moment)[:19]}Z"


def _counted(number: int, what: str) -> str:
    return f"{number} {what}{'' if number == 1 else 's'}"
