"""What gave up, trying it again, and dismissing it."""

from __future__ import annotations

from scopeline.api.answers import DismissedAnswer, FailuresAnswer, ReplayedAnswer
from scopeline.api.calls import Ask, Reply, call
from scopeline.api.requests import PageQuery
from scopeline.domain.errors import NotFound
from scopeline.services import replay


@call("GET", "/v1/failures", {200: FailuresAnswer})
def failures(ask: Ask, query: PageQuery) -> Reply:
    """Work that gave up, oldest first."""
    found, cursor = replay.list_failures(ask.backend, limit=query.limit, cursor=query.cursor)
    return Reply(FailuresAnswer(failures=found, cursor=cursor))


@call("POST", "/v1/failures/{failure}/replay", {200: ReplayedAnswer})
def replay_failure(ask: Ask, failure: str) -> Reply:
    """Try again what gave up.

    It is accepted when the answer comes; where it gives up once more, it is in the list again.
    """
    if not replay.replay(ask.backend, failure):
        raise _unknown(failure)
    return Reply(ReplayedAnswer(id=failure))


@call("DELETE", "/v1/failures/{failure}", {200: DismissedAnswer})
def dismiss_failure(ask: Ask, failure: str) -> Reply:
    """Take off the list what nobody will put right. The log says who did.

    It is not tried again; what it was about stays as it is.
    """
    if not replay.dismiss(ask.backend, failure, ask.caller.name):
        raise _unknown(failure)
    return Reply(DismissedAnswer(id=failure))


def _unknown(failure: str) -> NotFound:
    return NotFound(
        f"There is no failure {failure[:60]!r}. Expected an id as /v1/failures gives it; what was replayed, dismissed "
        "or is done has none any more.",
        code="unknown_failure",
    )


CALLS = (failures, replay_failure, dismiss_failure)
