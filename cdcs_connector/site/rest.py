"""`/rest/scopeline/records/{session}`: how the back end publishes and withdraws records (docs/adr/0002)."""

from __future__ import annotations

import json
import logging
from typing import Any

from django.conf import settings
from django.db import DatabaseError, IntegrityError
from django.http import HttpRequest, HttpResponse, JsonResponse, RawPostDataException
from django.views.decorators.csrf import csrf_exempt
from pydantic import BaseModel, Field, ValidationError
from rest_framework.authtoken.models import Token

from cdcs_connector.site import publishing
from cdcs_connector.site.problems import problem
from cdcs_connector.site.record_xml import InvalidRecord

logger = logging.getLogger(__name__)
PUBLISH = "scopeline_site.change_publishedrecord"
WITHDRAW = "scopeline_site.delete_publishedrecord"


class Publication(BaseModel):
    """The body of a PUT."""

    version: int = Field(ge=1, le=2**31 - 1)
    input_hash: str = Field(min_length=1, max_length=200)
    xml: str = Field(min_length=1)


@csrf_exempt
def record(request: HttpRequest, session: str) -> HttpResponse:
    """PUT publishes the session's record, DELETE withdraws it; both by token."""
    if request.method not in ("PUT", "DELETE"):
        answer = problem(405, "method_not_allowed", f"{request.method} is not possible here: use PUT or DELETE.")
        answer.headers["Allow"] = "PUT, DELETE"
        return answer
    user = _token_user(request)
    if user is None:
        answer = problem(401, "unauthorised", "No valid token: send `Authorization: Token ...` of the publisher.")
        answer.headers["WWW-Authenticate"] = "Token"
        return answer
    if not user.has_perm(PUBLISH if request.method == "PUT" else WITHDRAW):
        return problem(403, "forbidden", f"The token of {user.username!r} may not do this; use the publisher's.")
    return _put(request, session, user) if request.method == "PUT" else _delete(session)


def _token_user(request: HttpRequest) -> Any:
    scheme, _, key = request.headers.get("Authorization", "").partition(" ")
    if scheme.lower() != "token" or not key.strip():
        return None
    token = Token.objects.select_related("user").filter(key=key.strip()).first()
    return token.user if token is not None and token.user.is_active else None


def _put(request: HttpRequest, session: str, user: Any) -> HttpResponse:
    limit = settings.SITE.max_record_bytes
    if int(request.headers.get("Content-Length") or 0) > limit:
        return problem(413, "body_too_large", f"The record of {session} is over {limit} bytes; split the session.")
    try:
        body = Publication.model_validate(json.loads(request.body))
    except (ValueError, RawPostDataException) as error:
        return problem(422, "invalid_body", f"Expected JSON {{version, input_hash, xml}}: {_short(error)}.")
    try:
        outcome = _publish(session, body, user)
    except InvalidRecord as error:
        return problem(400, "invalid_record", str(error), session=session)
    except publishing.StaleVersion as error:
        return problem(409, "stale_version", str(error), session=session)
    except publishing.NotInitialised as error:
        return problem(503, "not_initialised", str(error))
    except DatabaseError as error:
        logger.exception("record %s was not published", session)
        return problem(503, "database_unavailable", f"The site's database did not take the record: {error}.")
    answer = {"session": session, "version": outcome.version, "page": f"{settings.SERVER_URI}/record/{session}"}
    if outcome.unchanged:
        answer["unchanged"] = True
    return JsonResponse(answer, status=201 if outcome.created else 200)


def _publish(session: str, body: Publication, user: Any) -> publishing.Outcome:
    xml = body.xml.encode()
    try:
        return publishing.publish(session, body.version, body.input_hash, xml, user)
    except IntegrityError:
        # Another first publication of the session came between look and write: now it is an update.
        return publishing.publish(session, body.version, body.input_hash, xml, user)


def _delete(session: str) -> HttpResponse:
    if publishing.withdraw(session):
        return HttpResponse(status=204)
    return problem(404, "not_found", f"No record of session {session!r} is published.")


def _short(error: Exception) -> str:
    if isinstance(error, ValidationError):
        return "; ".join(f"{'.'.join(map(str, e['loc'])) or 'body'}: {e['msg']}" for e in error.errors())
    return str(error)
