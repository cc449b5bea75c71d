"""One spelling for each unit, conversion without float noise."""

from __future__ import annotations

import math
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scopeline.formats import units

FINITE = st.floats(min_value=1e-12, max_value=1e12) | st.floats(min_value=-1e12, max_value=-1e-12)
SAME_DIMENSION = [(a, b) for a in units.UNITS.values() for b in units.UNITS.values() if a.dimension == b.dimension]


@pytest.mark.parametrize(
    ("written", "symbol"),
    [
        ("um", "µm"), ("μm", "µm"), ("Microns", "µm"), ("n_m", "nm"), ("[n_m]", "nm"), ("1 / nm", "1/nm"),
        ("nm^-1", "1/nm"), ("1/meters", "1/m"), ("meters", "m"), ("Å", "Å"), ("eV/Channel", "eV/ch"), ("deg", "°"),
        ("mR", "mrad"), ("pA", "pA"), ("Pa", "Pa"), ("uA", "µA"), ("Energy Loss (eV)", "eV"), ("Volts", "V"),
        ("<undefined>", None), ("", None), ("Unitless", None), ("X", None), (None, None), (5, None), ("px", "px"),
        ("furlong", "furlong"),
    ],
)  # fmt: skip
def test_spellings_of_vendors_become_one_symbol(written: object, symbol: str | None) -> None:
    assert units.symbol(written) == symbol


@pytest.mark.parametrize(
    ("value", "source", "target", "expected"),
    [
        (300000.0, "V", "kV", 300.0), (5.7680999999997034e-07, "m", "µm", 0.57681), (0.195, "m", "mm", 195.0),
        (4.8e-05, "s", "µs", 48.0), (0.10000000149011612, "eV", "eV", 0.1), (math.pi, "rad", "°", 180.0),
        (0.02, "rad", "mrad", 20.0), (0.938, "pA", "nA", 0.000938), (1.0, "1/Å", "1/nm", 10.0),
        (1.0, "Torr", "Pa", 133.322368),
        (-0.0, "V", "V", 0.0),
    ],
)  # fmt: skip
def test_values_are_converted_without_noise(value: float, source: str, target: str, expected: float) -> None:
    assert repr(units.convert(value, source, target)) == repr(expected)


def test_units_of_different_dimensions_are_not_converted() -> None:
    with pytest.raises(ValueError, match="cannot be converted"):
        units.convert(1.0, "nm", "eV")


@given(FINITE, st.sampled_from(SAME_DIMENSION))
def test_there_and_back_is_the_same_value(value: float, pair: tuple[units.Unit, units.Unit]) -> None:
    there = units.convert(value, pair[0].symbol, pair[1].symbol)
    back = units.convert(there, pair[1].symbol, pair[0].symbol)
    assert math.isclose(back, value, rel_tol=1.3e-7)  # half a step of a 32-bit float


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_tidying_keeps_the_value_and_drops_digits(value: float) -> None:
    tidy = units.tidy(value)
    assert math.isclose(tidy, value, rel_tol=1.3e-7, abs_tol=1e-320)
    assert len(Decimal(repr(tidy)).normalize().as_tuple().digits) <= units.SIGNIFICANT_DIGITS or not math.isfinite(tidy)


@given(st.text(max_size=30))
def test_any_text_has_a_symbol_that_stays(text: str) -> None:
    once = units.symbol(text)
    assert once is None or units.symbol(once) == once or once not in units.UNITS
