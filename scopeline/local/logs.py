"""What the local edition says while it runs."""

from __future__ import annotations

import logging
import sys
import time


def log_to_terminal(level: int = logging.INFO) -> None:
    """Send the log of this process to standard error, a line each, in UTC."""
    handler = logging.StreamHandler(sys.stderr)
    form = logging.Formatter("%(asctime)sZ %(levelname)s %(name)s: %(message)s", "%Y-%m-%dT%H:%M:%S")
    form.converter = time.gmtime
    handler.setFormatter(form)
    root = logging.getLogger()
    root.setLevel(logging.WARNING)
    root.handlers = [handler]
    logging.getLogger("scopeline").setLevel(level)
