"""Overlays and records: what people add, and what was built."""

from __future__ import annotations

from typing import Any

from pydantic import Field

from scopeline.domain.documents import Document, Moment, Part


class Edit(Part):
    """One change by a person. `target` is a dataset id, or `session` for the session's own fields."""

    target: str
    field: str
    value: Any
    who: str
    at: Moment
    reason: str | None = None


class Overlay(Document):
    """People's edits to a session's record; the last edit of a field wins, none is lost."""

    session: str
    edits: list[Edit] = Field(default_factory=list)

    @property
    def key(self) -> str:  # noqa: D102
        return f"overlays/{self.session}"

    def values(self, target: str) -> dict[str, Any]:
        """The edited fields of one target."""
        return {e.field: e.value for e in self.edits if e.target == target}


class Record(Document):
    """One version of a session's record. The XML is an object in the derived bucket."""

    session: str
    version: int
    inputs: str
    pid: str
    xml_object: str
    built_at: Moment
    files: int
    datasets: int

    @property
    def key(self) -> str:  # noqa: D102
        return f"records/{self.session}/versions/{self.version}"
