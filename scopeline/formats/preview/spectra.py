"""Pictures of spectra: alone, along a line and over an area."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import numpy as np
from PIL import Image

from scopeline.domain.files import Axis, DatasetType
from scopeline.formats.preview.arrays import Array, LargeArray
from scopeline.formats.preview.contrast import diffraction_contrast, image_contrast
from scopeline.formats.preview.elementmap import ElementMap, element_map
from scopeline.formats.preview.images import grey, reduced, shown_size, side_by_side, with_scale
from scopeline.formats.preview.picture import Picture
from scopeline.formats.preview.plot import Box, Name, plot
from scopeline.formats.preview.projections import Projection, project
from scopeline.formats.preview.style import GAP, LONG_SIDE, STAGE, Colour
from scopeline.formats.preview.text import count, unit_label
from scopeline.formats.preview.xraylines import Line, seen_lines
from scopeline.formats.results import Signal

_Y_NAMES = {"EDS": "Counts", "EELS": "Counts"}
_PLOT = (LONG_SIDE, 576)
_SCAN_HEIGHT = 300  # of a line scan's image above its plot
_MAP = 512
_MOST_SAMPLES = 1 << 22  # longer traces are averaged before they are drawn

# A zero-loss peak this many times the median makes the rest of a spectrum invisible on a linear axis.
_ZERO_LOSS_RATIO = 200
# Below this energy an EDS detector counts its own noise and zero strobe.
_EDS_NOISE_EV = 120.0
_HUGE = 1e290  # so that sums stay finite
_KILO_FROM_EV = 6000.0
_EDS_TAIL = 0.002  # the share of the X-ray counts that may lie beyond the end of the plot
_PEAK_EV = 200.0  # about the width of an X-ray line in an EDS spectrum
_PEAK_SIGMAS = 5.0
_PEAK_HEIGHT = 0.003  # of the highest line: a peak that is seen in the plot


def spectrum(array: LargeArray, axis: Axis, signal: Signal) -> Picture:
    """A plot of one spectrum or profile."""
    values, axis, notes = _trace(array, axis)
    image, _, _, more = _plotted(values, axis, signal, _PLOT)
    return Picture(image, "; ".join([*notes, *more]) or None)


def line_scan(array: LargeArray, positions: Axis, axis: Axis, signal: Signal) -> Picture:
    """The spectra along a line as rows of an image, above their sum."""
    found = project(array, 1)
    size = (LONG_SIDE, _PLOT[1] + _SCAN_HEIGHT)
    image, box, shown, notes = _plotted(found.profile, axis, signal, size, above=_SCAN_HEIGHT)
    part = array.at(slice(None), slice(0, shown.size))
    target = (box.width, _SCAN_HEIGHT - 2 * GAP)
    values = reduced(part, target)
    # Few lines stand out of much background, as reflections do: the same contrast shows both.
    image.paste(grey(values, diffraction_contrast(values), target), (box.left, GAP))
    return Picture(image, "; ".join([f"{count(positions.size, 'spectrum')} as rows, above their sum", *notes]))


def spectrum_image(array: LargeArray, positions: list[Axis], axis: Axis, signal: Signal) -> Picture:
    """The sum over the spectrum at each position, or a map of X-ray lines, beside the sum of all spectra."""
    found = project(array, 2)
    elements = _elements(array, found, axis, signal)
    rows, columns = (
        each.model_copy(update={"size": n, "scale": each.scale * found.positions_step if each.scale else None})
        for each, n in zip(positions, found.map.shape, strict=True)
    )
    wide = columns.size > 2 * rows.size
    box = (LONG_SIDE, _MAP) if wide else (_MAP, _MAP)
    size = shown_size([rows, columns], box, enlarged_to=max(box))
    if elements is not None:
        mapped, colours = elements.drawn(size, columns), elements.colours
    else:
        values = reduced(LargeArray(found.map), size)
        mapped, colours = with_scale(grey(values, image_contrast(values), size), columns), {}
    if wide:
        beneath, _, _, notes = _plotted(found.profile, axis, signal, (LONG_SIDE, 400), colours=colours)
        image = Image.new("RGB", (LONG_SIDE, mapped.height + GAP + beneath.height), STAGE)
        image.paste(mapped, ((LONG_SIDE - mapped.width) // 2, 0))
        image.paste(beneath, (0, mapped.height + GAP))
    else:
        room = (LONG_SIDE - GAP - mapped.width, max(360, mapped.height))
        beside, _, _, notes = _plotted(found.profile, axis, signal, room, colours=colours)
        image = side_by_side([mapped, beside], GAP)
    channels = found.map_of
    of = count(channels[1], "channel") if channels[0] == channels[1] else f"{channels[0]:,} of {channels[1]:,} channels"
    shown = elements.words if elements is not None else f"sum over {of}"
    return Picture(image, "; ".join([f"Map: {shown}. Spectrum: sum of {_used(found)}", *notes]))


def _elements(array: LargeArray, found: Projection, axis: Axis, signal: Signal) -> ElementMap | None:
    """The map of X-ray lines, where every value of the array was counted and lines of listed elements are seen."""
    energies = _energies(axis)
    if signal.technique != "EDS" or energies is None or found.profile_of[0] != found.profile_of[1]:
        return None
    return element_map(array, found, energies, _lines(found.profile, axis, signal))


def _used(found: Projection) -> str:
    used, total = found.profile_of
    return f"{total:,} spectra" if used == total else f"{used:,} of {total:,} spectra"


def _trace(array: LargeArray, axis: Axis) -> tuple[Array, Axis, list[str]]:
    """The values of a one-dimensional array; very long ones averaged in equal runs."""
    if axis.size <= _MOST_SAMPLES:
        values = array.read((slice(0, axis.size),))
        return (np.abs(values) if values.dtype.kind == "c" else values), axis, []
    run = math.ceil(axis.size / _MOST_SAMPLES)
    kept = axis.size // run
    sums = np.zeros(kept)
    for start in range(0, kept, 1 << 16):
        stop = min(kept, start + (1 << 16))
        part = array.read((slice(start * run, stop * run),))
        part = np.abs(part) if part.dtype.kind == "c" else part
        sums[start:stop] = part.reshape(-1, run).mean(axis=1, dtype=np.float64)
    longer = axis.model_copy(update={"size": kept, "scale": (axis.scale or 1.0) * run})
    return sums, longer, [f"Means of {run:,} samples"]


def _plotted(
    values: Array,
    axis: Axis,
    signal: Signal,
    size: tuple[int, int],
    above: int = 0,
    colours: Mapping[Line, Colour] | None = None,
) -> tuple[Image.Image, Box, Axis, list[str]]:
    """A plot of a spectrum as people of its technique look at it: where its curve stands, which part of the axis is
    shown, and what was done for that."""
    values = np.asarray(values, dtype=np.float64)
    values = np.where(np.isfinite(values), np.clip(values, -_HUGE, _HUGE), np.nan)
    notes: list[str] = []
    axis = _in_kilovolts(axis)
    log = signal.technique != "EDS" and _has_zero_loss(values, axis)
    highest = None
    names: list[Name] = []
    if log:
        notes.append("logarithmic axis")
    if signal.technique == "EDS":
        values, axis = _without_empty_end(values, axis)
        highest = _highest_line(values, axis)
        if highest is not None:
            notes.append("zero peak cut off")
        shown = {line: colour for line, colour in (colours or {}).items() if line.channel < values.size}
        names = _line_names(_lines(values, axis, signal), shown)
    name = _Y_NAMES.get(signal.technique or "", "Value" if signal.type is DatasetType.MISC else "Intensity")
    image, box = plot(values, axis, size, y_name=name, log=log, highest=highest, above=above, names=names)
    return image, box, axis, notes


def _in_kilovolts(axis: Axis) -> Axis:
    """The axis in keV where it goes on beyond some thousand eV: that of X-rays."""
    end = (axis.offset or 0.0) + (axis.scale or 0.0) * axis.size
    if unit_label(axis.unit) != "eV" or axis.scale is None or abs(end) < _KILO_FROM_EV:
        return axis
    offset = None if axis.offset is None else axis.offset / 1000
    return axis.model_copy(update={"unit": "keV", "scale": axis.scale / 1000, "offset": offset})


def _energies(axis: Axis) -> Array | None:
    """The energy of each channel in eV; None where the axis is none of energies."""
    unit = {"eV": 1.0, "keV": 1000.0}.get(unit_label(axis.unit) or "")
    offset = axis.offset or 0.0
    if unit is None or not axis.scale or not math.isfinite(axis.scale) or not math.isfinite(offset):
        return None
    return (offset + axis.scale * np.arange(axis.size)) * unit


def _has_zero_loss(values: Array, axis: Axis) -> bool:
    """Whether the spectrum has a zero-loss peak: its maximum is at 0 eV and dwarfs the rest."""
    energies = _energies(axis)
    known = values[np.isfinite(values)]
    if energies is None or known.size != values.size or values.size < 16:
        return False
    at = abs(float(energies[int(np.argmax(values))]))
    middle = float(np.median(values))
    near_zero = at <= 0.02 * abs(float(energies[-1] - energies[0]))
    return near_zero and float(values.max()) > _ZERO_LOSS_RATIO * max(middle, 1e-300)


def _without_empty_end(values: Array, axis: Axis) -> tuple[Array, Axis]:
    """An EDS spectrum up to where practically nothing follows; the zero peak does not count, and no line is lost."""
    counts = np.maximum(np.nan_to_num(values), 0)
    energies = _energies(axis)
    if energies is not None and np.any(counts[energies > _EDS_NOISE_EV]):
        counts = np.where(energies > _EDS_NOISE_EV, counts, 0)
    total = np.cumsum(counts)
    if total[-1] <= 0:
        return values, axis
    last = int(np.searchsorted(total, total[-1] * (1 - _EDS_TAIL))) + 1
    if energies is not None and energies.size > 1:
        last = max(last, _end_of_peaks(counts, abs(float(energies[1] - energies[0]))))
    kept = min(axis.size, max(16, math.ceil(last * 1.03)))
    return values[:kept], axis.model_copy(update={"size": kept})


def _end_of_peaks(counts: Array, width: float) -> int:
    """The channel where the last peak ends that stands out of its neighbourhood's noise; 0 without any.

    `width` is that of a channel in eV. The counts of a peak's window are held against the mean of the windows on both
    of its sides; the smallest count above zero tells what one X-ray is worth in a scaled spectrum.
    """
    window = 2 * max(1, round(_PEAK_EV / width / 2)) + 1
    if counts.size < 3 * window:
        return 0
    sums = np.convolve(counts, np.ones(window), "same")
    beside = (sums[: -2 * window] + sums[2 * window :]) / 2
    excess = sums[window:-window] - beside
    one = float(counts[counts > 0].min())
    clear = excess > _PEAK_SIGMAS * np.sqrt(one * np.maximum(beside, 4 * one))
    seen = excess > _PEAK_HEIGHT * float(np.max(sums))
    found = np.flatnonzero(clear & seen)
    return int(found[-1]) + 2 * window if found.size else 0


def _line_names(lines: Sequence[Line], colours: Mapping[Line, Colour]) -> list[Name]:
    """What is written over the lines: those of a map in full and in its colours, before the elements of the others."""
    mapped = [Name(line.channel, line.name, line.element, colour) for line, colour in colours.items()]
    return mapped + [Name(line.channel, line.element) for line in lines if line not in colours]


def _lines(values: Array, axis: Axis, signal: Signal) -> list[Line]:
    """The lines of the elements that the metadata lists."""
    energies, elements = _energies(axis), signal.parameters.get("Elements")
    if energies is None or elements is None or (axis.scale or 0) <= 0:
        return []
    return seen_lines(np.nan_to_num(values), energies, str(elements.value).replace(",", " ").split(), _EDS_NOISE_EV)


def _highest_line(values: Array, axis: Axis) -> float | None:
    """The top of an EDS plot where the zero peak is higher than every line; None where it is not."""
    energies = _energies(axis)
    if energies is None:
        return None
    lines = values[energies > _EDS_NOISE_EV]
    if lines.size == 0 or lines.size == values.size:
        return None
    highest = float(np.nanmax(lines, initial=0))
    return highest * 1.02 if 0 < highest < float(np.nanmax(values)) else None
