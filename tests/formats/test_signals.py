"""Axes, types and what follows from them."""

from __future__ import annotations

import math

import dask.array as da
import numpy as np
import pytest

from scopeline.domain.files import Axis, DatasetType
from scopeline.formats.signals import (
    add_calibration,
    axes_of,
    colours_last,
    dataset_type,
    make_axis,
    navigation_first,
    without_single,
)
from scopeline.formats.vocabulary import Parameters


@pytest.mark.parametrize(
    ("size", "scale", "unit", "expected"),
    [
        (1024, 2e-9, "m", (2.0, "nm")), (512, 0.5, "um", (0.5, "µm")), (1000, 1e-5, "m", (0.01, "mm")),
        (10, 5.0, "Å", (0.5, "nm")), (10, 5.0, "A", (0.5, "nm")), (8, 1e9, "1/m", (1.0, "1/nm")),
        (8, 0.1, "1/Å", (1.0, "1/nm")),
        (8, 0.001, "rad", (1.0, "mrad")), (100, 0.01, "keV", (0.01, "keV")), (100, 10, "ms", (0.01, "s")),
        (5, 1.0, "", (None, None)), (5, 0.25, "", (0.25, None)), (5, 3.0, "furlong", (3.0, "furlong")),
        (5, 1.0, "px", (None, None)),
    ],
)  # fmt: skip
def test_an_axis_has_the_unit_that_suits_its_extent(size: int, scale: float, unit: str, expected: object) -> None:
    warnings: list[str] = []
    axis = make_axis("x", size, scale, 0.0, unit, warnings=warnings)
    assert (axis.scale, axis.unit) == expected
    assert warnings == []


@pytest.mark.parametrize("scale", [0.0, math.nan, math.inf, None, "x", 1e30, 1e-30])
def test_a_step_that_cannot_be_is_uncalibrated_with_a_warning(scale: object) -> None:
    warnings: list[str] = []
    axis = make_axis("x", 5, scale, 0.0, "nm", warnings=warnings)
    assert (axis.scale, axis.unit) == (None, None)
    assert "cannot be" in warnings[0]


def test_an_uneven_axis_has_its_mean_step_and_a_warning() -> None:
    warnings: list[str] = []
    (axis,) = axes_of([{"name": "E", "axis": [0.0, 1.0, 4.0], "units": "eV"}], (3,), warnings)
    assert axis.scale == 2.0
    assert "different sizes" in warnings[0]


def axis(size: int, unit: str | None = None, *, navigation: bool = False, name: str = "x") -> Axis:
    return Axis(name=name, size=size, unit=unit, scale=0.5 if unit else None, offset=0.0, navigation=navigation)


@pytest.mark.parametrize(
    ("axes", "expected"),
    [
        ([axis(5, "nm"), axis(5, "nm")], DatasetType.IMAGE),
        ([axis(9, navigation=True), axis(5), axis(5)], DatasetType.IMAGE),
        ([axis(5, "1/nm"), axis(5, "1/nm")], DatasetType.DIFFRACTION),
        ([axis(5, "mrad"), axis(5, "mrad")], DatasetType.DIFFRACTION),
        ([axis(9, "eV")], DatasetType.SPECTRUM),
        ([axis(3, "nm", navigation=True), axis(9, "eV")], DatasetType.SPECTRUM_IMAGE),
        ([axis(9, "s")], DatasetType.MISC),
        ([], DatasetType.UNKNOWN),
    ],
)
def test_the_type_follows_from_the_axes(axes: list[Axis], expected: DatasetType) -> None:
    assert dataset_type(axes) is expected


def test_a_microscope_in_diffraction_mode_makes_diffraction_patterns() -> None:
    assert dataset_type([axis(5), axis(5)], diffraction=True) is DatasetType.DIFFRACTION


def test_navigation_axes_come_first_with_the_data() -> None:
    data = np.zeros((2, 3, 4))
    turned, axes = navigation_first(data, [axis(2), axis(3, navigation=True), axis(4)])
    assert turned.shape == (3, 2, 4)
    assert [a.size for a in axes] == [3, 2, 4]


def test_single_positions_are_left_out() -> None:
    data, axes = without_single(np.zeros((1, 5, 4)), [axis(1, navigation=True), axis(5), axis(4)])
    assert data.shape == (5, 4)
    assert len(axes) == 2


def test_calibrations_become_parameters() -> None:
    found = Parameters()
    add_calibration(found, [axis(8, "µm"), axis(8, "µm")], origin="axes")
    assert {n: (p.value, p.unit) for n, p in found.values.items()} == {
        "Pixel Size": (500, "nm"), "Field of View": (4000, "nm"),
    }  # fmt: skip
    found = Parameters()
    add_calibration(found, [axis(8, "nm", navigation=True), axis(9, "keV")], origin="axes")
    assert {n: (p.value, p.unit) for n, p in found.values.items()} == {
        "Step Size": (0.5, "nm"), "Energy Dispersion": (500, "eV/ch"), "Energy Offset": (0, "eV"),
    }  # fmt: skip


def test_pixels_that_are_records_of_colours_become_plain_values() -> None:
    data = np.zeros((6, 4), dtype=[("R", "u1"), ("G", "u1"), ("B", "u1"), ("A", "u1")])
    data["G"] = 120
    for form in (data, da.from_array(data, chunks=(3, 4))):
        colours, rgb = colours_last(form)
        assert (rgb, colours.shape, colours.dtype.name) == (True, (6, 4, 4), "uint8")
        assert np.asarray(colours)[0, 0].tolist() == [0, 120, 0, 0]
    assert colours_last(np.zeros(3))[1] is False
