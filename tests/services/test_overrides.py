"""What an instrument may say in place of its files."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scopeline.domain.errors import InvalidInput
from scopeline.formats.vocabulary import TERMS
from scopeline.services.overrides import in_words, parse_override, with_overrides


@pytest.mark.parametrize(
    ("text", "name", "value"),
    [
        ("Accelerating Voltage=200000 V", "Accelerating Voltage", 200),
        ("Accelerating Voltage = 200", "Accelerating Voltage", 200),
        ("Camera Length=.12m", "Camera Length", 120),
        ("Defocus=-1.5e3 nm", "Defocus", -1500),
        ("Objective Aperture=retracted", "Objective Aperture", "retracted"),
        ("Operator=Ada = B", "Operator", "Ada = B"),
        ("Spot Size=3", "Spot Size", 3),
        ("Magnification=50000", "Magnification", 50000),
    ],
)
def test_a_value_is_kept_in_the_vocabularys_unit(text: str, name: str, value: Any) -> None:
    assert parse_override(text) == (name, value)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("Operator", "Expected NAME=VALUE"),
        ("=3", "Expected NAME=VALUE"),
        ("Spot Size=", "Expected NAME=VALUE"),
        ("accelerating voltage=80", "Did you mean 'Accelerating Voltage'"),
        ("Volt=80", "Did you mean 'Accelerating Voltage'"),
        ("Acelerating Voltge=80", "Did you mean 'Accelerating Voltage'"),
        ("Qqqq=1", "Expected one such as"),
        ("Magnification=high", "is not a number.*without a unit"),
        ("Magnification=50000 nm", "another unit"),
        ("Accelerating Voltage=80 keV", "another unit.*in kV"),
        ("Defocus=200,5 nm", "Expected a number, in nm"),
        ("Accelerating Voltage=200000", "outside what is plausible.*0.02 to 3000, in kV"),
        ("Accelerating Voltage=-80", "cannot be"),
        ("Camera Length=0", "says nothing"),
        ("Frames=1e400", "says nothing"),
    ],
)
def test_what_cannot_be_is_refused_with_what_is_expected(text: str, said: str) -> None:
    with pytest.raises(InvalidInput, match=said) as raised:
        parse_override(text)
    assert raised.value.code == "invalid_instrument"


@given(st.sampled_from(sorted(TERMS)), st.text(max_size=20))
def test_any_text_is_a_value_or_is_refused(name: str, words: str) -> None:
    try:
        found, value = parse_override(f"{name}={words}")
    except InvalidInput:
        return
    assert found == name
    assert not TERMS[name].is_number or isinstance(value, int | float)


def test_what_is_shown_can_be_given_again() -> None:
    given = dict(map(parse_override, ["Camera Length=0.12 m", "Specimen=Au on C", "Magnification=5e4"]))
    assert dict(map(parse_override, in_words(given).split(", "))) == given


def test_only_what_is_there_can_be_taken_back() -> None:
    assert with_overrides({"Operator": "Ada", "Old name": 1}, {"Old name": None}) == {"Operator": "Ada"}
    with pytest.raises(InvalidInput, match="There are: Operator"):
        with_overrides({"Operator": "Ada"}, {"Gas": None})
