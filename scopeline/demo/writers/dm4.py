"""Gatan DigitalMicrograph files, version 4: a tag tree with the pixels as one of its leaves.

The layout is known from people's reverse engineering (er-c.org/cbb/info/dmformat; rosettasciio reads it): a header of
version, length and byte order; then groups of tags, whose structure is big-endian and whose values are little-endian.
Pixels are written block by block, so that a file may be larger than memory.
"""

from __future__ import annotations

import hashlib
import struct
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

# The codes of simple types in tags, by numpy's names. Text is an array of uint16 characters.
_TAG_TYPES = {
    "int16": 2,
    "int32": 3,
    "uint16": 4,
    "uint32": 5,
    "float32": 6,
    "float64": 7,
    "bool": 8,
    "int8": 9,
    "uint8": 10,
    "int64": 11,
    "uint64": 12,
}
_STRUCT, _ARRAY = 15, 20
_GROUP, _VALUE = 20, 21

# The codes of pixel types in ImageData.DataType.
PIXEL_TYPES = {
    "int16": 1,
    "float32": 2,
    "uint8": 6,
    "int32": 7,
    "int8": 9,
    "uint16": 10,
    "uint32": 11,
    "float64": 12,
}

Tag = Any  # bool, int, float, str, numpy scalar or 1-D array, tuple of numbers, mapping, sequence, Pixels


@dataclass(frozen=True, slots=True)
class Pixels:
    """The pixels of an image: `count` values of `dtype`, which `blocks` gives in order when called."""

    dtype: str
    count: int
    blocks: Callable[[], Iterable[NDArray[np.generic]]]

    @property
    def nbytes(self) -> int:
        """How many bytes they take."""
        return self.count * np.dtype(self.dtype).itemsize


@dataclass(frozen=True, slots=True)
class Dimension:
    """One axis, from the fastest on: `origin` is in pixels, as the file has it (value = (pixel - origin) * scale)."""

    size: int
    scale: float = 1.0
    unit: str = ""
    origin: float = 0.0


def image_document(
    name: str,
    dimensions: Sequence[Dimension],
    pixels: Pixels,
    tags: Mapping[str, Tag],
    brightness_unit: str = "",
) -> dict[str, Tag]:
    """The tag tree of a document with one image, whose `tags` become ImageTags."""
    return {
        "DocumentObjectList": [{"AnnotationGroupList": [], "AnnotationType": np.int32(20), "ImageSource": 0}],
        "HasWindowPosition": True,
        "ImageList": [
            {
                "ImageData": {
                    "Calibrations": {
                        "Brightness": {"Origin": np.float32(0), "Scale": np.float32(1), "Units": brightness_unit},
                        "Dimension": [
                            {"Origin": np.float32(d.origin), "Scale": np.float32(d.scale), "Units": d.unit}
                            for d in dimensions
                        ],
                        "DisplayCalibratedUnits": True,
                    },
                    "Data": pixels,
                    "DataType": np.uint32(PIXEL_TYPES[pixels.dtype]),
                    "Dimensions": [np.uint32(d.size) for d in dimensions],
                    "PixelDepth": np.uint32(np.dtype(pixels.dtype).itemsize),
                },
                "ImageTags": tags,
                "Name": name,
                "UniqueID": [np.uint32(part) for part in _unique_id(name)],
            }
        ],
        "ImageSourceList": [{"ClassName": "ImageSource:Simple", "Id": [np.uint32(0)], "ImageRef": np.int32(0)}],
        "InImageMode": True,
        "MinVersionList": [{"RequiredVersion": np.int32(50659328)}],
    }


def pixels_of(data: NDArray[np.generic]) -> Pixels:
    """Pixels that are in memory, in C order (the last axis of `data` is the fastest)."""
    return Pixels(data.dtype.name, data.size, lambda: (data,))


def write(path: Path, document: Mapping[str, Tag]) -> None:
    """Write a tag tree as a DM4 file. Raises TypeError for a value that has no tag type."""
    with path.open("wb") as file:
        parts = list(_group_body(document))
        file.write(struct.pack(">IQI", 4, sum(_size(part) for part in parts), 1))
        for part in parts:
            _write_part(file, part)
        file.write(bytes(8))


_Part = bytes | Pixels


def _write_part(file: BinaryIO, part: _Part) -> None:
    if isinstance(part, bytes):
        file.write(part)
        return
    start = file.tell()
    for block in part.blocks():
        file.write(np.ascontiguousarray(block, dtype=np.dtype(part.dtype).newbyteorder("<")).data)
    if file.tell() - start != part.nbytes:
        raise ValueError(f"The blocks have {file.tell() - start} bytes, {part.count} {part.dtype} need {part.nbytes}.")


def _size(part: _Part) -> int:
    return len(part) if isinstance(part, bytes) else part.nbytes


def _group_body(value: Mapping[str, Tag] | Sequence[Tag]) -> Iterator[_Part]:
    """Sorted and open flags, the number of tags, the tags."""
    items = list(value.items()) if isinstance(value, Mapping) else [("", item) for item in value]
    yield b"\x01\x00" + struct.pack(">Q", len(items))
    for name, item in items:
        yield from _tag(name, item)


def _tag(name: str, value: Tag) -> Iterator[_Part]:
    label = name.encode("latin-1")
    is_group = isinstance(value, (Mapping, list))
    parts = list(_group_body(value) if is_group else _value_body(value))
    kind = _GROUP if is_group else _VALUE
    yield struct.pack(">BH", kind, len(label)) + label + struct.pack(">Q", sum(_size(part) for part in parts))
    yield from parts


def _value_body(value: Tag) -> Iterator[_Part]:
    if isinstance(value, Pixels):
        yield _info(_ARRAY, _TAG_TYPES[value.dtype], value.count)
        yield value
    elif isinstance(value, str):
        text = value.encode("utf-16-le")
        yield _info(_ARRAY, _TAG_TYPES["uint16"], len(text) // 2) + text
    elif isinstance(value, np.ndarray):
        yield _info(_ARRAY, _TAG_TYPES[value.dtype.name], value.size) + value.tobytes()
    elif isinstance(value, tuple):
        scalars = [_scalar(item) for item in value]
        fields = [number for scalar in scalars for number in (0, _TAG_TYPES[scalar.dtype.name])]
        yield _info(_STRUCT, 0, len(scalars), *fields) + b"".join(scalar.tobytes() for scalar in scalars)
    else:
        scalar = _scalar(value)
        yield _info(_TAG_TYPES[scalar.dtype.name]) + scalar.tobytes()


def _info(*numbers: int) -> bytes:
    return b"%%%%" + struct.pack(f">{len(numbers) + 1}Q", len(numbers), *numbers)


def _scalar(value: Tag) -> np.generic:
    """The value with its tag type: numpy scalars keep theirs, an int is an int32, a float a float64."""
    if isinstance(value, np.generic):
        return value
    if isinstance(value, bool):
        return np.bool_(value)
    if isinstance(value, int):
        return np.int32(value)
    if isinstance(value, float):
        return np.float64(value)
    raise TypeError(f"A DM tag cannot hold {value!r} of type {type(value).__name__}.")


def _unique_id(name: str) -> tuple[int, ...]:
    return struct.unpack("<4I", hashlib.md5(name.encode(), usedforsecurity=False).digest())
