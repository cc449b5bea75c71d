"""In which form a process of the back end says what it does."""

from __future__ import annotations

from scopeline.logs import log_as_json, log_as_text
from scopeline.settings import Settings


def start_log(settings: Settings) -> None:
    """Send the log of this process to standard error in the form that the settings name, or the edition's own."""
    form = settings.log_format or ("json" if settings.edition == "gcp" else "text")
    if form == "json":
        log_as_json(settings.project)
    else:
        log_as_text()
