"""What Cloud Run functions load: each is called over HTTP by functions-framework.

`api` answers loggers and the web site. Pub/Sub pushes to `extract`, `build_session` and `publish_record`, Cloud
Scheduler calls `sweep`; these four check first who calls. 204 says that a message is done with, 503 that it is to come
again.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import asdict
from functools import partial, wraps
from typing import Any, cast

import functions_framework
from flask import Request, Response, jsonify
from werkzeug.wrappers import Response as BaseResponse

from scopeline.api.problems import RETRY_AFTER_SECONDS, problem
from scopeline.cloud_functions import CloudFunctions
from scopeline.domain.errors import ScopelineError
from scopeline.handlers import gave_up
from scopeline.logs import about, trace_of
from scopeline.process_log import start_function_log
from scopeline.services.sweep import sweep as sweep_slice
from scopeline.settings import BadSetting

log = logging.getLogger("scopeline.functions")

# Before the settings are read, which may be wrong, and before Google's libraries are loaded, which warn.
start_function_log()

# Made of nothing yet: the first call puts the edition together.
FUNCTIONS = CloudFunctions()

Function = Callable[[Request], BaseResponse]


def function(handler: Function) -> Function:
    """An entry point: whatever `handler` raises is answered with a problem document and stands in the log."""

    @wraps(handler)
    def answer(request: Request) -> BaseResponse:
        headers: Any = request.headers  # which finds names in any case
        with about(**trace_of(headers)):
            try:
                return handler(request)
            except BadSetting as error:
                # The sentence has the setting's value, and nobody has checked who calls.
                log.error("%s cannot work: %s (%s)", handler.__name__, error, error.code)
                return problem(500, error.code, "A setting of this function is wrong; its log says which.")
            except ScopelineError as error:
                log.warning("%s was refused: %s (%s)", handler.__name__, error, error.code)
                return _refusal(error)
            except Exception:  # the boundary of a request
                log.exception("%s met an unexpected error", handler.__name__)
                return problem(500, "internal_error", "The function met an error that it did not expect. See its log.")

    entry: Any = functions_framework.http(answer)
    return cast(Function, entry)


@function
def api(request: Request) -> BaseResponse:
    """Answer a call of the API (design section 6)."""
    return Response.from_app(FUNCTIONS.application, request.environ)


@function
def extract(request: Request) -> Response:
    """Read the file that a message is about."""
    return _deliver(request, "extract", FUNCTIONS.start_readers)


@function
def build_session(request: Request) -> Response:
    """Build the record of the session that a message is about."""
    return _deliver(request, "build_session")


@function
def publish_record(request: Request) -> Response:
    """Publish the record that a message is about, or take it away."""
    return _deliver(request, "publish_record")


@function
def sweep(request: Request) -> Response:
    """Do what nobody asks for, for some minutes; says what was done."""
    _check_caller(request)
    backend = FUNCTIONS.google.backend
    return jsonify(asdict(sweep_slice(backend, partial(gave_up, backend))))


def _check_caller(request: Request) -> None:
    FUNCTIONS.callers.check(request.headers.get("Authorization"))


def _deliver(request: Request, name: str, prepare: Callable[[], None] = lambda: None) -> Response:
    """Hand the message to the function's handlers; `prepare` is called for nobody who may not push."""
    _check_caller(request)
    prepare()
    from scopeline.adapters.gcp.messages import decode_push
    from scopeline.adapters.gcp.receiver import Outcome

    message = decode_push(dict(request.headers), request.get_data())
    if FUNCTIONS.receiver(name).receive(message) is Outcome.DONE:
        return Response(status=204)
    return Response(status=503, headers={"Retry-After": str(RETRY_AFTER_SECONDS)})


def _refusal(error: ScopelineError) -> Response:
    headers = [("Retry-After", str(RETRY_AFTER_SECONDS))] if error.transient else []
    return problem(error.status, error.code, str(error), headers=headers)
