"""What Pub/Sub and Eventarc send to a function, and the events that it stands for.

Forms: the body of a Pub/Sub push (https://cloud.google.com/pubsub/docs/push#receive_push), CloudEvents over HTTP in
structured and binary mode (https://github.com/cloudevents/spec/blob/v1.0.2/cloudevents/bindings/http-protocol-binding.md)
of the types that Eventarc has for Pub/Sub and Cloud Storage (https://github.com/googleapis/google-cloudevents), and a
bucket's notifications (https://cloud.google.com/storage/docs/pubsub-notifications).
"""

from __future__ import annotations

import base64
import binascii
import json
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any, NoReturn, TypeVar
from urllib.parse import quote

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    StringConstraints,
    ValidationError,
)

from scopeline.domain.documents import Moment
from scopeline.domain.errors import InvalidInput
from scopeline.domain.events import Event, StoredObject, Topic
from scopeline.domain.names import file_id
from scopeline.logs import trace_for_message

PUBSUB_EVENT = "google.cloud.pubsub.topic.v1.messagePublished"
# Eventarc's types for Cloud Storage, and what the bucket's own notifications call the same. Of `archived`, Eventarc
# does not say whether the version was deleted or has a successor: it is refused.
STORAGE_EVENTS = {
    "google.cloud.storage.object.v1.finalized": "OBJECT_FINALIZE",
    "google.cloud.storage.object.v1.deleted": "OBJECT_DELETE",
    "google.cloud.storage.object.v1.metadataUpdated": "OBJECT_METADATA_UPDATE",
}
NOTIFICATION_TOPICS = {
    "OBJECT_FINALIZE": Topic.OBJECT_FINALIZED,
    "OBJECT_DELETE": Topic.OBJECT_DELETED,
    # With versions: somebody deleted the current one without naming its generation.
    "OBJECT_ARCHIVE": Topic.OBJECT_DELETED,
}
# A key is a field of Firestore's indexes, and with %-escapes a part of a ticket's id: both end at 1,500 bytes
# (https://cloud.google.com/firestore/quotas). Ours are ids, far shorter.
LONGEST_KEY = 1024
LARGEST_INTEGER = 2**63 - 1  # of Cloud Storage's generations, and of Firestore
# Of Pub/Sub's own counts, which end at 100: what is larger is no count.
MOST_DELIVERIES = 99_999
# Of the times that a message tells: windows are reckoned from them, and what is kept for days after that.
FIRST_MOMENT, LAST_MOMENT = datetime(1970, 1, 1, tzinfo=UTC), datetime(9998, 12, 31, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class PushedMessage:
    """One delivery of a message. `attempt` counts from 1; None where the sender does not count."""

    id: str
    data: bytes
    attributes: Mapping[str, str]
    published: datetime
    attempt: int | None = None

    @property
    def accepted(self) -> datetime:
        """When the event was accepted: the publish time, unless it was accepted long before (timers, replays)."""
        return self._moment("accepted") or self.published

    @property
    def since(self) -> datetime | None:
        """The first failure, where this delivers again what had given up."""
        return self._moment("since")

    @property
    def window(self) -> timedelta | None:
        """The time in which calls are joined; None where this one is not."""
        seconds = self.attributes.get("window")
        if seconds is None:
            return None
        if not (seconds.isascii() and seconds.isdecimal() and len(seconds) <= 6 and int(seconds) > 0):
            _refuse(f"attribute window {seconds[:50]!r}", "a number of whole seconds from 1 to 999,999")
        return timedelta(seconds=int(seconds))

    def _moment(self, name: str) -> datetime | None:
        text = self.attributes.get(name)
        if text is None:
            return None
        try:
            return _Dated(at=text).at
        except (ValidationError, OverflowError):
            _refuse(f"attribute {name} {text[:50]!r}", "a time in ISO 8601 with its offset")


@dataclass(frozen=True, slots=True)
class Outgoing:
    """A message that is not published yet."""

    data: bytes
    attributes: Mapping[str, str] = field(default_factory=dict)


def to_outgoing(event: Event, **attributes: str) -> Outgoing:
    """The message of an event of our own, with what the adapter needs beside it, and the trace of what caused it."""
    told = {"type": str(event.type), "key": event.key, **trace_for_message(), **attributes}
    return Outgoing(json.dumps(event.to_json()).encode(), told)


def decode_push(headers: Mapping[str, str], body: bytes) -> PushedMessage:
    """The message in a request. Header names may have any case. Raises InvalidInput (`bad_message`)."""
    known = {name.lower(): value for name, value in headers.items()}
    if known.get("content-type", "").split(";", 1)[0].strip().lower() == "application/cloudevents+json":
        event = _parse(_CloudEvent, body, "a CloudEvent")
        return _of_cloud_event(event, event.content())
    if "ce-type" in known:
        attributes = {name.removeprefix("ce-"): value for name, value in known.items() if name.startswith("ce-")}
        return _of_cloud_event(_check(_CloudEvent, attributes, "the headers of a CloudEvent"), body)
    return _of_push(body)


def to_event(message: PushedMessage) -> Event | None:
    """The event that a message stands for; None where there is nothing to do.

    Our own events come as their JSON, a bucket's as notifications with the payload JSON_API_V1: of those, a version
    that was replaced (OBJECT_ARCHIVE with its successor) and new metadata (OBJECT_METADATA_UPDATE) ask for nothing.
    The bucket and name are taken as they are: the services refuse other buckets. Raises InvalidInput (`bad_message`),
    also of what Google's services cannot take: keys, numbers and times out of their ranges.
    """
    # What the adapter reads from the attributes later is checked here, so that it is known to be right.
    _ = message.window
    for name, moment in (("time", message.published), ("accepted", message.accepted), ("since", message.since)):
        if moment is not None and not FIRST_MOMENT <= moment <= LAST_MOMENT:
            _refuse(f"{name} {moment.isoformat()}", f"a time from {FIRST_MOMENT:%Y} to {LAST_MOMENT:%Y}")
    kind = message.attributes.get("eventType")
    if kind is None:
        return _own_event(message.data)
    if kind == "OBJECT_METADATA_UPDATE" or (
        kind == "OBJECT_ARCHIVE" and "overwrittenByGeneration" in message.attributes
    ):
        return None
    if kind not in NOTIFICATION_TOPICS:
        _refuse(f"eventType {kind[:50]!r}", f"one of {', '.join(NOTIFICATION_TOPICS)}, OBJECT_METADATA_UPDATE")
    if message.attributes.get("payloadFormat") != "JSON_API_V1":
        found = message.attributes.get("payloadFormat", "")
        _refuse(f"payloadFormat {found[:50]!r}", "a notification with the payload JSON_API_V1")
    stored = _parse(_StorageObject, message.data, "an object of the Cloud Storage JSON API").to_stored()
    return Event(
        type=NOTIFICATION_TOPICS[kind],
        key=file_id(stored.bucket, stored.name),
        at=message.published,
        data=stored.model_dump(mode="json"),
    )


def _own_event(body: bytes) -> Event:
    event = _parse(Event, body, "an event {type, schema, key, at, data}")
    length = len(quote(event.key, safe=""))
    if length > LONGEST_KEY:
        _refuse(f"a key of {length:,} bytes ({event.key[:50]!r}...)", f"up to {LONGEST_KEY:,} bytes, with %-escapes")
    if event.type in NOTIFICATION_TOPICS.values() and "generation" in event.data:
        _check(_Version, event.data, f"a generation from 0 to {LARGEST_INTEGER:,}")
    for number in _numbers(event.data):
        # NaN and 1e999 pass the parser, and are no JSON.
        if not (math.isfinite(number) if isinstance(number, float) else -LARGEST_INTEGER <= number <= LARGEST_INTEGER):
            _refuse(f"the number {str(number)[:50]} in data", f"finite ones, whole ones up to {LARGEST_INTEGER:,}")
    return event


def _numbers(value: object) -> Iterator[int | float]:
    if isinstance(value, int | float):
        yield value
    elif isinstance(value, dict | list):
        for inner in value.values() if isinstance(value, dict) else value:
            yield from _numbers(inner)


# --------------------------------------------------------------------------------------------------------- the forms


def _from_base64(text: object) -> object:
    if not isinstance(text, str):
        return text
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError) as error:
        raise ValueError(f"no base64: {error}") from None


