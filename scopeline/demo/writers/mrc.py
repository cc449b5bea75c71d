"""MRC2014 image stacks with the extended header of FEI's tomography software (1024 rows of 128 bytes).

Cheng et al., J. Struct. Biol. 192 (2015) 146; the rows' fields are those that rosettasciio and IMOD know.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

_MODES = {"int8": 0, "int16": 1, "float32": 2, "uint16": 6}
_ROWS, _ROW_BYTES = 1024, 128


@dataclass(frozen=True, slots=True)
class Exposure:
    """How one section was acquired, in FEI's order and units: degrees, metres, seconds."""

    alpha: float
    beta: float
    stage_x: float
    stage_y: float
    stage_z: float
    shift_x: float
    shift_y: float
    defocus: float
    exposure: float
    mean: float
    tilt_axis: float
    pixel: float
    magnification: float


@dataclass(frozen=True, slots=True)
class Statistics:
    """Of all pixels of a stack."""

    lowest: float
    highest: float
    mean: float
    deviation: float


def write(path: Path, stack: NDArray[np.generic], exposures: list[Exposure], label: str, when: datetime) -> None:
    """Write `stack` (section, y, x), one exposure for each section; `when` is the local time in the file's label."""
    values = np.asarray(stack, dtype=float)
    statistics = Statistics(float(values.min()), float(values.max()), float(values.mean()), float(values.std()))
    with path.open("wb") as file:
        file.write(headers(stack.shape, stack.dtype.name, statistics, exposures, label, when))
        file.write(np.ascontiguousarray(stack, dtype=stack.dtype.newbyteorder("<")).data)


def headers(
    shape: tuple[int, ...],
    dtype: str,
    statistics: Statistics,
    exposures: list[Exposure],
    label: str,
    when: datetime,
) -> bytes:
    """What comes before the pixels, little-endian and in C order: both headers of a stack of `shape` (section, y, x).

    The extended header has room for 1024 sections; those after have no exposure.
    """
    sections, height, width = shape
    pixel = exposures[0].pixel * 1e10  # angstrom
    words = np.zeros(256, dtype="<i4")
    reals = words.view("<f4")
    words[0:4] = width, height, sections, _MODES[dtype]
    words[7:10] = width, height, sections
    reals[10:13] = width * pixel, height * pixel, sections * pixel
    reals[13:16] = 90.0
    words[16:19] = 1, 2, 3
    reals[19:22] = statistics.lowest, statistics.highest, statistics.mean
    words[23] = _ROWS * _ROW_BYTES
    reals[54] = statistics.deviation
    words[55] = 2
    header = bytearray(words.tobytes())
    header[208:216] = b"MAP \x44\x44\x00\x00"
    for line, text in enumerate((label, f"Created {when:%d-%b-%Y %H:%M:%S}")):
        header[224 + 80 * line : 304 + 80 * line] = text.encode("ascii")[:80].ljust(80)
    rows = np.zeros((_ROWS, _ROW_BYTES // 4), dtype="<f4")
    for row, e in zip(rows, exposures, strict=False):
        row[:13] = (
            *(e.alpha, e.beta, e.stage_x, e.stage_y, e.stage_z, e.shift_x, e.shift_y),
            *(e.defocus, e.exposure, e.mean, e.tilt_axis, e.pixel, e.magnification),
        )
    return bytes(header) + rows.tobytes()
