"""Tescan: sections of KEY=VALUE lines, in the .hdr file beside the image or in tag 50431, in SI units.

The header's Date and Time are local in older software and UTC in newer; the baseline DateTime is the local time of
saving. A header time after that of saving can only be UTC.
"""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Any

from scopeline.domain.files import Acquired
from scopeline.formats import times
from scopeline.formats.tags import Tags
from scopeline.formats.tiff.page import DATE_TIME, MAKE, Description, Page, sections
from scopeline.formats.times import Stamp

_TAG = 50431


def describe(page: Page) -> Description | None:
    """What the header says; None where it is no Tescan file."""
    if "tescan" not in page.text(MAKE).lower() and _TAG not in page.tags:
        return None
    told = sections(page.companion_text) if page.companion_text else _embedded(page.tags.get(_TAG))
    if not told:
        return None
    beam = next((name for name in ("SEM", "FIB") if name in told), "SEM")
    tags = Tags(told, "hdr" if page.companion_text else "Tescan")
    main, column = tags.group("MAIN"), tags.group(beam)
    found = Description("Tescan", technique=beam, original={"Tescan": told})
    x, y = main.get("PixelSizeX"), main.get("PixelSizeY")
    try:
        found.pixel, found.pixel_tag = (float(x), float(y), "m"), main.path("PixelSizeX")
    except (TypeError, ValueError):
        found.pixel = None
    found.stamps.append(_stamp(page, main))
    _add_parameters(found, main, column)
    return found


def _embedded(tag: Any) -> dict[str, Any]:
    """The sections in the tag: runs of KEY=VALUE lines between binary pieces, the general one first."""
    if not isinstance(tag, bytes):
        return {}
    runs = re.findall(rb"(?:[A-Za-z][A-Za-z0-9]*=[^\x00-\x08\n]*\r?\n){3,}", tag)
    named = ("MAIN", "SEM")
    return {
        name: sections("[x]\n" + run.decode("utf-8", "replace"))["x"] for name, run in zip(named, runs, strict=False)
    }


def _stamp(page: Page, main: Tags) -> Stamp | None:
    text = f"{main.get('Date')} {main.get('Time')}"
    written, saved = times.parse(text, page.clock.day_first), times.parse(page.text(DATE_TIME), page.clock.day_first)
    local = page.clock.text(text)
    if written is None or saved is None or written.tzinfo or saved.tzinfo or written <= saved + timedelta(minutes=1):
        return local
    from datetime import UTC

    return Stamp(Acquired(value=written.replace(tzinfo=UTC), source="utc", text=text))


def _add_parameters(found: Description, main: Tags, column: Tags) -> None:
    values = found.parameters
    main.add(values, "Microscope", "Device")
    main.add(values, "Software", "SoftwareVersion")
    main.add(values, "Operator", "UserName")
    main.add(values, "Magnification", "Magnification")
    main.add(values, "Specimen", "Description")
    main.add(values, "Frames", "AccFrames")
    column.add(values, "Accelerating Voltage", "HV", "V")
    column.add(values, "Accelerating Voltage", "AcceleratorVoltage", "V")
    column.add(values, "Emission Current", "EmissionCurrent", "A")
    column.add(values, "Beam Current", "PredictedBeamCurrent", "A")
    column.add(values, "Working Distance", "WD", "m")
    column.add(values, "Probe Diameter", "SpotSize", "m")
    column.add(values, "Aperture", "ApertureDiameter", "m")
    column.add(values, "Dwell Time", "DwellTime", "s")
    column.add(values, "Detector", "Detector")
    column.add(values, "Gun Type", "Gun")
    column.add(values, "Imaging Mode", "ScanMode")
    column.add(values, "Scan Rotation", "ScanRotation", "°")
    column.add(values, "Chamber Pressure", "ChamberPressure", "Pa")
    column.add(values, "Gas", "InjectedGas")
    for axis in ("X", "Y", "Z"):
        column.add(values, f"Stage {axis}", f"Stage{axis}", "m")
    column.add(values, "Stage Tilt", "StageTilt", "°")
    column.add(values, "Stage Rotation", "StageRotation", "°")
    column.add_vendor(values, "Specimen Current", "SpecimenCurrent", "A")
    column.add_vendor(values, "Scan Speed", "ScanSpeed")
