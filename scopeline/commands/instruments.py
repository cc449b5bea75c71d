"""`scopeline instruments`: microscopes, the PCs beside them, and the tokens that let programs in.

It works on the catalog itself, not through the API, so that the first token can be made; a service may be running.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from scopeline.commands.beside import place_of
from scopeline.domain.errors import InvalidInput
from scopeline.domain.instruments import Client, Instrument, Root, Token, TokenKind

if TYPE_CHECKING:
    from scopeline.services.backend import Backend

DataDir = Annotated[Path | None, typer.Option("--data-dir", help="Folder of the local edition.")]
Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]

app = typer.Typer(name="instruments", help="Microscopes, their clients and tokens.", no_args_is_help=True)
client_app = typer.Typer(help="PCs with a logger.", no_args_is_help=True)
token_app = typer.Typer(help="Tokens: made, listed and revoked.", no_args_is_help=True)
app.add_typer(client_app, name="client")
app.add_typer(token_app, name="token")


@contextmanager
def _backend(data_dir: Path | None) -> Iterator[Backend]:
    from scopeline.bootstrap import backend_beside
    from scopeline.settings import load_settings

    with backend_beside(load_settings(data_dir=data_dir)) as backend:
        yield backend


@contextmanager
def _written(data_dir: Path | None) -> Iterator[Backend]:
    """The same for what writes; says afterwards where, beside the output that programs read."""
    with _backend(data_dir) as backend:
        yield backend
        place = place_of(backend.settings)
    typer.echo(f"Written to {place}.", err=True)


# ------------------------------------------------------------------------------------------------------ instruments

NAME = typer.Option(help="Name for people.")
ZONE = typer.Option(help="IANA time zone of its clock.")
PID = typer.Option(help="Persistent identifier.")
LOCATION = typer.Option(help="Where it stands.")
DAY_FIRST = typer.Option(help="Its software writes 31/12, not 12/31.")
IGNORE = typer.Option(help="Pattern of files to leave out; may be given again; replaces the defaults.")


@app.command("add")
def add_instrument(
    instrument: Annotated[str, typer.Argument(help="Id: 1-40 of a-z, 0-9 and inner hyphens.")],
    name: Annotated[str, NAME],
    zone: Annotated[str, ZONE],
    pid: Annotated[str | None, PID] = None,
    location: Annotated[str | None, LOCATION] = None,
    day_first: Annotated[bool | None, DAY_FIRST] = None,
    ignore: Annotated[list[str] | None, IGNORE] = None,
    data_dir: DataDir = None,
    json_output: Json = False,
) -> None:
    """Add a microscope."""
    from scopeline.services import access

    fields = _given(name=name, zone=zone, pid=pid, location=location, day_first=day_first, ignore=ignore)
    with _written(data_dir) as backend:
        added = access.add_instrument(backend, {"id": instrument, **fields})
    _show_instrument(added, json_output)


@app.command("set")
def set_instrument(
    instrument: Annotated[str, typer.Argument(help="Id of the instrument.")],
    name: Annotated[str | None, NAME] = None,
    zone: Annotated[str | None, ZONE] = None,
    pid: Annotated[str | None, PID] = None,
    location: Annotated[str | None, LOCATION] = None,
    day_first: Annotated[bool | None, DAY_FIRST] = None,
    ignore: Annotated[list[str] | None, IGNORE] = None,
    default_ignore: Annotated[bool, typer.Option(help="Leave out what is left out by default.")] = False,
    override: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME=VALUE", help="Say it in place of its files: 'Camera Length=120 mm'; may be given again."
        ),
    ] = None,
    no_override: Annotated[
        list[str] | None, typer.Option(metavar="NAME", help="Take an override back; may be given again.")
    ] = None,
    data_dir: DataDir = None,
    json_output: Json = False,
) -> None:
    """Change a microscope. What is not named stays.

    What is read from now on follows an override. Files that were read before do after scopeline replay --reextract.
    """
    from scopeline.services import access
    from scopeline.services.overrides import parse_override

    overrides = {**dict(parse_override(text) for text in override or ()), **dict.fromkeys(no_override or ())}
    fields = _given(name=name, zone=zone, pid=pid, location=location, day_first=day_first, ignore=ignore)
    if default_ignore:
        fields["ignore"] = None
    with _written(data_dir) as backend:
        changed = access.change_instrument(backend, instrument, fields, overrides=overrides)
    _show_instrument(changed, json_output)


@app.command("show")
def show_instrument(
    instrument: Annotated[str, typer.Argument(help="Id of the instrument.")],
    data_dir: DataDir = None,
    json_output: Json = False,
) -> None:
    """Show a microscope."""
    from scopeline.services import access

    with _backend(data_dir) as backend:
        found = access.get_instrument(backend, instrument)
    _show_instrument(found, json_output)


@app.command("list")
def list_instruments(data_dir: DataDir = None, json_output: Json = False) -> None:
    """List the microscopes."""
    from scopeline.ports import INSTRUMENTS, find_all

    with _backend(data_dir) as backend:
        rows = [each.to_json() for each in find_all(backend.catalog, Instrument, INSTRUMENTS)]
    _table(rows, ["id", "name", "zone", "location"], json_output)


# ---------------------------------------------------------------------------------------------------------- clients


@client_app.command("add")
def add_client(
    client: Annotated[str, typer.Argument(help="Id of the PC: 1-40 of a-z, 0-9 and inner hyphens.")],
    root: Annotated[list[str], typer.Option(help="NAME=INSTRUMENT or NAME=INSTRUMENT:DETECTOR; may be given again.")],
    data_dir: DataDir = None,
    json_output: Json = False,
) -> None:
    """Add a PC with its roots, or give one that exists these roots."""
    from scopeline.services import access

    roots = dict(_root(text) for text in root)
    with _written(data_dir) as backend:
        added = access.set_client(backend, client, roots)
    _show(added.to_json(), json_output)


@client_app.command("list")
def list_clients(data_dir: DataDir = None, json_output: Json = False) -> None:
    """List the PCs."""
    from scopeline.ports import CLIENTS, find_all

    with _backend(data_dir) as backend:
        rows = [each.to_json() for each in find_all(backend.catalog, Client, CLIENTS)]
    _table(rows, ["id", "instruments", "version", "last_heartbeat"], json_output)


# ----------------------------------------------------------------------------------------------------------- tokens


@token_app.command("make")
def make_token(
    kind: Annotated[TokenKind, typer.Argument(help="What the token may do.")],
    subject: Annotated[str, typer.Argument(help="The client's id (kind client), or a name to know the token by.")],
    client: Annotated[
        list[str] | None, typer.Option(help="Kind hub: a client that it acts for; may be given again.")
    ] = None,
    days: Annotated[int | None, typer.Option(min=1, help="Valid for that long; without it, until revoked.")] = None,
    data_dir: DataDir = None,
    json_output: Json = False,
) -> None:
    """Make a token. It is printed now and never again."""
    from scopeline.services import access

    with _written(data_dir) as backend:
        expires = backend.clock() + timedelta(days=days) if days else None
        token, text = access.make_token(backend, kind, subject, clients=client or (), expires_at=expires)
    print(json.dumps({**_public(token), "token": text}) if json_output else text)


@token_app.command("list")
def list_tokens(data_dir: DataDir = None, json_output: Json = False) -> None:
    """List the tokens, without their secrets."""
    from scopeline.ports import TOKENS, find_all

    with _backend(data_dir) as backend:
        rows = [_public(each) for each in find_all(backend.catalog, Token, TOKENS)]
    _table(rows, ["id", "kind", "subject", "created_at", "expires_at", "revoked_at"], json_output)


@token_app.command("revoke")
def revoke_token(
    token: Annotated[str, typer.Argument(help="Id of the token, or the whole token.")],
    data_dir: DataDir = None,
    json_output: Json = False,
) -> None:
    """Revoke a token, at once and for good."""
    from scopeline.services import access

    token_id = token.split("_")[1] if token.startswith("sl_") else token
    with _written(data_dir) as backend:
        revoked = access.revoke_token(backend, token_id)
    _show(_public(revoked), json_output)


def _given(**options: Any) -> dict[str, Any]:
    """The options that were given; a list of none was not."""
    return {name: value for name, value in options.items() if value not in (None, [])}


def _root(text: str) -> tuple[str, Root]:
    name, _, target = text.partition("=")
    instrument, _, detector = target.partition(":")
    if not name or not instrument:
        raise InvalidInput(f"Root {text!r} is not understood. Expected NAME=INSTRUMENT or NAME=INSTRUMENT:DETECTOR.")
    return name, Root(instrument=instrument, detector=detector or None)


def _public(token: Token) -> dict[str, Any]:
    fields = token.to_json()
    del fields["secret_sha256"]
    return fields


def _show_instrument(instrument: Instrument, json_output: bool) -> None:
    """Show an instrument; people are told which files are left out where it has no patterns of its own."""
    from scopeline.services.ignore import ignore_patterns
    from scopeline.services.overrides import in_words

    fields = instrument.to_json()
    if not json_output:
        fields["overrides"] = in_words(instrument.overrides)
    if fields["ignore"] is None and not json_output:
        fields["ignore"] = f"{', '.join(ignore_patterns(instrument))} (the defaults)"
    _show(fields, json_output)


def _show(fields: dict[str, Any], json_output: bool) -> None:
    if json_output:
        print(json.dumps(fields))
        return
    for name, value in fields.items():
        if name != "schema":
            print(f"{name:15} {_cell(value)}")


def _table(rows: list[dict[str, Any]], columns: list[str], json_output: bool) -> None:
    if json_output:
        print(json.dumps(rows))
        return
    table = [columns, *([_cell(row[column]) for column in columns] for row in rows)]
    widths = [max(len(line[n]) for line in table) for n in range(len(columns))]
    for line in table:
        print("  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip())


def _cell(value: Any) -> str:
    if isinstance(value, list):
        return ", ".join(map(str, value))
    return "" if value is None else str(value)
