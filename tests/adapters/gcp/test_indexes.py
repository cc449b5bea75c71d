"""Whether every question that the adapter sends to Firestore is answered by an index that it is given."""

from __future__ import annotations

import importlib
import json
import pkgutil
import uuid
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from google.auth.credentials import AnonymousCredentials
from google.cloud import firestore
from google.cloud.firestore_v1.types import StructuredQuery

from scopeline import domain
from scopeline.adapters.gcp.catalog import GoogleCatalog
from scopeline.adapters.gcp.failures import Failures
from scopeline.adapters.gcp.indexes import EXPIRES, INTERNAL, index_definitions, index_file
from scopeline.adapters.gcp.messages import Outgoing, PushedMessage
from scopeline.adapters.gcp.tickets import Tickets
from scopeline.adapters.gcp.timers import Timers
from scopeline.adapters.judging import Failing
from scopeline.adapters.questions import place_of, pose
from scopeline.domain.documents import Document
from scopeline.domain.errors import InvalidInput
from scopeline.domain.events import Event, Topic
from scopeline.ports import FILES_OF_SESSION, QUERIES, Query

FILE = Path(__file__).resolve().parents[3] / "infra" / "firestore.indexes.json"
Fields = list[tuple[str, str]]
NOON = datetime(2026, 2, 6, 12, tzinfo=UTC)


def given() -> dict[str, Any]:
    found: dict[str, Any] = json.loads(FILE.read_text())
    return found


def composites(group: str) -> list[Fields]:
    return [
        [(field["fieldPath"], field["order"]) for field in index["fields"]]
        for index in given()["indexes"]
        if index["collectionGroup"] == group
    ]


def singles(group: str) -> dict[str, list[str]]:
    """The directions in which each field of a collection has an index of its own."""
    return {
        one["fieldPath"]: [index["order"] for index in one["indexes"]]
        for one in given()["fieldOverrides"]
        if one["collectionGroup"] == group
    }


def sent(query: Query) -> tuple[str, list[str], Fields]:
    """What the adapter sends for a query: the collection, the fields of equality, the fields of order."""
    client = firestore.Client(project="nowhere", credentials=AnonymousCredentials())
    parent = "p" if "{parent}" in query.collection else None
    asked = GoogleCatalog(client)._as_query(pose(query, dict.fromkeys(query.equal, "x"), parent))
    assert asked is not None
    structured = asked._to_protobuf()
    orders = [(one.field.field_path, StructuredQuery.Direction(one.direction).name) for one in structured.order_by]
    assert orders[-1][0] == "__name__"
    filters = structured.where.composite_filter.filters
    equal = [one.field_filter.field.field_path for one in filters]
    return structured.from_[0].collection_id, equal, orders[:-1]


def test_the_file_is_what_scripts_indexes_writes() -> None:
    assert FILE.read_text() == index_file()


@pytest.mark.parametrize("query", QUERIES, ids=lambda query: query.name)
def test_every_question_has_its_index(query: Query) -> None:
    group, equal, order = sent(query)
    if order and equal:
        assert [*((name, "ASCENDING") for name in equal), *order] in composites(group)
    else:
        own = singles(group)
        assert all("ASCENDING" in own[name] for name in equal)
        assert all(direction in own[name] for name, direction in order)


def test_what_the_adapters_ask_beside_the_port_has_its_index(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[StructuredQuery] = []

    def get(query: firestore.Query, **_: Any) -> list[Any]:
        asked.append(query._to_protobuf())
        return []

    monkeypatch.setattr(firestore.Query, "get", get)
    client = firestore.Client(project="nowhere", credentials=AnonymousCredentials())
    event = Event(type=Topic.SESSION_CHANGED, key="s", at=NOON)
    Failures(client).remove_answered(event, PushedMessage("1", b"{}", {}, NOON))
    assert list(Failures(client).parked()) == []
    assert list(Timers(client).due(NOON)) == []
    assert len(asked) == len(INTERNAL)
    for one in asked:
        group = one.from_[0].collection_id
        conditions = [part.field_filter for part in one.where.composite_filter.filters] or [one.where.field_filter]
        fields = {condition.field.field_path for condition in conditions if condition.field.field_path}
        order = [order.field.field_path for order in one.order_by]
        # Each field has an index of its own, which is enough for one field in all, or for equalities.
        assert all(singles(group)[field] == ["ASCENDING"] for field in {*fields, *order})
        assert len({*fields, *order}) == 1 or order == []


def test_no_field_of_an_internal_document_is_indexed_unasked(emulators: object) -> None:
    event = Event(type=Topic.SESSION_CHANGED, key="s", at=NOON)
    message = PushedMessage("1", json.dumps(event.to_json()).encode(), {"type": event.type, "key": "s"}, NOON)
    client = firestore.Client(project=f"indexes-{uuid.uuid4().hex[:12]}", credentials=AnonymousCredentials())
    with closing(client):
        Tickets(client).claim(event, message, timedelta(seconds=30))
        Timers(client).add("1", Outgoing(message.data, message.attributes), NOON)
        Failures(client).record(message, Failing("code", "reason", True, True), 1, None, NOON)
        for group in ("tickets", "timers", "failures"):
            (document,) = client.collection(group).stream()
            fields = document.to_dict()
            assert fields.keys() <= singles(group).keys(), group
            assert group not in EXPIRES or isinstance(fields[EXPIRES[group]], datetime)


def test_no_text_of_a_document_is_indexed_unasked() -> None:
    """A field without an override has two indexes of its own, in both directions."""
    for module in pkgutil.iter_modules(domain.__path__, f"{domain.__name__}."):
        importlib.import_module(module.name)
    for kind in Document.__subclasses__():
        made = kind.model_construct(**dict.fromkeys(kind.model_fields, "x"))
        group = place_of(made).collection.rpartition("/")[2]
        assert singles(group)["body"] == singles(group)["write"] == [], kind.__name__


def test_no_index_is_given_that_nobody_asks() -> None:
    wanted = {(index["collectionGroup"], str(index["fields"])) for index in index_definitions()["indexes"]}
    for query in (*QUERIES, *INTERNAL):
        without = index_definitions([other for other in (*QUERIES, *INTERNAL) if other != query])["indexes"]
        wanted -= {(index["collectionGroup"], str(index["fields"])) for index in without} ^ wanted
    assert wanted == set()


def test_bodies_and_growing_moments_of_files_have_no_index_of_their_own() -> None:
    for group in {one["collectionGroup"] for one in given()["fieldOverrides"]}:
        own = singles(group)
        assert own["body"] == own["write"] == []
    assert singles("files")["updated_at"] == singles("files")["first_seen"] == []


def test_tickets_expire() -> None:
    (override,) = [one for one in given()["fieldOverrides"] if one.get("ttl")]
    assert (override["collectionGroup"], override["fieldPath"], override["indexes"]) == ("tickets", "expires", [])


def test_a_query_that_is_not_in_the_list_is_refused_before_it_is_sent() -> None:
    catalog = GoogleCatalog(firestore.Client(project="nowhere", credentials=AnonymousCredentials()))
    unlisted = Query("by_size", "files", ("session",), ("size",))
    changed = Query(FILES_OF_SESSION.name, FILES_OF_SESSION.collection, FILES_OF_SESSION.equal, ("size",))
    for query in (unlisted, changed):
        with pytest.raises(InvalidInput) as refused:
            catalog.find(Document, query, where={"session": "s"})
        assert refused.value.code == "invalid_query"
        with pytest.raises(InvalidInput):
            catalog.count(query, where={"session": "s"})
