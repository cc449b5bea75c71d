from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from scopeline.adapters.embedded.catalog import EmbeddedCatalog
from scopeline.adapters.embedded.database import Database
from scopeline.domain.instruments import Instrument
from scopeline.ports import QUERIES, Query


def plan_of(database: Database, query: Query, **more: Any) -> str:
    """How SQLite answers `EmbeddedCatalog.find`."""
    catalog = EmbeddedCatalog(database)
    statements: list[str] = []
    with database.reading() as connection:
        connection.set_trace_callback(statements.append)
        parent = "p" if "{parent}" in query.collection else None
        catalog.find(Instrument, query, where=dict.fromkeys(query.equal, "x"), parent=parent, **more)
        connection.set_trace_callback(None)
        (statement,) = [text for text in statements if text.startswith("SELECT")]
        return " | ".join(row["detail"] for row in connection.execute(f"EXPLAIN QUERY PLAN {statement}"))


def columns_of(query: Query) -> tuple[object, ...]:
    """What an index for the query is made of, which is read in both directions."""
    return query.collection, query.equal, query.order


@pytest.mark.parametrize("query", QUERIES, ids=lambda query: query.name)
def test_every_query_is_answered_from_its_index_without_sorting(tmp_path: Path, query: Query) -> None:
    with closing(Database(tmp_path)) as database:
        plan = plan_of(database, query)
        assert any(f"INDEX query_{one.name}_" in plan for one in QUERIES if columns_of(one) == columns_of(query))
        assert "TEMP B-TREE" not in plan


def test_indexes_of_queries_that_are_gone_are_dropped(tmp_path: Path) -> None:
    with closing(Database(tmp_path)) as database:
        EmbeddedCatalog(database)
        with database.transaction() as transaction:
            transaction.connection.execute("CREATE INDEX query_old_00000000 ON documents (body)")
        EmbeddedCatalog(database)
        with database.reading() as connection:
            names = {row["name"] for row in connection.execute("SELECT name FROM sqlite_master WHERE type = 'index'")}
    assert "query_old_00000000" not in names
    distinct = {columns_of(query) for query in QUERIES}
    assert sum(name.startswith("query_") for name in names) == len(distinct) < len(QUERIES)


def test_documents_are_durable_when_the_call_returns(tmp_path: Path) -> None:
    with closing(Database(tmp_path)) as database:
        EmbeddedCatalog(database).create(Instrument(id="titan", name="Titan"))
        with closing(sqlite3.connect(tmp_path / "scopeline.sqlite")) as other:
            assert other.execute("SELECT count(*) FROM documents").fetchone() == (1,)
