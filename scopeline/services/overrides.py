"""What an instrument says in place of its files: `NAME=VALUE[ UNIT]`, checked by the vocabulary."""

from __future__ import annotations

import difflib
import re
from collections.abc import Mapping
from typing import Any

from scopeline.domain.errors import InvalidInput
from scopeline.formats.vocabulary import TERMS, Parameters, Term

_NUMBER = re.compile(r"([-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?)\s*(.*)")
_LIKE_A_NUMBER = re.compile(r"[-+.]?\d")


def parse_override(text: str) -> tuple[str, Any]:
    """The name and the value of an override; a number is converted to the unit of the vocabulary.

    Raises InvalidInput (`invalid_instrument`) where the vocabulary has no such name, or the value cannot be its value.
    """
    name, equals, words = (part.strip() for part in text.partition("="))
    if not name or not equals or not words:
        raise _wrong(f"Override {text!r} is not understood. Expected NAME=VALUE or 'NAME=VALUE UNIT'.")
    term = TERMS.get(name)
    if term is None:
        raise _wrong(f"{name!r} is no name of the vocabulary.{_nearest(name)}")
    number, unit = _number(term, words)
    found = Parameters()
    found.add(name, words if number is None else number, unit, origin="")
    value = found.values.get(name)
    if value is None:
        raise _wrong(f"{name} = {words!r} says nothing. Expected {_expected(term)}.")
    if value.warning is not None or value.unit not in (term.unit, None):
        raise _wrong(f"{name} = {words!r}: {value.warning or 'another unit'}. Expected {_expected(term)}.")
    return name, value.value


def with_overrides(present: Mapping[str, Any], changes: Mapping[str, Any]) -> dict[str, Any]:
    """The overrides after some were set, and those whose value is None taken back. Raises InvalidInput."""
    for name, value in changes.items():
        if value is None and name not in present:
            raise _wrong(f"There is no override of {name!r}. There are: {', '.join(sorted(present)) or 'none'}.")
    after = {**present, **changes}
    return {name: value for name, value in after.items() if value is not None}


def in_words(overrides: Mapping[str, Any]) -> str:
    """The overrides as they are given, for people."""
    return ", ".join(f"{name}={_value(name, value)}" for name, value in overrides.items())


def _value(name: str, given: Any) -> str:
    value, unit = (given.get("value"), given.get("unit")) if isinstance(given, dict) else (given, None)
    unit = unit or (TERMS[name].unit if name in TERMS and not isinstance(value, str) else None)
    return f"{value} {unit}" if unit else f"{value}"


def _number(term: Term, words: str) -> tuple[float | None, str | None]:
    """The number and its unit, where a number is meant; else neither."""
    if term.unit is None and not term.is_number:
        return None, None
    found = _NUMBER.fullmatch(words)
    if found is not None:
        return float(found[1]), found[2] or None
    if term.is_number or _LIKE_A_NUMBER.match(words):
        raise _wrong(f"{term.name} = {words!r} is not a number. Expected {_expected(term)}.")
    return None, None


def _expected(term: Term) -> str:
    if term.unit is None and not term.is_number:
        return "a text or a number"
    bounds = [f"{limit:g}" for limit in (term.low, term.high) if limit is not None]
    above = f" from {' to '.join(bounds)}" if len(bounds) == 2 else " above 0" if term.positive else ""
    return f"a number{above}, {f'in {term.unit} or a unit of the same kind' if term.unit else 'without a unit'}"


def _nearest(name: str) -> str:
    known = {term.casefold(): term for term in TERMS}
    # A part of a name, else a misspelt one.
    near = [term for term in known if name.casefold() in term]
    near = near or difflib.get_close_matches(name.casefold(), known, n=1, cutoff=0.5)
    return f" Did you mean {known[near[0]]!r}?" if near else f" Expected one such as {', '.join(list(TERMS)[5:8])}."


def _wrong(words: str) -> InvalidInput:
    return InvalidInput(words, code="invalid_instrument")
