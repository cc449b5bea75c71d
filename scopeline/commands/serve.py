"""`scopeline serve`: the local edition, or the Google Cloud edition on emulators, in the foreground."""

from __future__ import annotations

import json
import shlex
import signal
import threading
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import asdict
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Annotated, Literal

import typer

if TYPE_CHECKING:
    from scopeline.local.process import Addresses
    from scopeline.settings import Settings


def serve(
    edition: Annotated[
        Literal["embedded", "gcp"] | None,
        typer.Option(
            help="embedded: all on this machine; gcp: Google Cloud's functions here, on the emulators that the "
            "environment names. Where it names none, own ones are started, and what is stored is gone at its end."
        ),
    ] = None,
    data_dir: Annotated[Path | None, typer.Option(help="Folder of everything that is kept.")] = None,
    host: Annotated[str | None, typer.Option(help="Address to listen on.")] = None,
    port: Annotated[int | None, typer.Option(help="Port of the API; 0 takes a free one.")] = None,
    site_port: Annotated[int | None, typer.Option(help="Port of the web site; 0 takes a free one.")] = None,
    anonymous: Annotated[bool | None, typer.Option(help="Records can be read without logging in.")] = None,
    json_output: Annotated[bool, typer.Option("--json", help="Print the addresses as one JSON line.")] = False,
) -> None:
    """Run API, workers and web site on this machine until Ctrl-C or SIGTERM."""
    from scopeline.process_log import start_log
    from scopeline.settings import load_settings

    settings = load_settings(
        edition=edition, data_dir=data_dir, host=host, port=port, site_port=site_port, anonymous=anonymous
    )
    start_log(settings)
    ended = threading.Event()
    _on_signals(_end_the_start)
    with _running(settings, ended.set) as addresses:
        _on_signals(lambda _number, _frame: ended.set())
        if json_output:
            print(json.dumps({name: value for name, value in asdict(addresses).items() if value}), flush=True)
        else:
            print(f"API       {addresses.api}\nWeb site  {addresses.site}")
            if addresses.logs:
                print(f"Logs      {addresses.logs}")
            if addresses.notice:
                print(addresses.notice)
            if addresses.environment:
                print("For other commands beside it:")
            for name, value in addresses.environment.items():
                print(f"export {name}={shlex.quote(value)}")
            print("Ready. Ctrl-C ends it.", flush=True)
        ended.wait()


def _running(settings: Settings, end: Callable[[], None]) -> AbstractContextManager[Addresses]:
    """The edition that the settings name; one that cannot go on calls `end`."""
    if settings.edition == "gcp":
        from scopeline.local.cloud_edition import cloud_edition

        return cloud_edition(settings, end)
    from scopeline.local.process import local_edition

    return local_edition(settings)


def _on_signals(handler: Callable[[int, FrameType | None], None]) -> None:
    for wanted in (signal.SIGINT, signal.SIGTERM):
        signal.signal(wanted, handler)


def _end_the_start(_number: int, _frame: FrameType | None) -> None:
    """Leave the start wherever it is; the same signal again does not disturb what is ended then."""
    _on_signals(lambda _number, _frame: None)
    raise SystemExit(0)
