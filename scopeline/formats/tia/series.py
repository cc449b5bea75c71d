"""The pixels of a TIA series file (.ser).

The layout is the one that C. Boothroyd published ("Structure of the FEI .ser files") and rosettasciio reads; here the
elements are mapped, so that a long series is not read whole, and each size is held against the file's length before
anything is allocated.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from scopeline.formats.results import Unreadable
from scopeline.formats.source import damaged, ends_early

_SPECTRA, _IMAGES = 0x4120, 0x4122
_POSITION_TAG = 0x4142
_TYPES = {
    1: "<u1", 2: "<u2", 3: "<u4", 4: "<i1", 5: "<i2", 6: "<i4", 7: "<f4", 8: "<f8", 9: "<c8", 10: "<c16",
}  # fmt: skip
MAX_ELEMENTS = 100_000_000


@dataclass(frozen=True, slots=True)
class Dimension:
    """One dimension of the grid of elements."""

    size: int
    offset: float
    delta: float
    description: str
    unit: str


@dataclass(frozen=True, slots=True)
class Calibration:
    """Calibration of one axis of an element: `value = offset + (i - element) * delta`, in SI units."""

    offset: float
    delta: float
    element: int

    @property
    def origin(self) -> float:
        """The value at index 0."""
        return self.offset - self.element * self.delta


@dataclass(slots=True)
class Series:
    """A .ser file. `elements` is an array (element, y, x) or (element, channel), y from the top."""

    spectra: bool
    total: int
    valid: int
    dimensions: list[Dimension]
    calibrations: list[Calibration]  # one for spectra; y, x for images
    elements: Any
    times: list[int] = field(default_factory=list)  # seconds since 1970, UTC, of the first and the last element
    positions: list[tuple[float, float]] = field(default_factory=list)  # of the first two elements, in metres
    header: dict[str, Any] = field(default_factory=dict)


def read_series(path: Path, size: int) -> Series:
    """Read the header of a .ser file and map its elements. Raises Unreadable."""
    with path.open("rb") as file, damaged("the header of the series", size):
        head = file.read(18)
        _order, _id, version, data_kind, tag_kind, total = struct.unpack("<HHHIII", head.ljust(18, b"\x00"))
        if size < 34:
            raise ends_early(size, 34)
        (valid,) = struct.unpack("<I", file.read(4))
        wide = version > 0x210
        (table,) = struct.unpack("<Q" if wide else "<I", file.read(8 if wide else 4))
        (rank,) = struct.unpack("<I", file.read(4))
        if data_kind not in (_SPECTRA, _IMAGES):
            raise Unreadable(f"The series holds data of the kind {data_kind:#x}, which is not known.")
        if not 0 <= rank <= 8 or not 0 <= valid <= total <= MAX_ELEMENTS:
            raise Unreadable(f"The header of the series is damaged: {valid} of {total} elements in {rank} dimensions.")
        if valid == 0:
            raise Unreadable("The series has no element in it: nothing was acquired, or the data are in the .emi file.")
        dimensions = [_dimension(file) for _ in range(rank)]
        width = 8 if wide else 4
        if table + valid * width > size:
            raise ends_early(size, table + total * width * 2)
        offsets = _offsets(file, table, valid, width)
        tags = _offsets(file, table + total * width, valid, width)
        calibrations, shape, dtype, start = _element(file, offsets[0], spectra=data_kind == _SPECTRA)
        elements = _map(path, size, offsets, start, shape, dtype)
        times, positions = _tags(file, tags, tag_kind, size)
    return Series(
        data_kind == _SPECTRA, total, valid, dimensions, calibrations, elements, times, positions,
        {
            "version": version, "data kind": data_kind, "tag kind": tag_kind, "total elements": total,
            "valid elements": valid, "data type": dtype, "element shape": list(shape), "times": times,
            "dimensions": [
                {"size": d.size, "offset": d.offset, "delta": d.delta, "description": d.description, "unit": d.unit}
                for d in dimensions
            ],
            "calibrations": [{"offset": c.offset, "delta": c.delta, "element": c.element} for c in calibrations],
        },
    )  # fmt: skip


def _dimension(file: Any) -> Dimension:
    size, offset, delta, _, length = struct.unpack("<IddII", file.read(28))
    description = _text(file, length)
    (length,) = struct.unpack("<I", file.read(4))
    return Dimension(size, offset, delta, description, _text(file, length))


def _text(file: Any, length: int) -> str:
    if length > 4096:
        raise Unreadable(f"The header of the series is damaged: a name of {length:,} characters.")
    raw: bytes = file.read(length)
    return raw.decode("utf-8", "replace").strip("\x00 ")


def _offsets(file: Any, position: int, count: int, width: int) -> Any:
    import numpy as np

    file.seek(position)
    return np.frombuffer(file.read(count * width), "<u8" if width == 8 else "<u4").astype(np.int64)


def _element(file: Any, position: int, *, spectra: bool) -> tuple[list[Calibration], tuple[int, ...], str, int]:
    """Calibrations, shape, data type and the distance of the pixels from the element's beginning."""
    file.seek(position)
    if spectra:
        offset, delta, element, kind, length = struct.unpack("<ddIHI", file.read(26))
        return [Calibration(offset, delta, element)], (length,), _type(kind), 26
    raw = struct.unpack("<ddIddIHII", file.read(50))
    x, y = Calibration(*raw[0:3]), Calibration(*raw[3:6])
    return [y, x], (raw[8], raw[7]), _type(raw[6]), 50


