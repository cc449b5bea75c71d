"""A TIA series and its description as a signal."""

from __future__ import annotations

import re
from typing import Any

from scopeline.domain.files import Axis
from scopeline.formats import tecnai
from scopeline.formats.original import json_values
from scopeline.formats.results import Signal, Unreadable
from scopeline.formats.signals import add_calibration, dataset_type, make_axis
from scopeline.formats.source import Source
from scopeline.formats.tia.description import read_descriptions
from scopeline.formats.tia.series import Series, read_series
from scopeline.formats.vocabulary import Parameters


def read(source: Source) -> list[Signal]:
    """The one signal of a .ser file."""
    series = read_series(source.path, source.size)
    warnings: list[str] = []
    described = _described(source, warnings)
    info = described.get("ObjectInfo", described)
    mode = _setting(info, "Mode") or ""
    technique = _technique(series, mode)
    data, axes = _arranged(series, info, mode, warnings)
    parameters = _parameters(info, mode)
    add_calibration(parameters, axes, origin="ser header")
    diffraction = "STEM" not in mode and mode.endswith("Diffraction")
    kind = dataset_type(axes, diffraction=diffraction)
    if series.valid < series.total:
        warnings.append(f"The series was stopped after {series.valid} of {series.total} elements.")
    return [
        Signal(
            data=data,
            axes=axes,
            type=kind,
            title=source.title,
            technique="Diffraction" if kind == "Diffraction" and technique == "TEM" else technique,
            acquired=source.clock.acquired(
                source.clock.epoch(series.times[0]) if series.times else None,
                source.clock.text(info.get("AcquireDate")),
            ),
            parameters=parameters.values,
            metadata=json_values({"ser": series.header, **({"emi": described} if described else {})}),
            warnings=warnings,
        )
    ]


def _described(source: Source, warnings: list[str]) -> dict[str, Any]:
    """The description of this series in the .emi file; empty where there is none."""
    emi = source.companion(".emi")
    if emi is None:
        warnings.append("The .emi file with the microscope's settings is not beside this file.")
        return {}
    try:
        descriptions = read_descriptions(emi)
    except Unreadable as error:
        warnings.append(f"The microscope's settings are missing: {error}")
        return {}
    number = re.search(r"_(\d+)\.ser$", source.path.name, re.IGNORECASE)
    index = int(number[1]) - 1 if number else 0
    if not 0 <= index < len(descriptions):
        warnings.append(f"{emi.name} describes {len(descriptions)} series, but not this one.")
        return {}
    return descriptions[index]


def _setting(info: dict[str, Any], label: str) -> str | None:
    described = info.get("ExperimentalDescription")
    entry = described.get(label) if isinstance(described, dict) else None
    return str(entry["value"]) if isinstance(entry, dict) else None


def _technique(series: Series, mode: str) -> str | None:
    if series.spectra:
        delta = series.calibrations[0].delta
        return "EELS" if abs(delta) < 4 else "EDS"  # eV per channel: EDS has 5, 10 or 20, EELS at most 2
    if "STEM" in mode:
        return "STEM"
    return "TEM" if mode else None


def _arranged(series: Series, info: dict[str, Any], mode: str, warnings: list[str]) -> tuple[Any, list[Axis]]:
    """Elements as an array with its axes: the grid of elements first, then the element's own."""
    grid = _grid(series, warnings)
    if series.spectra:
        energy = series.calibrations[0]
        length = series.elements.shape[-1]
        inner = [make_axis("Energy", length, energy.delta, energy.origin, "eV", warnings=warnings)]
        data = series.elements
    else:
        unit = "1/m" if _is_diffraction(series, info, mode) else "m"
        y, x = series.calibrations
        height, width = series.elements.shape[1:]
        inner = [
            make_axis("y", height, y.delta, y.origin, unit, warnings=warnings),
            make_axis("x", width, x.delta, x.origin, unit, warnings=warnings),
        ]
        data = series.elements[:, ::-1, :]  # rows are stored from the bottom
    shape = tuple(axis.size for axis in grid)
    return data.reshape(shape + data.shape[1:]), grid + inner


