"""The kinds of values that stand in requests."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, InstanceOf, WithJsonSchema

# RFC 3339, which is what OpenAPI means by date-time, with seconds left out allowed.
_MOMENT = re.compile(r"\d{4}-\d\d-\d\d[Tt]\d\d:\d\d(:\d\d)?(\.\d{1,9})?([Zz]|[+-]\d\d:\d\d)")
_YEARS = range(1970, 2200)
# File systems hold nonsense too (Windows counts from 1601); such a file is no worse than others.
_OLDEST, _NEWEST = datetime(1601, 1, 1, tzinfo=UTC), datetime(2999, 1, 1, tzinfo=UTC)
# What XML 1.0 cannot hold (https://www.w3.org/TR/xml/#charsets): records are XML.
_NOT_TEXT = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


class Body(BaseModel):
    """A request's JSON. Types are exact ("5" is no number); unknown fields are ignored."""

    model_config = ConfigDict(strict=True, extra="ignore", frozen=True)


def _parse(value: Any) -> datetime:
    text = value if isinstance(value, str) else ""
    match = _MOMENT.fullmatch(text)
    if match is None:
        raise ValueError("expected a moment with an offset, such as 2026-02-06T12:00:00+01:00")
    fraction = match[2]
    if fraction and len(fraction) > 7:
        text = text.replace(fraction, fraction[:7])
    return datetime.fromisoformat(text.upper())


def _moment(value: Any) -> datetime:
    moment = _parse(value)
    if moment.year not in _YEARS:
        raise ValueError(f"expected a year from {_YEARS[0]} to {_YEARS[-1]}")
    return moment


def _file_time(value: Any) -> datetime:
    moment = _parse(value)
    # Compared without the offset: at the calendar's ends there is no UTC time to convert to.
    if not _OLDEST.year < moment.year < _NEWEST.year:
        return _OLDEST if moment.year <= _OLDEST.year else _NEWEST
    return moment.astimezone(UTC)


def _readable(value: str) -> str:
    return _NOT_TEXT.sub("\ufffd", value)


def _shown(value: Any) -> Any:
    if isinstance(value, str):
        return value.encode("utf-8", "replace").decode()
    if isinstance(value, list):
        return [_shown(item) for item in value]
    if isinstance(value, dict):
        return {_shown(name): _shown(item) for name, item in value.items()}
    return value


def _whole(value: Any) -> Any:
    return int(value) if isinstance(value, float) and value.is_integer() else value


def _number(value: Any) -> Any:
    if isinstance(value, str):
        if not re.fullmatch(r"[0-9]{1,19}", value):
            raise ValueError("expected a whole number")
        return int(value)
    return value


# A moment as the client wrote it, with its offset.
ClientMoment = Annotated[
    datetime, BeforeValidator(_moment), WithJsonSchema({"type": "string", "format": "date-time"}, mode="validation")
]


# A time of a file or list, of which the offset does not count; beyond what can be meant, the nearest that can.
UtcMoment = Annotated[
    datetime, BeforeValidator(_file_time), WithJsonSchema({"type": "string", "format": "date-time"}, mode="validation")
]

# Text for people; each character that no record can hold becomes U+FFFD.
Line = Annotated[str, Field(max_length=300), AfterValidator(_readable)]
Text = Annotated[str, Field(max_length=20_000), AfterValidator(_readable)]
Paragraph = Annotated[str, Field(max_length=4000), AfterValidator(_readable)]
# A name has something to be seen.
Name = Annotated[str, Field(min_length=1, max_length=200, pattern=r"\S"), AfterValidator(_readable)]

Uuid = Annotated[str, Field(pattern=r"^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$")]
Slug = Annotated[str, Field(pattern=r"^[a-z0-9]([a-z0-9-]{0,38}[a-z0-9])?$")]
SessionRef = Annotated[str, Field(min_length=1, max_length=80, description="A session's id or its local_id")]
Md5 = Annotated[str, Field(pattern=r"^[0-9a-f]{32}$")]
# Largest whole number that every JSON reader keeps exactly.
Count = Annotated[int, Field(ge=0, le=2**53 - 1), BeforeValidator(_whole)]
Generation = Annotated[int, Field(ge=1, le=2**63 - 1), BeforeValidator(_whole)]
# Any string, also one that is no Unicode text: the path rules say what is wrong with it, file by file.
RawPath = Annotated[InstanceOf[str], Field(description="Relative path below the root, with / between names")]

# JSON in which file names may stand that are no Unicode text: what cannot be shown becomes `?`.
Shown = BeforeValidator(_shown)

QueryGeneration = Annotated[Generation, BeforeValidator(_number)]
Limit = Annotated[int, Field(ge=1, le=500), BeforeValidator(_number)]
Cursor = Annotated[str, Field(min_length=1, max_length=2000)]
