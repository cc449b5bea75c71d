"""What commands beside a running service have in common: where they work, and who gives them."""

from __future__ import annotations

import getpass
import os
from typing import TYPE_CHECKING

from scopeline.redaction import redact

if TYPE_CHECKING:
    from scopeline.settings import Settings


def place_of(settings: Settings) -> str:
    """What a command works on, for people: the data folder or the Google Cloud project."""
    if settings.edition == "gcp":
        return f"the Google Cloud project {settings.project}"
    return f"the data folder {settings.data_dir.absolute()}"


def plain(text: str) -> str:
    """The text on one line, without secrets and what a terminal would obey: names come from anywhere."""
    return "".join(c if c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in " ".join(redact(text).split()))


def system_user() -> str:
    """Who gives the command, as this machine knows them."""
    try:
        return getpass.getuser()
    except (OSError, KeyError):  # no such account: containers run under any number
        return f"user {os.getuid()}" if hasattr(os, "getuid") else "somebody"
