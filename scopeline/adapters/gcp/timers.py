"""Messages that are not to be delivered before a time: documents, which the sweep publishes when they are due."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

from google.api_core.exceptions import AlreadyExists
from google.cloud.firestore import FieldFilter

from scopeline.adapters.gcp.calls import CALL_SECONDS, RETRY, google_problems
from scopeline.adapters.gcp.indexes import DUE_TIMERS, as_query
from scopeline.adapters.gcp.messages import Outgoing

if TYPE_CHECKING:
    from google.cloud.firestore import Client, DocumentSnapshot

PAGE = 100


@dataclass(frozen=True, slots=True)
class Timer:
    """A message that waits for its time `due`. `told` is Firestore's time when it was found."""

    id: str
    message: Outgoing
    due: datetime
    told: datetime


class Timers:
    """Timers in Firestore."""

    def __init__(self, firestore: Client) -> None:
        self._client = firestore
        self._collection = firestore.collection(DUE_TIMERS.collection)

    def add(self, timer_id: str, message: Outgoing, due: datetime) -> None:
        """Keep `message` until `due`; nothing where that timer is there already."""
        content = {"due": due, "body": message.data.decode(), "attributes": json.dumps(dict(message.attributes))}
        with google_problems(f"Keeping a message until {due}"):
            try:
                self._collection.document(timer_id).create(content, retry=RETRY, timeout=CALL_SECONDS)
            except AlreadyExists:
                return

    def due(self, now: datetime) -> Iterator[Timer]:
        """The timers that are due at `now`, oldest first."""
        query = as_query(self._client, DUE_TIMERS).where(filter=FieldFilter("due", "<=", now)).limit(PAGE)
        page: list[DocumentSnapshot[Any]] = []
        while True:
            after = query.start_after(page[-1]) if page else query
            with google_problems("Looking for timers that are due"):
                page = after.get(retry=RETRY, timeout=CALL_SECONDS)
            for found in page:
                message = Outgoing(found.get("body").encode(), json.loads(found.get("attributes")))
                yield Timer(found.id, message, found.get("due"), found.read_time)
            if len(page) < PAGE:
                return

    def remove(self, timer_id: str) -> None:
        """Forget a timer; nothing where it is gone."""
        with google_problems("Removing a timer"):
            self._collection.document(timer_id).delete(retry=RETRY, timeout=CALL_SECONDS)
