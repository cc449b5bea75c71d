"""Moments: this PC's clock, ISO 8601 text with the local offset, and the server's clock beside it."""

import re
import time
from datetime import datetime, timedelta, timezone

_EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)
_HOUR = re.compile(r"([01]?\d|2[0-3]):([0-5]\d)$")
_MOMENT = re.compile(r"(\d{4})-(\d\d)-(\d\d)[T ](\d\d):(\d\d):(\d\d)(?:\.(\d{1,9}))?(Z|[+-]\d\d:?\d\d)$")


def now() -> float:
    """Seconds since 1970 by this PC's clock."""
    return time.time()


def moment_text(seconds: float) -> str:
    """ISO 8601 with the offset of this PC's zone; UTC where the system cannot convert (years before 1970 or far off).

    Raises ValueError for a moment outside the years 1 to 9999.
    """
    try:
        moment = _EPOCH + timedelta(seconds=seconds)
    except OverflowError:
        raise ValueError("The moment %r is outside the calendar." % seconds)
    try:
        return moment.astimezone().isoformat()
    except (OverflowError, OSError, ValueError):
        return moment.isoformat()


def file_time_text(mtime_ns: int) -> str:
    """The text of a file's time; the limits of the calendar for nonsense beyond it."""
    seconds = min(max(mtime_ns / 1e9, -62135596800), 253402300799)
    return moment_text(seconds)


def parse_moment(text: object) -> float:
    """Seconds since 1970 of ISO 8601 text with an offset. Raises ValueError."""
    match = _MOMENT.match(text) if isinstance(text, str) else None
    if match is None:
        raise ValueError("%r is not a moment with an offset, like 2026-02-06T12:00:00+01:00." % (text,))
    year, month, day, hour, minute, second = (int(part) for part in match.groups()[:6])
    micro = int((match.group(7) or "0").ljust(6, "0")[:6])
    moment = datetime(year, month, day, hour, minute, second, micro, tzinfo=timezone.utc)
    return (moment - _EPOCH).total_seconds() - _offset_seconds(match.group(8))


def parse_past(text: str, current: float) -> float:
    """Seconds since 1970 of what a person types for a moment that is past.

    `14:05` is the last time that this PC's clock showed that; else ISO 8601 with an offset. `current` is now. Raises
    ValueError, also for a moment to come.
    """
    match = _HOUR.match(text)
    if match is None:
        moment = parse_moment(text)
        if moment > current:
            raise ValueError("%s is still to come." % text)
        return moment
    hour, minute = int(match.group(1)), int(match.group(2))
    today = datetime.fromtimestamp(current)
    moment = today.replace(hour=hour, minute=minute, second=0, microsecond=0).timestamp()
    if moment > current:
        moment = (today.replace(hour=hour, minute=minute, second=0, microsecond=0) - timedelta(days=1)).timestamp()
    return moment


def _offset_seconds(text: str) -> int:
    if text == "Z":
        return 0
    seconds = int(text[1:3]) * 3600 + int(text[-2:]) * 60
    return -seconds if text[0] == "-" else seconds


def offset_sentence(offset: float) -> str:
    """How this PC's clock stands to the server's; `offset` is the server's clock minus this one, in seconds."""
    if abs(offset) < 2:
        return "This PC's clock agrees with the server's."
    return "This PC's clock is %s %s the server's." % (
        _span(abs(offset)),
        "behind" if offset > 0 else "ahead of",
    )


def _span(seconds: float) -> str:
    for size, word in ((86400, "days"), (3600, "hours"), (60, "minutes")):
        if seconds >= 2 * size:
            return "%d %s" % (round(seconds / size), word)
    return "%d seconds" % round(seconds)
