"""Errors as `application/problem+json` (RFC 9457)."""

from __future__ import annotations

import errno
import json
import logging
from collections.abc import Iterable
from http import HTTPStatus
from typing import Any

from flask import Flask, Response
from pydantic import ValidationError
from werkzeug.exceptions import HTTPException

from scopeline.domain.documents import utc_text
from scopeline.domain.errors import InvalidInput, ScopelineError
from scopeline.redaction import mask_tokens, shorten_random
from scopeline.services.tombstones import SessionErased
from scopeline.services.versions import VersionGone

PROBLEM_TYPE = "application/problem+json"
RETRY_AFTER_SECONDS = 10
_FOUND_CHARACTERS = 100
_FIELDS_LISTED = 20

_CODES = {
    HTTPStatus.BAD_REQUEST: "bad_request",
    HTTPStatus.NOT_FOUND: "not_found",
    HTTPStatus.METHOD_NOT_ALLOWED: "method_not_allowed",
    HTTPStatus.REQUEST_ENTITY_TOO_LARGE: "body_too_large",
    HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE: "range_not_satisfiable",
}

_SET_UP = "The service cannot use one of its stores as it was set up. Its log says which, and why."
# What is said instead of errors whose words are a cloud's own: those are for the log.
_PLAIN = {
    "google_unavailable": "A store of the service does not answer now. Try again later; loggers do so by themselves.",
    **dict.fromkeys(("not_permitted", "no_index", "no_database", "no_bucket", "no_topic", "no_credentials"), _SET_UP),
}

log = logging.getLogger(__name__)


class InvalidBody(InvalidInput):
    """A body or query does not have the form that the call expects; `errors` says where."""

    code = "invalid_body"

    def __init__(self, message: str, errors: list[dict[str, str]]) -> None:
        super().__init__(message)
        self.errors = errors

    @classmethod
    def from_validation(cls, what: str, error: ValidationError) -> InvalidBody:
        """The problem that pydantic found in `what` (body, query)."""
        errors = [_field(e) for e in error.errors(include_url=False, include_context=False)[:_FIELDS_LISTED]]
        first = errors[0]
        return cls(f"The {what} is not what this call expects: {first['field']}: {first['expected']}", errors)


def problem(status: int, code: str, detail: str, *, headers: Iterable[tuple[str, str]] = (), **more: Any) -> Response:
    """One problem document."""
    body = {"type": "about:blank", "title": HTTPStatus(status).phrase, "status": status, "detail": detail, "code": code}
    # A problem shows what was sent, which may be a secret in the wrong place; problems are copied into other logs.
    text = shorten_random(mask_tokens(json.dumps({**body, **more})))
    response = Response(text, status, content_type=PROBLEM_TYPE)
    for name, value in headers:
        response.headers[name] = value
    return response


def install(application: Flask) -> None:
    """Answer every error of the application with a problem document."""
    application.register_error_handler(HTTPException, _http_problem)
    application.register_error_handler(ScopelineError, _own_problem)
    application.register_error_handler(OSError, _system_problem)
    application.register_error_handler(Exception, _unexpected_problem)


def _own_problem(error: ScopelineError) -> Response:
    more: dict[str, Any] = {}
    headers = []
    if isinstance(error, InvalidBody):
        more["errors"] = error.errors
    if isinstance(error, VersionGone):
        more["current"] = error.current
    if isinstance(error, SessionErased) and error.at:
        more["erased_at"] = utc_text(error.at)
    if error.status == HTTPStatus.UNAUTHORIZED:
        headers.append(("WWW-Authenticate", 'Bearer realm="scopeline"'))
    if error.transient:
        headers.append(("Retry-After", str(RETRY_AFTER_SECONDS)))
    detail = _PLAIN.get(error.code)
    if detail is not None:
        log.warning("%s: %s", error.code, error)
    return problem(error.status, error.code, detail or str(error), headers=headers, **more)


def _http_problem(error: HTTPException) -> Response:
    status = HTTPStatus(error.code or HTTPStatus.INTERNAL_SERVER_ERROR)
    kept = [(name, value) for name, value in error.get_headers() if name.lower() not in ("content-type", "location")]
    detail = error.description or status.description or status.phrase
    return problem(status, _CODES.get(status, status.name.lower()), detail, headers=kept)


def _system_problem(error: OSError) -> Response:
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        detail = "The server's disk is full. Nothing was stored by this call. Try again when there is space."
        return problem(507, "disk_full", detail, headers=[("Retry-After", str(RETRY_AFTER_SECONDS))])
    return _unexpected_problem(error)


def _unexpected_problem(error: Exception) -> Response:
    log.error("unexpected error", exc_info=error)
    return problem(500, "internal_error", "The server met an error that it did not expect. Its log has the details.")


def _field(error: Any) -> dict[str, str]:
    found = repr(error["input"]) if error["type"] != "missing" else "nothing"
    return {
        "field": ".".join(str(part) for part in error["loc"]) or "body",
        "expected": str(error["msg"]).removeprefix("Value error, "),
        "found": found[:_FOUND_CHARACTERS],
    }
