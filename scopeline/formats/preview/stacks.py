"""Pictures of many images: contact sheets of stacks, and what a set of diffraction patterns shows."""

from __future__ import annotations

import math

import numpy as np

from scopeline.domain.files import Axis
from scopeline.formats.preview.arrays import LargeArray
from scopeline.formats.preview.contrast import diffraction_contrast, image_contrast, plain_value
from scopeline.formats.preview.images import (
    colour,
    contrast_of,
    grey,
    reduced,
    sheet,
    shown_size,
    side_by_side,
    with_label,
    with_scale,
)
from scopeline.formats.preview.picture import Picture
from scopeline.formats.preview.projections import project
from scopeline.formats.preview.style import GAP, LONG_SIDE
from scopeline.formats.preview.text import count, number, unit_label

_FRAMES = 9
_FRAMES_BYTES = 400 << 20  # what may be read for one contact sheet
_GRIDS = {1: 1, 2: 2, 3: 3, 4: 2, 5: 3, 6: 3, 7: 3, 8: 3, 9: 3}  # frames -> columns


def contact_sheet(array: LargeArray, frames: Axis, image: list[Axis], rgb: bool, diffraction: bool) -> Picture:
    """Up to nine frames, evenly over the stack from the first to the last, in one contrast."""
    chosen = _chosen(array, frames.size)
    across = _GRIDS[len(chosen)]
    box = ((LONG_SIDE - GAP * (across - 1)) // across,) * 2
    size = shown_size(image, box, enlarged_to=box[0])
    if rgb:
        panels = [colour(array.at(i), size) for i in chosen]
        plain = None
    else:
        values = np.stack([reduced(array.at(i), size) for i in chosen])
        contrast = contrast_of(values, diffraction=diffraction)
        panels = [grey(each, contrast, size) for each in values]
        plain = plain_value(values)
    panels[0] = with_scale(panels[0], image[1])
    panels = [with_label(panel, _frame_name(frames, i)) for panel, i in zip(panels, chosen, strict=True)]
    of = "" if len(chosen) == frames.size else f"{len(chosen)} of "
    caption = f"{of}{count(frames.size, 'frame')}"
    if plain is not None:
        caption += f"; nearly all pixels are {number(plain)}"
    return Picture(sheet(panels, across), caption)


def _chosen(array: LargeArray, frames: int) -> list[int]:
    each = array.nbytes // frames
    if array.costs_chunks():
        each = max(each, array.chunk_bytes())
    many = min(frames, _FRAMES)
    while many > 1 and many * each > _FRAMES_BYTES:
        many = {9: 6, 6: 4, 4: 2, 2: 1}.get(many, many - 1)
    if many == 1:
        return [frames // 2]
    return [round(i * (frames - 1) / (many - 1)) for i in range(many)]


def _frame_name(frames: Axis, index: int) -> str:
    """The frame's place on a calibrated axis (a time, a tilt), otherwise its number from 1."""
    unit = unit_label(frames.unit)
    if unit is None or not frames.scale or not math.isfinite(frames.scale) or not math.isfinite(frames.offset or 0):
        return f"{index + 1:,}"
    value = number((frames.offset or 0) + index * frames.scale, abs(frames.scale) / 10)
    return f"{value}{unit}" if unit == "°" else f"{value} {unit}"


def patterns(array: LargeArray, positions: list[Axis], pattern: list[Axis]) -> Picture:
    """The mean intensity at each position beside the mean pattern."""
    found = project(array, 2)
    box = ((LONG_SIDE - GAP) // 2,) * 2
    rows, columns = (
        axis.model_copy(update={"size": n, "scale": axis.scale * found.positions_step if axis.scale else None})
        for axis, n in zip(positions, found.map.shape, strict=True)
    )
    map_size = shown_size([rows, columns], box, enlarged_to=box[0])
    mapped = reduced(LargeArray(found.map), map_size)
    left = with_label(with_scale(grey(mapped, image_contrast(mapped), map_size), columns), "Mean intensity")
    size = shown_size(pattern, box, enlarged_to=box[0])
    mean = reduced(LargeArray(found.profile / found.profile_of[0]), size)
    right = with_label(with_scale(grey(mean, diffraction_contrast(mean), size), pattern[1]), "Mean pattern")
    used, total = found.profile_of
    of = count(total, "pattern") if used == total else f"{used:,} of {count(total, 'pattern')}"
    caption = f"Mean intensity and mean pattern of {of}"
    if found.map_of[0] != found.map_of[1]:
        caption += f", intensity from {found.map_of[0]:,} of {found.map_of[1]:,} pixels"
    return Picture(side_by_side([left, right], GAP), caption)
