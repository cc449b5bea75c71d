"""`scopeline serve`: the local edition."""

from __future__ import annotations

import json
import signal
import threading
from collections.abc import Callable
from pathlib import Path
from types import FrameType
from typing import Annotated

import typer


def serve(
    data_dir: Annotated[Path | None, typer.Option(help="Folder of everything that is kept.")] = None,
    host: Annotated[str | None, typer.Option(help="Address to listen on.")] = None,
    port: Annotated[int | None, typer.Option(help="Port of the API; 0 takes a free one.")] = None,
    site_port: Annotated[int | None, typer.Option(help="Port of the web site; 0 takes a free one.")] = None,
    anonymous: Annotated[bool | None, typer.Option(help="Records can be read without logging in.")] = None,
    json_output: Annotated[bool, typer.Option("--json", help="Print the addresses as one JSON line.")] = False,
) -> None:
    """Run the local edition: API, workers and web site, until Ctrl-C or SIGTERM."""
    from scopeline.local.logs import log_to_terminal
    from scopeline.local.process import local_edition
    from scopeline.settings import load_settings

    settings = load_settings(data_dir=data_dir, host=host, port=port, site_port=site_port, anonymous=anonymous)
    log_to_terminal()
    ended = threading.Event()
    _on_signals(_end_the_start)
    with local_edition(settings) as addresses:
        _on_signals(lambda _number, _frame: ended.set())
        if json_output:
            print(json.dumps({"api": addresses.api, "site": addresses.site}), flush=True)
        else:
            print(f"API       {addresses.api}\nWeb site  {addresses.site}\nReady. Ctrl-C ends it.", flush=True)
        ended.wait()


def _on_signals(handler: Callable[[int, FrameType | None], None]) -> None:
    for wanted in (signal.SIGINT, signal.SIGTERM):
        signal.signal(wanted, handler)


def _end_the_start(_number: int, _frame: FrameType | None) -> None:
    """Leave the start wherever it is; the same signal again does not disturb what is ended then."""
    _on_signals(lambda _number, _frame: None)
    raise SystemExit(0)
