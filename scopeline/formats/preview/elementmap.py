"""Colour maps of X-ray lines: where in a spectrum image the elements are."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from PIL import Image

from scopeline.domain.files import Axis
from scopeline.formats.preview.arrays import Array, LargeArray
from scopeline.formats.preview.images import reduced, with_legend, with_scale
from scopeline.formats.preview.projections import Projection
from scopeline.formats.preview.style import MAP_COLOURS, Colour
from scopeline.formats.preview.xraylines import Line

# The width of a line at half its height in a silicon drift detector: 129 eV at Mn Kα (5,895 eV); its square grows
# linearly with the energy, from the electronics' 42 eV on.
_ELECTRONICS_EV, _MANGANESE_EV, _MANGANESE_AT = 42.0, 129.0, 5895.0
_HALF_WINDOW = 0.6  # of that width: what lies farther from the line does not count for it
_APART = 1.5  # widths: nearer lines are not told apart
_FLOOR_AT = (1.0, 2.5)  # widths from the line between which the continuum is looked for

_CELLS = 24  # across and down, in which the maps of lines are compared
_ALIKE, _SAME = 0.85, 0.97  # of correlation: two lines show much the same; there is nothing new in the second
_CLEAR = 4.0  # how many standard deviations of counting a difference over the map must reach
_ENOUGH = 50.0  # counts under the smoothing that are wanted where a line is strong
_WIDEST = 2.0  # standard deviation of the smoothing in pixels, at most
_DARK, _BRIGHT = 5.0, 99.6  # per cent of the pixels


@dataclass(frozen=True, slots=True)
class ElementMap:
    """Counts of some lines at each position without the continuum, smoothed, and the colour of each line."""

    maps: list[Array]
    colours: dict[Line, Colour]
    smoothing: float  # standard deviation in pixels, 0: none

    @property
    def words(self) -> str:
        """For the caption: `Fe Kα, Si Kα, O Kα (red, green, blue)`."""
        names = ", ".join(line.name for line in self.colours)
        smoothed = f", smoothed by a Gaussian of {self.smoothing:.1f} pixels" if self.smoothing else ""
        return f"{names} ({', '.join(list(MAP_COLOURS)[: len(self.colours)])}){smoothed}"

    def drawn(self, size: tuple[int, int], columns: Axis) -> Image.Image:
        """The map of that size with the names of the lines and a scale bar."""
        light = np.zeros((min(size[1], self.maps[0].shape[0]), min(size[0], self.maps[0].shape[1]), 3))
        for values, colour in zip(self.maps, self.colours.values(), strict=True):
            light += _levels(reduced(LargeArray(values), size))[..., None] * np.array(colour)
        image = Image.fromarray(np.clip(np.rint(light), 0, 255).astype(np.uint8))
        if image.size != size:
            image = image.resize(size, Image.Resampling.NEAREST)
        legend = [(line.name, colour) for line, colour in self.colours.items()]
        return with_legend(with_scale(image, columns), legend)


def element_map(array: LargeArray, found: Projection, energies: Array, lines: Sequence[Line]) -> ElementMap | None:
    """The map of up to three of `lines`, one of each element.

    These are the ones whose counts differ most over the picture; those that show other places go before those that
    show much the same. `found` is the projection of the whole array, `energies` (eV) are those of its channels. None
    where no line differs clearly from place to place.
    """
    if not lines or array.dtype.kind not in "biuf":
        return None
    counted = _counted(array, found, energies, _apart(lines, energies))
    chosen = sorted(_chosen(counted), key=lambda each: -each.line.channel)
    if not chosen:
        return None
    smoothing = _smoothing([each.counts for each in chosen])
    return ElementMap(
        [blurred(each.counts, smoothing) for each in chosen],
        dict(zip((each.line for each in chosen), MAP_COLOURS.values(), strict=False)),
        smoothing,
    )


@dataclass(frozen=True, slots=True)
class _Counted:
    """The counts of a line without the continuum at each position, their sums in coarse cells, and how they differ."""

    line: Line
    counts: Array
    cells: Array
    difference: float


def _chosen(counted: Sequence[_Counted]) -> list[_Counted]:
    chosen: list[_Counted] = []
    for limit in (_ALIKE, _SAME):
        for each in sorted(counted, key=lambda each: -each.difference):
            new = all(each.line.element != other.line.element for other in chosen)
            if new and all(_correlation(each.cells, other.cells) <= limit for other in chosen):
                chosen.append(each)
    return chosen[: len(MAP_COLOURS)]


def _width(energy: float) -> float:
    slope = (_MANGANESE_EV**2 - _ELECTRONICS_EV**2) / _MANGANESE_AT
    return math.sqrt(_ELECTRONICS_EV**2 + slope * energy)


def _apart(lines: Sequence[Line], energies: Array) -> list[Line]:
    """The lines, highest first, without those that stand in the flank of a higher one."""
    kept: list[Line] = []
    for line in lines:
        at = float(energies[line.channel])
        if all(abs(float(energies[other.channel]) - at) > _APART * _width(at) for other in kept):
            kept.append(line)
    return kept


def _counted(array: LargeArray, found: Projection, energies: Array, lines: Sequence[Line]) -> list[_Counted]:
    """The lines that differ clearly over the picture."""
    windows = [_window(float(energies[line.channel]), energies) for line in lines]
    gross = [np.zeros(array.shape[:2]) for _ in lines]
    for where, block in array.blocks():
        first, last = where[2].start, where[2].stop
        for counts, window in zip(gross, windows, strict=True):
            low, high = max(window.start, first) - first, min(window.stop, last) - first
            if low < high:
                part = block[..., low:high]
                part = np.where(np.isfinite(part), part, 0) if part.dtype.kind == "f" else part
                counts[where[:2]] += part.sum(axis=-1, dtype=np.float64)
    everything = found.map * (found.map_of[0] / max(1.0, float(found.profile.sum())))
    result = []
    for line, counts, window in zip(lines, gross, windows, strict=True):
        # Where the specimen is thicker there is more of everything, also of the continuum under the line.
        net = counts - everything * _floor(float(energies[line.channel]), energies, found.profile) * len(window)
        cells = _cells(net)
        spread, chance = float(cells.var()), float(counts.sum()) / cells.size
        if spread > chance * (1 + _CLEAR * math.sqrt(2 / cells.size)) and float(net.sum()) > 0:
            result.append(_Counted(line, net, cells, spread - chance))
    return result


def _window(energy: float, energies: Array) -> range:
    inside = np.flatnonzero(np.abs(energies - energy) <= _HALF_WINDOW * _width(energy))
    return range(int(inside[0]), int(inside[-1]) + 1)


def _floor(energy: float, energies: Array, profile: Array) -> float:
    """The counts per channel of the continuum under a line: the line between the lowest places on both sides."""
    away, width = energies - energy, _width(energy)
    lows = []
    for side in (-1, 1):
        near = (side * away >= _FLOOR_AT[0] * width) & (side * away <= _FLOOR_AT[1] * width)
        if near.any():
            lows.append(float(profile[near].min()))
    return sum(lows) / len(lows) if lows else 0.0


def _cells(values: Array) -> Array:
    """Sums over coarse cells of equal size; what is left over at the edges is left out."""
    down, across = (max(1, n // _CELLS) for n in values.shape)
    rows, columns = values.shape[0] // down, values.shape[1] // across
    cut = values[: rows * down, : columns * across]
    sums: Array = cut.reshape(rows, down, columns, across).sum(axis=(1, 3))
    return sums


def _correlation(one: Array, other: Array) -> float:
    return float(np.corrcoef(one.ravel(), other.ravel())[0, 1])


def _smoothing(maps: list[Array]) -> float:
    """The standard deviation in pixels that gathers enough counts of the faintest line where it is strong."""
    faintest = min(float(np.partition(m.ravel(), -max(1, m.size // 10))[-max(1, m.size // 10) :].mean()) for m in maps)
    # A Gaussian averages over 4 pi sigma² pixels.
    sigma = math.sqrt(_ENOUGH / max(faintest, 1e-9) / (4 * math.pi))
    return 0.0 if sigma < 0.4 else round(min(sigma, _WIDEST), 1)


def blurred(values: Array, sigma: float) -> Array:
    """`values` (rows, columns) smoothed by a Gaussian of `sigma` pixels; at the edges the outermost pixels go on."""
    if sigma <= 0:
        return values
    reach = math.ceil(3 * sigma)
    kernel = np.exp(-0.5 * (np.arange(-reach, reach + 1) / sigma) ** 2)
    kernel /= kernel.sum()
    for axis in (0, 1):
        padding = [(0, 0), (0, 0)]
        padding[axis] = (reach, reach)
        padded, size = np.pad(values, padding, mode="edge"), values.shape[axis]
        values = sum(
            weight * np.take(padded, range(shift, shift + size), axis=axis) for shift, weight in enumerate(kernel)
        )
    return values


def _levels(values: Array) -> Array:
    """From 0 to 1: dark where there is none of the line, or no more than nearly everywhere."""
    low, high = np.percentile(values, [_DARK, _BRIGHT])
    low = max(0.0, float(low))
    return np.clip((values - low) / max(float(high) - low, 1e-9), 0, 1)
