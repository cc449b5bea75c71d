"""Scale bars: how long, how named, and drawn to be read on any background."""

from __future__ import annotations

import math
from dataclasses import dataclass

from PIL import Image

from scopeline.domain.files import Axis
from scopeline.formats.preview.style import INK
from scopeline.formats.preview.text import font, number, paint, plate, unit_label, width

# A bar takes about this share of the picture's width, and never more than the second.
_SHARE, _MOST = 0.2, 0.4
_SMALLEST = 80  # pixels: narrower pictures have no room for a bar

# Units of one kind, in which a number between 1 and 1,000 is looked for.
_LADDERS: tuple[dict[str, float], ...] = (
    {"nm": 1e-9, "µm": 1e-6, "mm": 1e-3, "m": 1.0},
    {"µrad": 1e-6, "mrad": 1e-3, "rad": 1.0},
)
# Shown as they are calibrated.
_KEPT = frozenset({"pm", "Å", "cm", "1/pm", "1/Å", "1/nm", "1/µm", "1/m", "°"})


@dataclass(frozen=True, slots=True)
class ScaleBar:
    """`length` in `unit` takes `pixels` of the picture."""

    length: float
    unit: str
    pixels: float

    @property
    def label(self) -> str:
        """The words under the bar."""
        return f"{number(self.length)} {self.unit}" if self.unit != "°" else f"{number(self.length)}°"


def spatial(axis: Axis) -> bool:
    """Whether the axis is calibrated as a length, an angle or the inverse of a length."""
    return bool(
        axis.scale and math.isfinite(axis.scale) and axis.scale != 0 and _known(unit_label(axis.unit)) is not None
    )


def scale_bar(axis: Axis, pixels: int) -> ScaleBar | None:
    """The bar for a picture of `axis` that is `pixels` wide: 1, 2 or 5 times a power of ten; None if uncalibrated."""
    if not spatial(axis) or axis.size < 1 or pixels < _SMALLEST or axis.scale is None:
        return None
    unit = unit_label(axis.unit) or ""
    extent = abs(axis.scale) * axis.size
    ladder = _known(unit) or {}
    wanted = extent * _SHARE
    if len(ladder) > 1:
        unit, wanted = _readable(wanted * ladder[unit], ladder)
        extent = extent * ladder[unit_label(axis.unit) or ""] / ladder[unit]
    if not (math.isfinite(wanted) and 1e-6 < wanted < 1e9):
        return None
    length = nice(wanted)
    return ScaleBar(length, unit, length / extent * pixels)


def nice(wanted: float) -> float:
    """Of 1, 2 and 5 times the powers of ten, the one nearest to `wanted` (a positive number) by ratio."""
    power = 10.0 ** math.floor(math.log10(wanted))
    step: float = min((1, 2, 5, 10), key=lambda s: abs(math.log(wanted / (s * power))))
    return float(f"{step * power:.1g}")


def _known(unit: str | None) -> dict[str, float] | None:
    for ladder in _LADDERS:
        if unit in ladder:
            return ladder
    return {unit: 1.0} if unit in _KEPT else None


def _readable(base: float, ladder: dict[str, float]) -> tuple[str, float]:
    """`base` (in the ladder's base unit) in the largest unit that gives at least about 1."""
    fitting = [(unit, base / size) for unit, size in ladder.items() if base / size >= 0.9]
    return (
        max(fitting, key=lambda f: ladder[f[0]])
        if fitting
        else min(((unit, base / size) for unit, size in ladder.items()), key=lambda f: ladder[f[0]])
    )


def draw_scale_bar(image: Image.Image, bar: ScaleBar) -> None:
    """Draw the bar at the image's lower left, where there is room: white on a plate that the image shines through."""
    across, down = image.size
    size = max(13, min(26, round(min(across, down) / 30)))
    face = font(size, bold=True)
    pad, thick = round(size * 0.55), max(3, round(size / 5))
    length = round(bar.pixels)
    words = width(bar.label, face)
    plate_width = max(length, words) + 2 * pad
    plate_height = size + thick + round(pad * 2.2)
    margin = max(6, round(min(across, down) / 50))
    left, top = margin, down - margin - plate_height
    if plate_width + 2 * margin > across or top < 0 or length > across * _MOST:
        return
    ink = paint(image, INK)
    draw = plate(image, (left, top, left + plate_width, top + plate_height))
    centre = left + plate_width / 2
    start = round(centre - length / 2)
    bottom = top + plate_height - pad
    draw.rectangle((start, bottom - thick + 1, start + length - 1, bottom), fill=ink)
    draw.text((centre, bottom - thick - round(pad * 0.5)), bar.label, font=face, fill=ink, anchor="mb")
