"""Reading large arrays a block at a time, along the memory that they stand in."""

from __future__ import annotations

import bisect
import itertools
import math
import mmap
from collections.abc import Iterator
from typing import Any

import numpy as np

Slices = tuple[slice, ...]
Array = np.ndarray[Any, np.dtype[Any]]

BLOCK_BYTES = 32 << 20


class LargeArray:
    """A numpy or dask array, read by slices.

    A chunk of a dask array is fetched as its graph gives it: of a mapped file that is a view, which costs no memory;
    of a compressed one it is the decoded chunk, of which one at a time is held.
    """

    def __init__(self, data: Any) -> None:
        self.shape: tuple[int, ...] = tuple(int(n) for n in data.shape)
        self.dtype = np.dtype(data.dtype)
        self.ndim = len(self.shape)
        self._data = data
        self._array: Array | None = None
        self._graph: dict[Any, Any] | None = None
        if hasattr(data, "__dask_graph__"):
            chunks = data.chunks
        else:
            self._array = np.asarray(data)
            chunks = tuple((n,) for n in self.shape)
        self._edges = [[0, *itertools.accumulate(int(c) for c in sizes)] for sizes in chunks]
        self._held: tuple[tuple[int, ...], Array] | None = None

    @property
    def nbytes(self) -> int:
        """The size of the whole array."""
        return math.prod(self.shape) * int(self.dtype.itemsize)

    def at(self, *index: int | slice) -> LargeArray:
        """The array of what stands at `index`, unread."""
        return LargeArray(self._data[index])

    def transposed(self, order: tuple[int, ...]) -> LargeArray:
        """The same array with its axes in another order."""
        return LargeArray(self._data.transpose(order))

    def strides(self) -> tuple[int, ...]:
        """How far apart in memory the neighbours along each axis stand, as far as the first chunk tells."""
        return tuple(abs(s) for s in self._chunk((0,) * self.ndim).strides)

    def costs_chunks(self) -> bool:
        """Whether reading one value means decoding a whole chunk."""
        return self._array is None and not isinstance(_owner(self._chunk((0,) * self.ndim)), np.memmap)

    def chunk_bytes(self) -> int:
        """The size of the first chunk."""
        return math.prod(edges[1] for edges in self._edges) * int(self.dtype.itemsize)

    def read(self, slices: Slices) -> Array:
        """The values at `slices` (steps are positive); a view where they stand in one chunk without decoding."""
        if self._array is not None:
            return self._array[slices]
        wanted = [range(*s.indices(n)) for s, n in zip(slices, self.shape, strict=True)]
        result: Array | None = None
        for index in itertools.product(*(self._touched(r, e) for r, e in zip(wanted, self._edges, strict=True))):
            inner, outer = [], []
            for i, r, edges in zip(index, wanted, self._edges, strict=True):
                first = max(0, -(-(edges[i] - r.start) // r.step))
                last = min(len(r), -(-(edges[i + 1] - r.start) // r.step))
                outer.append(slice(first, last))
                start = r.start + first * r.step - edges[i]
                inner.append(slice(start, start + (last - first - 1) * r.step + 1, r.step))
            part = self._chunk(index)[tuple(inner)]
            shape = tuple(len(r) for r in wanted)
            if part.shape == shape:
                return part
            if result is None:
                result = np.empty(shape, self.dtype)
            result[tuple(outer)] = part
        return result if result is not None else np.empty(tuple(len(r) for r in wanted), self.dtype)

    def blocks(self, limit: int = BLOCK_BYTES) -> Iterator[tuple[Slices, Array]]:
        """The whole array as blocks of at most about `limit` bytes, and where each stands.

        Each chunk is cut along the axis whose neighbours are farthest apart in memory, so that a block of a mapped
        file is one run of its bytes.
        """
        if math.prod(self.shape) == 0:
            return
        for index in itertools.product(*(range(len(edges) - 1) for edges in self._edges)):
            chunk = self._chunk(index)
            start = tuple(edges[i] for i, edges in zip(index, self._edges, strict=True))
            for inner in _cuts(chunk, limit):
                where = tuple(slice(s + i.start, s + i.stop) for s, i in zip(start, inner, strict=True))
                yield where, chunk[inner]

    @staticmethod
    def _touched(wanted: range, edges: list[int]) -> list[int]:
        if len(wanted) == 0:
            return []
        first = bisect.bisect_right(edges, wanted[0]) - 1
        last = bisect.bisect_right(edges, wanted[-1]) - 1
        if wanted.step == 1 or last - first < 2:
            return list(range(first, last + 1))
        return sorted({bisect.bisect_right(edges, i) - 1 for i in wanted})

    def _chunk(self, index: tuple[int, ...]) -> Array:
        if self._array is not None:
            return self._array
        if self._held is not None and self._held[0] == index:
            return self._held[1]
        from dask.local import get_sync
        from dask.optimization import cull
        from dask.utils import ensure_dict

        if self._graph is None:
            self._graph = ensure_dict(self._data.__dask_graph__())
        key = (self._data.name, *index)
        self._held = None  # not two chunks at a time
        needed, _ = cull(self._graph, [key])  # type: ignore[no-untyped-call]
        chunk = np.asarray(get_sync(needed, key))
        self._held = (index, chunk)
        return chunk


def _owner(array: Any) -> Any:
    """What the memory of `array` belongs to: a memmap where it is mapped."""
    while True:
        if isinstance(array, (np.memmap, mmap.mmap)):
            return array
        base = getattr(array, "base", None)
        if base is None:
            return array
        array = base


def _cuts(chunk: Array, limit: int) -> Iterator[Slices]:
    """Slices that cut `chunk` into pieces of at most about `limit` bytes, along its slowest axes first."""
    pieces = [1] * chunk.ndim
    left = max(1, math.ceil(chunk.nbytes / limit))
    for axis in sorted(range(chunk.ndim), key=lambda a: -abs(chunk.strides[a])):
        pieces[axis] = min(left, chunk.shape[axis])
        left = math.ceil(left / pieces[axis])
        if left == 1:
            break
    edges = [
        [round(i * size / number) for i in range(number + 1)] for size, number in zip(chunk.shape, pieces, strict=True)
    ]
    yield from itertools.product(*([slice(a, b) for a, b in itertools.pairwise(e)] for e in edges))
