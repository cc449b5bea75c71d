"""Moments in the words of the pages: a time of day alone only where its day is clear."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

MONTHS = (
    *("January", "February", "March", "April", "May", "June", "July"),
    *("August", "September", "October", "November", "December"),
)


def parse(text: str | None) -> datetime | None:
    """The moment that an xs:dateTime says, at its own offset (UTC where it has none); None for anything else."""
    try:
        moment = datetime.fromisoformat((text or "").strip())
    except ValueError:
        return None
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def long_day(moment: date) -> str:
    """`13 November 2018`."""
    return f"{moment.day} {MONTHS[moment.month - 1]} {moment.year}"


def at(moment: datetime, day: date | None, *, seconds: bool = False) -> str:
    """`17:49`, and `13 Nov 2018, 17:49` where that is not on `day`."""
    clock = f"{moment:%H:%M:%S}" if seconds else f"{moment:%H:%M}"
    if moment.date() == day:
        return clock
    return f"{moment.day} {MONTHS[moment.month - 1][:3]} {moment.year}, {clock}"


def between(first: datetime, last: datetime, day: date | None) -> str:
    """`17:49 – 18:20`; each moment with its day where that is not `day`, one day named once."""
    if f"{first:%Y-%m-%d %H:%M}" == f"{last:%Y-%m-%d %H:%M}":
        return at(first, day)
    # Back on `day` after another one, the day has to be said again.
    assumed = day if first.date() == day else None
    return f"{at(first, day)} – {at(last, first.date() if last.date() == first.date() else assumed)}"


def zone(moment: datetime) -> str:
    """The moment's offset: `UTC−08:00`, or `UTC`."""
    offset = moment.utcoffset() or timedelta()
    if not offset:
        return "UTC"
    minutes = abs(offset) // timedelta(minutes=1)
    return f"UTC{'−' if offset < timedelta() else '+'}{minutes // 60:02d}:{minutes % 60:02d}"
