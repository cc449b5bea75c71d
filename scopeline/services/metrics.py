"""How much work waits, how old the oldest of it is, and what gave up.

The queue of another machine cannot be asked how long it is; the catalog can: it knows what came and what was done.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from itertools import islice
from typing import Any

from scopeline.domain.files import File, FileStatus
from scopeline.domain.instruments import Client
from scopeline.domain.sessions import Handling, Session, SessionState
from scopeline.domain.sweeps import SweepState
from scopeline.ports import (
    CLIENTS,
    FILES_IN_STATUS,
    RECORDS_NEVER_PUBLISHED,
    SESSIONS_IN_STATE,
    SWEEPS,
    D,
    Query,
    find_all,
)
from scopeline.services.backend import Backend
from scopeline.services.replay import differences, failed_deliveries

# A service that stands still parks thousands, and each costs a read at every look.
MOST_COUNTED = 500


@dataclass(frozen=True, slots=True)
class Waiting:
    """One kind of work that the catalog knows of and nobody has done; `oldest_seconds` is None where there is none.

    `kind`: files that were `announced` and did not come, or are `stored` and not read; ended sessions with `no_record`;
    sessions whose record is `unpublished`, which never was on the web site.
    """

    kind: str
    count: int
    oldest_seconds: float | None


@dataclass(frozen=True, slots=True)
class GaveUp:
    """How many deliveries of a topic gave up with a code, or findings have it. `transient`: the reason may pass."""

    topic: str
    code: str
    transient: bool
    count: int
    oldest_seconds: float


@dataclass(frozen=True, slots=True)
class Logger:
    """One PC's logger: seconds since it was heard of (None: never), and how far its clock is behind."""

    client: str
    heartbeat_seconds: float | None
    clock_offset_seconds: float | None


@dataclass(frozen=True, slots=True)
class TaskState:
    """One task of the sweep: seconds since its last whole round (None: never one), whether one runs, what it found."""

    task: str
    finished_seconds: float | None
    running: bool
    found: int


@dataclass(frozen=True, slots=True)
class Measurements:
    """The state of the whole. `gave_up_at_least`: more gave up than was counted."""

    at: datetime
    waiting: list[Waiting]
    gave_up: list[GaveUp]
    loggers: list[Logger]
    sweeps: list[TaskState]
    gave_up_at_least: bool = False


def measure(backend: Backend) -> Measurements:
    """The state of the whole.

    It costs 4 counts, at most 4 documents, one read for each client and task of the sweep, and one for each thing that
    gave up, the oldest `MOST_COUNTED` deliveries and as many findings.
    """
    now = backend.clock()
    gave_up, at_least = _gave_up(backend, now)
    return Measurements(
        at=now,
        waiting=_waiting(backend, now),
        gave_up=gave_up,
        gave_up_at_least=at_least,
        loggers=[
            Logger(client.id, _age(now, client.last_heartbeat), client.clock_offset)
            for client in find_all(backend.catalog, Client, CLIENTS)
        ],
        sweeps=[
            TaskState(
                state.task,
                _age(now, state.finished_at),
                state.cursor is not None,
                state.found,
            )
            for state in find_all(backend.catalog, SweepState, SWEEPS)
        ],
    )


def _waiting(backend: Backend, now: datetime) -> list[Waiting]:
    """Files by the time of their last change; sessions by their END, the one that started first for the oldest."""

    def look(kind: str, of: type[D], query: Query, where: Mapping[str, Any]) -> tuple[str, int, D | None]:
        count = backend.catalog.count(query, where=where)
        first = backend.catalog.find(of, query, where=where, limit=1).items if count else []
        return kind, count, first[0] if first else None

    found = []
    for status in (FileStatus.ANNOUNCED, FileStatus.STORED):
        kind, count, file = look(status.value, File, FILES_IN_STATUS, {"status": status})
        found.append(Waiting(kind, count, _age(now, file.updated_at) if file else None))
    kind, count, ended = look("no_record", Session, SESSIONS_IN_STATE, {"state": SessionState.ENDED})
    since = ended.end.received if ended and ended.end else None
    found.append(Waiting(kind, count, _age(now, since)))
    where = {"state": SessionState.RECORDED, "handling": Handling.NORMAL, "record.published_at": None}
    kind, count, session = look("unpublished", Session, RECORDS_NEVER_PUBLISHED, where)
    built = session.record.built_at if session and session.record else None
    found.append(Waiting(kind, count, _age(now, built)))
    return found


def _gave_up(backend: Backend, now: datetime) -> tuple[list[GaveUp], bool]:
    """What gave up in groups, and whether it may be more than was counted."""
    counts: Counter[tuple[str, str, bool]] = Counter()
    oldest: dict[tuple[str, str, bool], datetime] = {}
    deliveries = list(islice(failed_deliveries(backend), MOST_COUNTED))
    found = list(islice(differences(backend), MOST_COUNTED))
    for failure in (*deliveries, *found):
        group = (failure.topic, failure.code, failure.transient)
        counts[group] += 1
        oldest[group] = min(oldest.get(group, failure.since), failure.since)
    groups = [
        GaveUp(*group, counts[group], max(0.0, (now - oldest[group]).total_seconds())) for group in sorted(counts)
    ]
    return groups, max(len(deliveries), len(found)) == MOST_COUNTED


def _age(now: datetime, moment: datetime | None) -> float | None:
    """Seconds since then, none below 0; None where there is no such moment."""
    return None if moment is None else max(0.0, (now - moment).total_seconds())
