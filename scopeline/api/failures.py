"""What gave up, and trying it again."""

from __future__ import annotations

from scopeline.api.answers import FailuresAnswer, ReplayedAnswer
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
        raise NotFound(
            f"There is no failure {failure[:60]!r}. Expected an id as /v1/failures gives it; what was replayed or is "
            "done has none any more.",
            code="unknown_failure",
        )
    return Reply(ReplayedAnswer(id=failure))


CALLS = (failures, replay_failure)
