"""The log file: what was done and what failed, without secrets."""

import logging
import logging.handlers
import os
import re

_SECRETS = re.compile(r"sl_[A-Za-z0-9]+_[^\s\"',;]+|https?://\S+")


def open_log(folder: str, name: str) -> None:
    """Write the package's log to `name` in `folder`: five files of 1 MB each.

    Each kind of command has its own file, because Windows cannot rotate one that another process has open.
    """
    handler = logging.handlers.RotatingFileHandler(
        os.path.join(folder, name), maxBytes=1000000, backupCount=4, encoding="utf-8", delay=True
    )
    handler.setFormatter(_Discreet("%(asctime)s %(levelname)s %(message)s"))
    root = logging.getLogger("scopeline_logger")
    root.setLevel(logging.INFO)
    root.propagate = False
    root.addHandler(handler)


def close_log() -> None:
    """Close the log file."""
    root = logging.getLogger("scopeline_logger")
    for handler in list(root.handlers):
        if isinstance(handler, logging.handlers.RotatingFileHandler):
            root.removeHandler(handler)
            handler.close()


class _Discreet(logging.Formatter):
    """Leaves out tokens and whole addresses, should one ever come into a message or a traceback."""

    def format(self, record: logging.LogRecord) -> str:
        return _SECRETS.sub("(left out)", super().format(record))
