"""The catalog of the local edition: documents as JSON text in one table, with an index for each of `ports.QUERIES`."""

from __future__ import annotations

import base64
import binascii
import hashlib
import json
import re
from collections.abc import Mapping
from datetime import datetime
from typing import Any, TypeVar

from scopeline.adapters.embedded.database import Database
from scopeline.domain.documents import Document, utc_text
from scopeline.domain.errors import InvalidInput
from scopeline.ports import MAX_ALTERNATIVES, MAX_DOCUMENT_BYTES, QUERIES, Page, PreconditionFailed, Query, Stored

D = TypeVar("D", bound=Document)
# A value in SQLite: what json_extract gives.
Value = str | int | float | None

MAX_PAGE = 500
_KEY = re.compile(r"([a-z_]+)/([^/]+)(?:/([a-z_]+)/([^/]+))?")


class EmbeddedCatalog:
    """`ports.Catalog` on the database. A revision is a number that no document of the catalog had before."""

    def __init__(self, database: Database) -> None:
        self._database = database
        with database.transaction("Preparing the catalog's indexes") as transaction:
            connection = transaction.connection
            wanted = {_index_name(query): query for query in QUERIES}
            found = {
                row["name"]
                for row in connection.execute(
                    "SELECT name FROM sqlite_master WHERE type = 'index' AND name GLOB 'query_*'"
                )
            }
            for name in found - wanted.keys():
                connection.execute(f'DROP INDEX "{name}"')
            for name in wanted.keys() - found:
                connection.execute(f'CREATE INDEX "{name}" ON documents {_index_columns(wanted[name])}')

    def create(self, document: Document) -> bool:
        """See the port. Raises InvalidInput (`document_too_large`)."""
        key, body = document.key, _to_text(document)
        collection, parent = _place(key)
        with self._database.transaction(f"Creating {key}") as transaction:
            return bool(
                transaction.connection.execute(
                    "INSERT INTO documents (key, collection, parent, revision, body) VALUES (?, ?, ?, ?, ?) "
                    "ON CONFLICT (key) DO NOTHING",
                    (key, collection, parent, transaction.next_number("revision"), body),
                ).rowcount
            )

    def get(self, kind: type[D], key: str) -> Stored[D] | None:
        """See the port."""
        with self._database.reading(f"Reading {key}") as connection:
            row = connection.execute("SELECT body, revision FROM documents WHERE key = ?", (key,)).fetchone()
        if row is None:
            return None
        return Stored(kind.from_json(json.loads(row["body"])), str(row["revision"]))

    def update(self, document: Document, revision: str) -> str:
        """See the port. Raises InvalidInput (`document_too_large`)."""
        key, body = document.key, _to_text(document)
        with self._database.transaction(f"Updating {key}") as transaction:
            new = transaction.next_number("revision")
            changed = transaction.connection.execute(
                "UPDATE documents SET body = ?, revision = ? WHERE key = ? AND CAST(revision AS TEXT) = ?",
                (body, new, key, revision),
            ).rowcount
            if not changed:
                raise PreconditionFailed(
                    f"Document {key} is no longer at revision {revision!r}, or is gone. "
                    "Read it again, then repeat the change."
                )
        return str(new)

    def delete(self, key: str) -> bool:
        """See the port."""
        with self._database.transaction(f"Deleting {key}") as transaction:
            return bool(transaction.connection.execute("DELETE FROM documents WHERE key = ?", (key,)).rowcount)

    def find(
        self,
        kind: type[D],
        query: Query,
        *,
        where: Mapping[str, Any] | None = None,
        parent: str | None = None,
        since: Any = None,
        before: Any = None,
        limit: int = MAX_PAGE,
        cursor: str | None = None,
    ) -> Page[D]:
        """See the port."""
        if not 1 <= limit <= MAX_PAGE:
            raise InvalidInput(f"limit is {limit}; expected 1 to {MAX_PAGE}.", code="invalid_limit")
        question = _Question(query, where or {}, parent)
        question.bound(since, before)
        if cursor is not None:
            question.go_on(cursor)
        fields = ", ".join([*(_path(name) for name in query.order), "key", "body"])
        direction = " DESC" if query.descending else ""
        order = ", ".join(f"{column}{direction}" for column in [*(_path(name) for name in query.order), "key"])
        with self._database.reading(f"Asking {query.name}") as connection:
            rows = connection.execute(
                f"SELECT {fields} FROM documents WHERE {question.condition} ORDER BY {order} LIMIT ?",  # noqa: S608
                [*question.values, limit + 1],
            ).fetchall()
        page = rows[:limit]
        more = _cursor(query, list(page[-1])[:-1]) if len(rows) > limit else None
        return Page([kind.from_json(json.loads(row["body"])) for row in page], more)

    def count(self, query: Query, *, where: Mapping[str, Any] | None = None, parent: str | None = None) -> int:
        """See the port."""
        question = _Question(query, where or {}, parent)
        with self._database.reading(f"Counting {query.name}") as connection:
            row = connection.execute(
                f"SELECT count(*) FROM documents WHERE {question.condition}",  # noqa: S608
                question.values,
            ).fetchone()
        return int(row[0])


