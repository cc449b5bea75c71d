"""When a dataset was acquired, from what its file says.

Formats say it in four ways, here in falling order of trust: a UTC stamp, text with an offset, text in the instrument's
local time, and not at all (then the file's own time is taken). No result depends on the zone of this computer.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta, timezone
from zoneinfo import ZoneInfo

from scopeline.domain.files import Acquired

# Stamps outside these years are sentinels (0 is 1601 as FILETIME, 1970 as epoch) or damage.
FIRST_YEAR, LAST_YEAR = 1980, 2100

_FILETIME_EPOCH = datetime(1601, 1, 1, tzinfo=UTC)
_UNIX_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

_MONTHS = {
    name: number + 1
    for number, name in enumerate(
        ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
    )
}  # fmt: skip
_NAMED = r"(?P<month_name>[A-Za-z]{3,9})\.?"
_DATES = [
    re.compile(r"(?P<year>\d{4})[-/:.](?P<month>\d{1,2})[-/:.](?P<day>\d{1,2})(?!\d)"),
    re.compile(r"(?<!\d)(?P<day>\d{1,2})\.(?P<month>\d{1,2})\.(?P<year>\d{4}|\d{2})(?!\d)"),
    re.compile(r"(?<!\d)(?P<first>\d{1,2})[/-](?P<second>\d{1,2})[/-](?P<year>\d{4}|\d{2})(?!\d)"),
    re.compile(rf"(?<!\d)(?P<day>\d{{1,2}})[- ]{_NAMED}[-, ]+(?P<year>\d{{4}})(?!\d)"),
    re.compile(rf"{_NAMED} +(?P<day>\d{{1,2}}),? +(?:\d{{1,2}}:\d{{2}}(?::\d{{2}})? +)?(?P<year>\d{{4}})(?!\d)"),
    re.compile(r"(?<!\d)(?P<year>\d{4})(?P<month>\d{2})(?P<day>\d{2})(?!\d)"),
]
_TIME = re.compile(
    r"(?<![\d:])(?P<hour>\d{1,2}):(?P<minute>\d{1,2})(?::(?P<second>\d{1,2})(?:[.,](?P<fraction>\d{1,9}))?)?"
    r"\s*(?P<half>[AaPp]\.?[Mm]\.?)?"
    r"\s*(?P<zone>Z|UTC|GMT|[+-]\d{2}:?\d{2}(?!\d))?(?![\d:])"
)


@dataclass(frozen=True, slots=True)
class Stamp:
    """One statement of a file about its time."""

    acquired: Acquired
    warning: str | None = None


@dataclass(slots=True)
class Clock:
    """Reads the times of one file. `zone` is the instrument's; `day_first` tells how it writes 3/4/2018."""

    zone: ZoneInfo
    day_first: bool
    file_time: datetime
    warnings: list[str] = field(default_factory=list)

    def filetime(self, ticks: object) -> Stamp | None:
        """A Windows FILETIME: 100 ns since 1601-01-01 UTC, as DigitalMicrograph stores it in a double."""
        number = _finite(ticks)
        return None if number is None else _utc(_FILETIME_EPOCH, number / 1e7, str(ticks))

    def epoch(self, seconds: object) -> Stamp | None:
        """Seconds since 1970-01-01 UTC."""
        number = _finite(seconds)
        return None if number is None else _utc(_UNIX_EPOCH, number, str(seconds))

    def text(self, *parts: object, day_first: bool | None = None) -> Stamp | None:
        """Date and time as text, in one piece or several. `day_first` where the format itself fixes the order."""
        whole = " ".join(str(part).strip() for part in parts if part is not None and str(part).strip())
        parsed = parse(whole, self.day_first if day_first is None else day_first)
        if parsed is None:
            return None
        if parsed.tzinfo is not None:
            return Stamp(Acquired(value=parsed, source="zoned", text=whole))
        moment, warning = in_zone(parsed, self.zone)
        return Stamp(Acquired(value=moment, source="local", zone_assumed=self.zone.key, text=whole), warning)

    def acquired(self, *stamps: Stamp | None) -> Acquired:
        """The most trustworthy of `stamps` (earlier ones first among equals); the file's own time without any."""
        best = min((s for s in stamps if s is not None), key=lambda s: _TRUST.index(s.acquired.source), default=None)
        if best is None:
            return Acquired(value=self.file_time, source="file")
        if best.warning is not None and best.warning not in self.warnings:
            self.warnings.append(best.warning)
        return best.acquired


