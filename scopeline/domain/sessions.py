"""Sessions: people's time on an instrument."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from typing import Any, Literal

from pydantic import Field

from scopeline.domain.documents import Document, Moment, Part

# Why a session ended that nobody ended.
FORGOTTEN = "forgotten"


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
    """Which changes its record was asked to follow, counted in rounds; no clock decides about that.

    Who changed something asks for a new round, unless one was asked for that no build has started. A build starts the
    last round asked for before it reads, and covers it when its record stands. So nothing changed since a record where
    all that was asked for is covered; `behind_since` is for those who look for the others.

    Edits are asked for before they are written, in a document of their own: `edits_read` says how many there were when
    somebody was about to add some. A build that finds no more lets nobody add to just these (`services/build.py`).
    """

    asked: int = 0
    started: int = 0
    started_at: Moment | None = None  # when a build first started that round
    covered: int = 0
    behind_since: Moment | None = None  # something that was asked for is not covered; None: all is
    edits_read: int | None = None  # None: whoever was about to add edits has done so, or cannot any more

    def asked_again(self, now: datetime, edits_read: int | None = None) -> Changes:
        """With a round asked for that no build has started."""
        asked = self._with(now, asked=max(self.asked, self.started + 1))
        if edits_read is None:
            return asked
        # Edits are never taken away: where somebody read more of them, nothing can be added to fewer.
        return asked.model_copy(update={"edits_read": max(edits_read, self.edits_read or 0)})

    def begun(self, now: datetime) -> Changes:
        """With the last round asked for started; where all are covered, with a new one."""
        asked = self.asked + (self.asked == self.covered)
        begun = self._with(now, asked=asked, started=asked)
        return begun if asked == self.started else begun.model_copy(update={"started_at": now})

    def done(self, started: int, now: datetime) -> Changes:
        """With the round `started` covered."""
        if started <= self.covered:
            return self
        # What is left was asked for after that round was started: at some time before now.
        left = {"behind_since": None, "edits_read": self.edits_read if self.asked > started else None}
        return self.model_copy(update=left)._with(now, covered=started)

    def _with(self, now: datetime, **rounds: int) -> Changes:
        changed = self.model_copy(update=rounds)
        is_behind = changed.asked > changed.covered
        return changed.model_copy(update={"behind_since": (self.behind_since or now) if is_behind else None})


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

    @property
    def is_forgotten(self) -> bool:
        """Whether it ended by itself: its end is when the last thing happened in it, and nobody said so."""
        return self.end is not None and self.why_ended == FORGOTTEN

    def ask_for_record(self, now: datetime, edits_read: int | None = None) -> bool:
        """Have the record follow what is changed by the same write, or after it; whether there is anything to write.

        An open session has no record to change: it gets one at its END, which may come before edits that are announced
        with `edits_read`.
        """
        before = self.changes
        if self.state is not SessionState.OPEN or edits_read is not None:
            self.changes = before.asked_again(now, edits_read)
        return self.changes != before

    def sample_at(self, moment: Moment) -> Sample | None:
        """The sample in the microscope at `moment`: the last one named before it."""
        current = self.samples[0] if self.samples else None
        for event in sorted(self.events, key=lambda e: e.stamp.moment):
            if event.kind is EventKind.SAMPLE and event.sample is not None and event.stamp.moment <= moment:
                current = event.sample
        return current
