"""Pictures of two-dimensional data: what `panel` makes is a part of a picture or a whole one."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from PIL import Image

from scopeline.domain.files import Axis
from scopeline.formats.preview.arrays import Array, LargeArray
from scopeline.formats.preview.contrast import Contrast, diffraction_contrast, grey_levels, image_contrast
from scopeline.formats.preview.reduce import area_average
from scopeline.formats.preview.scalebar import draw_scale_bar, scale_bar
from scopeline.formats.preview.style import GAP, INK, SHORT_ENOUGH, STAGE, Colour
from scopeline.formats.preview.text import font, paint, plate, width, write

# Beyond this ratio of the pixels' sides the axes are not shown to scale: one would vanish.
_MOST_UNEQUAL = 8.0


def shown_size(image: list[Axis], box: tuple[int, int], enlarged_to: int = SHORT_ENOUGH) -> tuple[int, int]:
    """Width and height in pixels at which an image fits into `box`, its pixels' sides true to scale.

    Images shorter than `enlarged_to` on both sides are enlarged by the whole factor that comes nearest to it.
    """
    rows, columns = image
    across, down = float(max(1, columns.size)), float(max(1, rows.size))
    ratio = _pixel_ratio(rows, columns)
    across, down = (across / ratio, down) if ratio < 1 else (across, down * ratio)
    factor = min(box[0] / across, box[1] / down)
    if factor > 1:
        factor = max(1.0, min(math.floor(factor), math.floor(enlarged_to / max(across, down))))
    return max(1, round(across * factor)), max(1, round(down * factor))


def _pixel_ratio(rows: Axis, columns: Axis) -> float:
    """Height over width of one pixel, 1 where it is not known."""
    if rows.unit != columns.unit or not rows.scale or not columns.scale:
        return 1.0
    ratio = abs(rows.scale / columns.scale)
    return ratio if 1 / _MOST_UNEQUAL <= ratio <= _MOST_UNEQUAL else 1.0


def reduced(array: LargeArray, size: tuple[int, int]) -> Array:
    """The image at most as large as `size` (width, height), averaged over areas, never enlarged."""
    return area_average(array, min(size[1], array.shape[0]), min(size[0], array.shape[1]))


def contrast_of(values: Array, *, diffraction: bool) -> Contrast:
    """The contrast that suits the kind of image."""
    return diffraction_contrast(values) if diffraction else image_contrast(values)


def grey(values: Array, contrast: Contrast, size: tuple[int, int]) -> Image.Image:
    """The values as a grey image of that size; what is enlarged keeps its pixels' edges."""
    return _enlarged(Image.fromarray(grey_levels(values, contrast)), size)


def colour(array: LargeArray, size: tuple[int, int]) -> Image.Image:
    """An RGB or RGBA image (rows, columns, 3 or 4) of that size, as it is; transparent parts show the stage."""
    channels = [reduced(array.at(slice(None), slice(None), i), size) for i in range(array.shape[2])]
    values = np.nan_to_num(np.stack(channels, axis=-1))
    values *= 255 / _full_scale(array.dtype, values)
    levels = np.clip(np.rint(values), 0, 255).astype(np.uint8)
    if levels.shape[2] == 4:
        image = Image.fromarray(levels)
        flat = Image.new("RGBA", image.size, (*STAGE, 255))
        return _enlarged(Image.alpha_composite(flat, image).convert("RGB"), size)
    return _enlarged(Image.fromarray(levels), size)


def _full_scale(dtype: np.dtype[Any], values: Array) -> float:
    if dtype.kind in "ui":
        return float(np.iinfo(dtype).max)
    return max(1.0, float(values.max(initial=0)))


def _enlarged(image: Image.Image, size: tuple[int, int]) -> Image.Image:
    return image if image.size == size else image.resize(size, Image.Resampling.NEAREST)


def with_scale(image: Image.Image, columns: Axis, share: float = 1.0) -> Image.Image:
    """The image with a scale bar where its columns are calibrated, in the upper `share` of its height."""
    bar = scale_bar(columns, image.width)
    if bar:
        upper = image.crop((0, 0, image.width, math.floor(image.height * share)))
        draw_scale_bar(upper, bar)
        image.paste(upper, (0, 0))
    return image


def with_label(image: Image.Image, words: str) -> Image.Image:
    """The image with a few words on a plate at its upper left, where there is room."""
    size = max(12, min(20, round(min(image.size) / 24)))
    face = font(size)
    across, down = width(words, face) + size, round(size * 1.6)
    if across + size > image.width or down * 4 > image.height:
        return image
    corner = size // 2
    drawing = plate(image, (corner, corner, corner + across, corner + down))
    write(drawing, (corner + across / 2, corner + down / 2), words, face, paint(image, INK), "mm")
    return image


def with_legend(image: Image.Image, entries: Sequence[tuple[str, Colour]]) -> Image.Image:
    """The image with words in their colours on a plate at its upper left, where there is room."""
    size = max(12, min(20, round(min(image.size) / 24)))
    face = font(size, bold=True)
    widths = [width(words, face) + size for words, _ in entries]
    corner, down = size // 2, round(size * 1.6)
    if sum(widths) + 2 * size > image.width or down * 4 > image.height:
        return image
    drawing = plate(image, (corner, corner, corner + sum(widths), corner + down))
    left = float(corner)
    for (words, colour), room in zip(entries, widths, strict=True):
        write(drawing, (left + room / 2, corner + down / 2), words, face, colour, "mm")
        left += room
    return image


def side_by_side(panels: list[Image.Image], gap: int) -> Image.Image:
    """Panels in a row on the stage, centred in height."""
    across = sum(panel.width for panel in panels) + gap * (len(panels) - 1)
    mode = "L" if all(panel.mode == "L" for panel in panels) else "RGB"
    result = Image.new(mode, (across, max(panel.height for panel in panels)))
    result.paste(paint(result, STAGE), (0, 0, *result.size))
    left = 0
    for panel in panels:
        result.paste(panel, (left, (result.height - panel.height) // 2))
        left += panel.width + gap
    return result


def sheet(panels: list[Image.Image], columns: int) -> Image.Image:
    """Panels of one size in rows of `columns`."""
    across, down = panels[0].size
    rows = math.ceil(len(panels) / columns)
    size = (across * columns + GAP * (columns - 1), down * rows + GAP * (rows - 1))
    result = Image.new(panels[0].mode, size, paint(panels[0], STAGE))
    for i, panel in enumerate(panels):
        result.paste(panel, (i % columns * (across + GAP), i // columns * (down + GAP)))
    return result
