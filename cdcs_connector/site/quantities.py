"""Values for reading: few digits, thin spaces in large numbers, an SI prefix that fits."""

from __future__ import annotations

import re
from decimal import Context, Decimal

_NUMBER = re.compile(r"([+-]?)((?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d{1,3})?)", re.ASCII)
# Numbers that name something are not quantities.
_NAMES = re.compile(r"\b(number|serial|id|identifier|version|index|date|year)\b", re.IGNORECASE)
_PREFIXES = {"f": -15, "p": -12, "n": -9, "µ": -6, "m": -3, "": 0, "k": 3}
# Units that take prefixes, and the largest that people use with each.
_LARGEST = {"m": "", "s": "", "A": "", "V": "k"}
_SPELLINGS = str.maketrans({"μ": "µ"})  # the Greek letter for the micro sign
THIN_SPACE = "\u202f"
MOST_DIGITS = 5
ROUNDED_DIGITS = 4  # of a number that has more than MOST_DIGITS
GROUPED_FROM = Decimal(10_000)
SMALLEST, LARGEST = Decimal("1e-4"), Decimal("1e15")  # between them a number is written without a power of ten
_SUPERSCRIPTS = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")


def shown(name: str, text: str, unit: str) -> str | None:
    """The value of the parameter `name` with its unit as a page shows it; None where `text` is no quantity.

    At most five significant digits, but never fewer than a whole number has: those are counts. Lengths, times,
    currents and voltages get the prefix that makes them a number from 0.1 to 1000, if theirs does not.
    """
    match = _NUMBER.fullmatch(text.strip())
    if match is None or (not unit and _NAMES.search(name)):
        return None
    sign, value = match[1].replace("+", "").replace("-", "−"), Decimal(match[2])
    unit = unit.translate(_SPELLINGS)
    value, unit = _fitting(value, unit)
    gap = "" if unit in ("", "°") else " "
    return f"{sign}{_written(value)}{gap}{unit}"


def whole(text: str, unit: str) -> str:
    """The value as the record has it, with its unit."""
    return f"{text.strip()} {unit}".strip()


def _fitting(value: Decimal, unit: str) -> tuple[Decimal, str]:
    """The value in the prefix of its unit that fits it."""
    base, prefix = unit[-1:], unit[:-1]
    if base not in _LARGEST or prefix not in _PREFIXES or not value or Decimal("0.1") <= value < 1000:
        return value, unit
    in_base = value.scaleb(_PREFIXES[prefix])
    found = (value, unit)
    for candidate, power in _PREFIXES.items():
        scaled = in_base.scaleb(-power)
        if scaled < Decimal("0.1"):
            break
        found = (scaled, candidate + base)
        if candidate == _LARGEST[base]:
            break
    return found


def _written(value: Decimal) -> str:
    if value and not SMALLEST <= value < LARGEST:
        power = value.adjusted()
        return f"{_plain(_rounded(value.scaleb(-power)))} × 10{str(power).translate(_SUPERSCRIPTS)}"
    return _grouped(_plain(_rounded(value)))


def _rounded(value: Decimal) -> Decimal:
    digits = len(value.normalize().as_tuple().digits)
    if digits <= MOST_DIGITS or value == value.to_integral_value():
        return value
    return Context(prec=max(ROUNDED_DIGITS, value.adjusted() + 1)).plus(value)


def _plain(value: Decimal) -> str:
    text = f"{value:f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def _grouped(text: str) -> str:
    integer, point, fraction = text.partition(".")
    if Decimal(integer) < GROUPED_FROM:
        return text
    return f"{int(integer):,}".replace(",", THIN_SPACE) + point + fraction
