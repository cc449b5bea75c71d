"""What parts of Scopeline tell each other: names of topics and the one payload form (docs/adr/0001)."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from typing import Any

from pydantic import ConfigDict, Field

from scopeline.domain.documents import Moment, Part
from scopeline.domain.names import Place, file_id, place_in_name, place_of_session


class Topic(StrEnum):
    """What happened."""

    OBJECT_FINALIZED = "object.finalized"  # a version was stored in raw; key: file id
    OBJECT_DELETED = "object.deleted"  # a version of raw is gone; key: file id
    OBJECT_CHANGED = "object.changed"  # something that a file is read with changed; key: file id
    SESSION_ENDED = "session.ended"  # END came, or the time after it is over; key: session id
    SESSION_CHANGED = "session.changed"  # files, corrections or overlays changed; key: session id
    RECORD_BUILT = "record.built"  # a record version stands in the catalog; key: session id
    SESSION_ERASED = "session.erased"  # a person had the session erased; key: session id


class Event(Part):
    """One message: {type, schema, key, at, data}."""

    type: Topic
    schema_version: int = Field(default=1, alias="schema", serialization_alias="schema")
    key: str
    at: Moment
    data: dict[str, Any] = Field(default_factory=dict)

    model_config = ConfigDict(extra="ignore", populate_by_name=True)

    def to_json(self) -> dict[str, Any]:
        """The payload as JSON values."""
        return self.model_dump(mode="json", by_alias=True)

    @property
    def place(self) -> Place:
        """Which session the event is about, or which file, where its data name an object."""
        if not self.type.startswith("object."):
            return place_of_session(self.key)
        name = self.data.get("name") or self.data.get("object")
        return place_in_name(name) if isinstance(name, str) else Place()

    def in_words(self) -> str:
        """What the event is about, for people: its topic and key, and of a file path, session and instrument."""
        if not self.key:
            return "a message that nobody understands"
        words, place = f"{self.type} of {self.key}", self.place
        if place.path is None:
            return words
        more = [("session", place.session), ("instrument", place.instrument)]
        return f"{words} ({', '.join([place.path, *(f'{name} {value}' for name, value in more if value)])})"

    def answers(self, earlier: Event) -> bool:
        """Whether what was done for this event is all that an earlier one of its type and key asked for.

        Events of one version ask for that version; all others ask to bring up to date what is there now.
        """
        if (self.type, self.key) != (earlier.type, earlier.key):
            return False
        if self.type in (Topic.OBJECT_FINALIZED, Topic.OBJECT_DELETED):
            return bool(self.data.get("generation") == earlier.data.get("generation"))
        return True


def object_changed_event(bucket: str, name: str, at: datetime) -> Event:
    """That something changed that the file of the object is read with."""
    return Event(type=Topic.OBJECT_CHANGED, key=file_id(bucket, name), at=at, data={"bucket": bucket, "object": name})


class StoredObject(Part):
    """`data` of the object events: which version of which object."""

    bucket: str
    name: str
    generation: int
    size: int = 0
    md5: str = ""  # hexadecimal
    crc32c: str = ""  # base64 of the big-endian value, as Google Cloud Storage writes it
    content_type: str = "application/octet-stream"
    metadata: dict[str, str] = Field(default_factory=dict)
    stored_at: Moment | None = None
    retained_until: Moment | None = None  # it cannot be deleted before; the year 9999 where no end is known
