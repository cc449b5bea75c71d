"""Corrections by people: a session's own fields, and the overlay on its record."""

from __future__ import annotations

from typing import Any

from scopeline.api.answers import OverlayAnswer, SessionAnswer
from scopeline.api.calls import Ask, Reply, call
from scopeline.api.requests import OverlayPatch, SessionPatch
from scopeline.api.sessions import whole_answer
from scopeline.domain.errors import InvalidInput
from scopeline.domain.records import Overlay
from scopeline.ports import Stored
from scopeline.services import corrections
from scopeline.services.corrections import Change


@call("PATCH", "/v1/sessions/{session}", {200: SessionAnswer}, if_match=True)
def correct_session(ask: Ask, session: str, body: SessionPatch) -> Reply:
    """Correct a session's own fields, with a reason."""
    fields: dict[str, Any] = {name: getattr(body, name) for name in body.model_fields_set - {"reason"}}
    for name in ("people", "samples"):
        if name in fields:
            fields[name] = [each.part() for each in fields[name]]
    if fields.get("project") is not None:
        fields["project"] = fields["project"].part()
    stored = corrections.correct_session(
        ask.backend, ask.caller, session, fields, reason=body.reason, expected=_expected(ask)
    )
    return Reply(whole_answer(ask.backend, stored.document), headers={"ETag": f'"{stored.revision}"'})


@call("GET", "/v1/sessions/{session}/overlay", {200: OverlayAnswer})
def get_overlay(ask: Ask, session: str) -> Reply:
    """People's edits to the record."""
    return _overlay(corrections.read_overlay(ask.backend, session))


@call("PATCH", "/v1/sessions/{session}/overlay", {200: OverlayAnswer}, if_match=True)
def edit_overlay(ask: Ask, session: str, body: OverlayPatch) -> Reply:
    """Add edits to the record."""
    changes = [Change(edit.target, edit.field, edit.value, edit.reason) for edit in body.edits]
    return _overlay(corrections.edit_overlay(ask.backend, ask.caller, session, changes, expected=_expected(ask)))


def _overlay(stored: Stored[Overlay]) -> Reply:
    overlay = stored.document
    return Reply(OverlayAnswer(session=overlay.session, edits=overlay.edits), headers={"ETag": f'"{stored.revision}"'})


def _expected(ask: Ask) -> str | None:
    """The revision that the caller saw; None where any will do (`*`)."""
    if ask.if_match is None:
        raise InvalidInput(
            "A correction names what it corrects. Send If-Match with the ETag that was read, or '*'.",
            code="if_match_missing",
            status=428,
        )
    return None if ask.if_match == "*" else ask.if_match


CALLS = (correct_session, get_overlay, edit_overlay)
