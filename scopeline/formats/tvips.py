"""TVIPS streams: movies and scans of a camera, in one or several numbered files."""

from __future__ import annotations

import struct

from scopeline.formats import rosetta
from scopeline.formats.results import Signal, Unreadable
from scopeline.formats.source import Source
from scopeline.formats.tags import Tags
from scopeline.formats.vocabulary import Parameters

_HEADER = 256  # bytes of the first file's header


def read(source: Source) -> list[Signal]:
    """The frames as a stack."""
    _check_length(source)
    from rsciio import tvips

    found = tvips.file_reader(str(source.path), lazy=True)
    stamps = []
    for one in found:
        # rosettasciio's date depends on this computer's zone; the time axis begins with the stamp itself.
        one["metadata"].pop("General", None)
        for axis in one["axes"]:
            if axis.get("units") == "s" and axis.get("navigate"):
                stamps.append(source.clock.epoch(axis["offset"]))
                axis["offset"] = 0.0
            elif axis.get("scale") == 1:
                axis["units"] = None  # the reader's guess where the header has no pixel size
    return rosetta.signals(source, found, technique="TEM", stamps=lambda _: list(stamps), add=_add)


def _check_length(source: Source) -> None:
    """Hold the files' lengths against the size of a frame: the first has a header, each frame too."""
    source.must_hold(_HEADER)
    with source.path.open("rb") as file:
        head = file.read(_HEADER)
    start, _version, across, down, bits = struct.unpack_from("<5I", head)
    (frame_header,) = struct.unpack_from("<I", head, 48)
    frame = frame_header + across * down * (bits // 8)
    if not across * down * (bits // 8):
        raise Unreadable(f"The header is damaged: frames of {across} × {down} values of {bits} bits.")
    source.must_hold(start + frame)
    parts = [(source.path.name, source.size - start), *((p.name, p.stat().st_size) for p in source.companions)]
    for name, length in parts:
        if length % frame:
            raise Unreadable(
                f"{name} ends in the middle of its frame {length // frame + 1}: "
                "it was not written or copied completely."
            )


def _add(found: Parameters, original: Tags) -> None:
    header = original.group("tvips_header")
    header.add(found, "Accelerating Voltage", "ht", "kV")
    across, down = header.get("binx"), header.get("biny")
    if across and down:
        found.add("Binning", f"{across} × {down}", origin=header.path("binx"))
