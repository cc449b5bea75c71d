"""Whether the stores answer, and how loggers are."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from scopeline.domain.instruments import Client
from scopeline.ports import INSTRUMENTS
from scopeline.services.access import Caller
from scopeline.services.backend import Backend
from scopeline.services.changes import change

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
