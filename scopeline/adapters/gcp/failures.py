"""What failed: a document for each message whose delivery raised, until it succeeds, is replayed or superseded."""

from __future__ import annotations

import hashlib
import json
import logging
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

from scopeline.adapters.gcp.calls import CALL_SECONDS, RETRY, google_problems
from scopeline.adapters.gcp.indexes import FAILURES_OF_WORK, PARKED_FAILURES, as_query
from scopeline.adapters.gcp.messages import Outgoing, PushedMessage, to_event
from scopeline.adapters.judging import Failing, follow_giving_up, log_parked
from scopeline.domain.errors import InvalidInput
from scopeline.domain.events import Event, Topic
from scopeline.ports import OnParked, Parked

if TYPE_CHECKING:
    from google.cloud.firestore import Client, DocumentSnapshot

FAILURES = PARKED_FAILURES.collection
PAGE = 300
# A document takes 1 MiB. Longer bodies are cut, and of what nobody understands a part is enough to be looked at.
LONGEST_BODY = 800_000
KEPT_BYTES = 64 * 1024
KEPT_ATTRIBUTES = 32
# What messages.py and the receiver read. Pub/Sub takes 1,024 bytes in a value, so there is room for all of them.
NEEDED_ATTRIBUTES = frozenset(
    {
        "type",
        "key",
        "id",
        "accepted",
        "since",
        "window",
        "trace",
        "eventType",
        "payloadFormat",
        "overwrittenByGeneration",
    }
)
KEPT_REASON = 10_000
# What Pub/Sub adds when it moves a message to the dead letters.
DEAD_LETTER_MARK = "CloudPubSubDeadLetter"
_ID = re.compile(r"[0-9a-f]{32}")

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class FailedMessage:
    """A message whose delivery raised. `parked`: it is not tried any more."""

    id: str
    event: Event
    message: Outgoing
    accepted: datetime
    since: datetime
    attempts: int
    failing: Failing

    @property
    def parked(self) -> bool:
        """Whether it waits for a replay."""
        return self.failing.gives_up

    def to_parked(self) -> Parked:
        """The failure as the port has it."""
        failing = self.failing
        return Parked(self.id, self.event, failing.reason, failing.code, self.attempts, self.since, failing.transient)


def failure_id(message: PushedMessage) -> str:
    """The id of a message's failures: the same at every delivery, also when it comes from the dead letters.

    Pub/Sub gives a dead letter a new id, so the id is made from what it keeps. Two notifications that say the same
    are one. 32 characters: a log shows words of that length whole.
    """
    attributes = json.dumps(sorted(_own(message.attributes).items()))
    return hashlib.sha256(attributes.encode() + b"\0" + message.data).hexdigest()[:32]


def event_of(message: PushedMessage) -> Event:
    """The event of a message; one that cannot be understood is shown as the event that it was most likely to be.

    Only buckets send what is not from this software, so that is an object event, of no object, with the message's
    beginning as its data.
    """
    try:
        event = to_event(message)
    except InvalidInput:
        event = None
    if event is not None:
        return event
    named = message.attributes.get("type", "")
    return Event(
        type=Topic(named) if named in set(Topic) else Topic.OBJECT_FINALIZED,
        key="",
        at=message.published,
        data={
            "message": message.id,
            "attributes": dict(message.attributes),
            "body": message.data[:KEPT_BYTES].decode(errors="replace"),
        },
    )


