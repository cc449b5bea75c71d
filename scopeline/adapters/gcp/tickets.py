"""Who delivers for all calls of one window: the first message of the window that came (docs/adr/0010)."""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING
from urllib.parse import quote

from google.api_core.exceptions import AlreadyExists

from scopeline.adapters.gcp.calls import CALL_SECONDS, RETRY, google_problems
from scopeline.adapters.gcp.messages import PushedMessage
from scopeline.domain.events import Event

if TYPE_CHECKING:
    from google.cloud.firestore import Client

TICKETS = "tickets"
# Design section 5: a joined delivery starts at least this long after its window's end.
AFTER_WINDOW = timedelta(seconds=2)
# No delivery waits longer in an instance's hands; it becomes a timer then.
LONGEST_WAIT = timedelta(minutes=5)
# Longer than Pub/Sub keeps a message. Firestore deletes by this field (a TTL policy of Terraform's).
TICKET_KEPT = timedelta(days=8)


@dataclass(frozen=True, slots=True)
class Ticket:
    """A window's ticket: `mine` says that this message delivers for all, not before `due`.

    `told` is Google's time of the answer. Both are Google's, so this machine's clock may be off.
    """

    mine: bool
    due: datetime
    told: datetime

    @property
    def left(self) -> timedelta:
        """The time to wait; not over zero where it has passed."""
        return self.due - self.told


class Tickets:
    """Tickets in Firestore: one document for each window of each topic and key in which there was a call."""

    def __init__(self, firestore: Client) -> None:
        self._collection = firestore.collection(TICKETS)

    def claim(self, event: Event, message: PushedMessage, window: timedelta) -> Ticket:
        """The ticket of the window in which Pub/Sub accepted `message`. A redelivery gets what it got before."""
        seconds = math.ceil(window.total_seconds())
        number = math.floor(message.published.timestamp()) // seconds
        due = datetime.fromtimestamp((number + 1) * seconds, UTC) + AFTER_WINDOW
        document = self._collection.document(f"{event.type}-{quote(event.key, safe='')}-{seconds}-{number}")
        content = {"message": message.id, "due": due, "expires": due + TICKET_KEPT}
        with google_problems(f"Asking for the ticket {document.id}"):
            # Most messages of a window find its ticket: a look costs less than a write that is refused.
            found = document.get(retry=RETRY, timeout=CALL_SECONDS)
            if not found.exists:
                try:
                    return Ticket(True, due, document.create(content, retry=RETRY, timeout=CALL_SECONDS).update_time)
                except AlreadyExists:
                    found = document.get(retry=RETRY, timeout=CALL_SECONDS)
                if not found.exists:
                    raise ConnectionError("Firestore's answer about the ticket is empty")
        return Ticket(found.get("message") == message.id, due, found.read_time)