def _type(kind: int) -> str:
    if kind not in _TYPES:
        raise Unreadable(f"The series has values of the type {kind}, which is not known.")
    return _TYPES[kind]


def _map(path: Path, size: int, offsets: Any, start: int, shape: tuple[int, ...], dtype: str) -> Any:
    """The elements as one array: mapped where they stand at even distances, else put together."""
    import math

    import numpy as np

    stored = np.dtype(dtype)
    length = math.prod(shape) * stored.itemsize
    if not length:
        raise Unreadable(f"The elements of the series have the size {' × '.join(map(str, shape))}.")
    last = int(offsets.max()) + start + length
    if int(offsets.min()) < 0 or last > size:
        raise ends_early(size, last)
    steps = np.diff(offsets)
    if len(offsets) == 1 or (np.all(steps == steps[0]) and steps[0] >= start + length):
        stride = int(steps[0]) if len(offsets) > 1 else start + length
        row = np.dtype({"names": ["v"], "formats": [(stored, shape)], "offsets": [0], "itemsize": stride})
        first = int(offsets[0]) + start
        # The last element has no tag behind it in some files: the map may not reach over the file's end.
        whole = len(offsets) if first + len(offsets) * stride <= size else len(offsets) - 1
        if whole == len(offsets):
            return np.memmap(path, row, "r", offset=first, shape=(whole,))["v"]
    if len(offsets) * length > size:
        raise Unreadable("The elements of the series lie over each other: its header is damaged.")
    result = np.empty((len(offsets), *shape), stored)
    for index, offset in enumerate(offsets):
        result[index] = np.memmap(path, stored, "r", offset=int(offset) + start, shape=shape)
    return result


def _tags(file: Any, tags: Any, kind: int, size: int) -> tuple[list[int], list[tuple[float, float]]]:
    """Times of the first and last element, and where the first two were taken."""
    times: list[int] = []
    positions: list[tuple[float, float]] = []
    chosen = dict.fromkeys([0, min(1, len(tags) - 1), len(tags) - 1]) if len(tags) else {}
    for index in chosen:
        offset = int(tags[index])
        if not 0 < offset <= size - 8:
            continue
        file.seek(offset)
        _kind, _unknown, time = struct.unpack("<HHI", file.read(8))
        if index in (0, len(tags) - 1):
            times.append(time)
        raw = file.read(16)
        if kind == _POSITION_TAG and len(raw) == 16 and index < 2:
            positions.append(struct.unpack("<dd", raw))
    return times, positions
