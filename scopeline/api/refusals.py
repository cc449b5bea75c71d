"""One line in the log for each call that is refused, without anything secret."""

from __future__ import annotations

import logging
import re
from http import HTTPStatus

from flask import Response, g, request

from scopeline.services.access import Caller

log = logging.getLogger(__name__)

LONGEST_PATH = 200
# A token's id alone is nobody's secret. One is believed only in the form that `make_token` gives it.
_TOKEN_ID = re.compile(r"bearer +sl_([0-9a-f]{12})_", re.IGNORECASE)
_SECRET = re.compile(r"sl_[A-Za-z0-9]+_[A-Za-z0-9_-]+|(?<=/upload/).+", re.IGNORECASE)


def log_refusal(response: Response) -> Response:
    """Log an answer of 4xx or 5xx: method, path without the query, status, code, and who called."""
    if response.status_code >= HTTPStatus.BAD_REQUEST:
        problem = response.get_json(silent=True) if not response.is_streamed else None
        told = problem if isinstance(problem, dict) else {}
        failed = response.status_code >= HTTPStatus.INTERNAL_SERVER_ERROR
        log.log(
            logging.ERROR if failed else logging.INFO,
            "Refused %s %s: %d %s, %s.%s",
            request.method,
            safe_path(request.path),
            response.status_code,
            told.get("code", "without a code"),
            _who(),
            f" {told['detail']}" if failed and "detail" in told else "",
        )
    return response


def safe_path(path: str) -> str:
    """The path as one printable line, with what may be a secret left out."""
    line = "".join(c if c.isprintable() else "?" for c in path[:LONGEST_PATH])
    return _SECRET.sub("...", line)


def _who() -> str:
    caller = g.get("caller")
    if isinstance(caller, Caller):
        of = f" of client {caller.client.id}" if caller.client is not None else ""
        return f"token {caller.token.id}{of}"
    match = _TOKEN_ID.match(request.headers.get("Authorization", ""))
    return f"token {match[1]}" if match else "no token"
