"""The openly described EMD, as Berkeley Lab, the TEAM microscopes, py4DSTEM, prismatic and Direct Electron write it."""

from __future__ import annotations

from typing import Any

from scopeline.formats.original import json_values
from scopeline.formats.results import Signal
from scopeline.formats.signals import add_calibration, axes_of, dataset_type, navigation_first
from scopeline.formats.source import Source
from scopeline.formats.tags import Tags
from scopeline.formats.vocabulary import Parameters

# Attribute of the groups `microscope`, `user`, `sample` -> name and unit. Berkeley's own software writes SI units.
_MICROSCOPE = (
    ("name", "Microscope", None), ("high tension", "Accelerating Voltage", "V"),
    ("voltage", "Accelerating Voltage", None),
    ("camera length", "Camera Length", "m"), ("convergence angle", "Convergence Semi-angle", "rad"),
    ("defocus", "Defocus", "m"), ("dwell time", "Dwell Time", "s"), ("magnification", "Magnification", None),
    ("spot size", "Spot Size", None), ("software", "Software", None),
)  # fmt: skip

_LARGEST_STAGE = 0.01  # metres: no stage of an electron microscope goes farther, and hardly one stays within 0.01 µm


def read(source: Source) -> list[Signal]:
    """All data groups of the file."""
    import h5py
    from rsciio import emd

    with h5py.File(source.path, "r") as file:  # rosettasciio leaves this group out
        group = file.get("stage")
        stage = dict(group.attrs) if isinstance(group, h5py.Group) else {}
    signals = emd.file_reader(str(source.path), lazy=True)
    for found in signals if stage else []:
        found["original_metadata"] = {**found["original_metadata"], "stage": stage}
    return [_signal(source, found) for found in signals]


def _signal(source: Source, found: dict[str, Any]) -> Signal:
    warnings: list[str] = []
    data, axes = found["data"], axes_of(found["axes"], found["data"].shape, warnings)
    if len(axes) == 2:
        # Berkeley's files name the slow axis X: the picture is right as it is stored, the names are not.
        for axis, name in zip(axes, ("y", "x"), strict=True):
            axis.name = name if axis.name.lower() in ("x", "y", "axis") else axis.name
    data, axes = navigation_first(data, axes)
    original = Tags(found["original_metadata"], "")
    parameters = _parameters(original)
    add_calibration(parameters, axes, origin="data group")
    kind = dataset_type(axes)
    title = (found["metadata"].get("General") or {}).get("title")
    simulated = "simulation_parameters" in original.values
    technique = "4D-STEM" if kind == "Diffraction" and len(axes) > 3 else "STEM" if _scanned(original) else None
    if simulated:
        warnings.append("The data were simulated, not measured.")
    return Signal(
        data=data,
        axes=axes,
        type=kind,
        title=title if title and title not in ("__unnamed__", "single") else source.title,
        technique=technique,
        acquired=source.clock.acquired(source.clock.text(original.get("comments", "date"))),
        parameters=parameters.values,
        metadata=json_values(found["original_metadata"]),
        warnings=warnings,
    )


def _scanned(original: Tags) -> bool:
    return original.get("microscope", "dwell time") is not None


def _parameters(original: Tags) -> Parameters:
    found = Parameters()
    microscope = original.group("microscope")
    for tag, name, unit in _MICROSCOPE:
        microscope.add(found, name, tag, unit)
    _stage(found, original.group("stage"))
    for tag in ("User name", "name"):
        original.group("user").add(found, "Operator", tag)
    for tag in ("sample name", "material", "name"):
        original.group("sample").add(found, "Specimen", tag)
    simulated = original.group("simulation_parameters")
    simulated.add(found, "Accelerating Voltage", "E0", "kV")
    simulated.add(found, "Convergence Semi-angle", "probeSemiangle", "mrad")
    return found


def _stage(found: Parameters, stage: Tags) -> None:
    """`position`: x, y, z and two angles; of the TEAM stage in µm and degrees, else in metres and radians."""
    position = stage.get("position")
    try:
        values = [float(value) for value in position]
    except (TypeError, ValueError):
        return
    metres = all(abs(value) < _LARGEST_STAGE for value in values[:3])
    length, angle = ("m", "rad") if metres else ("µm", "°")
    names = ("Stage X", "Stage Y", "Stage Z", "Stage Alpha", "Stage Beta")
    for name, value in zip(names, values, strict=False):
        found.add(name, value, length if name[-1] in "XYZ" else angle, origin=stage.path("position"))
