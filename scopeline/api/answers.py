"""What the API answers: the JSON of docs/adr/0002."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, WithJsonSchema

from scopeline.domain import documents
from scopeline.domain.files import Acquired, Axis, DatasetType, FileStatus, Parameter, Verified
from scopeline.domain.instruments import Root, TokenKind
from scopeline.domain.records import Edit
from scopeline.domain.sessions import (
    EventKind,
    Handling,
    Person,
    Project,
    Sample,
    SessionKind,
    SessionState,
)
from scopeline.services.replay import Failure

Moment = Annotated[documents.Moment, WithJsonSchema({"type": "string", "format": "date-time"}, mode="serialization")]


class Answer(BaseModel):
    """One JSON answer."""

    model_config = ConfigDict(frozen=True)


class HealthAnswer(Answer):
    """The process is alive, or (`ready`) reaches its stores."""

    status: Literal["alive", "ready"]


class TokenAnswer(Answer):
    """A token without its secret."""

    id: str
    kind: TokenKind
    subject: str
    expires_at: Moment | None


class ClientAnswer(Answer):
    """The client that calls, or that a hub calls for."""

    id: str
    instruments: list[str]
    roots: dict[str, Root]


class InstrumentAnswer(Answer):
    """An instrument that the client serves."""

    id: str
    name: str
    zone: str


class MeAnswer(Answer):
    """Who calls, and what a logger needs to know."""

    token: TokenAnswer
    server_time: Moment
    minimum_logger_version: str
    client: ClientAnswer | None
    instruments: list[InstrumentAnswer]
    ignore: list[str]


class HeartbeatAnswer(Answer):
    """The server's time, and the oldest logger that it serves."""

    server_time: Moment
    minimum_logger_version: str


class EventAnswer(Answer):
    """Something that happened; `at` is the server's time of it."""

    id: str
    kind: EventKind
    at: Moment
    person: str | None
    text: str | None
    sample: Sample | None
    project: Project | None


class RecordAnswer(Answer):
    """The session's current record."""

    version: int
    pid: str
    built_at: Moment
    published_at: Moment | None


class FileCounts(Answer):
    """How many files the session has, by status."""

    total: int
    announced: int
    stored: int
    extracted: int
    unreadable: int
    unsupported: int
    failed: int
    deleted: int


class SessionAnswer(Answer):
    """A session. Moments are the server's time. `files` is null in lists."""

    id: str
    local_id: str
    instrument: str
    client: str
    title: str | None
    motivation: str | None
    people: list[Person]
    kind: SessionKind
    handling: Handling
    state: SessionState
    start: Moment
    end: Moment | None
    why_ended: str | None
    project: Project | None
    samples: list[Sample]
    events: list[EventAnswer]
    announced: dict[str, int]
    record: RecordAnswer | None
    files: FileCounts | None
    page: str | None
    updated_at: Moment


class SessionsAnswer(Answer):
    """Some sessions. A page may be short, or empty, and yet have a cursor."""

    sessions: list[SessionAnswer]
    cursor: str | None


class AcceptedFile(Answer):
    """An announced file."""

    root: str
    path: str
    object: str
    file: str
    status: FileStatus


class RefusedFile(Answer):
    """A file that will not be taken, and why."""

    root: str
    path: str
    code: str
    detail: str


class AnnouncedAnswer(Answer):
    """One entry for each announced file, in the order sent."""

    files: list[AcceptedFile | RefusedFile]


class StoredAnswer(Answer):
    """The same bytes are there."""

    already: Literal[True] = True
    object: str
    file: str
    generation: int


class UploadAnswer(Answer):
    """Where to send the bytes, in chunks of `chunk` bytes; they replace generation `replaces` (0: none)."""

    already: Literal[False] = False
    upload_url: str
    object: str
    file: str
    replaces: int
    chunk: int


class ConfirmAnswer(Answer):
    """The version is what the client sent."""

    file: str
    generation: int
    verified: Verified


class PictureAnswer(Answer):
    """A preview: its address in this API and its size in pixels."""

    url: str
    width: int
    height: int
    caption: str | None


class DatasetAnswer(Answer):
    """One signal of a file."""

    id: str
    index: int
    type: DatasetType
    title: str | None
    technique: str | None
    shape: list[int]
    dtype: str | None
    axes: list[Axis]
    acquired: Acquired | None
    parameters: dict[str, Parameter]
    warnings: list[str]
    preview: PictureAnswer | None


class VersionAnswer(Answer):
    """One stored version of a file."""

    generation: int
    size: int
    md5: str
    stored_at: Moment
    verified: Verified
    deleted: bool
    status: FileStatus


class FileAnswer(Answer):
    """A file. `versions` is null in lists."""

    id: str
    session: str | None
    instrument: str
    client: str
    root: str
    path: str
    name: str
    size: int | None
    mtime: Moment | None
    md5: str | None
    generation: int | None
    status: FileStatus
    reason: str | None
    reader: str | None
    companion_of: str | None
    datasets: list[DatasetAnswer]
    placeholder: PictureAnswer | None
    warnings: list[str]
    versions: list[VersionAnswer] | None
    updated_at: Moment


class FilesAnswer(Answer):
    """Some files, and the moment to ask `since` next time, so that no change is missed."""

    files: list[FileAnswer]
    cursor: str | None
    now: Moment


class RecordJson(Answer):
    """The record as JSON: the session (`version` null while it runs) and its files."""

    model_config = ConfigDict(extra="allow")

    version: int | None


class OverlayAnswer(Answer):
    """People's edits to a session's record, in order; the last one of a field counts."""

    session: str
    edits: list[Edit]


class FailuresAnswer(Answer):
    """Work that gave up, oldest first."""

    failures: list[Failure]
    cursor: str | None


class ReplayedAnswer(Answer):
    """What is tried again."""

    id: str


class DismissedAnswer(Answer):
    """What is not in the list any more, and is not tried again."""

    id: str


class FieldProblem(Answer):
    """What is wrong with one field."""

    field: str
    expected: str
    found: str


class Problem(Answer):
    """An error (RFC 9457). `code` is stable; `detail` is for people."""

    model_config = ConfigDict(extra="allow")

    type: str
    title: str
    status: int
    detail: str
    code: str
    errors: list[FieldProblem] | None = None
