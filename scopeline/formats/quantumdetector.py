"""Quantum Detectors Merlin (.mib): frames of a pixelated detector; the .hdr file beside it has the scan's size."""

from __future__ import annotations

import re
from typing import Any

from scopeline.formats import rosetta
from scopeline.formats.results import Signal, Unreadable
from scopeline.formats.source import Source
from scopeline.formats.tags import Tags
from scopeline.formats.times import Stamp
from scopeline.formats.vocabulary import Parameters

_BYTES = {"U08": 1, "U16": 2, "U32": 4}  # of a value


def read(source: Source) -> list[Signal]:
    """The frames, as a scan where the header tells its size."""
    frames = _whole_frames(source)
    from rsciio import quantumdetector

    # Without a whole line of the scan, rosettasciio finds no shape for the frames.
    shape = (frames, 1) if frames is not None and _in_line(source) > frames else None
    found = quantumdetector.file_reader(str(source.path), lazy=True, navigation_shape=shape)
    for one in found:
        one["metadata"].pop("General", None)
        _check_number(one, frames, source)

    def stamps(original: Tags) -> list[Stamp | None]:
        frame = str(original.get("mib_properties", "timestamp") or "")
        header = original.get("hdr_file", "Time and Date Stamp (day, mnth, yr, hr, min, s)")
        return [source.clock.text(frame), source.clock.text(header, day_first=True)]

    return rosetta.signals(source, found, technique="Diffraction", stamps=stamps, add=_add)


def _whole_frames(source: Source) -> int | None:
    """How many frames the file holds completely; None for raw data, whose packing depends on the counter's depth.

    Each frame has a header of text: "MQ1", its number, the header's length, the number of chips, width, height and the
    type of the values (Quantum Detectors, Merlin data file format).
    """
    with source.path.open("rb") as file:
        fields = file.read(64).decode("latin-1").split(",")
    try:
        header, width, height, kind = int(fields[2]), int(fields[4]), int(fields[5]), fields[6]
    except (IndexError, ValueError):
        raise Unreadable("The header of the first frame is damaged: it has no size of the frames.") from None
    if kind not in _BYTES:
        return None
    frame = header + width * height * _BYTES[kind]
    if min(header, width, height) <= 0:
        raise Unreadable(f"The header of the first frame is damaged: {width} × {height} values.")
    source.must_hold(frame)
    whole, rest = divmod(source.size, frame)
    if rest:
        source.warnings.append(
            f"The file ends in the middle of frame {whole + 1}: it was not written or copied completely."
        )
    return whole


def _in_line(source: Source) -> int:
    """How many frames the .hdr file promises for a line of the scan; 0 where it does not tell."""
    header = source.companion(".hdr")
    if header is None:
        return 0
    told = re.search(rb"Frames per Trigger \(Number\):\s*(\d+)", header.read_bytes())
    return int(told[1]) if told else 0


def _check_number(one: dict[str, Any], frames: int | None, source: Source) -> None:
    """Hold the number of frames against that in the .hdr file."""
    promised = Tags(one["original_metadata"], "").get("hdr_file", "Frames in Acquisition (Number)")
    if frames is not None and str(promised).isdecimal() and int(promised) > frames:
        source.warnings.append(f"The header promises {int(promised):,} frames; the file has {frames:,}.")


def _add(found: Parameters, original: Tags) -> None:
    frame, header = original.group("mib_properties"), original.group("hdr_file")
    found.add("Detector", "Merlin", origin=frame.path("assembly_size"))
    found.add("Exposure Time", frame.get("exposure"), "ms", origin=frame.path("exposure"))
    header.add_vendor(found, "Counter Depth", "Counter Depth (number)")
    header.add_vendor(found, "Gain", "Gain")
    header.add_vendor(found, "Chip Mode", "Chip Mode  (SPM, CSM, CM, CSCM)")
