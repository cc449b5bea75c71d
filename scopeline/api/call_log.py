"""One line in the log for each call, without anything secret."""

from __future__ import annotations

import logging
import re
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http import HTTPStatus

from flask import Response, g, request

from scopeline.logs import about, subject, trace_of
from scopeline.redaction import shorten_random
from scopeline.services.access import Caller

log = logging.getLogger(__name__)

LONGEST_PATH = 200
# A token's id alone is nobody's secret. One is believed only in the form that `make_token` gives it.
_TOKEN_ID = re.compile(r"bearer +sl_([0-9a-f]{12})_", re.IGNORECASE)
_SECRET = re.compile(r"sl_[A-Za-z0-9]+_[A-Za-z0-9_-]+|(?<=/upload/).+", re.IGNORECASE)
_READS = ("GET", "HEAD", "OPTIONS")


def begin_call() -> None:
    """Note when the call began."""
    g.began = time.monotonic()


@contextmanager
def about_call() -> Iterator[None]:
    """Say of what is logged inside which session or file the call names, and the trace that it belongs to.

    What was learned of them on the way is said of the call's own line, too.
    """
    named = {name: safe_path(value) for name, value in (request.view_args or {}).items() if name in ("session", "file")}
    with about(**{"call": request.endpoint, **named, **trace_of(request.headers), **g.get("learned", {})}):
        try:
            yield
        finally:
            g.learned = subject()


def log_call(response: Response) -> Response:
    """Log the answer to a call: what was asked, status, who called, seconds.

    A refusal comes with its code and its path without the query: INFO, from 500 on ERROR with its words. What changes
    something is told at INFO; reads, which live pages repeat every few seconds, at DEBUG.
    """
    with about_call():
        if response.status_code >= HTTPStatus.BAD_REQUEST:
            _log_refusal(response)
        else:
            level = logging.DEBUG if request.method in _READS else logging.INFO
            log.log(level, "%s: %d, %s, %.3f s.", _asked(), response.status_code, _who(), _seconds())
    return response


def _log_refusal(response: Response) -> None:
    problem = response.get_json(silent=True) if not response.is_streamed else None
    told = problem if isinstance(problem, dict) else {}
    failed = response.status_code >= HTTPStatus.INTERNAL_SERVER_ERROR
    log.log(
        logging.ERROR if failed else logging.INFO,
        "Refused %s: %d %s, %s, %.3f s.%s",
        _asked(),
        response.status_code,
        told.get("code", "without a code"),
        _who(),
        _seconds(),
        f" {told['detail']}" if failed and "detail" in told else "",
    )


def safe_path(path: str) -> str:
    """The path as one printable line, with what may be a secret left out."""
    line = "".join(c if c.isprintable() else "?" for c in path)
    return shorten_random(_SECRET.sub("...", line))[:LONGEST_PATH]


def _asked() -> str:
    """The request's method and path."""
    return f"{request.method} {safe_path(request.path)}"


def _seconds() -> float:
    return time.monotonic() - float(g.get("began", time.monotonic()))


def _who() -> str:
    caller = g.get("caller")
    if isinstance(caller, Caller):
        of = f" of client {caller.client.id}" if caller.client is not None else ""
        return f"token {caller.token.id}{of}"
    match = _TOKEN_ID.match(request.headers.get("Authorization", ""))
    return f"token {match[1]}" if match else "no token"
