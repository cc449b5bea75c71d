"""What all readers share: axes with calibrations, the type of a dataset, and parameters that follow from axes."""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping, Sequence
from typing import Any

from scopeline.domain.files import Axis, DatasetType
from scopeline.formats import units
from scopeline.formats.vocabulary import Parameters

# Steps that no microscope makes, in metres: below the proton's size, above the specimen's.
SMALLEST_PIXEL, LARGEST_PIXEL = 1e-14, 1.0

# The unit that a length axis is shown in, by its whole extent in metres.
_LENGTHS = ((10e-6, "nm"), (10e-3, "µm"), (math.inf, "mm"))

_ENERGIES = ("eV", "keV", "meV")


def make_axis(
    name: str | None,
    size: int,
    scale: Any = None,
    offset: Any = None,
    unit: Any = None,
    *,
    navigation: bool = False,
    warnings: list[str],
) -> Axis:
    """An axis in the unit that suits its extent. A step that is zero, not finite or absurd becomes "uncalibrated"."""
    known = units.symbol("Å" if unit == "A" else unit)
    plain = name if isinstance(name, str) and name.strip() and name != "<undefined>" else ""
    label = " ".join(plain.split()) or "axis"
    axis = Axis(name=label, size=int(size), navigation=navigation)
    step, start = _number(scale), _number(offset)
    if known in (None, "px"):
        # A step of 1 without a unit is what software writes for "not calibrated".
        if step not in (None, 0.0, 1.0) and known is None:
            axis.scale, axis.offset = units.tidy(step), units.tidy(start or 0.0)
        return axis
    if step is None or step == 0.0 or not _plausible(step, known):
        if int(size) > 1:
            warnings.append(
                f"The {label} axis has a step of {scale!r} {known}, which cannot be: taken as uncalibrated."
            )
        return axis
    if units.dimension(known) is None:
        axis.scale, axis.offset, axis.unit = units.tidy(step), units.tidy(start or 0.0), known
        return axis
    shown = _readable(abs(step) * int(size), known)
    axis.scale = units.convert(step, known, shown)
    axis.offset = units.convert(start, known, shown) if start is not None else 0.0
    axis.unit = shown
    return axis


def axes_of(dictionaries: Sequence[Mapping[str, Any]], shape: Sequence[int], warnings: list[str]) -> list[Axis]:
    """Axes from rosettasciio's dictionaries, in the data's order; missing ones are added uncalibrated."""
    axes = []
    for position, size in enumerate(shape):
        given = dictionaries[position] if position < len(dictionaries) else {}
        scale, offset = given.get("scale"), given.get("offset")
        values = given.get("axis")
        if values is not None and len(values) > 1:
            offset, scale = float(values[0]), _uniform_step(values)
            if scale is None:
                warnings.append(f"The {given.get('name')} axis has steps of different sizes; its scale is the mean.")
                scale = (float(values[-1]) - float(values[0])) / (len(values) - 1)
        axes.append(
            make_axis(
                given.get("name"), size, scale, offset, given.get("units"),
                navigation=bool(given.get("navigate", False)), warnings=warnings,
            )
        )  # fmt: skip
    return axes


def colours_last(data: Any) -> tuple[Any, bool]:
    """Data whose pixels are records of R, G, B and perhaps A, with the colours on a last axis; whether they are."""
    names = data.dtype.names
    if names is None or [name.lower() for name in names] not in (["r", "g", "b"], ["r", "g", "b", "a"]):
        return data, False
    if hasattr(data, "__dask_graph__"):
        import dask.array

        return dask.array.stack([data[name] for name in names], axis=-1), True  # type: ignore[no-untyped-call]
    import numpy as np

    return np.stack([data[name] for name in names], axis=-1), True


def navigation_first(data: Any, axes: list[Axis]) -> tuple[Any, list[Axis]]:
    """Data and axes with the navigation axes in front."""
    order = sorted(range(len(axes)), key=lambda i: not axes[i].navigation)
    if order == list(range(len(axes))):
        return data, axes
    rest = list(range(len(axes), data.ndim))
    return data.transpose(order + rest), [axes[i] for i in order]


