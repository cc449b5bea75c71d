"""The WSGI application: routes made of the calls, their callers checked, their answers encoded."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime

from flask import Flask, Response, g, request

from scopeline.api import (
    corrections,
    erasure,
    failures,
    files,
    metrics,
    openapi,
    problems,
    records,
    sessions,
    state,
    uploads,
)
from scopeline.api.auth import PUBLIC, identify
from scopeline.api.call_log import about_call, begin_call, log_call
from scopeline.api.calls import Ask, Call, Reply
from scopeline.services.backend import Backend
from scopeline.services.health import StoreProbes

MAX_BODY_BYTES = 1024 * 1024

CALLS: tuple[Call, ...] = (
    *state.CALLS,
    *failures.CALLS,
    *metrics.CALLS,
    *sessions.CALLS,
    *uploads.CALLS,
    *files.CALLS,
    *records.CALLS,
    *corrections.CALLS,
    *erasure.CALLS,
)


def create_application(backend: Backend) -> Flask:
    """The API on a back end, as a WSGI application. Of its own it keeps only what it is asking the stores."""
    application = Flask("scopeline.api", static_folder=None, template_folder=None)
    application.config["MAX_CONTENT_LENGTH"] = MAX_BODY_BYTES
    # A redirect to the merged address would be an answer that no call declares.
    application.url_map.merge_slashes = False
    problems.install(application)
    stores = StoreProbes(backend)
    for each in (*CALLS, openapi.call_for(CALLS)):
        application.add_url_rule(each.rule, each.name, _view(backend, stores, each), methods=[each.method])
    application.after_request(_complete)
    application.before_request(begin_call)
    application.after_request(log_call)
    return application


def _view(backend: Backend, stores: StoreProbes, each: Call) -> Callable[..., Response]:
    def view(**path: str) -> Response:
        with about_call():
            caller = None if each.name in PUBLIC else identify(backend, request.headers, each.name)
            g.caller = caller
            return _encode(each.run(Ask(backend, request, stores, caller), path))

    return view


def _encode(answer: Reply | Response) -> Response:
    if isinstance(answer, Response):
        return answer
    response = Response(answer.body.model_dump_json(), answer.status, content_type="application/json")
    response.headers.update(answer.headers)
    return response


def _complete(response: Response) -> Response:
    """Headers that every answer has."""
    response.date = datetime.now(UTC)
    response.headers["X-Content-Type-Options"] = "nosniff"
    response.headers.setdefault("Cache-Control", "no-store")
    return response
