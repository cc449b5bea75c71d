"""What a spectrum image or a set of patterns is looked at by: its map and its summed spectrum or pattern."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from scopeline.formats.preview.arrays import BLOCK_BYTES, Array, LargeArray, Slices


@dataclass(frozen=True, slots=True)
class Budget:
    """How much of an array may be read for its projection."""

    whole_bytes: int = 1 << 30  # up to this size every value counts; of larger arrays a regular sample is read
    sample_bytes: int = 256 << 20
    sample_decoded_bytes: int = 1 << 30  # where chunks must be decoded whole


@dataclass(frozen=True, slots=True)
class Projection:
    """`map` (navigation axes) is the mean over the signal axes, `profile` (signal axes) the sum over positions."""

    map: Array
    profile: Array
    map_of: tuple[int, int]  # how many values of how many each point of the map is the mean of
    profile_of: tuple[int, int]  # how many positions of how many the profile is the sum of
    positions_step: int = 1  # every so many-th position along each navigation axis is in the map


def project(array: LargeArray, navigation: int, budget: Budget | None = None) -> Projection:
    """The map and the profile of an array whose first `navigation` axes are positions.

    Large arrays are sampled: on a regular grid of positions where a position's values stand together in memory;
    otherwise a regular grid of values for the map, and every so many-th row of positions for the profile.
    """
    budget = budget or Budget()
    if array.nbytes <= budget.whole_bytes:
        return _all(array, navigation)
    strides = array.strides()
    if max(strides[:navigation]) >= max(strides[navigation:]):
        return _sampled_positions(array, navigation, budget)
    return _sampled_values(array, navigation, budget)


def _all(array: LargeArray, navigation: int) -> Projection:
    totals = _Totals(array, navigation)
    for where, block in array.blocks():
        totals.add(where, block)
    positions, values = math.prod(array.shape[:navigation]), math.prod(array.shape[navigation:])
    return Projection(totals.map / values, totals.profile, (values, values), (positions, positions))


def _sampled_positions(array: LargeArray, navigation: int, budget: Budget) -> Projection:
    positions, values = math.prod(array.shape[:navigation]), math.prod(array.shape[navigation:])
    step = _step(positions, _affordable(array, budget, values * array.dtype.itemsize), navigation)
    totals = _Totals(array, navigation, nav_step=step)
    everything = tuple(slice(0, n) for n in array.shape[navigation:])
    grid = [range(step // 2 if step <= n else n // 2, n, step) for n in array.shape[:navigation]]
    for corner in np.ndindex(*(len(r) for r in grid[:-1])):
        fixed = tuple(slice(r[i], r[i] + 1) for r, i in zip(grid[:-1], corner, strict=True))
        for first, part in _runs(grid[-1], values * array.dtype.itemsize):
            block = array.read((*fixed, part, *everything))
            where = (*(slice(i, i + 1) for i in corner), slice(first, first + block.shape[navigation - 1]), *everything)
            totals.add(where, block)
    used = math.prod(len(r) for r in grid)
    return Projection(totals.map / values, totals.profile, (values, values), (used, positions), step)


def _sampled_values(array: LargeArray, navigation: int, budget: Budget) -> Projection:
    shape = array.shape
    positions, values = math.prod(shape[:navigation]), math.prod(shape[navigation:])
    nav, sig = tuple(slice(0, n) for n in shape[:navigation]), tuple(slice(0, n) for n in shape[navigation:])
    totals = _Totals(array, navigation)

    step = _step(values, _affordable(array, budget, positions * array.dtype.itemsize), len(sig))
    grid = [range(step // 2 if step <= n else n // 2, n, step) for n in shape[navigation:]]
    for corner in np.ndindex(*(len(r) for r in grid)):
        where = (*nav, *(slice(r[i], r[i] + 1) for r, i in zip(grid, corner, strict=True)))
        totals.add_map(where, array.read(where))
    of_values = math.prod(len(r) for r in grid)

    row_bytes = array.nbytes // shape[0]
    rows = _step(shape[0], _affordable(array, budget, row_bytes), 1)
    for row in range(rows // 2, shape[0], rows):
        where = (slice(row, row + 1), *nav[1:], *sig)
        totals.add_profile(where, array.read(where))
    of_rows = len(range(rows // 2, shape[0], rows)) * (positions // shape[0])
    return Projection(totals.map / of_values, totals.profile, (of_values, values), (of_rows, positions))


def _affordable(array: LargeArray, budget: Budget, each: int) -> int:
    """How many pieces of `each` bytes may be read."""
    if array.costs_chunks():
        return max(1, budget.sample_decoded_bytes // max(each, array.chunk_bytes()))
    return max(1, budget.sample_bytes // max(1, each))


def _step(total: int, affordable: int, axes: int) -> int:
    """Every how many-th sample along each of `axes` axes leaves at most about `affordable` of `total`."""
    share: float = (total / affordable) ** (1 / axes)
    return max(1, math.ceil(share - 1e-9))


def _runs(positions: range, each: int) -> Iterator[tuple[int, slice]]:
    """`positions` in runs of at most about a block's bytes: where each run begins among them, and its slice."""
    many = max(1, BLOCK_BYTES // max(1, each))
    for first in range(0, len(positions), many):
        run = positions[first : first + many]
        yield first, slice(run[0], run[-1] + 1, positions.step)


class _Totals:
    """Sums that grow block by block; values that are not finite count as nothing."""

    def __init__(self, array: LargeArray, navigation: int, nav_step: int = 1) -> None:
        nav = array.shape[:navigation]
        if nav_step > 1:
            nav = tuple(len(range(nav_step // 2 if nav_step <= n else n // 2, n, nav_step)) for n in nav)
        self.map = np.zeros(nav)
        self.profile = np.zeros(array.shape[navigation:])
        self._nav_axes = tuple(range(navigation))
        self._sig_axes = tuple(range(navigation, array.ndim))

    def add(self, where: Slices, block: Array) -> None:
        """Count a block in both sums; `where` is its place in them."""
        self.add_map(where, block)
        self.add_profile(where, block)

    def add_map(self, where: Slices, block: Array) -> None:
        """Count a block in the map."""
        self.map[where[: len(self._nav_axes)]] += _sum(block, self._sig_axes)

    def add_profile(self, where: Slices, block: Array) -> None:
        """Count a block in the profile."""
        self.profile[where[len(self._nav_axes) :]] += _sum(block, self._nav_axes)


def _sum(block: Array, axes: tuple[int, ...]) -> Array:
    if block.dtype.kind == "c":
        block = np.abs(block)
    with np.errstate(invalid="ignore", over="ignore"):
        total: Array = np.add.reduce(block, axis=axes, dtype=np.float64)
        if np.isfinite(total).all():
            return total
        usable = np.abs(block) < 1e290
        cleaned: Array = np.add.reduce(block, axis=axes, dtype=np.float64, where=usable)
    return cleaned
