"""What every service is given: the ports of one edition, its clock and its settings."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime

from scopeline.ports import Catalog, Events, ObjectStore
from scopeline.settings import Settings


def system_clock() -> datetime:
    """Now, in UTC."""
    return datetime.now(UTC)


@dataclass(frozen=True, slots=True)
class Backend:
    """One edition's back end, as `scopeline.bootstrap` puts it together."""

    raw: ObjectStore
    derived: ObjectStore
    catalog: Catalog
    events: Events
    settings: Settings
    clock: Callable[[], datetime] = system_clock
