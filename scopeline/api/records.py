"""The current record of a session."""

from __future__ import annotations

from flask import Response

from scopeline.api.answers import RecordJson
from scopeline.api.calls import Ask, Media, Reply, call
from scopeline.services import build
from scopeline.services.lookup import read_session


@call("GET", "/v1/sessions/{session}/record.xml", {200: Media("application/xml")})
def record_xml(ask: Ask, session: str) -> Response:
    """The session's record; of a running session, made now."""
    record = build.current_record(ask.backend, read_session(ask.backend, ask.caller, session).document.id)
    return Response(record.xml, content_type="application/xml")


@call("GET", "/v1/sessions/{session}/record.json", {200: RecordJson})
def record_json(ask: Ask, session: str) -> Reply:
    """The session's record as JSON."""
    found = build.record_json(ask.backend, read_session(ask.backend, ask.caller, session).document.id)
    return Reply(RecordJson.model_validate(found))


CALLS = (record_xml, record_json)
