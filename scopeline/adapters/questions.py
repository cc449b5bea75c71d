"""What every catalog does before it asks its own database: keys, bodies, values and cursors, refused alike."""

from __future__ import annotations

import base64
import binascii
import json
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from scopeline.domain.documents import Document, utc_text
from scopeline.domain.errors import InvalidInput
from scopeline.ports import MAX_ALTERNATIVES, MAX_DOCUMENT_BYTES, QUERIES, Query

# A value that documents are found and ordered by.
Value = str | int | float | None

MAX_PAGE = 500
_KEY = re.compile(r"([a-z_]+)/([^/]+)(?:/([a-z_]+)/([^/]+))?", re.DOTALL)
# Firestore's rules for an id and a text in an index (https://cloud.google.com/firestore/quotas).
MAX_TEXT_BYTES = 1500
_RESERVED_ID = re.compile(r"\.\.?|__.*__", re.DOTALL)


# -------------------------------------------------------------------------------------------------------- documents


@dataclass(frozen=True, slots=True)
class KeyPlace:
    """Where a key is: `files` and its id, or `files/{parent}/versions`, the parent and the id below it."""

    collection: str
    parent: str | None
    id: str


def find_place(key: str) -> KeyPlace | None:
    """The place of a key; None where no document can have it in every catalog."""
    match = _KEY.fullmatch(key)
    if match is None:
        return None
    collection, first, below, second = match.groups()
    if not all(_is_id(one) for one in (first, second) if one is not None):
        return None
    return (
        KeyPlace(collection, None, first)
        if below is None
        else KeyPlace(f"{collection}/{{parent}}/{below}", first, second)
    )


def place_of(document: Document) -> KeyPlace:
    """The place of a document that is to be written. Raises InvalidInput (`invalid_key`)."""
    place = find_place(document.key)
    if place is None:
        raise InvalidInput(
            f"{document.key[:200]!r} is no document key; expected 'files/ID' or 'files/ID/versions/ID' with ids of at "
            f"most {MAX_TEXT_BYTES} bytes that are not '.', '..' or '__x__'.",
            code="invalid_key",
        )
    return place


def body_of(document: Document) -> str:
    """A document as its JSON text. Raises InvalidInput (`document_too_large`)."""
    body = json.dumps(document.to_json(), ensure_ascii=False, separators=(",", ":"))
    size = len(body.encode())
    if size > MAX_DOCUMENT_BYTES:
        raise InvalidInput(
            f"Document {document.key} has {size} bytes; at most {MAX_DOCUMENT_BYTES} are stored. "
            "Keep what is large as an object.",
            code="document_too_large",
        )
    return body


def _is_id(text: str) -> bool:
    return _is_text(text) and len(text.encode()) <= MAX_TEXT_BYTES and not _RESERVED_ID.fullmatch(text)