def _possible_count(found: int) -> int | None:
    return found if 1 <= found <= MOST_DELIVERIES else None


def _as_bytes(data: object) -> bytes:
    if not isinstance(data, bytes):
        raise ValueError("expected text in base64")
    return data


Base64 = Annotated[Any, BeforeValidator(_from_base64), AfterValidator(_as_bytes)]
Name = Annotated[str, StringConstraints(min_length=1, max_length=1024)]
Amount = Annotated[int, Field(ge=0, le=LARGEST_INTEGER)]

F = TypeVar("F", bound=BaseModel)


class _Form(BaseModel):
    model_config = ConfigDict(extra="ignore", populate_by_name=True)


class _Dated(_Form):
    at: Moment


class _Message(_Form):
    id: Name = Field(alias="messageId")
    data: Base64 = b""
    attributes: dict[str, str] | None = None
    published: Moment = Field(alias="publishTime")


class _Push(_Form):
    message: _Message
    attempt: Annotated[int, AfterValidator(_possible_count)] | None = Field(None, alias="deliveryAttempt")


class _CloudEvent(_Form):
    specversion: Annotated[str, StringConstraints(pattern=r"^1\.")]
    id: Name
    type: Name
    time: Moment | None = None
    data: Any = None
    data_base64: Base64 = b""

    def content(self) -> bytes:
        """The data of a structured event, as the body of a binary one has it."""
        return self.data_base64 or json.dumps(self.data).encode()


