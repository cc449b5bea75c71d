"""In which form a process of the back end says what it does."""

from __future__ import annotations

import logging

from scopeline.logs import log_as_json, log_as_text
from scopeline.python_notices import leave_out_python_notices
from scopeline.settings import Settings


def start_log(settings: Settings) -> None:
    """Send the log of this process to standard error in the form that the settings name, or the edition's own."""
    form = settings.log_format or ("json" if settings.edition == "gcp" else "text")
    if form == "json":
        log_as_json(settings.project)
    else:
        log_as_text()


def start_function_log() -> None:
    """Begin the log of a function of Google Cloud, before its settings are known: each line is JSON.

    So are warnings of libraries and the words of gunicorn, which has handlers of its own.
    """
    log_as_json()
    leave_out_python_notices()
    logging.captureWarnings(True)
    logging.getLogger("gunicorn.error").addFilter(_take_over)


def _take_over(record: logging.LogRecord) -> bool:
    """Write the record as all others are; its own logger's handlers do not get it."""
    logging.getLogger().handle(record)
    return False
