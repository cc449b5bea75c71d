"""`scopeline replay`: what gave up, trying it again or dismissing it, and reading old files again."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from scopeline.commands.beside import place_of, plain, system_user
from scopeline.domain.documents import utc_text
from scopeline.domain.errors import InvalidInput

if TYPE_CHECKING:
    from scopeline.services.backend import Backend
    from scopeline.services.reextract import Examined
    from scopeline.services.replay import Failure

NOT_ALL_DONE = 1
PROGRESS_EVERY = 100


def replay(
    failures: Annotated[
        list[str] | None, typer.Argument(metavar="[ID]...", help="What to try again, or to dismiss.")
    ] = None,
    everything: Annotated[bool, typer.Option("--all", help="Try again all that gave up.")] = False,
    dismiss: Annotated[
        bool, typer.Option("--dismiss", help="Take IDs off the list for good; they are not tried again.")
    ] = False,
    reextract: Annotated[
        bool, typer.Option("--reextract", help="Read files again whose reader, vocabulary or instrument changed.")
    ] = False,
    reader: Annotated[
        str | None, typer.Option(metavar="NAME", help="With --reextract: only files that it read or might read.")
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="With --reextract: only list them, and why.")] = False,
    rate: Annotated[
        float | None, typer.Option(metavar="N", help="With --reextract: files a second, at most.", show_default="2")
    ] = None,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print JSON: one value; with --reextract an object a line.")
    ] = False,
    data_dir: Annotated[Path | None, typer.Option("--data-dir", help="Folder of the local edition.")] = None,
) -> None:
    """List what gave up; with IDs or --all, try it again; with IDs and --dismiss, forget it.

    --json prints the list as one array, of the same objects as GET /v1/failures; with IDs or --all one object
    {"replayed" or "dismissed": [ID], "unknown": [ID]}; with --reextract one object a line and file, as they are found:
    {"file", "session", "path", "reader", "why", "error"}.

    A running service takes up what is tried again by itself. The exit status is 0 where all was done, 1 where some was
    not, 2 for wrong use.
    """
    named = failures or []
    _check(
        named, everything=everything, dismiss=dismiss, reextract=reextract, reader=reader, dry_run=dry_run, rate=rate
    )
    from scopeline.bootstrap import backend_beside
    from scopeline.services.reextract import check_reader
    from scopeline.settings import load_settings

    check_reader(reader)
    with backend_beside(load_settings(data_dir=data_dir)) as backend:
        if reextract:
            complete = _reextract(backend, reader, dry_run=dry_run, rate=2.0 if rate is None else rate, as_json=as_json)
        elif dismiss:
            complete = _dismiss(backend, named, as_json=as_json)
        elif named or everything:
            complete = _replay(backend, named, as_json=as_json)
        else:
            complete = _list(backend, as_json=as_json)
    raise typer.Exit(0 if complete else NOT_ALL_DONE)


def _check(
    named: list[str],
    *,
    everything: bool,
    dismiss: bool,
    reextract: bool,
    reader: str | None,
    dry_run: bool,
    rate: float | None,
) -> None:
    """Raise InvalidInput where the options do not go together."""
    if reextract and (named or everything):
        raise InvalidInput("--reextract reads files again; ids and --all name what gave up. Expected one of them.")
    if named and everything:
        raise InvalidInput(f"--all and {named[0]!r} were given. Expected ids, or --all.")
    if dismiss and (not named or everything or reextract):
        raise InvalidInput("--dismiss forgets what is named. Expected ids with it, and neither --all nor --reextract.")
    if not reextract and (reader is not None or dry_run or rate is not None):
        raise InvalidInput("--reader, --dry-run and --rate belong to --reextract. Add it, or leave them out.")
    if rate is not None and not 0 < rate <= 1000:
        raise InvalidInput(f"--rate is {rate:g}. Expected files a second: more than 0, at most 1000.")


# ------------------------------------------------------------------------------------------------------ what gave up


def _list(backend: Backend, *, as_json: bool) -> bool:
    from scopeline.services.replay import failures

    found = list(failures(backend))
    if as_json:
        print(json.dumps([failure.model_dump(mode="json") for failure in found]))
    else:
        print(f"In {place_of(backend.settings)}: {len(found) or 'nothing'} gave up.")
        for failure in found:
            print(_words(failure))
    return True


def _words(failure: Failure) -> str:
    if failure.replayable:
        then = "tried again by itself"
    elif failure.transient:
        then = "it may pass, and is not tried any more by itself"
    else:
        then = "waits for somebody"
    attempts = f"{failure.attempts} attempt{'' if failure.attempts == 1 else 's'}"
    return (
        f"{failure.id}  {plain(failure.in_words())}\n"
        f"    since {utc_text(failure.since)[:19]}Z, {attempts}, {then}\n"
        f"    {failure.code}: {plain(failure.reason)}"
    )


def _dismiss(backend: Backend, named: list[str], *, as_json: bool) -> bool:
    """Forget what is named; whether all of it was there."""
    from scopeline.services.replay import dismiss

    who = system_user()
    done = {failure_id: dismiss(backend, failure_id, who) for failure_id in named}
    dismissed = [failure_id for failure_id, found in done.items() if found]
    unknown = [failure_id for failure_id, found in done.items() if not found]
    if as_json:
        print(json.dumps({"dismissed": dismissed, "unknown": unknown}))
    else:
        print(f"In {place_of(backend.settings)}: {len(dismissed)} of {len(done)} are dismissed by {who}.")
        _tell_unknown(unknown)
    return not unknown


def _tell_unknown(unknown: list[str]) -> None:
    for failure_id in unknown:
        typer.echo(f"There is no failure {failure_id!r}. `scopeline replay` lists all.", err=True)


def _replay(backend: Backend, named: list[str], *, as_json: bool) -> bool:
    """Try again what is named, or all; whether all of it was there."""
    from scopeline.services.replay import failures, replay

    wanted = list(dict.fromkeys(named)) or [failure.id for failure in failures(backend)]
    done = {failure_id: replay(backend, failure_id) for failure_id in wanted}
    # Of all that was listed, some may have been done meanwhile.
    unknown = [failure_id for failure_id, found in done.items() if not found and named]
    replayed = [failure_id for failure_id, found in done.items() if found]
    if as_json:
        print(json.dumps({"replayed": replayed, "unknown": unknown}))
    else:
        print(f"In {place_of(backend.settings)}: {len(replayed)} of {len(wanted)} are tried again.")
        _tell_unknown(unknown)
    _say_when(backend, bool(replayed))
    return not unknown


# ------------------------------------------------------------------------------------------------------- reading again


def _reextract(backend: Backend, reader: str | None, *, dry_run: bool, rate: float, as_json: bool) -> bool:
    """Have files read again that were read with something else; whether all could be examined."""
    from scopeline.services.reextract import examine, read_again

    looked_at = again = failed = 0
    examined = examine(backend, reader)
    for each in examined if dry_run else read_again(backend, examined, rate=rate):
        looked_at += 1
        again += each.why is not None
        failed += each.wrong is not None
        if each.why is not None or each.wrong is not None:
            print(_line(each, as_json=as_json), flush=True)
        if looked_at % PROGRESS_EVERY == 0:
            typer.echo(f"{looked_at} files looked at, {again} of them changed.", err=True)
    will = "would be read" if dry_run else "are read"
    typer.echo(f"{again} of {looked_at} files {will} again.", err=as_json)
    _say_when(backend, bool(again) and not dry_run)
    return not failed


def _line(examined: Examined, *, as_json: bool) -> str:
    file = examined.file
    if as_json:
        wrong = str(examined.wrong) if examined.wrong else None
        found: dict[str, Any] = {"file": file.id, "session": file.session, "path": file.path, "reader": file.reader}
        return json.dumps({**found, "why": examined.why, "error": wrong})
    return f"{file.id}  {plain(file.path)} ({file.reader or 'no reader'}): {examined.why or examined.wrong}"


def _say_when(backend: Backend, anything: bool) -> None:
    """The local edition's service is not told by another process: it looks itself."""
    if anything and backend.settings.edition == "embedded":
        typer.echo(
            f"The service on {place_of(backend.settings)} takes it up within 30 seconds, or when it is started.",
            err=True,
        )
