"""How the suites drive an edition where the ports alone cannot: time, deliveries and upload requests."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol

from scopeline.domain.events import Event, Topic
from scopeline.ports import Events

Handlers = Mapping[Topic, Callable[[Event], None]]


@dataclass(frozen=True)
class PutAnswer:
    """The answer of an upload URL. Header names are lower case; `body` is the JSON or None."""

    status: int
    headers: dict[str, str]
    body: dict[str, Any] | None

    @property
    def stored(self) -> int:
        """How many bytes the `Range` header says are stored."""
        text = self.headers.get("range")
        return 0 if text is None else int(text.removeprefix("bytes=0-")) + 1


class Uploads(Protocol):
    """Sends PUT requests to upload URLs."""

    def put(
        self, url: str, content_range: str | None, data: bytes = b"", *, breaks_off_after: int | None = None
    ) -> PutAnswer:
        """Send a chunk; the connection ends after some of its bytes where `breaks_off_after` says so."""


class Deliveries(Protocol):
    """An edition's events under a clock that the test moves."""

    events: Events
    attempts: int

    def now(self) -> datetime:
        """The edition's clock."""

    def advance(self, seconds: float) -> None:
        """Let that much time pass."""

    def deliver(self, handlers: Handlers) -> int:
        """Deliver all that is due now, and return when nothing is left; how many deliveries there were."""

    def interrupt(self) -> None:
        """Let a worker take a delivery that is due, and die before its handler has returned."""
