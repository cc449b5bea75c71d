"""NanoMEGAS blockfiles (.blo): a diffraction pattern for each position of a scan.

The header's layout is the one that rosettasciio reads; its reader needs scikit-image, so the patterns are mapped here.
Every pattern follows six bytes of its own header.
"""

from __future__ import annotations

import struct

from scopeline.domain.files import DatasetType
from scopeline.formats.original import json_values
from scopeline.formats.results import Signal
from scopeline.formats.signals import add_calibration, make_axis, without_single
from scopeline.formats.source import Source, damaged
from scopeline.formats.vocabulary import Parameters

_LAYOUT = struct.Struct("<6sHIIIHHHHHddIHId")
_NAMES = (
    "ID", "MAGIC", "Data_offset_1", "Data_offset_2", "UNKNOWN1", "DP_SZ", "DP_rotation", "NX", "NY", "Scan_rotation",
    "SX", "SY", "Beam_energy", "SDP", "Camera_length", "Acquisition_time",
)  # fmt: skip
_FRAME_HEADER = 6
_DAYS_TO_1970 = 25569  # the time counts days since 1899-12-30, in UTC


def read(source: Source) -> list[Signal]:
    """The one 4-D array: y, x of the scan; y, x of the pattern."""
    import numpy as np

    with source.path.open("rb") as file, damaged("its header", source.size):
        header = dict(zip(_NAMES, _LAYOUT.unpack(file.read(_LAYOUT.size)), strict=True))
    width, height, side = int(header["NX"]), int(header["NY"]), int(header["DP_SZ"])
    start, frame = int(header["Data_offset_2"]), _FRAME_HEADER + side * side
    source.must_hold(start + width * height * frame)
    layout = np.dtype(
        {"names": ["v"], "formats": [("u1", (side, side))], "offsets": [_FRAME_HEADER], "itemsize": frame}
    )
    data = np.memmap(source.path, layout, "r", offset=start, shape=(height, width))["v"]
    warnings: list[str] = []
    # SDP is 100 times the pixels per centimetre on the camera: a length there, not an angle.
    camera = 100.0 / header["SDP"] if header["SDP"] else None
    axes = [
        make_axis("y", height, header["SY"], 0.0, "nm", navigation=True, warnings=warnings),
        make_axis("x", width, header["SX"], 0.0, "nm", navigation=True, warnings=warnings),
        make_axis("dy", side, camera, 0.0, "cm", warnings=warnings),
        make_axis("dx", side, camera, 0.0, "cm", warnings=warnings),
    ]
    found = Parameters()
    found.add("Accelerating Voltage", header["Beam_energy"], "V", origin="header.Beam_energy")
    found.add("Camera Length", header["Camera_length"] / 10, "mm", origin="header.Camera_length")
    found.add("Scan Rotation", header["Scan_rotation"] / 100, "°", origin="header.Scan_rotation")
    add_calibration(found, axes[:2], origin="header.SX")
    data, axes = without_single(data, axes)
    return [
        Signal(
            data=data,
            axes=axes,
            type=DatasetType.DIFFRACTION,
            title=source.title,
            technique="4D-STEM",
            acquired=source.clock.acquired(source.clock.epoch((header["Acquisition_time"] - _DAYS_TO_1970) * 86400)),
            parameters=found.values,
            metadata=json_values({"blockfile header": header}),
            warnings=warnings,
        )
    ]