def _grid(series: Series, warnings: list[str]) -> list[Axis]:
    count = series.elements.shape[0]
    if count == 1:
        return []
    dimensions = list(series.dimensions)
    if len(series.positions) > 1 and series.positions[0][1] == series.positions[1][1]:
        dimensions.reverse()  # x runs fastest: the slower dimension comes first
    sizes = 1
    for dimension in dimensions:
        sizes *= dimension.size
    if sizes != count:
        if len(dimensions) == 1:
            only = dimensions[0]
            return [
                make_axis(only.description or "z", count, only.delta, only.offset, only.unit, navigation=True,
                          warnings=warnings)
            ]  # fmt: skip
        warnings.append(f"The grid of {sizes} positions has {count} elements; they are shown as a list.")
        return [make_axis("element", count, navigation=True, warnings=warnings)]
    names = ["y", "x"][-len(dimensions) :] if len(dimensions) <= 2 else [d.description for d in dimensions]
    if len(dimensions) == 1 and dimensions[0].unit != "meters":
        names = ["z"]  # images or spectra one after the other, not along a line
    return [
        make_axis(name if d.unit == "meters" else d.description or name, d.size, d.delta, d.offset, d.unit,
                  navigation=True, warnings=warnings)
        for name, d in zip(names, dimensions, strict=True)
        if d.size > 1
    ]  # fmt: skip


def _is_diffraction(series: Series, info: dict[str, Any], mode: str) -> bool:
    """Whether the pixels are in reciprocal space: a camera in STEM or diffraction mode, or a scan of camera images."""
    acquired = info.get("AcquireInfo")
    camera = isinstance(acquired, dict) and "CameraNamePath" in acquired
    first = series.dimensions[0] if series.dimensions else None
    scanned = first is not None and first.size > 1 and bool(first.unit)
    if "STEM" in mode:
        return camera or scanned
    return "Diffraction" in mode


def _parameters(info: dict[str, Any], mode: str) -> Parameters:
    found = Parameters()
    described = info.get("ExperimentalDescription")
    if isinstance(described, dict):
        settings = [(label, e["value"], e["unit"]) for label, e in described.items() if isinstance(e, dict)]
        tecnai.add_parameters(found, settings, origin="ObjectInfo.ExperimentalDescription")
    voltage = _inner(info, "ExperimentalConditions", "MicroscopeConditions", "AcceleratingVoltage")
    place = "ObjectInfo.ExperimentalConditions.MicroscopeConditions.AcceleratingVoltage"
    found.add("Accelerating Voltage", voltage, "V", origin=place)
    if mode:
        found.add(
            "Illumination Mode", "STEM" if "STEM" in mode else "TEM", origin="ObjectInfo.ExperimentalDescription.Mode"
        )
    camera = _inner(info, "AcquireInfo", "CameraNamePath")
    found.add("Detector", camera, origin="ObjectInfo.AcquireInfo.CameraNamePath")
    time = _inner(info, "AcquireInfo", "DwellTimePath")
    name = "Exposure Time" if camera is not None else "Dwell Time"
    found.add(name, time, "s", origin="ObjectInfo.AcquireInfo.DwellTimePath")
    found.add("Frame Time", _inner(info, "AcquireInfo", "FrameTime"), "s", origin="ObjectInfo.AcquireInfo.FrameTime")
    binning = str(_inner(info, "AcquireInfo", "Binning") or "").strip()
    shown = f"{binning} × {binning}" if binning.isdecimal() else binning  # TIA writes the one that both sides have
    found.add("Binning", shown, origin="ObjectInfo.AcquireInfo.Binning")
    found.add("Manufacturer", info.get("Manufacturer"), origin="ObjectInfo.Manufacturer")
    return found


def _inner(values: Any, *names: str) -> Any:
    for name in names:
        values = values.get(name) if isinstance(values, dict) else None
    return values
