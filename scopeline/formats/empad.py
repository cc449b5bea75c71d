"""EMPAD: an XML description and the detector's frames in the .raw file that it names."""

from __future__ import annotations

from scopeline.formats import rosetta, xmltext
from scopeline.formats.results import Signal, Unreadable
from scopeline.formats.source import Source
from scopeline.formats.tags import Tags
from scopeline.formats.times import Stamp
from scopeline.formats.vocabulary import Parameters


def read(source: Source) -> list[Signal]:
    """The one scan or series."""
    root = xmltext.parse(source.path.read_bytes(), "The description")
    raw = root.find("raw_file")
    name = (raw.get("filename") if raw is not None else None) or ""
    if not name or "/" in name or "\\" in name or name.startswith("."):
        raise Unreadable(f"The description names its data file {name!r}, which is not the name of a file beside it.")
    if name not in [companion.name for companion in source.companions]:
        raise Unreadable(f"The data of this file, {name}, are not beside it.")
    from rsciio import empad

    def stamps(original: Tags) -> list[Stamp | None]:
        when = original.group("root", "timestamp")
        return [source.clock.epoch(when.get("timestamp")), source.clock.text(when.get("isoformat"))]

    found = empad.file_reader(str(source.path), lazy=True)
    return rosetta.signals(source, found, technique="Diffraction", stamps=stamps, add=_add)


def _add(found: Parameters, original: Tags) -> None:
    root = original.group("root")
    found.add("Detector", "EMPAD", origin=root.path("type"))
    root.add(found, "Exposure Time", "exposure_time", "ms")
    root.add(found, "Software", "software_version")
    measured = root.group("iom_measurements")
    measured.add(found, "Accelerating Voltage", "high_voltage", "V")
    measured.add(found, "Camera Length", "nominal_camera_length", "m")
