"""Thermo Fisher/FEI SEM and FIB: tags 34680 (FEI_SFEG) and 34682 (FEI_HELIOS) hold text in sections, in SI units."""

from __future__ import annotations

from typing import Any

from scopeline.formats.tags import Tags
from scopeline.formats.tiff.page import Description, Page, sections

_LARGEST_BAR = 0.3  # of the image's height
_TAGS = (34682, 34680)
_TECHNIQUES = {"EBeam": "SEM", "IBeam": "FIB", "IRBeam": "Optical", "CCD": "Optical", "NavCam": "Optical"}


def describe(page: Page) -> Description | None:
    """What the tags say; None where it is no FEI file."""
    code = next((code for code in _TAGS if page.tags.get(code)), None)
    if code is None:
        return None
    value = page.tags[code]
    told: dict[str, Any] = value if isinstance(value, dict) else sections(page.text(code))
    tags = Tags(told, "FEI")
    beam = str(tags.get("Beam", "Beam") or "EBeam")
    column, scan = tags.group(beam), tags.group(str(tags.get("Beam", "Scan") or "EScan"))
    found = Description("Thermo Fisher/FEI", technique=_TECHNIQUES.get(beam, "SEM"), original={"FEI": told})
    found.stamps.append(page.clock.text(tags.get("User", "Date"), tags.get("User", "Time")))
    found.pixel, found.pixel_tag = _pixel(tags, scan, column, page)
    found.data_bar = _data_bar(tags, page)
    _add_parameters(found, tags, column, scan)
    return found


def _data_bar(tags: Tags, page: Page) -> int:
    """The rows beyond the picture's own; a picture that was saved without its bar or cut has none."""
    rows = _number(tags.get("Image", "ResolutionY"))
    below = page.height - int(rows) if rows else 0
    return below if 0 < below <= page.height * _LARGEST_BAR else 0


def _pixel(tags: Tags, scan: Tags, column: Tags, page: Page) -> tuple[tuple[float, float, str] | None, str]:
    for group in (scan, tags.group("Scan")):
        x, y = _number(group.get("PixelWidth")), _number(group.get("PixelHeight"))
        if x and y:
            return (x, y, "m"), group.path("PixelWidth")
    width, height = _number(column.get("HFW")), _number(column.get("VFW"))
    if width and height:  # the height of the picture without its data bar is not told: pixels are square
        return (width / page.width, width / page.width, "m"), column.path("HFW")
    return None, ""


def _number(value: Any) -> float | None:
    try:
        return float(value)
    except (TypeError, ValueError):
        return None


def _add_parameters(found: Description, tags: Tags, column: Tags, scan: Tags) -> None:
    values, system, stage = found.parameters, tags.group("System"), tags.group("Stage")
    system.add(values, "Microscope", "SystemType")
    system.add(values, "Software", "Software")
    tags.group("User").add(values, "Operator", "User")
    tags.group("User").add(values, "Specimen", "UserText")
    for beam in (column, tags.group("Beam")):
        beam.add(values, "Accelerating Voltage", "HV", "V")
        beam.add(values, "Beam Current", "BeamCurrent", "A")
        beam.add(values, "Spot Size", "Spot")
        beam.add(values, "Scan Rotation", "ScanRotation", "rad")
    column.add(values, "Emission Current", "EmissionCurrent", "A")
    column.add(values, "Aperture", "ApertureDiameter", "m")
    column.add(values, "Field of View", "HFW", "m")
    column.add(values, "Working Distance", "WD", "m")
    column.add(values, "Gun Type", "Source")
    column.add_vendor(values, "Lens Mode", "LensMode")
    scan.add(values, "Dwell Time", "Dwell", "s")
    scan.add(values, "Frame Time", "FrameTime", "s")
    scan.add(values, "Line Time", "LineTime", "s")
    tags.group("Scan").add(values, "Dwell Time", "Dwelltime", "s")
    detector = tags.group("Detectors")
    detector.add(values, "Detector", "Name")
    detector.add_vendor(values, "Detector Mode", "Mode")
    for axis in ("X", "Y", "Z"):
        stage.add(values, f"Stage {axis}", f"Stage{axis}", "m")
        column.add(values, f"Stage {axis}", f"Stage{axis}", "m")
    stage.add(values, "Stage Rotation", "StageR", "rad")
    stage.add(values, "Stage Tilt", "StageT", "rad")
    column.add(values, "Stage Tilt", "StageTa", "rad")
    tags.group("Vacuum").add(values, "Chamber Pressure", "ChPressure", "Pa")
    tags.group("Vacuum").add(values, "Gas", "Gas")
    tags.group("Image").add(values, "Frames", "Integrate")
    tags.group("EBeamDeceleration").add(values, "Landing Voltage", "LandingEnergy", "V")
