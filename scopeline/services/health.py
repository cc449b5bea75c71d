"""Whether the stores answer, how loggers are, what gave up."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from scopeline.domain.documents import utc_text
from scopeline.domain.errors import InvalidInput
from scopeline.domain.instruments import Client
from scopeline.domain.records import Failure
from scopeline.ports import INSTRUMENTS, Parked
from scopeline.services.access import Caller
from scopeline.services.backend import Backend
from scopeline.services.changes import change
from scopeline.services.replay import is_replayed

_PROBE = "readyz"


def ask_stores(backend: Backend) -> None:
    """Ask each port something, and the stores whether they take writes; raises what the one that cannot raises."""
    backend.catalog.count(INSTRUMENTS)
    for store in (backend.raw, backend.derived):
        store.stat(_PROBE)
        store.check_writable()
    next(iter(backend.events.parked()), None)


def note_heartbeat(backend: Backend, caller: Caller, *, at: datetime, version: str, queue: dict[str, Any]) -> datetime:
    """Write down how the caller's logger is; the server's time."""
    now = backend.clock()

    def edit(client: Client) -> None:
        client.last_heartbeat = now
        client.clock_offset = (now - at).total_seconds()
        client.version = version
        client.queue = queue

    change(backend.catalog, Client, caller.sender.key, edit)
    return now


def list_failures(backend: Backend, *, limit: int, cursor: str | None) -> tuple[list[Failure], str | None]:
    """Deliveries that gave up, by their first failure, oldest first, and where to go on.

    Raises InvalidInput (`invalid_cursor`).
    """
    after = _position(cursor) if cursor else ("", "")
    places = {(utc_text(parked.since), parked.id): parked for parked in backend.events.parked()}
    later = [places[place] for place in sorted(places) if place > after]
    page = later[:limit]
    more = len(later) > limit
    now = backend.clock()
    return [_failure(parked, now) for parked in page], f"{utc_text(page[-1].since)}~{page[-1].id}" if more else None


def _position(cursor: str) -> tuple[str, str]:
    since, separator, parked_id = cursor.partition("~")
    if not separator:
        raise InvalidInput(f"Cursor {cursor[:60]!r} is not one that this list gave.", code="invalid_cursor")
    return since, parked_id


def _failure(parked: Parked, now: datetime) -> Failure:
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
