"""What gave up is tried again, by itself where its reason may pass, else when a person says so; or it is dismissed."""

from __future__ import annotations

import heapq
import logging
from collections.abc import Iterator
from datetime import datetime, timedelta
from itertools import groupby, islice
from typing import Any

from pydantic import Field

from scopeline.domain.documents import Moment, Part, utc_text
from scopeline.domain.errors import InvalidInput
from scopeline.domain.events import Event, Topic
from scopeline.domain.findings import Finding
from scopeline.domain.names import Place
from scopeline.ports import FINDINGS, Parked, find_all
from scopeline.services.backend import Backend
from scopeline.services.dismissals import note_dismissed
from scopeline.services.findings import dismiss as dismiss_finding
from scopeline.services.findings import get_finding, look_again

log = logging.getLogger(__name__)

# Transient reasons are tried again for so long after the first failure.
REPLAYED_FOR = timedelta(days=14)


class Failure(Part):
    """Work that gave up, as people see it: what, why, and since when. It is kept as a delivery or a finding.

    `path`, `session` and `instrument` are those of the file, by its object's name, where there is one; `session` also
    that of a session's own work.
    `transient`: the reason may pass by itself. `replayable`: the service tries it again, without anybody's help.
    """

    id: str
    topic: str
    subject: str  # the event's key; empty for a message that nobody understands
    path: str | None = None
    session: str | None = None
    instrument: str | None = None
    reason: str
    code: str
    since: Moment
    attempts: int
    replayable: bool = False
    transient: bool = False
    payload: dict[str, Any] = Field(default_factory=dict)

    def in_words(self) -> str:
        """What the failed work is about, for people."""
        return Event.model_validate(self.payload).in_words()


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


def dismiss(backend: Backend, failure_id: str, who: str) -> bool:
    """Take one thing that gave up off the list for good, in the name of `who`; False where there is none of that id.

    The sweep leaves it alone from then on, until something about it changes; what changed since it failed is not meant.
    """
    found = get_finding(backend, failure_id)
    if found is not None:
        failure = _of_finding(backend, found)
        is_gone = dismiss_finding(backend, failure_id, who)
    else:
        parked = next((each for each in backend.events.parked() if each.id == failure_id), None)
        if parked is None:
            return False
        failure = _of_delivery(parked, backend.clock())
        note_dismissed(backend, parked, who)
        is_gone = backend.events.discard(failure_id)
    if not is_gone:
        return False
    log.warning(
        "%s dismissed the failure %s, %s: %s: %s", who, failure.id, failure.in_words(), failure.code, failure.reason
    )
    return True


def failures(backend: Backend) -> Iterator[Failure]:
    """All that gave up: deliveries by their first failure, then what differs between the stores and the catalog."""
    yield from failed_deliveries(backend)
    yield from differences(backend)


def failed_deliveries(backend: Backend, since: datetime | None = None) -> Iterator[Failure]:
    """The deliveries that gave up, by their first failure, from `since` on."""
    now = backend.clock()
    return (_of_delivery(parked, now) for parked in backend.events.parked(since=since))


def differences(backend: Backend, since: datetime | None = None) -> Iterator[Failure]:
    """What differs between the stores and the catalog, by when it was found, from `since` on."""
    findings = find_all(backend.catalog, Finding, FINDINGS, since=since)
    return (_of_finding(backend, each) for each in findings if each.dismissed_at is None)


def list_failures(backend: Backend, *, limit: int, cursor: str | None) -> tuple[list[Failure], str | None]:
    """What gave up, by its first failure, oldest first, and where to go on. Raises InvalidInput (`invalid_cursor`).

    It reads what it returns, what failed at the cursor's moment, and the rest of a page of the store.
    """
    after = position_of(cursor)
    since = _moment(after[0]) if cursor else None
    both = heapq.merge(failed_deliveries(backend, since), differences(backend, since), key=_when)
    in_order = (each for _, group in groupby(both, key=_when) for each in sorted(group, key=lambda each: each.id))
    page = list(islice((each for each in in_order if (_when(each), each.id) > after), limit + 1))
    return page[:limit], cursor_behind(page[limit - 1]) if len(page) > limit else None


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


def _when(failure: Failure) -> str:
    return utc_text(failure.since)


def _moment(text: str) -> datetime:
    """The moment of a cursor. Raises InvalidInput (`invalid_cursor`)."""
    try:
        moment = datetime.fromisoformat(text)
        if utc_text(moment) == text:
            return moment
    except (ValueError, OverflowError):
        pass
    raise InvalidInput(f"Cursor {text[:60]!r} is not one that this list gave.", code="invalid_cursor")


def _of_delivery(parked: Parked, now: datetime) -> Failure:
    return Failure(
        id=parked.id,
        **_about(parked.event),
        reason=parked.reason,
        code=parked.code,
        since=parked.since,
        attempts=parked.attempts,
        replayable=is_replayed(parked, now),
        transient=parked.transient,
    )


def _of_finding(backend: Backend, finding: Finding) -> Failure:
    """A finding in the form of a delivery that gave up: of the version's own event."""
    about = {"bucket": backend.raw.bucket, "name": finding.object, "generation": finding.generation}
    event = Event(type=Topic.OBJECT_FINALIZED, key=finding.file, at=finding.since, data=about)
    return Failure(
        id=finding.id,
        **_about(event),
        reason=finding.reason,
        code=finding.code,
        since=finding.since,
        attempts=1,
    )


def _about(event: Event) -> dict[str, Any]:
    """The fields of a failure that its event tells."""
    place = event.place if event.key else Place()
    return {
        "topic": event.type,
        "subject": event.key,
        "path": place.path,
        "session": place.session,
        "instrument": place.instrument,
        "payload": event.to_json(),
    }
