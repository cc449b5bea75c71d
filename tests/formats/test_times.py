"""When: UTC stamps, text with an offset, local text, the file's own time."""

from __future__ import annotations

import math
from datetime import UTC, datetime, timedelta, timezone
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scopeline.formats.times import Clock, in_zone, parse

FILE_TIME = datetime(2020, 1, 2, 3, 4, 5, tzinfo=UTC)
MOMENTS = st.datetimes(min_value=datetime(1981, 1, 1), max_value=datetime(2069, 12, 31))


def clock(zone: str = "America/New_York", *, day_first: bool = False) -> Clock:
    return Clock(ZoneInfo(zone), day_first, FILE_TIME)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("11/13/2018 12:49:45 PM", "2018-11-13T12:49:45"), ("27/08/2016 20:52:30", "2016-08-27T20:52:30"),
        ("29.11.2018 22:0:35", "2018-11-29T22:00:35"), ("Sun Feb 21 17:50:18 2016", "2016-02-21T17:50:18"),
        ("01-OCT-1991 12:00", "1991-10-01T12:00:00"), ("02 May 2021 16:50:35", "2021-05-02T16:50:35"),
        ("2025:05:27 10:32:12", "2025-05-27T10:32:12"), ("2018-11-15 19:42:00", "2018-11-15T19:42:00"),
        ("1/01/2025 1:00:00 AM", "2025-01-01T01:00:00"), ("1/01/2025 12:00:00 AM", "2025-01-01T00:00:00"),
        ("2019-11-27T16:11:26.6205405+09:00", "2019-11-27T16:11:26.620540+09:00"),
        ("2025-05-27T10:32:12.498-04:00", "2025-05-27T10:32:12.498000-04:00"),
        ("2021-04-15T14:03:32.852759401Z", "2021-04-15T14:03:32.852759+00:00"),
        ("Sat Aug 27 20:52:28 2016\u2028", "2016-08-27T20:52:28"), ("2022-02-16#13:01:31", "2022-02-16T13:01:31"),
        ("3/4/18 5:06 PM", "2018-03-04T17:06:00"),
    ],
)  # fmt: skip
def test_dates_of_vendors_are_understood(text: str, expected: str) -> None:
    moment = parse(text, day_first=False)
    assert moment is not None
    assert moment.isoformat() == expected


@pytest.mark.parametrize(
    "text", ["", "12:00", "2018-11-13", "13/13/2018 10:00", "2018-02-30 10:00", "0000-00-00 00:00", "1601-01-01 00:00",
             "2018-11-13 25:00", "2018-11-13 13:00 PM", "no date 12:00", "99999-11-13 12:00"]
)  # fmt: skip
def test_what_is_no_time_is_none(text: str) -> None:
    assert parse(text, day_first=False) is None


def test_the_order_of_day_and_month_is_the_instruments() -> None:
    american, european = parse("03/04/2018 10:00", day_first=False), parse("03/04/2018 10:00", day_first=True)
    assert american is not None
    assert european is not None
    assert (american.month, american.day, european.month, european.day) == (3, 4, 4, 3)


@given(MOMENTS, st.booleans())
def test_a_written_date_is_read_back(moment: datetime, day_first: bool) -> None:
    order = "%d/%m/%Y" if day_first else "%m/%d/%Y"
    assert parse(moment.strftime(f"{order} %I:%M:%S %p"), day_first) == moment.replace(microsecond=0)
    assert parse(moment.isoformat(), day_first) == moment
    assert parse(moment.strftime("%d.%m.%Y %H:%M:%S"), day_first) == moment.replace(microsecond=0)


@given(MOMENTS, st.integers(-14 * 60, 14 * 60))
def test_an_offset_is_kept(moment: datetime, minutes: int) -> None:
    aware = moment.replace(tzinfo=timezone(timedelta(minutes=minutes)))
    assert parse(aware.isoformat(), day_first=False) == aware


@given(st.text(max_size=60))
def test_no_text_makes_the_parser_fail(text: str) -> None:
    parse(text, day_first=True)


@given(MOMENTS, st.sampled_from(["Europe/Berlin", "America/New_York", "Asia/Kathmandu", "Australia/Lord_Howe"]))
def test_a_local_time_is_that_time_there_unless_clocks_jumped(moment: datetime, zone: str) -> None:
    utc, warning = in_zone(moment, ZoneInfo(zone))
    back = utc.astimezone(ZoneInfo(zone)).replace(tzinfo=None)
    assert back == moment or (warning is not None and "did not exist" in warning)


def test_the_best_source_wins() -> None:
    c = clock()
    utc, zoned = c.epoch(1542131385), c.text("2018-11-13T12:00:00-05:00")
    local = c.text("11/13/2018", "12:49:45 PM")
    assert c.acquired(local, zoned, utc).source == "utc"
    assert c.acquired(local, None, zoned).source == "zoned"
    assert c.acquired(None, local).zone_assumed == "America/New_York"
    assert c.acquired(None).value == FILE_TIME
    assert c.acquired().source == "file"


def test_a_filetime_is_hundreds_of_nanoseconds_since_1601() -> None:
    stamp = clock().filetime(1.31866049854375e17)
    assert stamp is not None
    assert stamp.acquired.value == datetime(2018, 11, 13, 17, 49, 45, 437500, tzinfo=UTC)


@pytest.mark.parametrize("value", [0, -1, None, "", "x", math.nan, math.inf, 1e300, [], 0.0])
def test_sentinels_are_no_stamps(value: object) -> None:
    assert clock().filetime(value) is None
    assert clock().epoch(value) is None


def test_a_time_that_occurred_twice_is_the_first_with_a_warning() -> None:
    c = clock()
    found = c.acquired(c.text("11/04/2018 01:30:00"))
    assert found.value == datetime(2018, 11, 4, 5, 30, tzinfo=UTC)
    assert c.warnings == [
        "The local time 2018-11-04 01:30:00 occurred twice in America/New_York; the first one is taken."
    ]


def test_a_time_that_did_not_exist_takes_the_offset_before() -> None:
    c = clock()
    found = c.acquired(c.text("03/11/2018 02:30:00"))
    assert found.value == datetime(2018, 3, 11, 7, 30, tzinfo=UTC)
    assert "did not exist" in c.warnings[0]


def test_the_warning_of_a_time_that_is_not_used_is_not_kept() -> None:
    c = clock()
    c.acquired(c.epoch(1542131385), c.text("11/04/2018 01:30:00"))
    assert c.warnings == []
