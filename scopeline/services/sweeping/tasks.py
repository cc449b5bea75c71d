"""What a task of the sweep is: it looks at everything of one kind, a portion at a time."""

from __future__ import annotations

import logging
from collections import defaultdict
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TypeVar

from scopeline.domain.errors import ScopelineError, Unavailable
from scopeline.domain.events import Event, Topic
from scopeline.domain.sweeps import SweepState
from scopeline.services.backend import Backend
from scopeline.services.dismissals import is_dismissed

log = logging.getLogger(__name__)

T = TypeVar("T")

# What nobody has finished for so long is begun again.
STUCK_AFTER = timedelta(minutes=15)


@dataclass(frozen=True, slots=True)
class Portion:
    """What one step of a task did, and where the next one goes on (None: that was all).

    `looked_at` counts things, `found` those that something was done about, `failed` those where that did not work.
    """

    looked_at: int
    found: int
    failed: int
    cursor: str | None


@dataclass(frozen=True, slots=True)
class Task:
    """One kind of regular work. A round looks at everything; the next one begins `every` after its end.

    `step` looks at the portion at the state's cursor. It may be called again for a portion that was done. `slow` tasks
    do one step a sweep. Raises Unavailable: the same portion comes again with the next sweep.
    """

    name: str
    every: timedelta
    step: Callable[[Backend, SweepState], Portion]
    slow: bool = False

    def is_due(self, state: SweepState, now: datetime) -> bool:
        """Whether a round is under way or has to begin. A clock that was set back delays nothing."""
        if state.cursor is not None or state.finished_at is None:
            return True
        return not timedelta(0) <= now - state.finished_at < self.every


def look_at(items: Iterable[T], look: Callable[[T], bool], cursor: str | None) -> Portion:
    """Look at each item; one that fails is logged and counted, and the rest goes on. Raises Unavailable."""
    looked_at = found = failed = 0
    for item in items:
        looked_at += 1
        try:
            found += look(item)
        except Unavailable:
            raise
        except ScopelineError as error:
            failed += 1
            log.error("The sweep passes over one: %s: %s", error.code, error)
    return Portion(looked_at, found, failed, cursor)


class ParkedWork:
    """What gave up: it is tried again by its own rules, or was dismissed. What is parked is read when somebody asks."""

    def __init__(self, backend: Backend) -> None:
        self._backend = backend
        self._known: dict[tuple[Topic, str], list[Event]] | None = None

    def holds(self, *events: Event) -> bool:
        """Whether a delivery that asks for the same as one of the events (of one key) is parked, or was dismissed."""
        return self.is_parked(*events) or is_dismissed(self._backend, *events)

    def is_parked(self, *events: Event) -> bool:
        """Whether a delivery that asks for the same as one of the events (of one key) is parked now."""
        if self._known is None:
            self._known = defaultdict(list)
            for parked in self._backend.events.parked():
                self._known[parked.event.type, parked.event.key].append(parked.event)
        known = self._known
        return any(event.answers(parked) for event in events for parked in known.get((event.type, event.key), ()))
