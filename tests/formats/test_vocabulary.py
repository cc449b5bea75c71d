"""Names and units that are the same for all vendors."""

from __future__ import annotations

import math

import pytest

from scopeline.formats import units
from scopeline.formats.vocabulary import TERMS, Parameters


def added(name: str, value: object, unit: str | None = None) -> object:
    found = Parameters()
    found.add(name, value, unit, origin="tag")
    parameter = found.values.get(name)
    return None if parameter is None else (parameter.value, parameter.unit, parameter.warning)


def test_every_unit_of_the_vocabulary_is_known() -> None:
    assert [t.name for t in TERMS.values() if t.unit is not None and t.unit not in units.UNITS] == []


@pytest.mark.parametrize(
    ("name", "value", "unit", "expected"),
    [
        ("Accelerating Voltage", 300000.0, "V", (300, "kV", None)),
        ("Accelerating Voltage", "29997", "Volts", (29.997, "kV", None)),
        ("Camera Length", 0.195, "m", (195, "mm", None)),
        ("Magnification", "20000", "x", (20000, None, None)),
        ("Objective Aperture", "retracted", None, ("retracted", None, None)),
        ("Detector", b"HAADF\x00\x00", None, ("HAADF", None, None)),
        ("Microscope", "Titan\r\n 80-300 ", None, ("Titan 80-300", None, None)),
    ],
)
def test_a_value_comes_in_the_unit_of_its_name(name: str, value: object, unit: str | None, expected: object) -> None:
    assert added(name, value, unit) == expected


@pytest.mark.parametrize("value", [None, "", "  ", math.nan, math.inf, "nan", [1, 2], {}])
def test_a_value_that_says_nothing_is_left_out(value: object) -> None:
    assert added("Defocus", value) is None


def test_zero_stands_for_unknown_where_nothing_can_be_zero() -> None:
    assert added("Emission Current", 0.0, "µA") is None
    value, unit, warning = added("Accelerating Voltage", 0.0, "V")  # type: ignore[misc]
    assert (value, unit) == (0, "kV")
    assert "did not know" in warning


def test_what_is_not_plausible_carries_a_warning() -> None:
    assert added("Accelerating Voltage", 300000, "kV")[2] == "300000 kV is outside what is plausible"  # type: ignore[index]
    assert added("Accelerating Voltage", "notafloat", "V")[2] == "not a number"  # type: ignore[index]


def test_the_first_tag_of_a_name_stays() -> None:
    found = Parameters()
    found.add("Detector", "HAADF", origin="first")
    found.add("Detector", "BF", origin="second")
    assert found.values["Detector"].origin == "first"


def test_a_vendor_name_may_not_hide_a_common_one() -> None:
    with pytest.raises(KeyError, match="common vocabulary"):
        Parameters().add_vendor("Defocus", 1, origin="tag")


def test_a_long_text_is_shortened() -> None:
    value = added("Specimen", "x" * 5000)[0]  # type: ignore[index]
    assert len(value) == 500
    assert value.endswith("…")


@pytest.mark.parametrize(
    ("name", "value", "unit", "expected"),
    [
        ("Field of View", 0.0090112, "µm", (9.0112, "nm", None)),
        ("Chamber Pressure", 6.51946382e-05, "Pa", (0.06519464, "mPa", None)),
        ("Pixel Time", 400000.0, "µs", (0.4, "s", None)),
        ("Stage Alpha", -3.136e-06, "rad", (0, "°", None)),
        ("Scan Rotation", 0.21816615649929119, "rad", (12.5, "°", None)),
        ("Stage X", -87.75612345, "µm", (-87.7561, "µm", None)),
        ("Convergence Semi-angle", 24.979373255, "mrad", (24.97937, "mrad", None)),
        ("Magnification", 12345678.0, None, (12345678, None, None)),
    ],
)
def test_a_value_reads_well_and_has_no_digits_of_noise(
    name: str, value: float, unit: str | None, expected: object
) -> None:
    assert added(name, value, unit) == expected
