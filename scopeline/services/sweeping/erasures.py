"""Sessions that somebody had erased and that are not: the request was killed on its way, or its event was lost."""

from __future__ import annotations

from datetime import timedelta

from scopeline.domain.erasure import Tombstone
from scopeline.domain.events import Event, Topic
from scopeline.domain.sweeps import SweepState
from scopeline.ports import TOMBSTONES
from scopeline.services.backend import Backend
from scopeline.services.erase import ask_again
from scopeline.services.sweeping.tasks import STUCK_AFTER, ParkedWork, Portion, Task, look_at

PAGE = 100
# Erasing what is large takes tens of minutes: what is under way is seldom begun a second time beside it.
EVERY = timedelta(hours=1)


def look_for_unfinished_erasures(backend: Backend, state: SweepState) -> Portion:
    """Tombstones of what is not erased: `session.erased`. Dismissing what gave up does not take the request back."""
    page = backend.catalog.find(
        Tombstone, TOMBSTONES, before=backend.clock() - STUCK_AFTER, limit=PAGE, cursor=state.cursor
    )
    parked = ParkedWork(backend)

    def look(tombstone: Tombstone) -> bool:
        if tombstone.erased_at is not None:
            return False
        if parked.is_parked(Event(type=Topic.SESSION_ERASED, key=tombstone.session, at=backend.clock())):
            return False
        ask_again(backend, tombstone.session)
        return True

    return look_at(page.items, look, page.cursor)


UNFINISHED_ERASURES = Task("unfinished_erasures", EVERY, look_for_unfinished_erasures)
