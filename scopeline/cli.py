"""The `scopeline` command."""

from __future__ import annotations

import os
import sys

import typer

from scopeline.commands.account import account
from scopeline.commands.demo import demo
from scopeline.commands.erase import erase
from scopeline.commands.extract import extract
from scopeline.commands.instruments import app as instruments
from scopeline.commands.record import record
from scopeline.commands.replay import replay
from scopeline.commands.serve import serve
from scopeline.domain.errors import InvalidInput, ScopelineError
from scopeline.proxies import bypass_proxies_on_this_machine
from scopeline.python_notices import leave_out_python_notices

app = typer.Typer(
    name="scopeline", no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False, rich_markup_mode=None
)


@app.callback()
def scopeline() -> None:
    """From saved microscope files to records that people can find."""


app.command("demo")(demo)
app.command("serve")(serve)
app.command("extract")(extract)
app.command("record")(record)
app.command("replay")(replay)
app.command("erase")(erase)
app.command("account")(account)
app.add_typer(instruments, name="instruments")


def main() -> None:
    """Run the command line. Exit status: 0 done, 1 done with listed failures or stopped, 2 wrong use."""
    leave_out_python_notices()
    bypass_proxies_on_this_machine(os.environ)
    try:
        app(prog_name="scopeline")
    except ScopelineError as error:
        print(f"scopeline: {error} ({error.code})", file=sys.stderr)
        sys.exit(2 if isinstance(error, InvalidInput) else 1)
    except OSError as error:
        # Of this machine: a disk that is full, a folder that cannot be written.
        print(f"scopeline: {error}", file=sys.stderr)
        sys.exit(1)
