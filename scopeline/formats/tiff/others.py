"""Software that adds little more than a calibration: Olympus (SIS), Gatan's export, ImageJ."""

from __future__ import annotations

from typing import Any

from scopeline.formats.tags import Tags
from scopeline.formats.tiff.page import Description, Page

_OLYMPUS_TAGS = (33560, 33471)
# Gatan's export: units, origins and scales of x, y and z (the tags come in threes).
_GATAN_UNIT, _GATAN_ORIGIN, _GATAN_SCALE = (65003, 65004, 65005), (65006, 65007, 65008), (65009, 65010, 65011)


def olympus(page: Page) -> Description | None:
    """Olympus Soft Imaging Solutions: sizes in metres."""
    values: Any = next((page.tags[code] for code in _OLYMPUS_TAGS if isinstance(page.tags.get(code), dict)), None)
    if values is None:
        return None
    tags = Tags(values, "OlympusSIS")
    found = Description("Olympus SIS", original={"OlympusSIS": values})
    x, y = tags.get("pixelsizex"), tags.get("pixelsizey")
    if isinstance(x, float) and isinstance(y, float):
        found.pixel, found.pixel_tag = (x, y, "m"), tags.path("pixelsizex")
        # Below 30 nm no light microscope samples: the camera sits on an electron microscope.
        found.technique = "TEM" if x < 3e-8 else "Optical"
    tags.add(found.parameters, "Magnification", "magnification")
    tags.add(found.parameters, "Detector", "cameraname")
    return found


def gatan(page: Page) -> Description | None:
    """DigitalMicrograph's TIFF export."""
    if _GATAN_SCALE[0] not in page.tags or _GATAN_UNIT[0] not in page.tags:
        return None
    found = Description("Gatan")
    try:
        x, y = float(page.tags[_GATAN_SCALE[0]]), float(page.tags[_GATAN_SCALE[1]])
        found.pixel, found.pixel_tag = (x, y, page.text(_GATAN_UNIT[0])), f"TIFF {_GATAN_SCALE[0]}"
        found.origin = (float(page.tags[_GATAN_ORIGIN[0]]), float(page.tags[_GATAN_ORIGIN[1]]))
        if _GATAN_SCALE[2] in page.tags:
            found.depth = (float(page.tags[_GATAN_SCALE[2]]), page.text(_GATAN_UNIT[2]))
    except (KeyError, TypeError, ValueError):
        found.origin = (0.0, 0.0)
    return found


def imagej(page: Page) -> Description | None:
    """ImageJ and Fiji: a unit in the description, pixels per unit in the baseline resolution."""
    if not page.imagej:
        return None
    found = Description("ImageJ", original={"ImageJ": page.imagej})
    resolution, unit = page.resolution(), page.imagej.get("unit")
    if resolution is not None and isinstance(unit, str):
        named = unit.replace("\\u00B5", "µ")
        found.pixel, found.pixel_tag = (1 / resolution[0], 1 / resolution[1], named), "ImageJ.unit"
    spacing = page.imagej.get("spacing")
    if isinstance(spacing, int | float):
        found.depth = (float(spacing), str(unit) if isinstance(unit, str) else None)
    version = page.imagej.get("ImageJ")
    found.parameters.add("Software", f"ImageJ {version}" if version else None, origin="ImageJ")
    return found
