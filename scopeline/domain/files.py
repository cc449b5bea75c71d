"""Files, their versions and datasets."""

from __future__ import annotations

from collections.abc import Iterable
from enum import StrEnum
from typing import Any, Literal

from pydantic import Field

from scopeline.domain.documents import Document, Moment, Part
from scopeline.domain.names import file_id


class FileStatus(StrEnum):
    """What is known of a file.

    A reader that answered settles the file: `extracted` (metadata is there), `unreadable` (of a known format, but
    damaged, empty or refused), `unsupported` (no reader knows it), `failed` (the reader crashed, hung or hit a limit).
    """

    ANNOUNCED = "announced"
    STORED = "stored"
    EXTRACTED = "extracted"
    UNREADABLE = "unreadable"
    UNSUPPORTED = "unsupported"
    FAILED = "failed"
    DELETED = "deleted"


SETTLED = frozenset(FileStatus) - {FileStatus.ANNOUNCED, FileStatus.STORED}


class DatasetType(StrEnum):
    """The Nexus Experiment schema's dataset types."""

    IMAGE = "Image"
    SPECTRUM = "Spectrum"
    SPECTRUM_IMAGE = "SpectrumImage"
    DIFFRACTION = "Diffraction"
    NOTES = "Notes"
    MISC = "Misc"
    UNKNOWN = "Unknown"


class Axis(Part):
    """One axis of a signal: `size` samples from `offset` in steps of `scale`, both in `unit` (none: uncalibrated)."""

    name: str
    size: int
    scale: float | None = None
    offset: float | None = None
    unit: str | None = None
    navigation: bool = False


class Acquired(Part):
    """When a dataset was acquired.

    `source` says where the time is from: `utc` (a UTC stamp of the format), `zoned` (text with an offset), `local`
    (text in the instrument's zone, which is then assumed) or `file` (the file's own time).
    """

    value: Moment
    source: Literal["utc", "zoned", "local", "file"]
    zone_assumed: str | None = None
    text: str | None = None  # as the file has it


class Parameter(Part):
    """One parameter: a value in the vocabulary's unit, and the original tag that it comes from."""

    value: str | int | float | bool
    unit: str | None = None
    origin: str | None = None
    warning: str | None = None  # why the value may be wrong


class Preview(Part):
    """A picture of a dataset in the derived bucket, `width` x `height` pixels."""

    object: str
    width: int
    height: int
    caption: str | None = None  # what the picture shows, e.g. "sum over 2048 channels"


class Dataset(Part):
    """One signal in a file. `parameters` are of the common vocabulary; the original metadata is kept beside."""

    index: int
    type: DatasetType
    title: str | None = None
    technique: str | None = None  # STEM, TEM, EDS, EELS, SEM, FIB, ...
    shape: list[int] = Field(default_factory=list)
    dtype: str | None = None
    axes: list[Axis] = Field(default_factory=list)
    acquired: Acquired | None = None
    parameters: dict[str, Parameter] = Field(default_factory=dict)
    warnings: list[str] = Field(default_factory=list)
    preview: Preview | None = None


class Verified(StrEnum):
    """Whether the client's checksum of a version was compared with what is stored."""

    YES = "yes"
    NO = "no"  # it differs: the version is rejected
    UNKNOWN = "unknown"


class Extraction(Part):
    """The whole result of reading one version."""

    inputs: str  # hash of generation, companions, reader version, instrument revision
    status: FileStatus
    reason: str | None = None
    reader: str | None = None
    reader_version: int | None = None
    companion_of: str | None = None  # the file name that this one is read together with
    companions: dict[str, int] = Field(default_factory=dict)  # object name -> generation read
    datasets: list[Dataset] = Field(default_factory=list)
    placeholder: Preview | None = None  # the picture of a file without datasets
    metadata_object: str | None = None  # complete original metadata, JSON, in the derived bucket
    warnings: list[str] = Field(default_factory=list)
    seconds: float | None = None
    extracted_at: Moment | None = None


class FileVersion(Document):
    """One stored version (generation) of a file and what was read from it."""

    file: str
    generation: int
    size: int
    md5: str
    crc32c: str
    stored_at: Moment
    mtime: Moment | None = None  # the file's own time, as the client told it
    verified: Verified = Verified.UNKNOWN
    deleted: bool = False
    extraction: Extraction | None = None

    @property
    def key(self) -> str:  # noqa: D102
        return f"files/{self.file}/versions/{self.generation}"


class Membership(Part):
    """Why a file belongs to a session."""

    session: str
    at: Moment
    who: str
    why: str


class File(Document):
    """A file of a session. Status, current generation and datasets follow from its versions (`derived_fields`)."""

    bucket: str
    object: str
    session: str | None = None
    membership: list[Membership] = Field(default_factory=list)
    instrument: str
    client: str
    root: str
    path: str
    first_seen: Moment | None = None
    size: int | None = None
    mtime: Moment | None = None
    md5: str | None = None
    crc32c: str | None = None
    generation: int | None = None
    status: FileStatus = FileStatus.ANNOUNCED
    reason: str | None = None
    reader: str | None = None
    companion_of: str | None = None
    datasets: list[Dataset] = Field(default_factory=list)
    placeholder: Preview | None = None
    metadata_object: str | None = None
    warnings: list[str] = Field(default_factory=list)
    updated_at: Moment

    @property
    def id(self) -> str:
        """The file's id, from its bucket and object name."""
        return file_id(self.bucket, self.object)

    @property
    def key(self) -> str:  # noqa: D102
        return f"files/{self.id}"

    @property
    def name(self) -> str:
        """The last segment of the path."""
        return self.path.rsplit("/", 1)[-1]


def current_version(versions: Iterable[FileVersion]) -> FileVersion | None:
    """The highest generation that is neither rejected nor deleted."""
    living = [v for v in versions if v.verified is not Verified.NO and not v.deleted]
    return max(living, key=lambda v: v.generation, default=None)


def derived_fields(versions: Iterable[FileVersion]) -> dict[str, Any]:
    """The fields of a File that follow from its versions: the only place where they are computed.

    Of older versions than the current one nothing follows: they may be left out.
    """
    known = list(versions)
    current = current_version(known)
    if current is None:
        gone = any(v.deleted for v in known)
        return {
            **_NOTHING_READ,
            "generation": None,
            "status": FileStatus.DELETED if gone else FileStatus.ANNOUNCED,
            "reason": "Deleted at its source." if gone else None,
        }
    stored = {
        "generation": current.generation,
        "size": current.size,
        "md5": current.md5,
        "crc32c": current.crc32c,
        **({"mtime": current.mtime} if current.mtime else {}),
    }
    read = current.extraction
    if read is None:
        return {**_NOTHING_READ, **stored, "status": FileStatus.STORED, "reason": None}
    return {
        **stored,
        "status": read.status,
        "reason": read.reason,
        "reader": read.reader,
        "companion_of": read.companion_of,
        "datasets": read.datasets,
        "placeholder": read.placeholder,
        "metadata_object": read.metadata_object,
        "warnings": read.warnings,
    }


_NOTHING_READ: dict[str, Any] = {
    "reader": None,
    "companion_of": None,
    "datasets": [],
    "placeholder": None,
    "metadata_object": None,
    "warnings": [],
}
