"""What gave up for a transient reason: it is delivered again each hour, for as long as `services/replay.py` says."""

from __future__ import annotations

from datetime import timedelta
from itertools import islice

from scopeline.domain.documents import utc_text
from scopeline.domain.sweeps import SweepState
from scopeline.services.backend import Backend
from scopeline.services.replay import cursor_behind, is_replayed, position_of
from scopeline.services.sweeping.tasks import Portion, Task, look_at

# How many deliveries are replayed at a time: each is some writes.
PORTION = 100
EVERY = timedelta(hours=1)


def replay_portion(backend: Backend, state: SweepState) -> Portion:
    """Deliver again a portion of what is parked for a transient reason, by its first failure."""
    now, after = backend.clock(), position_of(state.cursor)
    waiting = (p for p in backend.events.parked() if is_replayed(p, now) and (utc_text(p.since), p.id) > after)
    portion = sorted(islice(waiting, PORTION), key=lambda parked: (parked.since, parked.id))
    cursor = cursor_behind(portion[-1]) if len(portion) == PORTION else None
    return look_at(portion, lambda parked: backend.events.replay(parked.id), cursor)


REPLAY = Task("replay", EVERY, replay_portion)
