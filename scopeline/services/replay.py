"""What gave up is tried again: by itself where its reason may pass, else when a person says so."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any

from pydantic import Field

from scopeline.domain.documents import Moment, Part, utc_text
from scopeline.domain.errors import InvalidInput
from scopeline.domain.events import Event, Topic
from scopeline.domain.findings import Finding
from scopeline.ports import FINDINGS, Parked, find_all
from scopeline.services.backend import Backend
from scopeline.services.findings import look_again

# Transient reasons are tried again for so long after the first failure.
REPLAYED_FOR = timedelta(days=14)


class Failure(Part):
    """Work that gave up, as people see it: what, why, and since when. It is kept as a delivery or a finding.

    `transient`: the reason may pass by itself. `replayable`: the service tries it again, without anybody's help.
    """

    id: str
    topic: str
    subject: str  # the event's key
    reason: str
    code: str
    since: Moment
    attempts: int
    replayable: bool = False
    transient: bool = False
    payload: dict[str, Any] = Field(default_factory=dict)


def is_replayed(parked: Parked, now: datetime) -> bool:
    """Whether the service tries this delivery again by itself; other ones wait for a person."""
    return parked.transient and now - parked.since < REPLAYED_FOR


def replay_transient(backend: Backend) -> int:
    """Deliver again, at once, all that is parked for a transient reason; how many deliveries that is."""
    now = backend.clock()
    waiting = [parked.id for parked in backend.events.parked() if is_replayed(parked, now)]
    return sum(backend.events.replay(parked_id) for parked_id in waiting)


def replay(backend: Backend, failure_id: str) -> bool:
    """Try again one thing that gave up, as `failures` names it; False where there is none of that id."""
    return backend.events.replay(failure_id) or look_again(backend, failure_id)


def failures(backend: Backend) -> Iterator[Failure]:
    """All that gave up: deliveries by their first failure, then what differs between the stores and the catalog."""
    now = backend.clock()
    for parked in backend.events.parked():
        yield _of_delivery(parked, now)
    for finding in find_all(backend.catalog, Finding, FINDINGS):
        yield _of_finding(backend, finding)


def list_failures(backend: Backend, *, limit: int, cursor: str | None) -> tuple[list[Failure], str | None]:
    """What gave up, by its first failure, oldest first, and where to go on. Raises InvalidInput (`invalid_cursor`)."""
    after = position_of(cursor)
    positions = {(utc_text(failure.since), failure.id): failure for failure in failures(backend)}
    later = [positions[position] for position in sorted(positions) if position > after]
    page = later[:limit]
    return page, cursor_behind(page[-1]) if len(later) > limit else None


def cursor_behind(last: Failure | Parked) -> str:
    """Where a list by first failures goes on after `last`."""
    return f"{utc_text(last.since)}~{last.id}"


def position_of(cursor: str | None) -> tuple[str, str]:
    """The first failure's time and the id behind which a list goes on. Raises InvalidInput (`invalid_cursor`)."""
    if not cursor:
        return "", ""
    since, separator, failure_id = cursor.partition("~")
    if not separator:
        raise InvalidInput(f"Cursor {cursor[:60]!r} is not one that this list gave.", code="invalid_cursor")
    return since, failure_id


def _of_delivery(parked: Parked, now: datetime) -> Failure:
    return Failure(
        id=parked.id,
        topic=parked.event.type,
        subject=parked.event.key,
        reason=parked.reason,
        code=parked.code,
        since=parked.since,
        attempts=parked.attempts,
        replayable=is_replayed(parked, now),
        transient=parked.transient,
        payload=parked.event.to_json(),
    )


def _of_finding(backend: Backend, finding: Finding) -> Failure:
    """A finding in the form of a delivery that gave up: of the version's own event."""
    about = {"bucket": backend.raw.bucket, "name": finding.object, "generation": finding.generation}
    event = Event(type=Topic.OBJECT_FINALIZED, key=finding.file, at=finding.since, data=about)
    return Failure(
        id=finding.id,
        topic=event.type,
        subject=finding.file,
        reason=finding.reason,
        code=finding.code,
        since=finding.since,
        attempts=1,
        payload=event.to_json(),
    )
