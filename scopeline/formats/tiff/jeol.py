"""JEOL SightX: XML in the image description. The pixels' size on the camera is the baseline resolution."""

from __future__ import annotations

import math
from typing import Any

from scopeline.formats import xmltext
from scopeline.formats.tags import Tags
from scopeline.formats.tiff.page import IMAGE_DESCRIPTION, MAKE, Description, Page

_INCH, _CENTIMETRE = 0.0254, 0.01
_LENGTHS = {"mm": 1e-3, "cm": 1e-2, "m": 1.0}


def describe(page: Page) -> Description | None:
    """What the description says; None where it is no JEOL file."""
    if page.text(MAKE) != "JEOL Ltd." or "<" not in page.text(IMAGE_DESCRIPTION)[:200]:
        return None
    values = xmltext.as_dict(xmltext.parse(page.text(IMAGE_DESCRIPTION), "The JEOL description"))
    tags = Tags(values if isinstance(values, dict) else {}, "JEOL")
    optics = tags.group("ImageFormingSystem")
    scanning = tags.get("Eos", "EosMode") == "modeASID"
    found = Description("JEOL", technique="STEM" if scanning else "TEM", original={"JEOL": dict(tags.values)})
    found.diffraction = not scanning and optics.get("ModeString") == "DIFF"
    found.pixel, found.pixel_tag = _pixel(page, tags, scanning), optics.path("SelectorValue")
    found.stamps.append(page.clock.text(tags.get("DateTime")))
    _add_parameters(found, tags, optics)
    return found


def _pixel(page: Page, tags: Tags, scanning: bool) -> tuple[float, float, str] | None:
    resolution, optics = page.resolution(), tags.group("ImageFormingSystem")
    if scanning or resolution is None:
        return None
    unit = _INCH if page.tags.get(296) == 2 else _CENTIMETRE
    try:
        selected = float(optics.get("SelectorValue"))
        if optics.get("ModeString") == "MAG":
            return unit / resolution[0] / selected, unit / resolution[1] / selected, "m"
        if optics.get("ModeString") == "DIFF":
            length = selected * _LENGTHS.get(str(optics.get("SelectorUnitString")), 1.0)
            step = unit / (length * wavelength(float(tags.get("ElectronGun", "AccelerationVoltage"))))
            return step / resolution[0], step / resolution[1], "1/m"
    except (TypeError, ValueError, ZeroDivisionError):
        return None
    return None


def wavelength(volts: float) -> float:
    """The relativistic wavelength of electrons in metres (de Broglie): h / sqrt(2 m e U (1 + e U / 2 m c²))."""
    planck, mass, charge, light = 6.62607015e-34, 9.1093837015e-31, 1.602176634e-19, 299792458.0
    energy = charge * volts
    return planck / math.sqrt(2 * mass * energy * (1 + energy / (2 * mass * light**2)))


def _add_parameters(found: Description, tags: Tags, optics: Tags) -> None:
    values, gun, light = found.parameters, tags.group("ElectronGun"), tags.group("IlluminationSystem")
    tags.add(values, "Microscope", "Instruments")
    tags.add(values, "Manufacturer", "Manufacturer")
    tags.add(values, "Operator", "Operator")
    tags.add(values, "Specimen", "Specimen")
    gun.add(values, "Accelerating Voltage", "AccelerationVoltage", "V")
    values.add("Gun Type", str(gun.get("FilamentType") or "").removeprefix("filament"), origin=gun.path("FilamentType"))
    gun.add(values, "Emission Current", "EmissionCurrent", "µA")
    light.add(values, "Spot Size", "SpotSizeString")
    values.add("Illumination Mode", str(light.get("Mode") or "").removeprefix("mode"), origin=light.path("Mode"))
    field = str(light.get("ImageField") or "").removeprefix("mode")
    values.add_vendor("Image Field", field, origin=light.path("ImageField"))
    optics.add(values, "Imaging Mode", "ModeString")
    selected: Any = optics.get("SelectorUnitString")
    if selected in ("X", "x"):
        optics.add(values, "Magnification", "SelectorValue")
    elif selected in _LENGTHS:
        optics.add(values, "Camera Length", "SelectorValue", selected)
    stage = tags.group("GonioStage", "StagePosition")
    for axis in ("X", "Y", "Z"):
        stage.add(values, f"Stage {axis}", f"M{axis}", "µm")
    stage.add(values, "Stage Alpha", "TX", "°")
    stage.add(values, "Stage Beta", "TY", "°")
