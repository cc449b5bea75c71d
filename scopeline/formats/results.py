"""What goes into reading a file, what a reader finds, and what an extraction answers."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from scopeline.domain.documents import Moment
from scopeline.domain.files import Acquired, Axis, Dataset, DatasetType, FileStatus, Parameter, Preview


class ExtractRequest(BaseModel):
    """One file to read. It stands in `folder` under its original name, its companions beside it."""

    model_config = ConfigDict(frozen=True)

    folder: Path
    file_name: str
    zone: str = "UTC"  # the instrument's IANA zone, for times written as local text
    day_first: bool = False  # how the instrument's software writes text dates: 31/12 or 12/31
    mtime: Moment | None = None  # the file's own time; None: ask the file system
    overrides: dict[str, Any] = Field(default_factory=dict)
    preview_dir: Path | None = None  # None: draw nothing


@dataclass(slots=True)
class Signal:
    """One signal as a reader found it.

    `data` is a numpy or dask array whose shape is the sizes of `axes` in order, navigation axes first; a trailing axis
    of 3 or 4 that `axes` does not list holds RGB(A) where `rgb` is true. `metadata` is the format's complete original
    metadata as JSON values.
    """

    data: Any
    axes: list[Axis]
    type: DatasetType
    title: str | None = None
    technique: str | None = None
    acquired: Acquired | None = None
    parameters: dict[str, Parameter] = field(default_factory=dict)
    metadata: dict[str, Any] = field(default_factory=dict)
    warnings: list[str] = field(default_factory=list)
    rgb: bool = False
    data_bar: int = 0  # how many of an image's last rows are the vendor's bar of words under the picture


class Extracted(BaseModel):
    """The answer for one file: the line of `scopeline extract`, and what ingest stores.

    `datasets[i].preview.object` and `placeholder.object` are file names in the request's `preview_dir`; `metadata[i]`
    is the complete original metadata of dataset i.
    """

    file: str
    status: FileStatus
    reason: str | None = None
    reader: str | None = None
    reader_version: int | None = None
    companion_of: str | None = None  # this file is read together with that one and has no datasets of its own
    companions: list[str] = Field(default_factory=list)  # file names that were read along
    datasets: list[Dataset] = Field(default_factory=list)
    metadata: list[dict[str, Any]] = Field(default_factory=list)
    placeholder: Preview | None = None
    warnings: list[str] = Field(default_factory=list)
    seconds: float = 0.0


class Unreadable(Exception):
    """The file is of a known format and cannot be read; the words are shown to people."""


def file_time(request: ExtractRequest) -> datetime:
    """The file's own time, aware, in UTC."""
    if request.mtime is not None:
        return request.mtime
    return datetime.fromtimestamp((request.folder / request.file_name).stat().st_mtime, UTC)
