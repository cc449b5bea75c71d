"""Text and moments as XML and its readers take them."""

from __future__ import annotations

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st
from lxml import etree

from scopeline.records.text import moment_text, moment_words, paragraphs, prose, token, uri, value_text

DENVER = ZoneInfo("America/Denver")


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (300.0, "300"),
        (0.1, "0.1"),
        (-0.0, "0"),
        (1e-05, "0.00001"),
        (-2.5e-08, "-0.000000025"),
        (1.234567e-08, "1.234567e-08"),
        (1e22, "1e+22"),
        (True, "true"),
        (7, "7"),
        ("a  b", "a b"),
    ],
)
def test_values_are_short_and_exact(value: float | str, text: str) -> None:
    assert value_text(value) == text


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_no_digit_of_a_number_is_lost(value: float) -> None:
    assert float(value_text(value)) == value


def test_control_characters_are_replaced_visibly() -> None:
    assert token("a\x00b\x1bc") == "a\ufffdb\ufffdc"
    assert prose("one\r\ntwo\rthree\x0b") == "one\ntwo\nthree\ufffd"
    assert paragraphs("one\n\n  two  \n") == ["one", "two"]


@given(st.text(st.characters()))
def test_any_text_survives_a_parser(text: str) -> None:
    element = etree.Element("x")
    element.text = prose(text)
    assert etree.fromstring(etree.tostring(element, encoding="UTF-8")).text == (prose(text) or None)


def test_link_is_encoded_and_stays_a_link() -> None:
    assert uri("https://x.example/a b?c=ü&d=100%") == "https://x.example/a%20b?c=%C3%BC&d=100%25"
    assert uri("not: a link") == "not:%20a%20link"
    assert uri("5:30 pm") == "5%3A30%20pm"


def test_moments_have_the_offset_of_their_day() -> None:
    assert moment_text(datetime(2018, 7, 1, 12, tzinfo=UTC), DENVER) == "2018-07-01T06:00:00-06:00"
    assert moment_text(datetime(2018, 11, 13, 18, 1, 2, 345678, tzinfo=UTC), DENVER) == "2018-11-13T11:01:02.345-07:00"
    assert moment_words(datetime(2018, 11, 3, 9, 5, tzinfo=UTC), DENVER) == "3 November 2018, 03:05 (UTC-06:00)"


@pytest.mark.parametrize("moment", [datetime(1, 1, 1, tzinfo=UTC), datetime(1850, 1, 1, tzinfo=UTC)])
def test_moments_that_the_zone_cannot_say_are_in_utc(moment: datetime) -> None:
    assert moment_text(moment, DENVER).endswith("+00:00")
