"""The WSGI application that resumable uploads send their bytes to, mounted at `/upload`.

There is no `Authorization`: the last part of the path is the secret (docs/adr/0002).
"""

from __future__ import annotations

import json
import logging
from collections.abc import Iterable
from http import HTTPStatus
from typing import TYPE_CHECKING

from scopeline_logger import resumable

from scopeline.adapters.embedded.object_store import EmbeddedObjectStore
from scopeline.domain.errors import ScopelineError

if TYPE_CHECKING:
    from wsgiref.types import StartResponse, WSGIEnvironment

# What one request may bring. Servers that keep whole bodies on the disk first need as much space again.
MAX_CHUNK = 256 * 1024 * 1024
RETRY_AFTER_SECONDS = 1

logger = logging.getLogger(__name__)


class UploadEndpoint:
    """Takes the chunks of a store's resumable uploads; the body is read in pieces and never held whole."""

    def __init__(self, store: EmbeddedObjectStore, max_chunk: int = MAX_CHUNK) -> None:
        self._uploads = store.uploads
        self._max_chunk = max_chunk

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        """Answer one request."""
        answer = self._answer(environ)
        if answer.status >= HTTPStatus.BAD_REQUEST:
            # The path is left out: its last part is the upload's secret.
            logger.info("Refused %s of bytes: %s %s.", environ["REQUEST_METHOD"], answer.status_line, _code(answer))
        start_response(answer.status_line, answer.headers)
        return [answer.body]

    def _answer(self, environ: WSGIEnvironment) -> resumable.Answer:
        method = environ["REQUEST_METHOD"]
        if method != "PUT":
            return resumable.refuse(
                resumable.Problem(405, "method_not_allowed", f"Uploads know PUT, not {method}.", [("Allow", "PUT")])
            )
        secret = environ.get("PATH_INFO", "").rsplit("/", 1)[-1]
        try:
            with self._uploads.spool(secret) as spool:
                return resumable.answer(
                    spool,
                    environ.get("HTTP_CONTENT_RANGE"),
                    environ.get("CONTENT_LENGTH") or None,
                    environ["wsgi.input"],
                    self._max_chunk,
                )
        except ScopelineError as error:
            headers = [("Retry-After", str(RETRY_AFTER_SECONDS))] if error.transient else []
            return resumable.refuse(resumable.Problem(error.status, error.code, str(error), headers))
        except Exception:  # the boundary of a request: recorded here, the client tries again
            logger.exception("An upload request failed")
            return resumable.refuse(
                resumable.Problem(500, "internal_error", "The server failed. Ask for the status and go on.")
            )


def _code(answer: resumable.Answer) -> str:
    return str(json.loads(answer.body).get("code", "")) if answer.body else ""
