"""Values for reading: few digits, thin spaces, fitting prefixes; what is no quantity is left alone."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cdcs_connector.site import quantities


@pytest.mark.parametrize(
    ("text", "unit", "shown"),
    [
        ("0.0112896", "µm", "11.29 nm"),
        ("3348.85", "nm", "3.349 µm"),
        ("400000", "µs", "0.4 s"),
        ("6.2e-11", "A", "62 pA"),
        ("0.001327515", "nA", "1.328 pA"),
        ("-21319.24", "µm", "−21.32 mm"),
        ("500000", "V", "500 kV"),
        ("5000000", "kV", "5 000 000 kV"),
        ("0.5", "s", "0.5 s"),
        ("130", "mm", "130 mm"),
        ("200", "kV", "200 kV"),
        ("29.997", "kV", "29.997 kV"),
        ("0.0000000001", "\u03bcm", "0.1 fm"),
        ("25100000", "", "25 100 000"),
        ("57000", "", "57 000"),
        ("7100", "", "7100"),
        ("1234567", "", "1 234 567"),
        ("123456.789", "eV", "123 457 eV"),
        ("0.79198956", "", "0.792"),
        ("200.00000001", "", "200"),
        ("-50", "°", "−50°"),
        ("0", "nm", "0 nm"),
        ("0.00001234567", "Pa", "1.235 × 10⁻⁵ Pa"),
        ("1.2e-300", "", "1.2 × 10⁻³⁰⁰"),
        ("0.1144", "1/nm", "0.1144 1/nm"),
        ("300", "ms", "300 ms"),
        ("90", "min", "90 min"),
    ],
)
def test_quantities(text: str, unit: str, shown: str) -> None:
    found = quantities.shown("Value", text, unit)
    assert found is not None
    assert found.replace(quantities.THIN_SPACE, " ") == shown


@pytest.mark.parametrize("text", ["", "ET", "0012", "256 × 256", "1,5", "nan", "inf", "1e9999", "١٢٣", "12 nm"])
def test_other_values_are_no_quantities(text: str) -> None:
    assert quantities.shown("Value", text, "") is None


@pytest.mark.parametrize("name", ["Serial Number", "Operator ID", "Software Version"])
def test_numbers_that_name_something_are_left_alone(name: str) -> None:
    assert quantities.shown(name, "12345678", "") is None


@given(
    st.floats(min_value=1e-20, max_value=1e20), st.sampled_from(["m", "nm", "µs", "A", "pA", "V", "kV", "eV", "mm", ""])
)
def test_what_is_shown_is_the_value(value: float, unit: str) -> None:
    shown = quantities.shown("Value", repr(value), unit)
    assert shown is not None
    number, _, found = shown.replace(quantities.THIN_SPACE, "").partition(" ")
    power = 0
    if found.startswith("× 10"):
        exponent, _, found = found[4:].partition(" ")
        power = int(exponent.translate(str.maketrans("⁻⁰¹²³⁴⁵⁶⁷⁸⁹", "-0123456789")))
    prefixes = {"f": -15, "p": -12, "n": -9, "µ": -6, "m": -3, "k": 3}
    if found != unit:
        power += prefixes.get(found[:-1], 0) - prefixes.get(unit[:-1], 0)
    assert float(number) * 10.0**power == pytest.approx(value, rel=6e-4)