class Failures:
    """Failures in Firestore."""

    def __init__(self, firestore: Client) -> None:
        self._client = firestore
        self._collection = firestore.collection(FAILURES)

    def find(self, id_: str) -> FailedMessage | None:
        """The failure of that id, parked or not; None where there is none, or where it cannot be an id."""
        if not _ID.fullmatch(id_):
            return None
        with google_problems(f"Reading the failure {id_}"):
            found = self._collection.document(id_).get(retry=RETRY, timeout=CALL_SECONDS)
        return _from_document(found) if found.exists else None

    def note(
        self,
        message: PushedMessage,
        failing: Failing,
        attempts: int,
        known: FailedMessage | None,
        now: datetime,
        on_parked: OnParked | None,
    ) -> None:
        """`record`, after what follows from giving up (None: nothing does), and say so in the log."""
        event = event_of(message)
        if failing.gives_up and on_parked is not None:
            follow_giving_up(on_parked, event, failing)
        self.record(message, failing, attempts, known, now)
        if failing.gives_up:
            log_parked(event, failing, attempts, failure_id(message))
            return
        what = (event.type, event.key, failing.code, failing.reason, attempts)
        logger.warning("%s of %s failed, and comes again: %s: %s (attempt %d)", *what)

    def record(
        self, message: PushedMessage, failing: Failing, attempts: int, known: FailedMessage | None, now: datetime
    ) -> None:
        """Write down that the delivery failed, at the first time with `now`; what is parked stays parked.

        `known` is what was written down of it before (`find`).
        """
        event = event_of(message)
        accepted, since = _moments(message)
        content = {
            "type": str(event.type),
            "key": event.key,
            **_kept(message),
            "accepted": accepted,
            "since": known.since if known else since or now,
            "attempts": attempts,
            "code": failing.code,
            "reason": failing.reason[:KEPT_REASON],
            "transient": failing.transient,
        }
        if failing.gives_up or (known and known.parked):
            # Only what is parked has this field, so that one index of one field lists it in its order.
            content["parked"] = content["since"]
        with google_problems(f"Recording the failure of {event.type} of {event.key}"):
            self._collection.document(failure_id(message)).set(content, retry=RETRY, timeout=CALL_SECONDS)

    def remove(self, id_: str) -> None:
        """Forget a failure; nothing where it is gone."""
        with google_problems(f"Removing the failure {id_}"):
            self._collection.document(id_).delete(retry=RETRY, timeout=CALL_SECONDS)

    def remove_answered(self, event: Event, message: PushedMessage) -> None:
        """Forget what the success of `message` makes needless: its own failures, and what its event answers."""
        own, accepted = failure_id(message), message.accepted
        query = as_query(self._client, FAILURES_OF_WORK, str(event.type), event.key)
        with google_problems(f"Looking for failures of {event.type} of {event.key}"):
            found = query.get(retry=RETRY, timeout=CALL_SECONDS)
        for failure in map(_from_document, found):
            answered = failure.parked and failure.accepted <= accepted and event.answers(failure.event)
            if failure.id == own or answered:
                self.remove(failure.id)

    def parked(self, since: datetime | None = None) -> Iterator[FailedMessage]:
        """What is parked, by its first failure, oldest first; from that moment of it on. Read `PAGE` at once."""
        query = as_query(self._client, PARKED_FAILURES).limit(PAGE)
        if since is not None:
            query = query.start_at({"parked": since})
        page: list[DocumentSnapshot[Any]] = []
        while True:
            after = query.start_after(page[-1]) if page else query
            with google_problems("Reading what is parked"):
                page = after.get(retry=RETRY, timeout=CALL_SECONDS)
            yield from map(_from_document, page)
            if len(page) < PAGE:
                return


def _own(attributes: Mapping[str, str]) -> dict[str, str]:
    return {name: value for name, value in attributes.items() if not name.startswith(DEAD_LETTER_MARK)}


def _moments(message: PushedMessage) -> tuple[datetime, datetime | None]:
    """When it was accepted and first failed, as far as it can be understood."""
    try:
        return message.accepted, message.since
    except InvalidInput:
        return message.published, None


def _kept(message: PushedMessage) -> dict[str, Any]:
    """Body and attributes of a message, so that it can be published again; text where it is text, to be read."""
    body = message.data[:LONGEST_BODY]
    try:
        to_event(message)
    except InvalidInput:
        body = body[:KEPT_BYTES]
    text = json.dumps(_kept_attributes(_own(message.attributes)))
    try:
        return {"body": body.decode(), "attributes": text}
    except UnicodeDecodeError:
        return {"body": body, "attributes": text}


def _kept_attributes(attributes: Mapping[str, str]) -> dict[str, str]:
    """Those that a replay needs first, then others by name, as many as there is room for."""
    kept: dict[str, str] = {}
    room = KEPT_BYTES
    for name in sorted(attributes, key=lambda name: (name not in NEEDED_ATTRIBUTES, name)):
        room -= len(json.dumps({name: attributes[name]}))
        if room < 0 or len(kept) == KEPT_ATTRIBUTES:
            break
        kept[name] = attributes[name]
    return kept


def _from_document(found: DocumentSnapshot[Any]) -> FailedMessage:
    fields: dict[str, Any] = found.to_dict() or {}
    body, attributes = fields["body"], json.loads(fields["attributes"])
    data = body.encode() if isinstance(body, str) else body
    accepted = fields["accepted"]
    return FailedMessage(
        id=found.id,
        event=event_of(PushedMessage(found.id, data, attributes, accepted)),
        message=Outgoing(data, attributes),
        accepted=accepted,
        since=fields["since"],
        attempts=fields["attempts"],
        failing=Failing(fields["code"], fields["reason"], fields["transient"], fields.get("parked") is not None),
    )
