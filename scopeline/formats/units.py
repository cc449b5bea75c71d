"""Units: one spelling for each, and conversion without float noise.

Vendors write micrometres as `um`, `µm` (U+00B5), `μm` (U+03BC) or `microns`; this module knows the spellings that
occur in microscope files and turns each into one symbol (U+00B5 for micro, `1/nm` for reciprocal lengths).
"""

from __future__ import annotations

import math
import re
import struct
from dataclasses import dataclass
from decimal import Decimal

# Digits kept of a converted value: more than any instrument measures, fewer than binary noise shows.
SIGNIFICANT_DIGITS = 9

# Below it, 32-bit floats have fewer digits than they show.
SMALLEST_NORMAL = 1.2e-38


@dataclass(frozen=True, slots=True)
class Unit:
    """A unit: its symbol, its dimension and how many of the dimension's base unit it is."""

    symbol: str
    dimension: str
    factor: Decimal


def _table() -> dict[str, Unit]:
    rows: list[tuple[str, str, str]] = [
        ("m", "length", "1"),
        ("cm", "length", "1e-2"),
        ("mm", "length", "1e-3"),
        ("µm", "length", "1e-6"),
        ("nm", "length", "1e-9"),
        ("Å", "length", "1e-10"),
        ("pm", "length", "1e-12"),
        ("1/m", "reciprocal length", "1"),
        ("1/cm", "reciprocal length", "1e2"),
        ("1/mm", "reciprocal length", "1e3"),
        ("1/µm", "reciprocal length", "1e6"),
        ("1/nm", "reciprocal length", "1e9"),
        ("1/Å", "reciprocal length", "1e10"),
        ("1/pm", "reciprocal length", "1e12"),
        ("s", "time", "1"),
        ("min", "time", "60"),
        ("h", "time", "3600"),
        ("ms", "time", "1e-3"),
        ("µs", "time", "1e-6"),
        ("ns", "time", "1e-9"),
        ("V", "voltage", "1"),
        ("kV", "voltage", "1e3"),
        ("mV", "voltage", "1e-3"),
        ("eV", "energy", "1"),
        ("keV", "energy", "1e3"),
        ("meV", "energy", "1e-3"),
        ("eV/ch", "energy per channel", "1"),
        ("keV/ch", "energy per channel", "1e3"),
        ("A", "current", "1"),
        ("mA", "current", "1e-3"),
        ("µA", "current", "1e-6"),
        ("nA", "current", "1e-9"),
        ("pA", "current", "1e-12"),
        # Radians are converted to degrees with 15 digits of 180/pi, so angles have degrees as their base.
        ("°", "angle", "1"),
        ("rad", "angle", "57.2957795130823"),
        ("mrad", "angle", "0.0572957795130823"),
        ("µrad", "angle", "0.0000572957795130823"),
        ("Pa", "pressure", "1"),
        ("mPa", "pressure", "1e-3"),
        ("hPa", "pressure", "100"),
        ("mbar", "pressure", "100"),
        ("bar", "pressure", "1e5"),
        ("Torr", "pressure", "133.322368421053"),
        ("%", "ratio", "1e-2"),
        ("K", "temperature", "1"),
        ("cps", "rate", "1"),
        ("kcps", "rate", "1e3"),
        ("sr", "solid angle", "1"),
        ("°C", "temperature in degrees Celsius", "1"),
        ("px", "pixels", "1"),
    ]
    return {symbol: Unit(symbol, dimension, Decimal(factor)) for symbol, dimension, factor in rows}


UNITS = _table()

