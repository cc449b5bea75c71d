"""Firestore's indexes, computed from the queries that are asked: nothing else is indexed.

No document is hot: ids are hashes (`files`, `failures`), random (tokens, timers) or below a parent of their own
(versions); sessions and tickets begin with a date or a topic, and are few. `body`, `write` and what only composites
need have no index of their own. The composites that end in a growing moment, above all (`status`, `updated_at`) and
(`session`, `updated_at`) of files, grow at the end of few prefixes: such an index takes about 500 writes a second in
all (https://cloud.google.com/firestore/docs/best-practices#hotspots), over a hundred files, which is enough here.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from google.cloud.firestore import FieldFilter
from google.cloud.firestore import Query as FirestoreQuery

from scopeline.ports import QUERIES, Query

if TYPE_CHECKING:
    from google.cloud.firestore import Client

BODY, WRITE = "body", "write"

# What the adapters ask beside the port, of documents of their own (docs/adr/0010) with fields of these names.
PARKED_FAILURES = Query("parked_failures", "failures", (), ("parked",))
FAILURES_OF_WORK = Query("failures_of_work", "failures", ("type", "key"), ())
DUE_TIMERS = Query("due_timers", "timers", (), ("due",))
INTERNAL = (PARKED_FAILURES, FAILURES_OF_WORK, DUE_TIMERS)

# Collections of documents that are found by their key only.
FOUND_BY_KEY = ("local_ids", "overlays", "erased_files", "dismissals")

# Fields after whose moment Firestore deletes a document by itself, by collection.
EXPIRES = {"tickets": "expires"}
# Fields that no query names, beside `body` and `write`, by collection.
UNASKED = {
    "tickets": ("message", "due"),
    "timers": ("attributes",),
    "failures": ("attributes", "accepted", "since", "attempts", "code", "reason", "transient"),
}


def as_query(client: Client, query: Query, *values: object) -> FirestoreQuery:
    """One of `INTERNAL` in Firestore's language, with a value for each of its `equal` fields."""
    asked = FirestoreQuery(client.collection(query.collection))
    for name, value in zip(query.equal, values, strict=True):
        asked = asked.where(filter=FieldFilter(name, "==", value))
    for name in query.order:
        asked = asked.order_by(name)
    return asked


def field_name(name: str) -> str:
    """The flat name under which a document keeps a copy of the field `name` (`start.received`)."""
    return name.replace(".", "_")


def fields_of(collection: str) -> tuple[str, ...]:
    """The fields, as `ports.QUERIES` names them, that documents of a collection are found and ordered by."""
    return tuple(sorted({name for query in QUERIES if query.collection == collection for name in _asked(query)}))


def index_definitions(queries: Sequence[Query] = (*QUERIES, *INTERNAL)) -> dict[str, Any]:
    """The indexes in the form of firebase.json's `firestore.indexes`
    (https://firebase.google.com/docs/reference/firestore/indexes).

    A query of one field is answered from that field's own index, one of equalities only from the fields' own indexes
    together; every other one needs a composite index.
    """
    composites: set[tuple[str, tuple[tuple[str, str], ...]]] = set()
    single: dict[tuple[str, str], set[str]] = defaultdict(set)
    for query in queries:
        group = _group(query)
        direction = "DESCENDING" if query.descending else "ASCENDING"
        parts = [(field_name(name), "ASCENDING") for name in query.equal]
        parts += [(field_name(name), direction) for name in query.order]
        for name, _ in parts:
            single[group, name].update()
        if query.order and len(parts) > 1:
            composites.add((group, tuple(parts)))
        else:
            for name, order in parts:
                single[group, name].add(order)
    groups = sorted({*map(_group, queries), *FOUND_BY_KEY, *EXPIRES})
    for group in groups:
        for name in (BODY, WRITE, *UNASKED.get(group, ()), *([EXPIRES[group]] if group in EXPIRES else [])):
            single[group, name].update()
    return {
        "indexes": [_composite(group, parts) for group, parts in sorted(composites)],
        "fieldOverrides": [_override(group, name, single[group, name]) for group, name in sorted(single)],
    }


def index_file() -> str:
    """The text of infra/firestore.indexes.json."""
    return json.dumps(index_definitions(), indent=2) + "\n"


def _asked(query: Query) -> tuple[str, ...]:
    return (*query.equal, *query.order)


def _group(query: Query) -> str:
    """Firestore's indexes are made for all collections of one name together."""
    return query.collection.rpartition("/")[2]


def _composite(group: str, parts: tuple[tuple[str, str], ...]) -> dict[str, Any]:
    fields = [{"fieldPath": name, "order": order} for name, order in parts]
    return {"collectionGroup": group, "queryScope": "COLLECTION", "fields": fields}


def _override(group: str, name: str, orders: set[str]) -> dict[str, Any]:
    return {
        "collectionGroup": group,
        "fieldPath": name,
        **({"ttl": True} if EXPIRES.get(group) == name else {}),
        "indexes": [{"order": order, "queryScope": "COLLECTION"} for order in sorted(orders)],
    }
