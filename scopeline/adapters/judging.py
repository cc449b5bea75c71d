"""What it means for a delivery that its handler raised: the same in every edition."""

from __future__ import annotations

import logging
from dataclasses import dataclass

from scopeline.domain.errors import ScopelineError
from scopeline.domain.events import Event
from scopeline.ports import OnParked
from scopeline.redaction import redact

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Failing:
    """What an error means for its delivery. `transient`: it may pass by itself."""

    code: str
    reason: str
    transient: bool
    gives_up: bool


def judge(error: Exception, attempt: int, attempts: int) -> Failing:
    """What `error` means at that attempt (from 1) of `attempts`: it gives up at the last, and where it never passes.

    An unexpected error is tried again, too, but only what the system refuses (OSError, MemoryError) is transient.
    """
    used = attempt >= attempts
    if isinstance(error, ScopelineError):
        return Failing(error.code, _words(str(error)), error.transient, used or not error.transient)
    return Failing(
        "unexpected_error", _words(f"{type(error).__name__}: {error}"), isinstance(error, OSError | MemoryError), used
    )


def _words(text: str) -> str:
    """What may be written down anywhere: no secrets, no half characters, which file names may have."""
    return redact(text).encode(errors="replace").decode()


def log_parked(event: Event, failing: Failing, attempts: int, failure_id: str) -> None:
    """Say that a delivery gave up, with the id by which `scopeline replay` tries it again."""
    logger.error(
        "%s is parked as %s after %d attempt%s: %s: %s",
        event.in_words(),
        failure_id,
        attempts,
        "" if attempts == 1 else "s",
        failing.code,
        failing.reason,
    )


def follow_giving_up(on_parked: OnParked, event: Event, failing: Failing) -> None:
    """Do what follows from giving up, before the delivery is parked: a process may end in between."""
    try:
        on_parked(event, failing.code, failing.reason)
    except ScopelineError as error:
        logger.error("What follows from giving up %s of %s was not done: %s", event.type, event.key, error)
    except Exception:  # the boundary of a message: the delivery is parked all the same
        logger.exception("What follows from giving up %s of %s was not done", event.type, event.key)