class _Version(_Form):
    generation: Amount


class _StorageObject(_Version):
    bucket: Name
    name: Name
    size: Amount = 0
    md5: Base64 = Field(b"", alias="md5Hash")
    crc32c: str = ""
    content_type: str = Field("application/octet-stream", alias="contentType")
    metadata: dict[str, str] | None = None
    stored_at: Moment | None = Field(None, alias="timeCreated")

    def to_stored(self) -> StoredObject:
        """The version as events have it."""
        return StoredObject(
            bucket=self.bucket,
            name=self.name,
            generation=self.generation,
            size=self.size,
            md5=self.md5.hex(),
            crc32c=self.crc32c,
            content_type=self.content_type,
            metadata=self.metadata or {},
            stored_at=self.stored_at,
        )


def _of_push(body: bytes) -> PushedMessage:
    push = _parse(_Push, body, 'a Pub/Sub push {"message": {"messageId", "publishTime", "data", "attributes"}}')
    message = push.message
    return PushedMessage(message.id, message.data, message.attributes or {}, message.published, push.attempt)


def _of_cloud_event(event: _CloudEvent, content: bytes) -> PushedMessage:
    if event.type == PUBSUB_EVENT:
        return _of_push(content)
    if event.type not in STORAGE_EVENTS:
        _refuse(f"a CloudEvent of the type {event.type[:100]!r}", f"{PUBSUB_EVENT} or {', '.join(STORAGE_EVENTS)}")
    if event.time is None:
        _refuse("a CloudEvent without time", "its attribute time")
    attributes = {"eventType": STORAGE_EVENTS[event.type], "payloadFormat": "JSON_API_V1"}
    return PushedMessage(event.id, content, attributes, event.time)


def _parse(form: type[F], text: bytes, expected: str) -> F:
    try:
        return form.model_validate_json(text)
    except (ValidationError, OverflowError) as error:
        _refuse(_found(text, error), expected)


def _check(form: type[F], values: Mapping[str, Any], expected: str) -> F:
    try:
        return form.model_validate(values)
    except (ValidationError, OverflowError) as error:
        _refuse(_found(b"", error), expected)


def _found(text: bytes, error: Exception) -> str:
    if not isinstance(error, ValidationError):
        return f"{len(text)} bytes with a time out of range"
    first = error.errors(include_url=False, include_context=False, include_input=False)[0]
    where = ".".join(str(part) for part in first["loc"])
    return f"{len(text)} bytes ({where + ': ' if where else ''}{first['msg']})"


def _refuse(found: str, expected: str) -> NoReturn:
    raise InvalidInput(
        f"A message cannot be understood: found {found}; expected {expected}. Look at who publishes to this topic, and "
        "whether this software is older than what sent it.",
        code="bad_message",
        status=400,
    )
