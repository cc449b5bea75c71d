"""Signals from what rosettasciio's readers return, for the formats whose metadata it already names well.

rosettasciio keeps HyperSpy's names: `General`, `Acquisition_instrument.TEM|SEM`, `Sample`, with energies in keV,
lengths of the stage in mm, camera lengths in mm, angles in degrees and mrad, currents in nA, times in s.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from scopeline.domain.files import Axis, DatasetType
from scopeline.formats.original import json_values
from scopeline.formats.results import Signal
from scopeline.formats.signals import (
    add_calibration,
    axes_of,
    colours_last,
    dataset_type,
    navigation_first,
    without_single,
)
from scopeline.formats.source import Source
from scopeline.formats.tags import Tags
from scopeline.formats.times import Stamp
from scopeline.formats.vocabulary import Parameters

_INSTRUMENT = (
    ("microscope", "Microscope", None), ("beam_energy", "Accelerating Voltage", "kV"),
    ("magnification", "Magnification", None), ("camera_length", "Camera Length", "mm"),
    ("convergence_angle", "Convergence Semi-angle", "mrad"), ("beam_current", "Beam Current", "nA"),
    ("probe_size", "Probe Diameter", "nm"), ("working_distance", "Working Distance", "mm"),
    ("dwell_time", "Dwell Time", "s"), ("acquisition_mode", "Illumination Mode", None),
)  # fmt: skip
_STAGE = (
    ("x", "Stage X", "mm"), ("y", "Stage Y", "mm"), ("z", "Stage Z", "mm"), ("tilt_alpha", "Stage Alpha", "°"),
    ("tilt_beta", "Stage Beta", "°"), ("rotation", "Stage Rotation", "°"),
)  # fmt: skip
_DETECTORS = (
    ("EELS", "collection_angle", "Collection Semi-angle", "mrad"), ("EELS", "dwell_time", "Pixel Time", "s"),
    ("EELS", "exposure", "Exposure Time", "s"), ("EELS", "spectrometer", "Spectrometer", None),
    ("EDS", "live_time", "Live Time", "s"), ("EDS", "real_time", "Real Time", "s"),
    ("EDS", "elevation_angle", "Elevation Angle", "°"), ("EDS", "azimuth_angle", "Azimuth Angle", "°"),
    ("EDS", "detector_type", "Detector", None), ("Camera", "exposure", "Exposure Time", "s"),
    ("Camera", "name", "Detector", None), ("Diffraction", "exposure", "Exposure Time", "s"),
)  # fmt: skip
_TECHNIQUES = {
    "EELS": "EELS", "EDS_TEM": "EDS", "EDS_SEM": "EDS", "CL": "CL", "electron_diffraction": "Diffraction",
    "diffraction": "Diffraction", "Luminescence": "Luminescence",
}  # fmt: skip


def signals(
    source: Source,
    dictionaries: list[dict[str, Any]],
    *,
    technique: str | None = None,
    stamps: Callable[[Tags], list[Stamp | None]] | None = None,
    add: Callable[[Parameters, Tags], None] | None = None,
) -> list[Signal]:
    """One signal for each dictionary.

    `stamps` and `add` read the format's own times and parameters from the original metadata; they go before the common
    ones. `technique` is used where the metadata name none.
    """
    return [_signal(source, found, technique, stamps, add) for found in dictionaries if _has_data(found)]


def _has_data(found: dict[str, Any]) -> bool:
    return bool(getattr(found.get("data"), "ndim", 0))


def _signal(
    source: Source,
    found: dict[str, Any],
    technique: str | None,
    stamps: Callable[[Tags], list[Stamp | None]] | None,
    add: Callable[[Parameters, Tags], None] | None,
) -> Signal:
    warnings: list[str] = []
    data, rgb = colours_last(found["data"])
    axes = axes_of(list(found.get("axes") or []), data.shape[:-1] if rgb else data.shape, warnings)
    data, axes = without_single(*navigation_first(data, axes))
    if axes and all(axis.navigation for axis in axes):
        for axis in axes[-2:]:
            axis.navigation = False
    _name_signal_axes(axes)
    original = Tags(_mapping(found.get("original_metadata")), "")
    common = Tags(_common(found), "")
    parameters = Parameters()
    if add is not None:
        add(parameters, original)
    _add_common(parameters, common)
    add_calibration(parameters, axes, origin="axes")
    general = common.group("General")
    signal_type = str(common.get("Signal", "signal_type") or "")
    named = _TECHNIQUES.get(signal_type) or _mode(common) or technique
    kind = dataset_type(axes, diffraction=named == "Diffraction")
    own = stamps(original) if stamps is not None else []
    return Signal(
        data=data,
        axes=axes,
        type=kind if axes else DatasetType.UNKNOWN,
        title=str(general.get("title") or "") or source.title,
        technique="Diffraction" if kind is DatasetType.DIFFRACTION and named == "TEM" else named,
        acquired=source.clock.acquired(*own, general_stamp(source, general)),
        parameters=parameters.values,
        metadata=json_values({**original.values, "metadata": common.values}),
        warnings=warnings,
        rgb=rgb,
    )


def _name_signal_axes(axes: list[Axis]) -> None:
    """Call the axes of an image y and x where the file has no names for them."""
    signal = [axis for axis in axes if not axis.navigation]
    if len(signal) == 2 and all(axis.name == "axis" for axis in signal):
        signal[0].name, signal[1].name = "y", "x"


def general_stamp(source: Source, general: Tags) -> Stamp | None:
    """The time in `General`; `time_zone` counts only where it is UTC or an offset."""
    zone = str(general.get("time_zone") or "")
    known = zone if zone in ("UTC", "Z") or zone[:1] in ("+", "-") else ""
    return source.clock.text(general.get("date"), f"{general.get('time') or ''}{known}")


def _mode(common: Tags) -> str | None:
    for kind in ("TEM", "SEM"):
        if common.group("Acquisition_instrument", kind).values:
            mode = common.get("Acquisition_instrument", kind, "acquisition_mode")
            return mode if mode in ("TEM", "STEM", "SEM") else kind
    return None


def _add_common(found: Parameters, common: Tags) -> None:
    general, sample = common.group("General"), common.group("Sample")
    general.add(found, "Operator", "authors")
    for tag in ("name", "description"):
        sample.add(found, "Specimen", tag)
    elements = sample.get("elements")
    if isinstance(elements, list | tuple):
        found.add("Elements", " ".join(map(str, elements)), origin=sample.path("elements"))
    for kind in ("TEM", "SEM"):
        instrument = common.group("Acquisition_instrument", kind)
        for tag, name, unit in _INSTRUMENT:
            instrument.add(found, name, tag, unit)
        for tag, name, unit in _STAGE:
            instrument.group("Stage").add(found, name, tag, unit)
        for detector, tag, name, unit in _DETECTORS:
            instrument.group("Detector", detector).add(found, name, tag, unit)
        instrument.group("Camera").add(found, "Exposure Time", "exposure", "s")


def _common(found: dict[str, Any]) -> dict[str, Any]:
    """HyperSpy's metadata, with the values that the reader's mapping takes from the original ones."""
    common: dict[str, Any] = _copied(_mapping(found.get("metadata")))
    original = _mapping(found.get("original_metadata"))
    for place, (target, function) in (found.get("mapping") or {}).items():
        value: Any = original
        for name in place.split("."):
            value = value.get(name) if isinstance(value, Mapping) else None
        if value is None:
            continue
        try:
            _put(common, target, function(value) if function is not None else value)
        except (TypeError, ValueError, KeyError, AttributeError):
            continue  # a value of another kind than the reader expects: it stays in the original metadata
    return common


def _put(tree: dict[str, Any], path: str, value: Any) -> None:
    *groups, last = path.split(".")
    for name in groups:
        inner = tree.get(name)
        if not isinstance(inner, dict):
            inner = tree[name] = {}
        tree = inner
    if value is not None:
        tree[last] = value


def _copied(value: Any) -> Any:
    return {str(k): _copied(v) for k, v in value.items()} if isinstance(value, Mapping) else value


def _mapping(value: Any) -> Mapping[str, Any]:
    if hasattr(value, "to_dict"):
        value = value.to_dict()
    return value if isinstance(value, Mapping) else {}
