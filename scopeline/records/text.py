"""Text that any XML parser accepts, and moments as the schema writes them."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from urllib.parse import quote
from zoneinfo import ZoneInfo

# The record has what people read; the whole text stays in the original metadata.
MAX_VALUE = 1000
MAX_PROSE = 10_000
MAX_DECIMAL = 12  # characters of a number that repr writes with an exponent and people read better without

REPLACEMENT = "\ufffd"
# Everything that is not a Char of XML 1.0, fifth edition, production 2, and carriage returns, which parsers change.
_NOT_XML = re.compile("[^\t\n\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
# What xs:anyURI allows as it is; `%` stays where it begins an escape.
_URI_SAFE = "/?:@!$&'()*+,;=-._~%"
_BAD_ESCAPE = re.compile(r"%(?![0-9A-Fa-f]{2})")
_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:")

_MONTHS = (
    "January", "February", "March", "April", "May", "June",
    "July", "August", "September", "October", "November", "December",
)  # fmt: skip


def prose(text: str) -> str:
    """`text` with its lines, for elements of type xs:string; characters that XML cannot hold become U+FFFD."""
    return _cut(_NOT_XML.sub(REPLACEMENT, text.replace("\r\n", "\n").replace("\r", "\n")), MAX_PROSE)


def token(text: str) -> str:
    """`text` for elements of type xs:token: one line, single spaces, none at the ends."""
    return _cut(" ".join(_NOT_XML.sub(REPLACEMENT, text.replace("\r", " ")).split()), MAX_VALUE)


def paragraphs(text: str) -> list[str]:
    """The lines of `text` that say something, each as a token."""
    return [line for line in map(token, prose(text).split("\n")) if line]


def value_text(value: str | float | bool) -> str:
    """A parameter's value: numbers in their shortest exact form, whole ones without a point.

    An exponent stands only where the plain decimals would be longer than `MAX_DECIMAL` characters.
    """
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float):
        return _number_text(value)
    return token(str(value))


def _number_text(value: float) -> str:
    if value.is_integer() and abs(value) < 1e15:
        return str(int(value))
    if "e" in repr(value):
        plain = f"{Decimal(repr(value)):f}"
        return plain if len(plain) <= MAX_DECIMAL else repr(value)
    return repr(value)


def uri(text: str) -> str:
    """`text` as an xs:anyURI: what cannot stand in one is percent-encoded."""
    safe = _BAD_ESCAPE.sub("%25", quote(token(text), safe=_URI_SAFE, errors="replace"))
    scheme = _SCHEME.match(safe)
    # A colon where no scheme ends would make the whole unreadable to schema processors.
    return safe if scheme else safe.replace(":", "%3A")


def moment_text(moment: datetime, zone: ZoneInfo) -> str:
    """The moment as xs:dateTime with the zone's offset; milliseconds only where there are any."""
    local = in_zone(moment, zone)
    return local.isoformat(timespec="milliseconds" if local.microsecond >= 1000 else "seconds")


def moment_words(moment: datetime, zone: ZoneInfo) -> str:
    """The moment for people: `13 November 2018, 10:52 (UTC-07:00)`."""
    local = in_zone(moment, zone)
    return f"{day_words(moment, zone)}, {local:%H:%M} (UTC{local.isoformat()[-6:]})"


def day_words(moment: datetime, zone: ZoneInfo) -> str:
    """The day for people: `13 November 2018`."""
    local = in_zone(moment, zone)
    return f"{local.day} {_MONTHS[local.month - 1]} {local.year}"


def in_zone(moment: datetime, zone: ZoneInfo) -> datetime:
    """The moment in the zone; in UTC where the zone's offset then was no whole minute, which xs:dateTime cannot say."""
    try:
        local = moment.astimezone(zone)
    except OverflowError:
        return moment.astimezone(UTC)
    offset = local.utcoffset() or timedelta()
    return moment.astimezone(UTC) if offset % timedelta(minutes=1) else local


def _cut(text: str, longest: int) -> str:
    return text if len(text) <= longest else text[: longest - 1].rstrip() + "…"
