"""Nested tags of a format, with the path that a value comes from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from scopeline.formats.vocabulary import Parameters


@dataclass(frozen=True, slots=True)
class Tags:
    """A group of tags and its place in the file. A group that is not there is empty."""

    values: Mapping[str, Any]
    place: str

    def group(self, *names: str) -> Tags:
        """The group below, by its names."""
        inner: Any = self.values
        for name in names:
            inner = inner.get(name) if isinstance(inner, Mapping) else None
        return Tags(inner if isinstance(inner, Mapping) else {}, self.path(*names))

    def get(self, *names: str) -> Any:
        """The value at a path below; None where there is none, or where it is an empty list."""
        inner: Any = self.values
        for name in names:
            inner = inner.get(name) if isinstance(inner, Mapping) else None
        return None if isinstance(inner, list) and not inner else inner

    def path(self, *names: str) -> str:
        """The path of a tag, as it stands in a parameter's origin."""
        return ".".join((self.place, *names)) if self.place else ".".join(names)

    def add(self, found: Parameters, name: str, tag: str, unit: str | None = None) -> None:
        """Add the tag's value to `found` under the vocabulary's `name`."""
        found.add(name, self.get(tag), unit, origin=self.path(tag))

    def add_vendor(self, found: Parameters, name: str, tag: str, unit: str | None = None) -> None:
        """Add the tag's value to `found` under the vendor's own name."""
        found.add_vendor(name, self.get(tag), unit, origin=self.path(tag))
