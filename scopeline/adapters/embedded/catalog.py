"""The catalog of the local edition: documents as JSON text in one table, with an index for each of `ports.QUERIES`."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import Any, TypeVar

from scopeline.adapters.embedded.database import Database
from scopeline.adapters.questions import MAX_PAGE, Question, Value, body_of, make_cursor, place_of, pose
from scopeline.domain.documents import Document
from scopeline.ports import QUERIES, Page, PreconditionFailed, Query, Stored

D = TypeVar("D", bound=Document)


class EmbeddedCatalog:
    """`ports.Catalog` on the database. A revision is a number that no document of the catalog had before."""

    def __init__(self, database: Database) -> None:
        self._database = database
        with database.transaction("Preparing the catalog's indexes") as transaction:
            connection = transaction.connection
            # SQLite reads an index in both directions: queries that differ in nothing else share the first one's.
            distinct = {_index_columns(query): query for query in reversed(QUERIES)}
            wanted = {_index_name(query): columns for columns, query in distinct.items()}
            found = {
                row["name"]
                for row in connection.execute(
                    "SELECT name FROM sqlite_master WHERE type = 'index' AND name GLOB 'query_*'"
                )
            }
            for name in found - wanted.keys():
                connection.execute(f'DROP INDEX "{name}"')
            for name in wanted.keys() - found:
                connection.execute(f'CREATE INDEX "{name}" ON documents {wanted[name]}')

    def create(self, document: Document) -> bool:
        """See the port. Raises InvalidInput (`document_too_large`, `invalid_key`)."""
        key, place, body = document.key, place_of(document), body_of(document)
        with self._database.transaction(f"Creating {key}") as transaction:
            return bool(
                transaction.connection.execute(
                    "INSERT INTO documents (key, collection, parent, revision, body) VALUES (?, ?, ?, ?, ?) "
                    "ON CONFLICT (key) DO NOTHING",
                    (key, place.collection, place.parent or "", transaction.next_number("revision"), body),
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
        key, body = document.key, body_of(document)
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
        question = pose(query, where, parent, since=since, before=before, limit=limit, cursor=cursor)
        condition, values = _condition(question)
        fields = ", ".join([*(_path(name) for name in query.order), "key", "body"])
        direction = " DESC" if query.descending else ""
        order = ", ".join(f"{column}{direction}" for column in [*(_path(name) for name in query.order), "key"])
        with self._database.reading(f"Asking {query.name}") as connection:
            rows = connection.execute(
                f"SELECT {fields} FROM documents WHERE {condition} ORDER BY {order} LIMIT ?",  # noqa: S608
                [*values, limit + 1],
            ).fetchall()
        page = rows[:limit]
        more = make_cursor(query, tuple(page[-1])[:-1]) if len(rows) > limit else None
        return Page([kind.from_json(json.loads(row["body"])) for row in page], more)

    def count(self, query: Query, *, where: Mapping[str, Any] | None = None, parent: str | None = None) -> int:
        """See the port."""
        condition, values = _condition(pose(query, where, parent))
        with self._database.reading(f"Counting {query.name}") as connection:
            row = connection.execute(
                f"SELECT count(*) FROM documents WHERE {condition}",  # noqa: S608
                values,
            ).fetchone()
        return int(row[0])


def _condition(question: Question) -> tuple[str, list[Value]]:
    """The SQL condition of a question and its values. Field names come from `QUERIES` only."""
    query = question.query
    parts: list[tuple[str, list[Value]]] = [(f"collection = '{query.collection}'", [])]
    if question.parent is not None:
        parts.append(("parent = ?", [question.parent]))
    parts += [_equal(name, value) for name, value in question.equal]
    parts += [
        (f"{_path(query.order[0])} {compare} ?", [bound])
        for bound, compare in ((question.since, ">="), (question.before, "<"))
        if bound is not None
    ]
    if question.last is not None:
        parts.append(_behind_last(query, question.last))
    return " AND ".join(condition for condition, _ in parts), [value for _, values in parts for value in values]


def _equal(name: str, value: Value | tuple[Value, ...]) -> tuple[str, list[Value]]:
    if not isinstance(value, tuple):
        return f"{_path(name)} IS ?", [value]
    known: list[Value] = [one for one in value if one is not None]
    condition = f"{_path(name)} IN ({', '.join('?' * len(known))})"
    if len(known) < len(value):
        condition = f"({condition} OR {_path(name)} IS NULL)"
    return condition, known


def _behind_last(query: Query, last: tuple[Value, ...]) -> tuple[str, list[Value]]:
    """What comes after the result `last`: equal in some first fields, and behind in the next one."""
    fields = [*(_path(name) for name in query.order), "key"]
    ways: list[str] = []
    values: list[Value] = []
    for n, field in enumerate(fields):
        same = [f"{earlier} IS ?" for earlier in fields[:n]]
        behind, behind_values = _behind(field, last[n], query.descending)
        ways.append(f"({' AND '.join([*same, behind])})")
        values += [*last[:n], *behind_values]
    return f"({' OR '.join(ways)})", values


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
