"""One delivery in the hands of a worker, and how long it waits when its handler raised."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

from scopeline.domain.errors import ScopelineError
from scopeline.domain.events import Event

# Pauses between attempts: 1 s, 4 s, 16 s, ... up to ten minutes, each with a random part.
FIRST_PAUSE = timedelta(seconds=1)
PAUSE_FACTOR = 4
LONGEST_PAUSE = timedelta(minutes=10)
# How often the process may end in the middle of one delivery before the delivery is taken for the cause.
INTERRUPTIONS = 20


class Interrupted(ScopelineError):
    """The process ended again and again while the delivery was handled."""

    code = "interrupted"


@dataclass(frozen=True, slots=True)
class Delivery:
    """One event in the hands of a worker; `attempt` counts from 1, `interruptions` from 0."""

    id: int
    event: Event
    attempt: int
    interruptions: int = 0

    def check_interruptions(self) -> None:
        """Raise Interrupted where the delivery may be what ends the process."""
        if self.interruptions >= INTERRUPTIONS:
            raise Interrupted(
                f"The service ended {self.interruptions} times while this was being done. Look for the cause in its "
                "log before it is tried again."
            )


def back_off(attempt: int, part: float) -> timedelta:
    """How long to wait after that many attempts; `part`, from 0 to 1, chooses between 50 and 100 % of the pause."""
    longest: timedelta = min(FIRST_PAUSE * PAUSE_FACTOR ** (attempt - 1), LONGEST_PAUSE)
    share: float = 0.5 + 0.5 * part
    return longest * share