def without_single(data: Any, axes: list[Axis]) -> tuple[Any, list[Axis]]:
    """Data and axes without the navigation axes that have only one position."""
    kept = [i for i, axis in enumerate(axes) if not (axis.navigation and axis.size == 1)]
    if len(kept) == len(axes):
        return data, axes
    shape = tuple(axes[i].size for i in kept) + tuple(data.shape[len(axes) :])
    return data.reshape(shape), [axes[i] for i in kept]


def dataset_type(axes: Sequence[Axis], *, diffraction: bool = False) -> DatasetType:
    """The type that follows from the axes: reciprocal or angular signal axes make a diffraction pattern.

    `diffraction`: the microscope says that it recorded a diffraction pattern.
    """
    signal = [axis for axis in axes if not axis.navigation]
    scanned = any(axis.navigation for axis in axes)
    if len(signal) == 1:
        if signal[0].unit == "s":
            return DatasetType.MISC
        return DatasetType.SPECTRUM_IMAGE if scanned else DatasetType.SPECTRUM
    if len(signal) == 2:
        kinds = {units.dimension(axis.unit) for axis in signal}
        if kinds & {"energy"}:
            return DatasetType.SPECTRUM_IMAGE
        reciprocal = bool(kinds & {"reciprocal length", "angle"})
        return DatasetType.DIFFRACTION if reciprocal or diffraction else DatasetType.IMAGE
    return DatasetType.UNKNOWN


def add_calibration(parameters: Parameters, axes: Sequence[Axis], *, origin: str) -> None:
    """Pixel size, field of view, scan step and energy dispersion, from the axes."""
    signal = [axis for axis in axes if not axis.navigation]
    scan = [axis for axis in axes if axis.navigation]
    across = signal[-1] if len(signal) == 2 else None
    if across is not None and across.scale is not None and across.unit is not None:
        step = abs(across.scale)
        name = {
            "length": "Pixel Size", "reciprocal length": "Reciprocal Pixel Size", "angle": "Angular Pixel Size",
        }.get(units.dimension(across.unit) or "")  # fmt: skip
        if name is not None:
            parameters.add(name, step, across.unit, origin=origin)
        if name == "Pixel Size":
            parameters.add("Field of View", step * across.size, across.unit, origin=origin)
    for axis in reversed(scan):
        if (
            axis.scale is not None
            and units.dimension(axis.unit) == "length"
            and axis.name.lower() not in ("z", "depth")
        ):
            parameters.add("Step Size", abs(axis.scale), axis.unit, origin=origin)
    for axis in signal:
        if axis.unit in _ENERGIES and axis.scale is not None:
            parameters.add("Energy Dispersion", axis.scale, f"{axis.unit}/ch".replace("meV/ch", "eV/ch"), origin=origin)
            parameters.add("Energy Offset", axis.offset, axis.unit, origin=origin)


def _number(value: Any) -> float | None:
    try:
        number = float(value)
    except (TypeError, ValueError, OverflowError):
        return None
    return number if math.isfinite(number) else None


def _plausible(step: float, unit: str) -> bool:
    known = units.UNITS.get(unit)
    if known is None or known.dimension != "length":
        return True
    return SMALLEST_PIXEL <= abs(step) * float(known.factor) <= LARGEST_PIXEL


def _readable(extent: float, unit: str) -> str:
    kind = units.dimension(unit)
    if kind == "length":
        metres = extent * float(units.UNITS[unit].factor)
        return next(symbol for limit, symbol in _LENGTHS if metres < limit)
    if kind == "reciprocal length":
        return "1/nm"
    if kind == "angle" and unit in ("rad", "µrad"):
        return "mrad"
    if kind == "time":
        return "s"
    return unit


def _uniform_step(values: Any) -> float | None:
    steps = [float(b) - float(a) for a, b in itertools.pairwise(values)]
    mean = sum(steps) / len(steps)
    return mean if all(abs(step - mean) <= abs(mean) * 1e-2 for step in steps) else None
