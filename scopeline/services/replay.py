"""What gave up for a reason that may pass by itself is tried again: a full disk, a web site that was away."""

from __future__ import annotations

from datetime import datetime, timedelta

from scopeline.ports import Parked
from scopeline.services.backend import Backend

# Transient reasons are tried again this often, and for so long after the first failure.
REPLAY_EVERY = timedelta(hours=1)
REPLAYED_FOR = timedelta(days=14)


def is_replayed(parked: Parked, now: datetime) -> bool:
    """Whether the service tries this delivery again by itself; other ones wait for a person."""
    return parked.transient and now - parked.since < REPLAYED_FOR


def replay_transient(backend: Backend) -> int:
    """Deliver again what is parked for a transient reason; how many deliveries that is.

    To be called at every start and each `REPLAY_EVERY`.
    """
    now = backend.clock()
    waiting = [parked.id for parked in backend.events.parked() if is_replayed(parked, now)]
    return sum(backend.events.replay(parked_id) for parked_id in waiting)
