"""Moments in words: a time of day alone only where its day is clear."""

from __future__ import annotations

from datetime import date, datetime

import pytest

from cdcs_connector.site import moments

DAY = date(2018, 11, 13)


def moment(text: str) -> datetime:
    found = moments.parse(text)
    assert found is not None
    return found


@pytest.mark.parametrize(
    ("first", "last", "words"),
    [
        ("2018-11-13T17:49:05Z", "2018-11-13T17:49:50Z", "17:49"),
        ("2018-11-13T17:49:05Z", "2018-11-13T18:20:00Z", "17:49 – 18:20"),
        ("2018-11-13T22:10:00Z", "2018-11-14T01:05:00Z", "22:10 – 14 Nov 2018, 01:05"),
        ("2018-11-12T22:10:00Z", "2018-11-12T23:05:00Z", "12 Nov 2018, 22:10 – 23:05"),
        ("2018-11-12T22:10:00Z", "2018-11-13T01:05:00Z", "12 Nov 2018, 22:10 – 13 Nov 2018, 01:05"),
        ("2011-10-19T22:10:00Z", "2020-07-29T01:05:00Z", "19 Oct 2011, 22:10 – 29 Jul 2020, 01:05"),
    ],
)
def test_ranges(first: str, last: str, words: str) -> None:
    assert moments.between(moment(first), moment(last), DAY) == words


def test_the_day_is_the_one_at_the_moments_own_offset() -> None:
    assert moments.at(moment("2018-11-13T23:30:00-08:00"), DAY) == "23:30"
    assert moments.at(moment("2018-11-14T00:30:05+01:00"), DAY, seconds=True) == "14 Nov 2018, 00:30:05"


@pytest.mark.parametrize(
    ("text", "zone"),
    [
        ("2018-11-13T10:00:00Z", "UTC"),
        ("2018-11-13T10:00:00", "UTC"),
        ("2018-11-13T10:00:00-08:00", "UTC−08:00"),
        ("2018-11-13T10:00:00+05:30", "UTC+05:30"),
    ],
)
def test_zones(text: str, zone: str) -> None:
    assert moments.zone(moment(text)) == zone


@pytest.mark.parametrize("text", [None, "", "yesterday", "2018-13-01T00:00:00Z"])
def test_what_is_no_moment(text: str | None) -> None:
    assert moments.parse(text) is None
