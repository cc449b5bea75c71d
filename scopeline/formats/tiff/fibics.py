"""Fibics (NPVE, Atlas) on Zeiss and Orion instruments: XML in tag 51023."""

from __future__ import annotations

import re
from typing import Any

from scopeline.formats import xmltext
from scopeline.formats.tiff.page import Description, Page

_TAG = 51023

# Path of the element -> the vocabulary's name; units stand in the element's attribute.
_NAMES = (
    ("Application/Version", "Software", None), ("Image/Machine", "Microscope", None),
    ("Image/Aperture", "Aperture", None), ("Image/Detector", "Detector", None), ("Scan/Dwell", "Dwell Time", None),
    ("Scan/LineAvg", "Frames", None), ("Scan/FOV_X", "Field of View", None), ("Scan/ScanRot", "Scan Rotation", None),
    ("Scan/Focus", "Working Distance", "m"), ("Stage/X", "Stage X", None), ("Stage/Y", "Stage Y", None),
    ("Stage/Z", "Stage Z", None), ("Stage/Tilt", "Stage Tilt", None), ("Stage/Rot", "Stage Rotation", None),
)  # fmt: skip
# Items of BeamInfo and DetectorInfo.
_ITEMS = {
    "BeamI": ("Beam Current", "pA"), "AccV": ("Accelerating Voltage", "V"), "GFISGas": ("Ion Species", None),
    "SpotControl": ("Spot Size", None), "Stage Bias": ("Stage Bias", "V"), "Collector": ("Collector Voltage", "V"),
}  # fmt: skip


def describe(page: Page) -> Description | None:
    """What the tag says; None where it is no Fibics file."""
    text = page.text(_TAG)
    if not text:
        return None
    # The declared encoding is that of the file; the tag was decoded already.
    root = xmltext.parse(re.sub(r"^\s*<\?xml[^>]*\?>", "", text), "The Fibics tag")
    beam = (root.findtext("Image/Beam") or "").lower()
    found = Description("Fibics", original={"Fibics": xmltext.as_dict(root)})
    found.technique = "HIM" if "orion" in beam else "FIB" if "ion" in beam or "fib" in beam else "SEM"
    for path, name, unit in _NAMES:
        element = root.find(path)
        if element is not None:
            told = element.get("units") or unit
            found.parameters.add(name, element.text, told, origin=f"Fibics.{path.replace('/', '.')}")
    for item in [*root.findall("BeamInfo/item"), *root.findall("DetectorInfo/item")]:
        _add_item(found, item)
    found.pixel, found.pixel_tag = _pixel(root, page), "Fibics.Scan.FOV_X"
    found.stamps.append(page.clock.text(root.findtext("Application/Date")))
    return found


def _add_item(found: Description, item: Any) -> None:
    label = item.get("name") or ""
    name, unit = _ITEMS.get(label, (None, None))
    if name is None:
        return
    value = re.sub(r"^=?\s*([-+.\deE]+)\s*V$", r"\1", (item.text or "").strip())
    if name == "Collector Voltage":
        found.parameters.add_vendor(name, value, unit, origin=f"Fibics.DetectorInfo.{label}")
    else:
        found.parameters.add(name, value, unit, origin=f"Fibics.item.{label}")


def _pixel(root: Any, page: Page) -> tuple[float, float, str] | None:
    across, down = root.find("Scan/FOV_X"), root.find("Scan/FOV_Y")
    try:
        width, height = (
            int(root.findtext("Image/Width") or page.width),
            int(root.findtext("Image/Height") or page.height),
        )
        return float(across.text) / width, float(down.text) / height, across.get("units") or "um"
    except (AttributeError, TypeError, ValueError, ZeroDivisionError):
        return None
