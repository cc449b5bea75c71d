"""What the HTTP server refuses before the API is asked, in the API's own form: problem documents with a code."""

from __future__ import annotations

import json
import logging

from waitress.channel import HTTPChannel
from waitress.task import ErrorTask

log = logging.getLogger(__name__)

CODES = {400: "bad_request", 413: "body_too_large", 431: "headers_too_large", 501: "not_supported"}


class ProblemTask(ErrorTask):  # type: ignore[misc]
    """Answers a request that is too large or no HTTP."""

    def execute(self) -> None:
        """Write the answer and end the connection."""
        error = self.request.error
        problem = {
            "type": "about:blank",
            "title": error.reason,
            "status": error.code,
            "detail": f"{error.body}.",
            "code": CODES.get(error.code, "internal_error"),
        }
        body = json.dumps(problem).encode()
        # Nothing of the request is told: what is no HTTP may be anything.
        log.info("Refused a request before it was read: %d %s.", error.code, problem["code"])
        self.status = f"{error.code} {error.reason}"
        self.response_headers.append(("Content-Type", "application/problem+json"))
        self.set_close_on_finish()
        self.content_length = len(body)
        self.write(body)


class ProblemChannel(HTTPChannel):  # type: ignore[misc]
    """A connection whose refusals are problem documents."""

    error_task_class = ProblemTask
