"""The pixels of a TIFF series: mapped where they stand in one piece, else decoded page by page when asked for."""

from __future__ import annotations

import importlib
import math
from pathlib import Path
from typing import Any

from scopeline.formats.results import Unreadable
from scopeline.formats.source import ends_early

MAX_PAGE = 1 << 30  # bytes of one compressed page when decoded
MAX_RATIO = 2000  # decoded bytes for each stored byte: no image compresses better unless it was made to


def array_of(path: Path, size: int, series: Any, index: int) -> Any:
    """The pixels of the file's series `index`, in the shape of the series. Raises Unreadable."""
    import numpy as np

    shape, dtype = tuple(int(n) for n in series.shape), np.dtype(series.dtype)
    length = math.prod(shape) * dtype.itemsize
    if not length:
        raise Unreadable(f"The image has {' × '.join(map(str, shape))} pixels.")
    page = series.pages[0]
    if series.dataoffset is not None:
        if series.dataoffset + length > size:
            raise _too_large(size, int(series.dataoffset) + length, shape)
        stored = dtype.newbyteorder(series.parent.byteorder)
        return np.memmap(path, stored, "r", offset=int(series.dataoffset), shape=shape)
    page_length = length // max(1, len(series.pages))
    stored_length = sum(int(n) for n in page.databytecounts)
    if int(page.compression) == 1 and stored_length < page_length:
        raise ends_early(size, size - stored_length + page_length)
    if page_length > MAX_PAGE or page_length > max(1, stored_length) * MAX_RATIO:
        raise Unreadable(
            f"The image claims {' × '.join(map(str, shape))} pixels ({length:,} bytes); "
            f"the file holds {stored_length:,} bytes of them and the limit is {MAX_PAGE:,} bytes for each page."
        )
    if len(series.pages) == 1:
        return _Decoded(path, index, shape, dtype).read()
    return _stack(path, series, index, shape, dtype)


def _too_large(size: int, needed: int, shape: tuple[int, ...]) -> Unreadable:
    error = ends_early(size, needed)
    return Unreadable(f"The image claims {' × '.join(map(str, shape))} pixels. {error}")


class _Decoded:
    """Decodes one series of a file."""

    def __init__(self, path: Path, index: int, shape: tuple[int, ...], dtype: Any) -> None:
        self.path, self.index, self.shape, self.dtype = path, index, shape, dtype

    def read(self, page: int | None = None) -> Any:
        """The whole series, or one of its pages."""
        import tifffile

        with tifffile.TiffFile(self.path) as file:
            series = file.series[self.index]
            if page is None:
                return series.asarray().reshape(self.shape)
            chosen: Any = series.pages[page]
            return chosen.asarray()


def _stack(path: Path, series: Any, index: int, shape: tuple[int, ...], dtype: Any) -> Any:
    # dask's functions have no types
    da: Any = importlib.import_module("dask.array")
    delayed: Any = importlib.import_module("dask.delayed").delayed

    decoder = _Decoded(path, index, shape, dtype)
    page_shape = tuple(int(n) for n in series.pages[0].shape)
    pages = [
        da.from_delayed(delayed(decoder.read, pure=True)(number), page_shape, dtype=dtype)
        for number in range(len(series.pages))
    ]
    return da.stack(pages).reshape(shape)
