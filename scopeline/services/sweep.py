"""The regular work of the back end: what no event causes, or whose event was lost.

Each task goes through all that there is of its kind, a portion at a time, and writes down how far it is
(`sweeps/{task}`), so that a sweep ends in time whatever there is to do, and the next one goes on. Two sweeps at once do
no harm: a portion may be done twice, and its cursor is moved once.
"""

from __future__ import annotations

import logging
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from scopeline.domain.errors import InvalidInput, ScopelineError, Unavailable
from scopeline.domain.sweeps import SweepState
from scopeline.logs import about
from scopeline.ports import OnParked, PreconditionFailed, Stored
from scopeline.services.backend import Backend
from scopeline.services.sweeping.erasures import UNFINISHED_ERASURES
from scopeline.services.sweeping.forgotten import FORGOTTEN_SESSIONS
from scopeline.services.sweeping.reconcile import CATALOG_FILES, KNOWN_FINDINGS, OBJECTS
from scopeline.services.sweeping.replayed import REPLAY
from scopeline.services.sweeping.stuck import MISSING_RECORDS, OUTDATED_RECORDS, UNPUBLISHED_RECORDS, UNREAD_FILES
from scopeline.services.sweeping.tasks import Portion, Task

log = logging.getLogger(__name__)

TASKS = (
    REPLAY,
    UNREAD_FILES,
    MISSING_RECORDS,
    OUTDATED_RECORDS,
    UNPUBLISHED_RECORDS,
    UNFINISHED_ERASURES,
    FORGOTTEN_SESSIONS,
    KNOWN_FINDINGS,
    OBJECTS,
    CATALOG_FILES,
)

# A function may run for 5 minutes; no portion is begun after this time.
BUDGET = timedelta(minutes=4)
MAINTAIN = "maintain"


@dataclass(slots=True)
class Swept:
    """What one sweep did of one task. `round_ended`: it has looked at everything. `stopped_by`: an error's code."""

    looked_at: int = 0
    found: int = 0
    failed: int = 0
    round_ended: bool = False
    stopped_by: str | None = None

    def add(self, portion: Portion) -> None:
        """Count a portion."""
        self.looked_at += portion.looked_at
        self.found += portion.found
        self.failed += portion.failed


@dataclass(frozen=True, slots=True)
class SweepReport:
    """What a sweep did, by task; a task that was not due is not named."""

    tasks: dict[str, Swept] = field(default_factory=dict)

    def of(self, task: str) -> Swept:
        """The report of one task, made where there is none yet."""
        return self.tasks.setdefault(task, Swept())


def sweep(
    backend: Backend,
    on_parked: OnParked,
    *,
    budget: timedelta = BUDGET,
    tasks: Sequence[Task] = TASKS,
    stopwatch: Callable[[], float] = time.monotonic,
    is_stopping: Callable[[], bool] = lambda: False,
) -> SweepReport:
    """Do what is due, a portion of each task in turn, until nothing is left, `budget` is over, or `is_stopping`.

    `on_parked` is for deliveries that are found to have given up (`Events.maintain`). What a task raises ends that task
    for now, is logged and stands in the report; the others go on. To be called every minute or so.
    """
    until = stopwatch() + budget.total_seconds()
    report = SweepReport()
    _guarded(report, MAINTAIN, lambda: backend.events.maintain(on_parked))
    waiting = deque(tasks)
    while waiting and stopwatch() < until and not is_stopping():
        task = waiting.popleft()
        if _guarded(report, task.name, lambda: _step(backend, task, report)):  # noqa: B023 (called at once)
            waiting.append(task)
    for name, swept in report.tasks.items():
        if swept.found or swept.failed:
            log.info("Sweep, %s: %d of %d found, %d failed.", name, swept.found, swept.looked_at, swept.failed)
    return report


def _guarded(report: SweepReport, name: str, action: Callable[[], bool | None]) -> bool:
    """Whether the task goes on at once."""
    with about(task=name):
        try:
            return bool(action())
        except Unavailable as error:
            log.warning("The sweep goes on later with %s: %s", name, error)
            report.of(name).stopped_by = error.code
        except ScopelineError as error:
            log.error("The sweep cannot go on with %s: %s: %s", name, error.code, error)
            report.of(name).stopped_by = error.code
        except Exception as error:  # the boundary of a task: the other ones go on
            log.exception("The sweep cannot go on with %s", name)
            report.of(name).stopped_by = type(error).__name__
    return False


def _step(backend: Backend, task: Task, report: SweepReport) -> bool:
    """Do the next portion of a task where it is due; whether more follows at once."""
    stored = _state(backend, task)
    now = backend.clock()
    if not task.is_due(stored.document, now):
        return False
    swept = report.of(task.name)
    try:
        portion = task.step(backend, stored.document)
    except InvalidInput as error:
        if error.code != "invalid_cursor" or stored.document.cursor is None:
            raise
        # An older version wrote it. Begun by the next sweep, so that no cursor can keep one busy.
        log.warning("The sweep begins anew with %s, whose cursor is not understood: %s", task.name, error)
        _write(backend, stored.document.model_copy(update={"cursor": None}), stored.revision)
        return False
    swept.add(portion)
    if not _write(backend, _moved_on(stored.document, portion, now), stored.revision):
        return False
    swept.round_ended = portion.cursor is None
    return portion.cursor is not None and not task.slow


def _write(backend: Backend, state: SweepState, revision: str) -> bool:
    """Store where a task is; False where another sweep did the same portion and goes on from there."""
    try:
        backend.catalog.update(state, revision)
    except PreconditionFailed:
        return False
    return True


def _state(backend: Backend, task: Task) -> Stored[SweepState]:
    """How far the task is, from the catalog."""
    key = f"sweeps/{task.name}"
    found = backend.catalog.get(SweepState, key)
    if found is None:
        backend.catalog.create(SweepState(task=task.name))
        found = backend.catalog.get(SweepState, key)
    if found is None:
        raise Unavailable(f"{key} was removed while it was made. The next sweep makes it again.")
    return found


def _moved_on(state: SweepState, portion: Portion, now: datetime) -> SweepState:
    """The state after a portion. `found` is of the round that is under way, or of the last one."""
    begins = state.cursor is None
    return state.model_copy(
        update={
            "cursor": portion.cursor,
            "began_at": now if begins else state.began_at,
            "finished_at": now if portion.cursor is None else state.finished_at,
            "found": portion.found + (0 if begins else state.found),
        }
    )