class _Question:
    """The SQL condition of one query, grown piece by piece. Field names come from `QUERIES` only."""

    def __init__(self, query: Query, where: Mapping[str, Any], parent: str | None) -> None:
        if query not in QUERIES:
            raise InvalidInput(f"Query {query.name!r} is not in ports.QUERIES.", code="invalid_query")
        if set(where) != set(query.equal):
            raise InvalidInput(
                f"Query {query.name} wants values for {sorted(query.equal)}, not for {sorted(where)}.",
                code="invalid_query",
            )
        if (parent is None) == ("{parent}" in query.collection):
            wants = "a parent" if parent is None else "no parent"
            raise InvalidInput(f"Query {query.name} wants {wants}.", code="invalid_query")
        self._query = query
        self._conditions = [f"collection = '{query.collection}'"]
        self.values: list[Value] = []
        if parent is not None:
            self._add("parent = ?", parent)
        for name in query.equal:
            self._equal(name, where[name])

    @property
    def condition(self) -> str:
        """The condition so far, for `values`."""
        return " AND ".join(self._conditions)

    def bound(self, since: Any, before: Any) -> None:
        """Bound the first order field: `since` inclusive, `before` exclusive. Nothing is bounded by None."""
        for value, compare in ((since, ">="), (before, "<")):
            if value is None:
                continue
            if not self._query.order:
                raise InvalidInput(f"Query {self._query.name} has no order to bound.", code="invalid_query")
            self._add(f"{_path(self._query.order[0])} {compare} ?", _value(value))

    def go_on(self, cursor: str) -> None:
        """Leave out what is not behind the cursor."""
        last = _read_cursor(self._query, cursor)
        fields = [*(_path(name) for name in self._query.order), "key"]
        ways, ways_values = [], []
        for n, field in enumerate(fields):
            same = [f"{earlier} IS ?" for earlier in fields[:n]]
            behind, behind_values = _behind(field, last[n], self._query.descending)
            ways.append(f"({' AND '.join([*same, behind])})")
            ways_values += [*last[:n], *behind_values]
        self._add(f"({' OR '.join(ways)})", *ways_values)

    def _equal(self, name: str, value: Any) -> None:
        if not isinstance(value, list | tuple | set | frozenset):
            self._add(f"{_path(name)} IS ?", _value(value))
            return
        if len(value) > MAX_ALTERNATIVES:
            raise InvalidInput(
                f"Query {self._query.name} was given {len(value)} values of {name}; "
                f"at most {MAX_ALTERNATIVES} are taken.",
                code="invalid_query",
            )
        values = [_value(one) for one in value]
        known = [one for one in values if one is not None]
        condition = f"{_path(name)} IN ({', '.join('?' * len(known))})"
        if len(known) < len(values):
            condition = f"({condition} OR {_path(name)} IS NULL)"
        self._add(condition, *known)

    def _add(self, condition: str, *values: Value) -> None:
        self._conditions.append(condition)
        self.values += values


def _behind(field: str, last: Value, descending: bool) -> tuple[str, list[Value]]:
    """What comes after `last` in SQLite's order, in which NULL is the lowest."""
    if last is None:
        return ("0" if descending else f"{field} IS NOT NULL"), []
    if descending:
        return f"({field} < ? OR {field} IS NULL)", [last]
    return f"{field} > ?", [last]


def _path(name: str) -> str:
    return f"json_extract(body, '$.{name}')"


def _index_columns(query: Query) -> str:
    columns = [*(_path(name) for name in query.equal), *(_path(name) for name in query.order), "key"]
    if "{parent}" in query.collection:
        columns.insert(0, "parent")
    return f"({', '.join(columns)}) WHERE collection = '{query.collection}'"


def _index_name(query: Query) -> str:
    return f"query_{query.name}_{hashlib.sha256(_index_columns(query).encode()).hexdigest()[:8]}"


def _place(key: str) -> tuple[str, str]:
    """Collection (with `{parent}` where it is below a document) and parent of a key."""
    match = _KEY.fullmatch(key)
    if match is None:
        raise InvalidInput(
            f"{key!r} is no document key; expected 'files/ID' or 'files/ID/versions/ID'.", code="invalid_key"
        )
    collection, identity, below, _ = match.groups()
    return (collection, "") if below is None else (f"{collection}/{{parent}}/{below}", identity)


def _to_text(document: Document) -> str:
    body = json.dumps(document.to_json(), ensure_ascii=False, separators=(",", ":"))
    size = len(body.encode())
    if size > MAX_DOCUMENT_BYTES:
        raise InvalidInput(
            f"Document {document.key} has {size} bytes; at most {MAX_DOCUMENT_BYTES} are stored. "
            "Keep what is large as an object.",
            code="document_too_large",
        )
    return body


def _value(value: Any) -> Value:
    if isinstance(value, datetime):
        return utc_text(value)
    if value is None or isinstance(value, str | int | float):
        return value
    raise InvalidInput(
        f"{value!r} cannot be asked for: expected text, a number, a moment or None.", code="invalid_query"
    )


def _cursor(query: Query, last: list[Value]) -> str:
    text = json.dumps([query.name, *last], ensure_ascii=False)
    return base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")


def _read_cursor(query: Query, cursor: str) -> list[Value]:
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
        or not isinstance(found[-1], str)
        or not all(_is_value(one) for one in found)
    ):
        raise InvalidInput(
            f"The cursor {cursor[:100]!r} does not belong to this question. Ask again from the beginning.",
            code="invalid_cursor",
        )
    last: list[Value] = found[1:]
    return last


def _is_value(value: Any) -> bool:
    # SQLite's integers have 64 bits; JSON's NaN and infinities never stand in a document.
    if isinstance(value, bool):
        return False
    if isinstance(value, int):
        return -(2**63) <= value < 2**63
    return (
        value is None
        or isinstance(value, str)
        or (isinstance(value, float) and value == value and abs(value) != float("inf"))
    )