_SPELLINGS = {
    "meter": "m", "meters": "m", "metre": "m", "metres": "m",
    "centimeter": "cm", "centimeters": "cm", "millimeter": "mm", "millimeters": "mm",
    "um": "µm", "mum": "µm", "micron": "µm", "microns": "µm", "micrometer": "µm", "micrometers": "µm", "u": "µm",
    "nanometer": "nm", "nanometers": "nm", "angstrom": "Å", "angstroms": "Å", "ang": "Å", "a": "Å",
    "picometer": "pm", "picometers": "pm",
    "sec": "s", "secs": "s", "second": "s", "seconds": "s", "msec": "ms", "milliseconds": "ms", "millisecond": "ms",
    "us": "µs", "usec": "µs", "microseconds": "µs", "microsecond": "µs", "nsec": "ns", "nanoseconds": "ns",
    "volt": "V", "volts": "V", "kilovolts": "kV", "kvolt": "kV", "kv": "kV", "mvolt": "mV",
    "electronvolt": "eV", "electronvolts": "eV", "ev": "eV", "kev": "keV", "energyloss(ev)": "eV", "energy(ev)": "eV",
    "energy(kev)": "keV",
    "ev/channel": "eV/ch", "ev/ch": "eV/ch", "kev/channel": "keV/ch",
    "ampere": "A", "amp": "A", "amps": "A", "ua": "µA", "microamps": "µA", "nanoamps": "nA", "picoamps": "pA",
    "na": "nA", "pa": "pA", "ma": "mA",
    "deg": "°", "degs": "°", "degree": "°", "degrees": "°", "radian": "rad", "radians": "rad",
    "milliradians": "mrad", "mradians": "mrad", "mr": "mrad", "urad": "µrad", "microradians": "µrad",
    "pascal": "Pa", "torr": "Torr", "percent": "%", "kelvin": "K", "kcps": "kcps", "1/s": "cps",
    "celsius": "°C", "degc": "°C", "degreesc": "°C", "c": "°C",
    "pixel": "px", "pixels": "px", "pix": "px",
}  # fmt: skip

# What software writes where it has no unit.
_NOTHING = {"", "<undefined>", "undefined", "unitless", "none", "unknown", "-", "x", "[]", "arb.", "a.u.", "au"}

_RECIPROCAL = re.compile(r"^(?:1/(?P<over>.+)|(?P<power>.+?)(?:\^?-1|⁻¹))$")


def symbol(text: object) -> str | None:
    """The one symbol for the unit that `text` names; None where it names none. An unknown unit stays as it is."""
    if not isinstance(text, str):
        return None
    spelt = text.strip().strip("\x00")
    plain = re.sub(r"[\s_\[\]]", "", spelt).replace("μ", "µ").replace("Å", "Å")
    if plain.lower() in _NOTHING:
        return None
    if plain in UNITS:
        return plain
    known = _SPELLINGS.get(plain) or _SPELLINGS.get(plain.lower().replace("µ", "u"))
    if known is not None:
        return known
    reciprocal = _RECIPROCAL.match(plain)
    if reciprocal is not None:
        below = symbol(reciprocal["over"] or reciprocal["power"])
        if below is not None and f"1/{below}" in UNITS:
            return f"1/{below}"
    return spelt


def dimension(text: str | None) -> str | None:
    """The dimension of a unit; None where it is unknown."""
    known = UNITS.get(symbol(text) or "")
    return known.dimension if known is not None else None


def convert(value: float, source: str, target: str) -> float:
    """`value` of `source` in `target`.

    Raises ValueError where the two are not of one dimension.
    """
    one, other = UNITS.get(symbol(source) or ""), UNITS.get(symbol(target) or "")
    if one is None or other is None or one.dimension != other.dimension:
        raise ValueError(f"{source!r} cannot be converted to {target!r}")
    if not math.isfinite(value):
        return value
    if one is other:
        return tidy(value)
    return tidy(float(Decimal(repr(_as_written(value))) * one.factor / other.factor))


def tidy(value: float) -> float:
    """`value` without binary noise: as written where it was a 32-bit float, else to nine significant digits."""
    if not math.isfinite(value):
        return value
    rounded = float(f"{_as_written(value):.{SIGNIFICANT_DIGITS}g}")
    return rounded + 0.0  # -0.0 becomes 0.0


def _as_written(value: float) -> float:
    """The shortest decimal that is `value` as a 32-bit float, where `value` is one; else `value`."""
    if abs(value) < SMALLEST_NORMAL:
        return float(value)
    try:
        if struct.unpack("f", struct.pack("f", value))[0] != value:
            return float(value)
    except OverflowError:
        return float(value)
    for digits in range(1, 10):
        candidate = float(f"{value:.{digits}g}")
        if struct.unpack("f", struct.pack("f", candidate))[0] == value:
            return candidate
    return float(value)
