"""Settings of FEI's Tecnai and Titan software, as TIA writes them to .emi files and Gatan's plug-in to dm3 tags.

Both have the same labels; only their writing differs. A list of (label, value, unit) stands for either.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any

from scopeline.formats.vocabulary import Parameters

Setting = tuple[str, Any, str | None]

# TIA's label -> the vocabulary's name.
_NAMES = {
    "user": "Operator",
    "gun type": "Gun Type",
    "high tension": "Accelerating Voltage",
    "extraction voltage": "Extraction Voltage",
    "gun lens": "Gun Lens",
    "emission": "Emission Current",
    "defocus": "Defocus",
    "magnification": "Magnification",
    "camera length": "Camera Length",
    "stem rotation": "Scan Rotation",
    "spot size": "Spot Size",
    "c1 lens": "C1 Lens",
    "c2 lens": "C2 Lens",
    "c3 lens": "C3 Lens",
    "objective lens": "Objective Lens",
    "diffraction lens": "Diffraction Lens",
    "image shift x": "Image Shift X",
    "image shift y": "Image Shift Y",
    "stage x": "Stage X",
    "stage y": "Stage Y",
    "stage z": "Stage Z",
    "stage a": "Stage Alpha",
    "stage b": "Stage Beta",
    "c1 aperture": "C1 Aperture",
    "c2 aperture": "C2 Aperture",
    "c3 aperture": "C3 Aperture",
    "obj aperture": "Objective Aperture",
    "sa aperture": "Selected Area Aperture",
    "filter mode": "Filter Mode",
    "filter slit state": "Filter Slit",
    "filter slit width": "Filter Slit Width",
    "filter selected dispersion": "Filter Dispersion",
    "filter prism shift": "Filter Prism Shift",
    "filter ht offset": "Filter HT Offset",
    "filter drift tube": "Filter Drift Tube",
    "filter total energy loss": "Filter Energy Loss",
}
_VENDOR = {
    "mode": "Tecnai Mode",
    "stem rotation correction": "STEM Rotation Correction",
    "intensity": "Intensity",
    "wehnelt index": "Wehnelt Index",
    "super-x selected detectors": "Super-X Detectors",
    "illuminated area diameter": "Illuminated Area Diameter",
}

_NUMBER = r"[-+]?\d+(?:\.\d+)?(?:[eE][-+]?\d+)?"


def add_parameters(found: Parameters, settings: Iterable[Setting], *, origin: str) -> None:
    """Add the settings to `found`, in the common vocabulary where it has a name."""
    for label, value, unit in settings:
        key = label.strip().lower()
        place = f"{origin}: {label.strip()}"
        if key == "microscope":
            text = str(value).strip()
            name = text.removeprefix("Microscope ").strip()
            if "Microscope" in found.values:
                found.add_vendor("Tecnai Microscope", name, origin=place)
            else:
                found.add("Microscope", name, origin=place)
        elif key == "filter selected aperture":
            add_aperture(found, value, origin=place)
        elif key in _NAMES:
            found.add(_NAMES[key], value, unit, origin=place)
        elif key in _VENDOR:
            found.add_vendor(_VENDOR[key], value, unit, origin=place)


def add_aperture(found: Parameters, label: Any, *, origin: str) -> None:
    """The filter's entrance aperture, from a label such as `3mm` or `2.5 mm`."""
    match = re.fullmatch(rf"\s*({_NUMBER})\s*mm\s*", str(label)) if label is not None else None
    if match is not None:
        found.add("Filter Aperture", float(match[1]), "mm", origin=origin)
    elif isinstance(label, str):
        found.add("Filter Aperture", label, origin=origin)


def lines_of_gatan_text(text: str) -> list[Setting]:
    """The settings in the text that FEI's plug-in for DigitalMicrograph writes (lines end with U+2028)."""
    settings: list[Setting] = []
    in_filter = False
    for line in (part.strip() for part in re.split(r"[\u2028\r\n]+", text)):
        if line.startswith("Filter related settings"):
            in_filter = True
        elif in_filter:
            settings += _filter_line(line)
        else:
            settings += _microscope_line(line)
    return settings


def _filter_line(line: str) -> list[Setting]:
    match = re.fullmatch(rf"([A-Za-z ]+): *(?:({_NUMBER})\[(.+)\]|(.+))", line)
    if match is None:
        return []
    label, number, unit, words = match.groups()
    return [(f"Filter {label.lower()}", number if number is not None else words, unit)]


def _microscope_line(line: str) -> list[Setting]:
    if line.startswith("Microscope "):
        return [("Microscope", line, None)]
    if line.startswith("User "):
        return [("User", line[5:], None)]
    if line.startswith("Gun "):
        return _groups(
            rf"Gun (?P<name>.*?)(?: Extr volt (?P<volt>{_NUMBER}) V)?(?: Gun Lens (?P<lens>\S+))?"
            rf"(?: Emission (?P<emission>{_NUMBER})uA)?",
            line,
            {"name": ("Gun type", None), "volt": ("Extraction voltage", "V"), "lens": ("Gun lens", None),
             "emission": ("Emission", "uA")},
        )  # fmt: skip
    if line.startswith("Mode "):
        return _groups(
            rf"Mode (?P<mode>.*?)(?: Defocus \(um\) (?P<defocus>{_NUMBER}))?(?: Magn (?P<magn>{_NUMBER})x)?"
            rf"(?: CL (?P<length>{_NUMBER})m)?",
            line,
            {"mode": ("Mode", None), "defocus": ("Defocus", "um"), "magn": ("Magnification", None),
             "length": ("Camera length", "m")},
        )  # fmt: skip
    if line.startswith("Stage "):
        number = rf"({_NUMBER})"
        match = re.fullmatch(rf"Stage {number} um, {number} um, {number} um, {number} deg, {number} deg", line)
        labels = zip("XYZAB", ("um", "um", "um", "deg", "deg"), strict=True)
        return [(f"Stage {a}", v, u) for (a, u), v in zip(labels, match.groups(), strict=True)] if match else []
    return _short_line(line)


def _short_line(line: str) -> list[Setting]:
    if match := re.fullmatch(r"Spot (?:size )?(\S+)", line):
        return [("Spot size", match[1], None)]
    if match := re.fullmatch(rf"(C1|C2|C3|Obj|Dif) ({_NUMBER})%", line):
        label = {"Obj": "Objective", "Dif": "Diffraction"}.get(match[1], match[1])
        return [(f"{label} lens", match[2], "%")]
    if match := re.fullmatch(rf"Image shift ({_NUMBER})/({_NUMBER})um", line):
        return [("Image shift X", match[1], "um"), ("Image shift Y", match[2], "um")]
    if match := re.fullmatch(rf"(\w+ Aperture): (?:({_NUMBER}) um|(.+))", line):
        return [(match[1], match[2] or match[3], "um" if match[2] else None)]
    return []


def _groups(pattern: str, line: str, labels: dict[str, tuple[str, str | None]]) -> list[Setting]:
    match = re.fullmatch(pattern, line)
    if match is None:
        return []
    found = match.groupdict()
    return [(label, found[key], unit) for key, (label, unit) in labels.items() if found.get(key) is not None]
