"""MRC files: images, tilt series and movies; FEI's and Direct Electron's additions to the header.

FEI's extended header has 1024 rows, one for each section and zeros for the rest: angles in degrees; lengths in metres,
in older files in µm where a stage position exceeds 1 (FEI, Extended header of MRC files; IMOD reads it the same way).
"""

from __future__ import annotations

import re
import struct
from typing import Any

from scopeline.formats import rosetta, units
from scopeline.formats.results import Signal, Unreadable
from scopeline.formats.source import Source
from scopeline.formats.tags import Tags
from scopeline.formats.vocabulary import Parameters

_HEADER = 1024
_BYTES = {0: 1, 1: 2, 2: 4, 3: 4, 4: 8, 6: 2, 12: 2, 101: 0.5}  # of one value, by the header's mode (MRC2014)
_LABELS = 224  # where ten texts of 80 characters stand
_LABEL_TIME = re.compile(r"\d{1,2}-[A-Za-z]{3}-\d{2,4}\s+\d{1,2}:\d\d:\d\d")
_MICROSCOPE = ("a_tilt", "b_tilt", "x_stage", "y_stage", "z_stage", "defocus", "exp_time", "magnification")
_UNEVEN = 0.05  # of the mean step: how far a tilt may be from its place on an even scale


def read(source: Source) -> list[Signal]:
    """The one array of the file."""
    labels = _checked_labels(source)
    from rsciio import mrc

    (found,) = mrc.file_reader(str(source.path), lazy=True)
    # rosettasciio takes whole columns of FEI's header for one value each.
    found["mapping"] = {k: v for k, v in (found.get("mapping") or {}).items() if not k.startswith("fei_header")}
    sections = _sections(found)

    # Every program that writes the file adds a label; the first one is of the acquisition.
    times = [source.clock.text(time[0]) for label in labels if (time := _LABEL_TIME.search(label))][:1]

    def add(parameters: Parameters, original: Tags) -> None:
        _add_sections(parameters, sections)
        _add_camera(parameters, original)

    technique = _technique(labels, found)
    signals = rosetta.signals(source, [found], technique=technique, stamps=lambda _: list(times), add=add)
    for signal in signals:
        _calibrate_tilts(signal, sections.get("a_tilt", []))
        if any(labels):
            signal.metadata["labels"] = [label for label in labels if label]
    return signals


def _checked_labels(source: Source) -> list[str]:
    """The labels of the header, whose sizes are held against the file's length."""
    source.must_hold(_HEADER)
    with source.path.open("rb") as file:
        head = file.read(_HEADER)
    nx, ny, nz, mode = struct.unpack_from("<4i", head)
    (extended,) = struct.unpack_from("<i", head, 92)
    if min(nx, ny, nz) <= 0 or mode not in _BYTES or extended < 0:
        if head[212:214] == b"\x11\x11":
            raise Unreadable("The MRC file was written with the most significant byte first, which is not read.")
        raise Unreadable(f"The MRC header is damaged: {nx} × {ny} × {nz} values of mode {mode}.")
    source.must_hold(_HEADER + extended + int(nx * ny * nz * _BYTES[mode]))
    texts = (head[start : start + 80] for start in range(_LABELS, _HEADER, 80))
    return [text.decode("latin-1").replace("\x00", " ").strip() for text in texts]


def _technique(labels: list[str], found: dict[str, Any]) -> str | None:
    """STEM or TEM where the labels say so, or where the file is of a camera for transmission microscopes."""
    words = re.findall(r"\w+", " ".join(labels).upper())
    if "STEM" in words or "HAADF" in words:
        return "STEM"
    return "TEM" if "TEM" in words or "de_metadata" in Tags(found["original_metadata"], "").values else None


def _sections(found: dict[str, Any]) -> dict[str, list[float]]:
    """The columns of FEI's extended header: a value for each section of the stack."""
    columns = Tags(found["original_metadata"], "").group("fei_header")
    count = found["data"].shape[0] if found["data"].ndim == 3 else 1
    return {name: [float(v) for v in column[:count]] for name, column in columns.values.items() if column.ndim == 1}


def _add_sections(parameters: Parameters, sections: dict[str, list[float]]) -> None:
    """What FEI's header says of the sections; of what changes a little from one to the next, the first one's value."""
    if not any(any(sections.get(column, [])) for column in _MICROSCOPE):
        return  # another program filled in the pixels only

    def first(column: str) -> float | None:
        values = sections.get(column)
        return values[0] if values else None

    stage = [first(column) for column in ("x_stage", "y_stage", "z_stage")]
    length = "µm" if any(value is not None and abs(value) > 1 for value in stage) else "m"
    for name, value in zip("XYZ", stage, strict=True):
        parameters.add(f"Stage {name}", value, length, origin=f"fei_header.{name.lower()}_stage")
    tilts = [units.tidy(tilt) for tilt in sections.get("a_tilt", [])]
    if len(set(tilts)) > 1:
        shown = f"{min(tilts):.4g}° to {max(tilts):.4g}°, {len(tilts)} tilts"
        parameters.add("Tilt Range", shown, origin="fei_header.a_tilt")
        parameters.add("Tilt Axis", first("tilt_axis"), "°", origin="fei_header.tilt_axis")
    else:
        parameters.add("Stage Alpha", first("a_tilt"), "°", origin="fei_header.a_tilt")
    parameters.add("Stage Beta", first("b_tilt"), "°", origin="fei_header.b_tilt")
    parameters.add("Defocus", first("defocus"), length, origin="fei_header.defocus")
    parameters.add("Exposure Time", first("exp_time") or None, "s", origin="fei_header.exp_time")
    parameters.add("Magnification", first("magnification") or None, origin="fei_header.magnification")


def _calibrate_tilts(signal: Signal, tilts: list[float]) -> None:
    """Make the stack's axis one of tilts, in degrees where they are evenly spaced."""
    if len(tilts) < 2 or signal.axes[0].size != len(tilts) or not signal.axes[0].navigation or len(set(tilts)) == 1:
        return
    axis, step = signal.axes[0], (tilts[-1] - tilts[0]) / (len(tilts) - 1)
    axis.name = "tilt"
    if step and all(abs(tilts[0] + i * step - tilt) <= _UNEVEN * abs(step) for i, tilt in enumerate(tilts)):
        axis.scale, axis.offset, axis.unit = units.tidy(step), units.tidy(tilts[0]), "°"


def _add_camera(found: Parameters, original: Tags) -> None:
    detector = original.group("de_metadata")
    detector.add(found, "Detector", "Camera Model")
    detector.add(found, "Exposure Time", "Exposure Time (seconds)", "s")
    detector.add(found, "Accelerating Voltage", "Instrument Project TEM Voltage", "kV")
