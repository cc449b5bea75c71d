"""What a vendor's module is given of a TIFF page, and what it answers."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Any

from scopeline.formats.times import Clock, Stamp
from scopeline.formats.vocabulary import Parameters


@dataclass(slots=True)
class Page:
    """The tags of a series' first page, by code."""

    tags: dict[int, Any]
    width: int
    height: int
    clock: Clock
    companion_text: str | None = None  # of the .hdr file beside it
    imagej: dict[str, Any] = field(default_factory=dict)

    def text(self, code: int) -> str:
        """A tag as text; empty where it is not there."""
        value = self.tags.get(code)
        if isinstance(value, bytes):
            return value.decode("utf-8", "replace").strip("\x00 ")
        return value.strip("\x00 ") if isinstance(value, str) else ""

    def resolution(self) -> tuple[float, float] | None:
        """Pixels per unit of length in x and y (tags 282 and 283)."""
        found = []
        for code in (282, 283):
            value = self.tags.get(code)
            if not isinstance(value, tuple) or len(value) != 2 or not value[0] or not value[1]:
                return None
            found.append(value[0] / value[1])
        return found[0], found[1]


def sections(text: str) -> dict[str, Any]:
    """The KEY=VALUE lines under each `[NAME]` line, as FEI and Tescan write them."""
    found: dict[str, Any] = {}
    current: dict[str, Any] = {}
    for line in map(str.strip, text.splitlines()):
        if match := re.fullmatch(r"\[(.+)\]", line):
            current = found.setdefault(match[1], {})
        elif "=" in line:
            key, _, value = line.partition("=")
            current[key.strip()] = value.strip()
    return found


@dataclass(slots=True)
class Description:
    """What a vendor's tags say."""

    vendor: str
    technique: str | None = None
    title: str | None = None
    diffraction: bool = False
    pixel: tuple[float, float, str] | None = None  # x, y, unit
    origin: tuple[float, float] = (0.0, 0.0)  # x, y, in the pixel's unit
    depth: tuple[float, str | None] | None = None  # step of a stack
    stamps: list[Stamp | None] = field(default_factory=list)
    parameters: Parameters = field(default_factory=Parameters)
    original: dict[str, Any] = field(default_factory=dict)
    pixel_tag: str = "pixel size"
    data_bar: int = 0  # rows of words under the picture


MAKE, MODEL, SOFTWARE, DATE_TIME, ARTIST, IMAGE_DESCRIPTION = 271, 272, 305, 306, 315, 270


def standard(page: Page, found: Description) -> None:
    """Add what the baseline tags say, after the vendor's own."""
    found.stamps.append(page.clock.text(page.text(DATE_TIME)))
    found.parameters.add("Microscope", page.text(MODEL), origin="TIFF Model")
    found.parameters.add("Manufacturer", page.text(MAKE), origin="TIFF Make")
    found.parameters.add("Software", page.text(SOFTWARE), origin="TIFF Software")
    found.parameters.add("Operator", page.text(ARTIST), origin="TIFF Artist")
