"""Line plots of spectra and profiles."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageDraw

from scopeline.domain.files import Axis
from scopeline.formats.preview.arrays import Array
from scopeline.formats.preview.style import AXIS, FILL, GRID, INK, LINE, STAGE, TEXT, Colour
from scopeline.formats.preview.text import Font, font, number, unit_label, width, write, write_power

_FINE = 3  # the curve is drawn this many times larger and averaged down, which smooths its edges
_DECADES = 6  # a logarithmic axis shows no more than so many below the maximum


@dataclass(frozen=True, slots=True)
class Box:
    """The part of a picture in which the curve stands, in pixels."""

    left: int
    top: int
    right: int
    bottom: int

    @property
    def width(self) -> int:
        """Pixels across."""
        return self.right - self.left

    @property
    def height(self) -> int:
        """Pixels down."""
        return self.bottom - self.top


@dataclass(frozen=True, slots=True)
class Name:
    """Words over a sample of the curve; `short` ones where there is no room for them."""

    sample: int
    words: str
    short: str | None = None
    colour: Colour = INK


@dataclass(frozen=True, slots=True)
class Scale:
    """One axis of a plot: the values at its ends, and whether the steps between are equal ratios."""

    low: float
    high: float
    log: bool = False

    def share(self, values: Array) -> Array:
        """Where the values stand between the ends, 0 to 1."""
        if self.log:
            values = np.log10(np.maximum(values, self.low))
            low, high = math.log10(self.low), math.log10(self.high)
        else:
            low, high = self.low, self.high
        return np.clip((values - low) / (high - low), 0, 1)


def plot(
    values: Array,
    axis: Axis,
    size: tuple[int, int],
    *,
    y_name: str,
    log: bool = False,
    highest: float | None = None,
    above: int = 0,
    names: Sequence[Name] = (),
) -> tuple[Image.Image, Box]:
    """A plot of `values` (one per sample of `axis`) of that size, and where its curve stands.

    `highest` is the value at the top where peaks above it are to be cut off; `above` pixels stay free over the curve.
    `names` are written over samples of the curve, the first ones first, where they have room.
    """
    values = np.asarray(values, dtype=np.float64)
    values = np.where(np.isfinite(values), values, np.nan)
    image = Image.new("RGB", size, STAGE)
    draw = ImageDraw.Draw(image)
    text = font(max(13, min(18, size[1] // 28)))
    x_low, x_high = _ends(axis)
    x_scale = Scale(x_low, x_high)
    y_scale = _y_scale(values, log=log, highest=highest)
    exponent = _exponent(y_scale)
    box = Box(
        left=_label_room(y_scale, exponent, text) + round(text.size * 1.9),
        top=above + round(text.size * 1.6),
        right=size[0] - round(text.size * 1.4),
        bottom=size[1] - round(text.size * 3.3),
    )
    _y_axis(draw, y_scale, box, text, y_name, exponent)
    _x_axis(draw, x_scale, box, text, axis)
    _curve(image, values, axis, x_scale, y_scale, box)
    draw.line([(box.left, box.bottom), (box.right, box.bottom)], fill=AXIS)
    _names(draw, names, values, x_scale, y_scale, box, text, axis)
    return image, box


def ticks(low: float, high: float, wanted: int) -> tuple[list[float], float]:
    """About `wanted` round values between the ends, and their distance: 1, 2 or 5 times a power of ten."""
    span = high - low
    if not (span > 0 and math.isfinite(span)):
        return [low], 1.0
    raw = span / max(1, wanted)
    power = 10.0 ** math.floor(math.log10(raw))
    step = min((s * power for s in (1, 2, 5, 10)), key=lambda each: abs(math.log(each / raw)))
    first = math.ceil(low / step - 1e-9)
    last = math.floor(high / step + 1e-9)
    return [i * step for i in range(first, last + 1)], step


def _ends(axis: Axis) -> tuple[float, float]:
    """The values at the first and the last sample, in rising order."""
    scale = axis.scale if axis.scale and math.isfinite(axis.scale) else 1.0
    offset = axis.offset if axis.offset is not None and math.isfinite(axis.offset) else 0.0
    first, last = offset, offset + scale * max(1, axis.size - 1)
    return min(first, last), max(first, last)


def _y_scale(values: Array, *, log: bool, highest: float | None) -> Scale:
    known = values[np.isfinite(values)]
    if known.size == 0:
        return Scale(0.0, 1.0)
    low, high = float(known.min()), float(known.max())
    if highest is not None and highest > low:
        high = min(high, highest)
    if log and high > 0:
        positive = known[known > 0]
        floor = max(float(positive.min()), high / 10**_DECADES)
        return Scale(10.0 ** math.floor(math.log10(floor)), high * 1.6, log=True)
    if low >= 0 and low < 0.6 * high:
        low = 0.0
    if not high > low:
        margin = abs(high) / 2 or 1.0
        return Scale(low - margin, high + margin)
    margin = (high - low) * 0.06
    return Scale(low if low == 0 else low - margin, high + margin)


def _exponent(scale: Scale) -> int:
    """The power of ten that is written once above the axis: a multiple of 3, 0 for everyday numbers."""
    largest = max(abs(scale.low), abs(scale.high))
    if scale.log or not math.isfinite(largest) or 0.1 <= largest < 10_000 or largest == 0:
        return 0
    return 3 * math.floor(math.log10(largest) / 3)


def _y_ticks(scale: Scale, exponent: int) -> list[tuple[float, str]]:
    if scale.log:
        first, last = round(math.log10(scale.low)), math.floor(math.log10(scale.high))
        return [(10.0**power, str(power)) for power in range(first, last + 1)]
    values, step = ticks(scale.low, scale.high, 5)
    unit = 10.0**exponent
    return [(value, number(value / unit, step / unit)) for value in values]


def _label_room(scale: Scale, exponent: int, text: Font) -> int:
    if scale.log:
        return width("10−0", text)
    return max((width(words, text) for _, words in _y_ticks(scale, exponent)), default=0)


def _y_axis(draw: ImageDraw.ImageDraw, scale: Scale, box: Box, text: Font, name: str, exponent: int) -> None:
    size = round(text.size)
    for value, words in _y_ticks(scale, exponent):
        y = box.bottom - round(float(scale.share(np.array(value))) * box.height)
        draw.line([(box.left, y), (box.right, y)], fill=GRID)
        if scale.log:
            write_power(draw, (box.left - size * 0.6, y), int(words), size)
        else:
            write(draw, (box.left - size * 0.6, y), words, text, TEXT, "rm")
    top = box.top - size * 0.75
    if exponent:
        end = box.left + width(f"{name}  ×10", text) + size
        write(draw, (box.left, top), name, text, TEXT, "lm")
        write_power(draw, (end, top), exponent, size, lead="×")
    else:
        write(draw, (box.left, top), name, text, TEXT, "lm")


def _x_axis(draw: ImageDraw.ImageDraw, scale: Scale, box: Box, text: Font, axis: Axis) -> None:
    size = round(text.size)
    wanted = max(3, box.width // (size * 5))
    values, step = ticks(scale.low, scale.high, wanted)
    for value in values:
        x = box.left + round(float(scale.share(np.array(value))) * box.width)
        draw.line([(x, box.bottom), (x, box.bottom + size // 3)], fill=AXIS)
        write(draw, (x, box.bottom + size * 0.55), number(value, step), text, TEXT, "ma")
    unit = unit_label(axis.unit)
    name = axis.name.strip() or ("Channel" if unit is None else "")
    label = f"{name[:1].upper()}{name[1:]}"
    write(
        draw,
        ((box.left + box.right) / 2, box.bottom + size * 1.9),
        f"{label} ({unit})" if unit and label else label or str(unit),
        text,
        TEXT,
        "ma",
    )


def _curve(image: Image.Image, values: Array, axis: Axis, x_scale: Scale, y_scale: Scale, box: Box) -> None:
    if (axis.scale or 1.0) < 0:
        values = values[::-1]
    lines = _polylines(values, x_scale, y_scale, (box.width * _FINE, box.height * _FINE), axis)
    size = (box.width * _FINE, box.height * _FINE)
    area, stroke = Image.new("L", size, 0), Image.new("L", size, 0)
    base = size[1] - float(y_scale.share(np.array(y_scale.low if y_scale.log else 0.0))) * size[1]
    for line in lines:
        if len(line) == 1:
            x, y = line[0]
            ImageDraw.Draw(stroke).ellipse((x - _FINE * 2, y - _FINE * 2, x + _FINE * 2, y + _FINE * 2), fill=255)
            continue
        ImageDraw.Draw(area).polygon([(line[0][0], base), *line, (line[-1][0], base)], fill=255)
        ImageDraw.Draw(stroke).line(line, fill=255, width=round(_FINE * 1.7), joint="curve")
    target = (box.width, box.height)
    # The area is a veil: the grid stays to be seen through it.
    veil = area.resize(target, Image.Resampling.BOX).point(lambda level: level * 0.75)
    image.paste(FILL, (box.left, box.top), veil)
    image.paste(LINE, (box.left, box.top), stroke.resize(target, Image.Resampling.BOX))


def _names(
    draw: ImageDraw.ImageDraw,
    names: Sequence[Name],
    values: Array,
    x_scale: Scale,
    y_scale: Scale,
    box: Box,
    text: Font,
    axis: Axis,
) -> None:
    """Write each name over its sample, or a little beside, where it meets neither the curve nor another name."""
    low, high = _ends(axis)
    across = box.left + x_scale.share(np.linspace(low, high, len(values))) * box.width
    down = box.bottom - y_scale.share(np.where(np.isfinite(values), values, y_scale.low)) * box.height
    height = round(text.size)
    taken: list[tuple[float, float, float, float]] = []
    for name in names:
        bottom = max(float(down[name.sample]) - 4, box.top + height / 2)
        for words, shift in itertools.product([name.words, *([name.short] if name.short else [])], (0.0, -0.8, 0.8)):
            half = width(words, text) / 2 + 2
            centre = float(across[name.sample]) + shift * half
            place = (centre - half, bottom - height, centre + half, bottom)
            beneath = down[(across >= place[0]) & (across <= place[2])]
            if place[0] < box.left or place[2] > box.right or beneath.min() < bottom - 2:
                continue
            if not any(_overlap(place, other) for other in taken):
                write(draw, (centre, bottom), words, text, name.colour, "ms")
                taken.append(place)
                break


def _overlap(one: tuple[float, float, float, float], other: tuple[float, float, float, float]) -> bool:
    return one[0] < other[2] and other[0] < one[2] and one[1] < other[3] and other[1] < one[3]


def _polylines(
    values: Array, x_scale: Scale, y_scale: Scale, size: tuple[int, int], axis: Axis
) -> list[list[tuple[float, float]]]:
    """The curve as lines between gaps. Where samples are closer than pixels, each column spans their least and most."""
    low, high = _ends(axis)
    x = (x_scale.share(np.linspace(low, high, len(values)))) * (size[0] - 1)
    columns = size[0] // _FINE
    if len(values) > 2 * columns:
        starts = np.unique(np.linspace(0, len(values), columns + 1).astype(np.intp)[:-1])
        filled_low = np.where(np.isnan(values), np.inf, values)
        filled_high = np.where(np.isnan(values), -np.inf, values)
        least, most = np.minimum.reduceat(filled_low, starts), np.maximum.reduceat(filled_high, starts)
        values = np.stack([least, most], axis=1).ravel()
        values = np.where(np.isfinite(values), values, np.nan)
        x = np.repeat(x[starts], 2)
    y = size[1] - 1 - y_scale.share(values) * (size[1] - 1)
    lines: list[list[tuple[float, float]]] = []
    gap = True
    for across, down, known in zip(x.tolist(), y.tolist(), np.isfinite(values).tolist(), strict=True):
        if not known:
            gap = True
            continue
        if gap:
            lines.append([])
            gap = False
        lines[-1].append((across, down))
    return lines
