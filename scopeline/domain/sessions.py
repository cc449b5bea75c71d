"""Sessions: people's time on an instrument."""

from __future__ import annotations

from enum import StrEnum
from typing import Any, Literal

from pydantic import Field

from scopeline.domain.documents import Document, Moment, Part


class SessionState(StrEnum):
    """Where a session is on its way."""

    OPEN = "open"
    ENDED = "ended"
    RECORDED = "recorded"


class SessionKind(StrEnum):
    """What the time was used for."""

    USER = "user"
    STAFF = "staff"
    SERVICE = "service"
    TRAINING = "training"
    CALIBRATION = "calibration"


class Handling(StrEnum):
    """How far the session's data may go."""

    NORMAL = "normal"
    PRIVATE = "private"
    LOCAL = "local"
    OFF = "off"


class Person(Part):
    """Somebody at the session. Unconfirmed people were typed in and have no access by it."""

    person: str = Field(min_length=1, max_length=200)
    role: Literal["experimenter", "collaborator", "staff"] = "experimenter"
    confirmed: bool = False


class Sample(Part):
    """What was looked at."""

    name: str = Field(min_length=1, max_length=300)
    description: str | None = Field(default=None, max_length=4000)
    elements: list[str] = Field(default_factory=list, max_length=118)


class Project(Part):
    """What it was done for."""

    name: str | None = Field(default=None, max_length=300)
    id: str | None = Field(default=None, max_length=200)
    division: str | None = Field(default=None, max_length=200)
    group: str | None = Field(default=None, max_length=200)
    ref: str | None = Field(default=None, max_length=2000)


class Reservation(Part):
    """The calendar's entry that the session belongs to."""

    id: str
    source: str
    start: Moment
    end: Moment
    title: str | None = None
    ref: str | None = None


class Stamp(Part):
    """A moment as a client told it, and as the server knows it.

    `at` is the client's clock, `sent` the same clock when the call left; `moment` = received - (sent - at), the
    server's time of it (design section 6).
    """

    at: Moment
    sent: Moment
    received: Moment
    offset_minutes: int = 0  # the UTC offset that the client wrote `at` with

    @property
    def moment(self) -> Moment:
        """The server's time of what the client saw at `at`."""
        return self.received - (self.sent - self.at)


class EventKind(StrEnum):
    """What can happen during a session."""

    NOTE = "note"
    SAMPLE = "sample"
    PROJECT = "project"


class SessionEvent(Part):
    """A note, a change of sample or a change of project. `id` is the logger's uuid: the same event twice is one."""

    id: str
    kind: EventKind
    stamp: Stamp
    person: str | None = None
    text: str | None = None
    sample: Sample | None = None
    project: Project | None = None


class RecordState(Part):
    """The session's record: its version, what it was made from, and where it was published."""

    version: int
    inputs: str  # hash of the record's inputs
    pid: str
    built_at: Moment
    published_at: Moment | None = None
    published_version: int | None = None


class Correction(Part):
    """One change of a session's own fields by a person. `before` has the values that were replaced, as JSON."""

    who: str
    at: Moment
    reason: str
    before: dict[str, Any]


class LocalId(Document):
    """Which session a START's uuid became. Written before the session, so that one uuid never makes two."""

    local_id: str
    session: str

    @property
    def key(self) -> str:  # noqa: D102
        return f"local_ids/{self.local_id}"


class Changes(Part):
    """Which changes its record was asked to follow, counted in rounds; no clock is involved.

    Who changed something asks for a new round, unless one was asked for that no build has started. A build starts the
    last round asked for before it reads, and covers it when its record stands. So nothing changed since a record where
    all that was asked for is covered.
    """

    asked: int = 0
    started: int = 0
    covered: int = 0


class Session(Document):
    """A session. Files are not listed here: each file names its session (design section 5)."""

    id: str
    instrument: str
    local_id: str
    client: str
    title: str | None = None
    motivation: str | None = None
    people: list[Person] = Field(default_factory=list)
    kind: SessionKind = SessionKind.USER
    handling: Handling = Handling.NORMAL
    start: Stamp
    end: Stamp | None = None
    why_ended: str | None = None
    resumed: Stamp | None = None  # the last time that it went on after an END
    reservation: Reservation | None = None
    project: Project | None = None
    samples: list[Sample] = Field(default_factory=list)
    events: list[SessionEvent] = Field(default_factory=list)
    state: SessionState = SessionState.OPEN
    announced: dict[str, int] = Field(default_factory=dict)
    record: RecordState | None = None
    changes: Changes = Field(default_factory=Changes)
    corrections: list[Correction] = Field(default_factory=list)
    erased: bool = False  # a person had it erased: it is closed to everybody, and goes when the rest of it is gone
    updated_at: Moment

    @property
    def key(self) -> str:  # noqa: D102
        return f"sessions/{self.id}"

    @property
    def started_at(self) -> Moment:
        """The server's time of START."""
        return self.start.moment

    def sample_at(self, moment: Moment) -> Sample | None:
        """The sample in the microscope at `moment`: the last one named before it."""
        current = self.samples[0] if self.samples else None
        for event in sorted(self.events, key=lambda e: e.stamp.moment):
            if event.kind is EventKind.SAMPLE and event.sample is not None and event.stamp.moment <= moment:
                current = event.sample
        return current
