"""What callers send: the JSON bodies and query parameters of docs/adr/0002."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, JsonValue, StringConstraints

from scopeline.api.fields import (
    Body,
    ClientMoment,
    Count,
    Cursor,
    Generation,
    Limit,
    Line,
    Md5,
    Name,
    Paragraph,
    QueryGeneration,
    RawPath,
    SessionRef,
    Shown,
    Slug,
    Text,
    UtcMoment,
    Uuid,
)
from scopeline.domain.sessions import EventKind, Handling, Person, Project, Sample, SessionKind, SessionState

Element = Annotated[str, StringConstraints(pattern=r"^[A-Z][a-z]{0,2}$")]


class PersonBody(Body):
    """Somebody at the session, as typed in."""

    person: Name
    role: Literal["experimenter", "collaborator", "staff"] = "experimenter"

    def part(self) -> Person:
        """The person, unconfirmed."""
        return Person(person=self.person, role=self.role)


class SampleBody(Body):
    """What is looked at."""

    name: Name
    description: Paragraph | None = None
    elements: list[Element] = Field(default_factory=list, max_length=118)

    def part(self) -> Sample:
        """The sample."""
        return Sample(name=self.name, description=self.description, elements=self.elements)


class ProjectBody(Body):
    """What it is done for."""

    name: Line | None = None
    id: Line | None = None

    def part(self) -> Project:
        """The project."""
        return Project(name=self.name, id=self.id)


class MomentBody(Body):
    """When something happened, and when the call left: both by the client's clock."""

    at: ClientMoment
    sent: ClientMoment


class StartBody(MomentBody):
    """START."""

    local_id: Uuid
    instrument: Slug
    title: Line | None = None
    motivation: Paragraph | None = None
    people: list[PersonBody] = Field(default_factory=list, max_length=100)
    kind: Annotated[SessionKind, Field(strict=False)] = SessionKind.USER
    handling: Annotated[Handling, Field(strict=False)] = Handling.NORMAL
    project: ProjectBody | None = None
    samples: list[SampleBody] = Field(default_factory=list, max_length=100)


class EndBody(MomentBody):
    """END."""

    announced: Annotated[Count, Field(description="How many files the client announced in all")] | None = None
    why: Line | None = None


class ResumeBody(MomentBody):
    """Going on after an END."""


class EventBody(MomentBody):
    """A note, a change of sample or of project; `id` makes a repeat harmless."""

    id: Uuid
    kind: Annotated[EventKind, Field(strict=False)]
    person: Name | None = None
    text: Text | None = None
    sample: SampleBody | None = None
    project: ProjectBody | None = None


class AnnouncementBody(Body):
    """A file that the client means to send, or no longer can."""

    root: Slug
    path: RawPath
    size: Count
    mtime: UtcMoment
    withdrawn: bool = False


class AnnounceBody(Body):
    """Files that the client means to send."""

    files: list[AnnouncementBody] = Field(max_length=500)


class UploadBody(Body):
    """A file whose bytes the client wants to send."""

    session: SessionRef | None
    root: Slug
    path: RawPath
    size: Count
    mtime: UtcMoment
    first_seen: UtcMoment
    key: Annotated[str, Field(min_length=1, max_length=200)]
    md5: Md5 | None = None


class ConfirmBody(Body):
    """What the client sent, to be compared with what is stored."""

    object: Annotated[str, Field(min_length=1, max_length=1024)]
    generation: Generation
    size: Count
    md5: Md5


class SessionPatch(Body):
    """Corrections of a session's own fields. Fields that are not named stay; null empties."""

    reason: Name
    title: Line | None = None
    motivation: Paragraph | None = None
    people: list[PersonBody] = Field(default_factory=list, max_length=100)
    project: ProjectBody | None = None
    samples: list[SampleBody] = Field(default_factory=list, max_length=100)


# A value that a record can show: text, a number, yes or no, a list of texts; null takes an edit back.
EditValue = Paragraph | bool | int | float | list[Line] | None


class EditBody(Body):
    """One edit of the record."""

    target: Annotated[str, Field(min_length=1, max_length=100, description="A dataset's id, or session")]
    field: Annotated[str, Field(min_length=1, max_length=100)]
    value: EditValue
    reason: Line | None = None


class OverlayPatch(Body):
    """Edits of the record."""

    edits: list[EditBody] = Field(min_length=1, max_length=500)


class QueueBody(Body):
    """What waits on the client."""

    waiting: Count = 0
    bytes: Count = 0
    oldest: UtcMoment | None = None


class HeartbeatBody(Body):
    """How a logger is."""

    at: ClientMoment
    version: Annotated[str, Field(max_length=60)]
    roots: Annotated[dict[str, Annotated[str, Field(max_length=4096)]], Shown] = Field(
        default_factory=dict, max_length=100
    )
    queue: QueueBody = QueueBody()
    refused: Annotated[list[JsonValue], Shown] = Field(default_factory=list, max_length=500)


class SessionsQuery(Body):
    """Which sessions; `since` bounds the server's time of receiving START."""

    instrument: Slug | None = None
    state: Annotated[SessionState, Field(strict=False)] | None = None
    since: UtcMoment | None = None
    limit: Limit = 50
    cursor: Cursor | None = None


class FilesQuery(Body):
    """Which files; `since` bounds their last change and is inclusive."""

    session: SessionRef
    since: UtcMoment | None = None
    limit: Limit = 100
    cursor: Cursor | None = None


class VersionQuery(Body):
    """Which version; the current one without it."""

    generation: QueryGeneration | None = None


class PageQuery(Body):
    """Where to go on."""

    limit: Limit = 100
    cursor: Cursor | None = None
