"""Everything that a record is made from, as one value, and the hash of it.

The builder sees nothing else, so that equal hashes mean equal bytes. What a document has and no record shows
(`updated_at`, origins of parameters, who edited what) is not in here.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, fields
from datetime import datetime
from typing import Any

from scopeline.domain.documents import utc_text
from scopeline.domain.sessions import Project

# Counts the changes of the builder that change bytes: old records are then built again when they are next touched.
LAYOUT = 1

Value = str | int | float | bool


@dataclass(frozen=True, slots=True)
class ParameterInput:
    """A parameter as a record shows it; `warning` is why it may be wrong."""

    value: Value
    unit: str | None = None
    warning: str | None = None


@dataclass(frozen=True, slots=True)
class DatasetInput:
    """One dataset, or a file without any (`type` Unknown): people's edits are applied."""

    id: str
    index: int
    name: str
    type: str
    role: str = "Experimental"
    title: str | None = None
    technique: str | None = None
    shape: tuple[int, ...] = ()
    time: datetime | None = None  # what orders it
    acquired: datetime | None = None
    doubtful_time: bool = False
    parameters: dict[str, ParameterInput] = field(default_factory=dict)
    warnings: tuple[str, ...] = ()
    preview: bool = False
    description: str | None = None
    notes: str | None = None
    rating: int | None = None
    featured: bool | None = None
    joins: str | None = None  # the dataset whose activity it was moved to


@dataclass(frozen=True, slots=True)
class FileInput:
    """One file of the record with what is shown of it."""

    id: str
    path: str
    generation: int
    format: str | None
    sample: str | None
    datasets: tuple[DatasetInput, ...]


@dataclass(frozen=True, slots=True)
class SampleInput:
    """A sample; `id` is unique in the record."""

    id: str
    name: str
    descriptions: tuple[str, ...]
    elements: tuple[str, ...]
    notes: tuple[NoteInput, ...]


@dataclass(frozen=True, slots=True)
class NoteInput:
    """Something written: by whom and when, where that is known. Without a person, it is Scopeline's own."""

    text: str
    source: str
    at: datetime | None = None


@dataclass(frozen=True, slots=True)
class RecordInputs:
    """All that a record's bytes depend on."""

    id: str
    pid: str
    title: str | None
    zone: str
    instrument: str
    instrument_pid: str
    experimenters: tuple[str, ...]
    collaborators: tuple[str, ...]
    start: datetime
    end: datetime | None
    reservation_ref: str | None
    motivation: str | None
    samples: tuple[SampleInput, ...]
    projects: tuple[Project, ...]
    files: tuple[FileInput, ...]
    notes: tuple[NoteInput, ...]
    layout: int = LAYOUT

    def digest(self) -> str:
        """SHA-256 of the canonical form, in hexadecimal."""
        digest = hashlib.sha256()
        for part in self.canonical():
            digest.update(part.encode())
        return digest.hexdigest()

    def canonical(self) -> Iterator[str]:
        """The inputs as JSON without spaces and with sorted keys, in parts: the whole of a long session is large."""
        for number, name in enumerate(sorted(f.name for f in fields(self))):
            yield f'{"," if number else "{"}"{name}":'
            if name == "files":
                yield from _list_in_parts(self.files)
            else:
                yield _json(getattr(self, name))
        yield "}"

    @property
    def dataset_count(self) -> int:
        """How many datasets the record has."""
        return sum(len(file.datasets) for file in self.files)


def _list_in_parts(values: Iterable[Any]) -> Iterator[str]:
    before = "["
    for value in values:
        yield before + _json(value)
        before = ","
    yield "]" if before == "," else "[]"


def _json(value: Any) -> str:
    return json.dumps(value, default=_plain, sort_keys=True, separators=(",", ":"))


def _plain(value: Any) -> Any:
    if isinstance(value, datetime):
        return utc_text(value)
    if isinstance(value, Project):
        return value.model_dump()
    return {f.name: getattr(value, f.name) for f in fields(value)}
