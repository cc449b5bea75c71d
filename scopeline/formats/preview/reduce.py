"""Making images smaller by their exact area average, a block at a time."""

from __future__ import annotations

import numpy as np

from scopeline.formats.preview.arrays import Array, LargeArray

# Columns are summed for so many rows of the result at a time, fewer where they are very long.
_ROWS_AT_ONCE = 32
_ROWS_BYTES = 16 << 20


def area_average(array: LargeArray, height: int, width: int) -> Array:
    """The image (rows, columns) as `height` x `width` means over equal areas, float64.

    A cell that covers pixels partly weighs them by the covered part, so no size of the result makes patterns that are
    not in the image. Values that are not finite are left out; a cell without any finite value is NaN. Complex values
    count by their modulus. `height` and `width` are at most the image's own.
    """
    rows, columns = array.shape
    row_edges = np.linspace(0, rows, height + 1)
    column_edges = np.linspace(0, columns, width + 1)
    sums = np.zeros((height, width))
    areas = np.zeros((height, width))
    for (down, across), values in array.blocks():
        block = _real(values)
        i, block_rows = _cells(row_edges, down)
        j, block_columns = _cells(column_edges, across)
        if abs(block.strides[0]) >= abs(block.strides[1]):
            added, covered = _finite_sums(block, block_rows, block_columns)
        else:
            added, covered = (part.T for part in _finite_sums(block.T, block_columns, block_rows))
        sums[i, j] += added
        areas[i, j] += covered
    return np.divide(sums, areas, out=np.full_like(sums, np.nan), where=areas > 1e-9)


def _real(values: Array) -> Array:
    if values.dtype.kind == "c":
        return np.abs(values)
    return values


def _cells(edges: Array, part: slice) -> tuple[slice, Array]:
    """Which cells the pixels of `part` touch, and the cells' edges within the part."""
    first = int(np.searchsorted(edges, part.start, side="right")) - 1
    last = int(np.searchsorted(edges, part.stop, side="left"))
    inner = np.clip(edges[first : last + 1], part.start, part.stop) - part.start
    return slice(first, last), inner


def _finite_sums(block: Array, row_edges: Array, column_edges: Array) -> tuple[Array, Array]:
    """Sums over the cells and the areas that they cover, without values that are not finite."""
    with np.errstate(invalid="ignore", over="ignore"):
        sums = _cell_sums(block, row_edges, column_edges)
    if np.isfinite(sums).all():
        return sums, np.outer(np.diff(row_edges), np.diff(column_edges))
    finite = np.isfinite(block)
    # Sums of such values would overflow; they are no measurement.
    with np.errstate(invalid="ignore", over="ignore"):
        finite &= np.abs(block) < 1e290
    return (
        _cell_sums(np.where(finite, block, 0), row_edges, column_edges),
        _cell_sums(finite.view(np.uint8), row_edges, column_edges),
    )


def _cell_sums(block: Array, row_edges: Array, column_edges: Array) -> Array:
    height, width = len(row_edges) - 1, len(column_edges) - 1
    result = np.empty((height, width))
    whole = np.floor(row_edges).astype(np.intp)
    part = row_edges - whole
    at_once = max(1, min(height, _ROWS_AT_ONCE, _ROWS_BYTES // (8 * block.shape[1])))
    wide = np.empty((at_once, block.shape[1]))
    for start in range(0, height, at_once):
        stop = min(height, start + at_once)
        for i in range(start, stop):
            line = wide[i - start]
            np.add.reduce(block[whole[i] : whole[i + 1]], axis=0, dtype=np.float64, out=line)
            if part[i]:
                line -= part[i] * block[whole[i]]
            if part[i + 1]:
                line += part[i + 1] * block[whole[i + 1]]
        result[start:stop] = _column_sums(wide[: stop - start], column_edges)
    return result


def _column_sums(lines: Array, edges: Array) -> Array:
    whole = np.floor(edges).astype(np.intp)
    part = edges - whole
    last = lines.shape[1] - 1
    # Neighbouring whole edges are equal only in a sliver that ends in the pixel where it began: reduceat then gives
    # that pixel, where the sum of none is meant.
    sums = np.add.reduceat(lines, np.minimum(whole[:-1], last), axis=1)
    sums[:, whole[1:] == whole[:-1]] = 0
    sums -= part[:-1] * lines[:, np.minimum(whole[:-1], last)]
    sums += part[1:] * lines[:, np.minimum(whole[1:], last)]
    return sums
