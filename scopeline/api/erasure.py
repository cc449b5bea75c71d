"""Erasing a session."""

from __future__ import annotations

from scopeline.api.answers import Answer, Moment
from scopeline.api.calls import Ask, Reply, call
from scopeline.api.fields import Body, Name
from scopeline.services.erase import request_erasure


class ErasureBody(Body):
    """Why a session is erased. The words stay: they should name nobody."""

    reason: Name


class ErasureAnswer(Answer):
    """What stays of an erased session. `erased_at` is null until nothing else of it is left."""

    session: str
    reason: str
    who: str
    at: Moment
    files: int
    versions: int
    erased_at: Moment | None


@call("DELETE", "/v1/sessions/{session}", {200: ErasureAnswer, 202: ErasureAnswer}, problems=(409,))
def erase(ask: Ask, session: str, body: ErasureBody) -> Reply:
    """Erase a session with its files, previews, metadata, record and page.

    It is closed at once; the rest is done soon after (202), and the same call tells when it was done (200). Where a
    version may not be deleted yet, nothing is erased (409 `retained`).
    """
    tombstone = request_erasure(ask.backend, ask.caller.token.subject, session, body.reason)
    answer = ErasureAnswer(
        session=tombstone.session,
        reason=tombstone.reason,
        who=tombstone.who,
        at=tombstone.at,
        files=tombstone.files,
        versions=tombstone.versions,
        erased_at=tombstone.erased_at,
    )
    return Reply(answer, status=202 if tombstone.erased_at is None else 200)


CALLS = (erase,)