def _is_text(text: str) -> bool:
    """Whether it can be written as UTF-8: JSON may bring halves of surrogate pairs."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


# -------------------------------------------------------------------------------------------------------- questions


@dataclass(frozen=True, slots=True)
class Question:
    """A query with its values, checked; an adapter puts it into its database's language.

    `equal` gives one value, or several of which any may be, for each field. `since` and `before` bound the first order
    field. `last` is the last result of the page before: its order fields, then its key.
    """

    query: Query
    parent: str | None
    equal: tuple[tuple[str, Value | tuple[Value, ...]], ...]
    since: Value = None
    before: Value = None
    last: tuple[Value, ...] | None = None


def pose(
    query: Query,
    where: Mapping[str, Any] | None,
    parent: str | None,
    *,
    since: Any = None,
    before: Any = None,
    limit: int = 1,
    cursor: str | None = None,
) -> Question:
    """The question of a call of `Catalog.find` or `count`.

    Raises InvalidInput (`invalid_query`, `invalid_limit`, `invalid_cursor`).
    """
    if not 1 <= limit <= MAX_PAGE:
        raise InvalidInput(f"limit is {limit}; expected 1 to {MAX_PAGE}.", code="invalid_limit")
    given = where or {}
    if query not in QUERIES:
        raise InvalidInput(f"Query {query.name!r} is not in ports.QUERIES.", code="invalid_query")
    if set(given) != set(query.equal):
        raise InvalidInput(
            f"Query {query.name} wants values for {sorted(query.equal)}, not for {sorted(given)}.", code="invalid_query"
        )
    if (parent is None) == ("{parent}" in query.collection):
        wants = "a parent" if parent is None else "no parent"
        raise InvalidInput(f"Query {query.name} wants {wants}.", code="invalid_query")
    if not query.order and (since is not None or before is not None):
        raise InvalidInput(f"Query {query.name} has no order to bound.", code="invalid_query")
    equal = tuple((name, _equal(query, name, given[name])) for name in query.equal)
    # A catalog asks for each combination of the alternatives.
    combined = math.prod(max(1, len(value)) for _, value in equal if isinstance(value, tuple))
    if combined > MAX_ALTERNATIVES:
        raise InvalidInput(
            f"Query {query.name} was given {combined} combinations of values; at most {MAX_ALTERNATIVES} are taken.",
            code="invalid_query",
        )
    return Question(
        query,
        parent,
        equal,
        _value(since),
        _value(before),
        None if cursor is None else _read_cursor(query, parent, cursor),
    )


def make_cursor(query: Query, last: tuple[Value, ...]) -> str:
    """The cursor behind a result: its order fields, then its key."""
    text = json.dumps([query.name, *last], ensure_ascii=False)
    return base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")


def _equal(query: Query, name: str, value: Any) -> Value | tuple[Value, ...]:
    if not isinstance(value, list | tuple | set | frozenset):
        return _value(value)
    if len(value) > MAX_ALTERNATIVES:
        raise InvalidInput(
            f"Query {query.name} was given {len(value)} values of {name}; at most {MAX_ALTERNATIVES} are taken.",
            code="invalid_query",
        )
    return tuple(_value(one) for one in value)


def _value(value: Any) -> Value:
    if isinstance(value, datetime):
        return utc_text(value)
    if value is None or isinstance(value, int | float):
        return value
    if isinstance(value, str) and _is_text(value) and len(value.encode()) <= MAX_TEXT_BYTES:
        return str(value)
    raise InvalidInput(
        f"{str(value)[:100]!r} cannot be asked for: expected text of at most {MAX_TEXT_BYTES} bytes, a number, "
        "a moment or None.",
        code="invalid_query",
    )


def _read_cursor(query: Query, parent: str | None, cursor: str) -> tuple[Value, ...]:
    """The order fields and the key of the last result."""
    try:
        padded = cursor.encode("ascii") + b"=" * (-len(cursor) % 4)
        found = json.loads(base64.b64decode(padded, altchars=b"-_", validate=True))
    except (ValueError, binascii.Error, RecursionError):
        found = None
    if (
        not isinstance(found, list)
        or len(found) != len(query.order) + 2
        or found[0] != query.name
        or not all(_is_value(one) for one in found)
        or not _is_place_in(query, parent, found[-1])
    ):
        raise InvalidInput(
            f"The cursor {cursor[:100]!r} does not belong to this question. Ask again from the beginning.",
            code="invalid_cursor",
        )
    return tuple(found[1:])


def _is_place_in(query: Query, parent: str | None, key: Any) -> bool:
    place = find_place(key) if isinstance(key, str) else None
    return place is not None and (place.collection, place.parent) == (query.collection, parent)


def _is_value(value: Any) -> bool:
    # Databases' integers have 64 bits; JSON's NaN and infinities never stand in a document.
    if isinstance(value, bool):
        return False
    if isinstance(value, int):
        return -(2**63) <= value < 2**63
    return (
        value is None
        or (isinstance(value, str) and _is_text(value))
        or (isinstance(value, float) and value == value and abs(value) != float("inf"))
    )
