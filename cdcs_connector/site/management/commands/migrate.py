"""Django's `migrate`, which can be killed at any moment: the next run goes on where it ended."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from django.core.management.commands import migrate
from django.db.migrations.migration import Migration


class Command(migrate.Command):
    """Migrate the database, each migration and the note of it in one transaction."""

    def handle(self, *args: Any, **options: Any) -> None:
        """Run Django's command."""
        with noted_with_their_changes():
            super().handle(*args, **options)


@contextmanager
def noted_with_their_changes() -> Iterator[None]:
    """Until the context ends, a migration leaves no statement for later, so that Django notes it with its changes.

    `MigrationExecutor.apply_migration` of Django notes a migration in the migration's own transaction only where no
    statement (an index, a foreign key) is deferred to that transaction's end; else in a second one. Between the two,
    the tables are there and the note is not: a process that is killed then leaves a database on which every later
    `migrate` fails. SQLite and PostgreSQL both take changes of the schema back with the transaction.
    """
    original = Migration.apply

    def apply(self: Migration, project_state: Any, schema_editor: Any, collect_sql: bool = False) -> Any:
        state = original(self, project_state, schema_editor, collect_sql)
        for statement in schema_editor.deferred_sql:
            schema_editor.execute(statement, None)  # as the editor does at its end: no parameters
        schema_editor.deferred_sql.clear()
        return state

    Migration.apply = apply
    try:
        yield
    finally:
        Migration.apply = original