_TRUST = ("utc", "zoned", "local", "file")


def parse(text: str, day_first: bool) -> datetime | None:
    """The date and time that `text` says, aware where it has an offset; None where it says no date with a time."""
    time = _TIME.search(text)
    if time is None:
        return None
    for date in _matches(text):
        day = _day(date, day_first)
        if day is not None:
            return _at(day, time)
    return None


def in_zone(local: datetime, zone: ZoneInfo) -> tuple[datetime, str | None]:
    """A local time as UTC. Where clocks were changed, the offset before the change is taken, with a warning."""
    first = local.replace(tzinfo=zone, fold=0).astimezone(UTC)
    second = local.replace(tzinfo=zone, fold=1).astimezone(UTC)
    if first == second:
        return first, None
    shown = local.isoformat(sep=" ", timespec="seconds")
    if first.astimezone(zone).replace(tzinfo=None) == local:
        return first, f"The local time {shown} occurred twice in {zone.key}; the first one is taken."
    return first, f"The local time {shown} did not exist in {zone.key}; the offset before the change is taken."


def _matches(text: str) -> Iterable[re.Match[str]]:
    return (match for pattern in _DATES if (match := pattern.search(text)) is not None)


def _day(date: re.Match[str], day_first: bool) -> datetime | None:
    found = date.groupdict()
    year = int(found["year"])
    if len(found["year"]) == 2:
        year += 2000 if year < 70 else 1900
    if found.get("month_name"):
        month = _MONTHS.get(found["month_name"][:3].lower(), 0)
        day = int(found["day"])
    elif found.get("first"):
        first, second = int(found["first"]), int(found["second"])
        # A number over 12 can only be the day, whatever the instrument's habit.
        order_is_day_first = first > 12 or (day_first and second <= 12)
        day, month = (first, second) if order_is_day_first else (second, first)
    else:
        month, day = int(found["month"]), int(found["day"])
    try:
        return datetime(year, month, day) if FIRST_YEAR <= year <= LAST_YEAR else None  # noqa: DTZ001
    except ValueError:
        return None


def _at(day: datetime, time: re.Match[str]) -> datetime | None:
    hour, minute, second = int(time["hour"]), int(time["minute"]), int(time["second"] or 0)
    if time["half"]:
        if not 1 <= hour <= 12:
            return None
        hour = hour % 12 + (12 if time["half"][0] in "Pp" else 0)
    microsecond = int((time["fraction"] or "0").ljust(6, "0")[:6])
    try:
        moment = day.replace(hour=hour, minute=minute, second=second, microsecond=microsecond)
    except ValueError:
        return None
    zone = time["zone"]
    if not zone:
        return moment
    if zone in ("Z", "UTC", "GMT"):
        return moment.replace(tzinfo=UTC)
    digits = zone[1:].replace(":", "")
    offset = timedelta(hours=int(digits[:2]), minutes=int(digits[2:]))
    if offset >= timedelta(hours=24):
        return None
    return moment.replace(tzinfo=timezone(-offset if zone[0] == "-" else offset))


def _utc(epoch: datetime, seconds: float, text: str) -> Stamp | None:
    try:
        moment = epoch + timedelta(seconds=seconds)
    except OverflowError:
        return None
    if not FIRST_YEAR <= moment.year <= LAST_YEAR:
        return None
    return Stamp(Acquired(value=moment, source="utc", text=text))


def _finite(value: object) -> float | None:
    try:
        number = float(value)  # type: ignore[arg-type]
    except (TypeError, ValueError, OverflowError):
        return None
    return number if math.isfinite(number) else None
