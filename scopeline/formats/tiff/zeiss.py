"""Zeiss: SmartSEM's tag 34118 (CZ_SEM), and the XML of Orion helium-ion microscopes in tag 65000."""

from __future__ import annotations

from typing import Any

from scopeline.formats import units, xmltext
from scopeline.formats.results import Unreadable
from scopeline.formats.tags import Tags
from scopeline.formats.tiff.page import Description, Page

_SEM_TAG, _ORION_TAG = 34118, 65000

# SmartSEM's key -> the vocabulary's name. Its values are (label, number or text, unit).
_SEM_NAMES = {
    "ap_actualkv": "Accelerating Voltage", "ap_manualkv": "Accelerating Voltage", "ap_mag": "Magnification",
    "ap_wd": "Working Distance", "ap_iprobe": "Beam Current", "ap_beam_current": "Beam Current",
    "ap_actualcurrent": "Emission Current", "ap_aperturesize": "Aperture", "ap_spot": "Spot Size",
    "ap_stage_at_x": "Stage X", "ap_stage_at_y": "Stage Y", "ap_stage_at_z": "Stage Z",
    "ap_stage_at_t": "Stage Tilt", "ap_stage_at_r": "Stage Rotation", "ap_width": "Field of View",
    "dp_detector_channel": "Detector", "dp_detector_type": "Detector", "ap_frame_time": "Frame Time",
    "dp_dwell_time": "Dwell Time", "ap_line_time": "Line Time", "ap_scanrotation": "Scan Rotation",
    "ap_system_vac": "Chamber Pressure", "sv_version": "Software", "sv_user_name": "Operator",
    "dp_sem": "Microscope", "sv_serial_number": None,
}  # fmt: skip

# Orion's element -> name and unit where the file does not tell it.
_ORION_NAMES: tuple[tuple[str, str, str | None], ...] = (
    ("System.Model", "Microscope", None), ("AccelerationVoltage", "Accelerating Voltage", None),
    ("GFIS.BeamCurrent", "Beam Current", None), ("BlankerCurrent", "Beam Current", None),
    ("SpotNumber", "Spot Size", None), ("ExtractionVoltage", "Extraction Voltage", None),
    ("WorkingDistance", "Working Distance", None), ("Fov", "Field of View", None),
    ("ScanRotate", "Scan Rotation", None), ("ApertureSize", "Aperture", "µm"), ("DetectorName", "Detector", None),
    ("DwellTime", "Dwell Time", None), ("StageX", "Stage X", None), ("StageY", "Stage Y", None),
    ("StageZ", "Stage Z", None), ("StageTilt", "Stage Tilt", None), ("StageRotate", "Stage Rotation", None),
    ("ChamberPressure", "Chamber Pressure", None), ("GFIS.IonGas", "Ion Species", None),
    ("ColumnType", "Gun Type", None),
    ("Magnification4x5", "Magnification", None), ("ColumnMode", "Imaging Mode", None), ("NumAverages", "Frames", None),
)  # fmt: skip
_SPELT = {"picoAmps": "pA", "Micro Radians": "µrad", "uSec": "µs", "ElectronVolts": "eV"}


def describe(page: Page) -> Description | None:
    """What the tags say; None where it is no Zeiss file."""
    if page.text(_ORION_TAG).lstrip().startswith("<ImageTags"):
        return _orion(page)
    if isinstance(page.tags.get(_SEM_TAG), dict) and len(page.tags[_SEM_TAG]) > 1:
        return _smart_sem(page)
    return None


def _smart_sem(page: Page) -> Description:
    values: dict[str, Any] = page.tags[_SEM_TAG]
    found = Description("Zeiss", technique="SEM", original={"CZ_SEM": values})
    for key, name in _SEM_NAMES.items():
        entry = values.get(key)
        if name is not None and isinstance(entry, tuple) and len(entry) >= 2:
            unit = entry[2] if len(entry) > 2 else None
            found.parameters.add(name, entry[1], unit, origin=f"CZ_SEM.{key}")
    for key in ("ap_image_pixel_size", "ap_pixel_size"):
        entry = values.get(key)
        if isinstance(entry, tuple) and len(entry) > 2 and units.dimension(entry[2]) == "length":
            found.pixel, found.pixel_tag = (float(entry[1]), float(entry[1]), entry[2]), f"CZ_SEM.{key}"
            break
    date, time = values.get("ap_date"), values.get("ap_time")
    if isinstance(date, tuple) and isinstance(time, tuple):
        found.stamps.append(page.clock.text(date[1], time[1]))
    return found


def _orion(page: Page) -> Description:
    root = xmltext.parse(page.text(_ORION_TAG), "The Orion tag")
    values = {
        child.tag: {"value": (child.findtext("Value") or "").strip(), "unit": (child.findtext("Units") or "").strip()}
        for child in root
    }
    found = Description("Zeiss Orion", technique="HIM", original={"ImageTags": values})
    for key, name, unit in _ORION_NAMES:
        entry = values.get(key)
        if entry is not None:
            told = _SPELT.get(entry["unit"], entry["unit"])
            found.parameters.add(name, entry["value"].strip("_"), told or unit, origin=f"ImageTags.{key}")
    try:
        x, y = values["ScalingX"], values["ScalingY"]
        found.pixel, found.pixel_tag = (float(x["value"]), float(y["value"]), x["unit"]), "ImageTags.ScalingX"
    except (KeyError, ValueError) as error:
        raise Unreadable(f"The Orion tag is damaged: it has no pixel size ({error}).") from error
    found.stamps.append(page.clock.text(Tags(values, "").get("TimeStamp", "value")))
    return found
