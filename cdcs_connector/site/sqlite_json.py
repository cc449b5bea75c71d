"""JSON `contains` on SQLite, which Django leaves out and CDCS core's record page asks for."""

from __future__ import annotations

from typing import Any


def install() -> None:
    """Teach Django's lookup the one form that CDCS core uses: a list that holds a scalar."""
    from django.db.models.fields.json import DataContains

    def as_sqlite(self: Any, compiler: Any, connection: Any) -> tuple[str, tuple[Any, ...]]:
        left, left_parameters = self.process_lhs(compiler, connection)
        right, right_parameters = self.process_rhs(compiler, connection)
        same = f"json_quote(item.value) = json({right}) OR item.value = json_extract({right}, '$')"
        sql = f"EXISTS (SELECT 1 FROM json_each({left}) AS item WHERE {same})"  # noqa: S608 (values are parameters)
        return sql, (*left_parameters, *right_parameters, *right_parameters)

    DataContains.as_sqlite = as_sqlite
