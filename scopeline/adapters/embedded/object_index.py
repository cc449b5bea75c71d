"""The rows of one bucket's versions: what makes bytes on the disk an object."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

from scopeline.adapters.embedded.database import Database, Transaction
from scopeline.adapters.embedded.events import enqueue
from scopeline.adapters.embedded.object_files import ObjectFiles
from scopeline.adapters.object_names import check_object_name, is_object_name
from scopeline.domain.documents import utc_text
from scopeline.domain.events import Event, StoredObject, Topic
from scopeline.domain.names import file_id
from scopeline.ports import Bucket, PreconditionFailed

LIST_PAGE = 500


@dataclass(frozen=True, slots=True)
class Draft:
    """A version before it has a generation. `file` is the hash of bucket and name."""

    name: str
    file: str
    size: int
    md5: str
    crc32c: str
    content_type: str
    metadata: Mapping[str, str] = field(default_factory=dict)


class ObjectIndex:
    """The versions of one bucket. Raw's changes are events in the same transaction."""

    def __init__(self, database: Database, bucket: Bucket, files: ObjectFiles) -> None:
        self.database = database
        self.bucket = bucket
        self.files = files

    def find(self, name: str, generation: int | None) -> StoredObject | None:
        """One version, or the current one; None where there is none."""
        if not is_object_name(name):
            return None
        which, value = ("current = 1", None) if generation is None else ("generation = ?", generation)
        values = (self.bucket, name) if value is None else (self.bucket, name, value)
        with self.database.reading(f"Looking for {self.bucket}/{name}") as connection:
            row = connection.execute(
                f"SELECT * FROM objects WHERE bucket = ? AND name = ? AND {which}",  # noqa: S608
                values,
            ).fetchone()
        return None if row is None else _stored(row)

    def current(self, prefix: str, after: str = "") -> Iterator[StoredObject]:
        """The current versions of the names that start with `prefix` and come after `after`, by name."""
        position, compare = (after, ">") if after >= prefix else (prefix, ">=")
        while True:
            with self.database.reading(f"Listing {self.bucket}/{prefix}") as connection:
                rows = connection.execute(
                    f"SELECT * FROM objects WHERE bucket = ? AND current = 1 AND name {compare} ? "  # noqa: S608
                    "ORDER BY name LIMIT ?",
                    (self.bucket, position, LIST_PAGE),
                ).fetchall()
            for row in rows:
                if not row["name"].startswith(prefix):
                    return
                yield _stored(row)
            if len(rows) < LIST_PAGE:
                return
            position, compare = rows[-1]["name"], ">"

    def versions(self, prefix: str) -> Iterator[StoredObject]:
        """All versions of the names that start with `prefix`, by name and generation."""
        name, generation = prefix, 0
        while True:
            with self.database.reading(f"Listing all versions of {self.bucket}/{prefix}") as connection:
                rows = connection.execute(
                    "SELECT * FROM objects WHERE bucket = ? AND (name, generation) > (?, ?) "
                    "ORDER BY name, generation LIMIT ?",
                    (self.bucket, name, generation, LIST_PAGE),
                ).fetchall()
            for row in rows:
                if not row["name"].startswith(prefix):
                    return
                yield _stored(row)
            if len(rows) < LIST_PAGE:
                return
            name, generation = rows[-1]["name"], rows[-1]["generation"]

    def check_precondition(self, name: str, if_generation: int | None) -> None:
        """Raise PreconditionFailed where a conditional write of `name` would fail now."""
        with self.database.reading(f"Looking for {self.bucket}/{name}") as connection:
            self._check(connection, name, if_generation)

    def add(
        self,
        draft: Draft,
        source: Path,
        if_generation: int | None,
        in_transaction: Callable[[Transaction, int], None] | None = None,
    ) -> StoredObject:
        """Make the synced file `source` the name's current version, whole or not at all.

        Rename and rows are in one write transaction: generations become visible in their order, and a failure gives
        `source` back. `in_transaction` adds its own rows. Raises PreconditionFailed, Unavailable.
        """
        database, files = self.database, self.files
        files.prepare(draft.file)
        placed: int | None = None
        try:
            with database.transaction(f"Storing {self.bucket}/{draft.name}") as transaction:
                self._check(transaction.connection, draft.name, if_generation)
                # Not below the clock: a database that comes back from a backup must not give a number again.
                generation = transaction.next_number("generation", at_least=database.now())
                files.place(source, draft.file, generation)
                placed = generation
                database.fault_point("object.renamed")
                stored = self._insert(transaction, draft, generation, database.clock())
                if in_transaction is not None:
                    in_transaction(transaction, generation)
                self._announce(transaction, Topic.OBJECT_FINALIZED, draft.file, stored)
                database.fault_point("object.row_written")
        except BaseException:
            if placed is not None:
                files.take_back(draft.file, placed, source)
            raise
        database.fault_point("object.committed")
        return stored

    def remove(self, name: str, generation: int) -> bool:
        """Delete one version: the row first, then the bytes. False where it was not there."""
        if not is_object_name(name):
            return False
        database = self.database
        with database.transaction(f"Deleting {self.bucket}/{name}") as transaction:
            row = transaction.connection.execute(
                "DELETE FROM objects WHERE bucket = ? AND name = ? AND generation = ? RETURNING *",
                (self.bucket, name, generation),
            ).fetchone()
            if row is None:
                return False
            transaction.connection.execute(
                "INSERT INTO removals (bucket, generation, file) VALUES (?, ?, ?)",
                (self.bucket, generation, row["file"]),
            )
            self._announce(transaction, Topic.OBJECT_DELETED, row["file"], _stored(row))
        database.fault_point("object.row_deleted")
        self.finish_removal(row["file"], generation)
        return True

    def finish_removal(self, file: str, generation: int) -> None:
        """Remove the bytes of a version whose row is gone."""
        with self.database.transaction(f"Removing the bytes of {self.bucket}/{file}/{generation}") as transaction:
            self.files.remove(file, generation)
            transaction.connection.execute(
                "DELETE FROM removals WHERE bucket = ? AND generation = ?", (self.bucket, generation)
            )

    def _check(self, connection: sqlite3.Connection, name: str, if_generation: int | None) -> None:
        if if_generation is None:
            return
        row = connection.execute(
            "SELECT generation FROM objects WHERE bucket = ? AND name = ? AND current = 1", (self.bucket, name)
        ).fetchone()
        found = 0 if row is None else int(row["generation"])
        if found != if_generation:
            raise PreconditionFailed(
                f"Object {self.bucket}/{name} is at generation {found}; the write expects {if_generation} "
                "(0: no such object). Look at the present version, then write again."
            )

    def _insert(self, transaction: Transaction, draft: Draft, generation: int, now: datetime) -> StoredObject:
        connection = transaction.connection
        connection.execute(
            "UPDATE objects SET current = 0 WHERE bucket = ? AND name = ? AND current = 1", (self.bucket, draft.name)
        )
        row = connection.execute(
            "INSERT INTO objects (bucket, generation, name, file, size, md5, crc32c, content_type, metadata, stored_at,"
            " current) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, 1) RETURNING *",
            (
                self.bucket,
                generation,
                draft.name,
                draft.file,
                draft.size,
                draft.md5,
                draft.crc32c,
                draft.content_type,
                json.dumps(dict(draft.metadata)),
                utc_text(now),
            ),
        ).fetchone()
        return _stored(row)

    def _announce(self, transaction: Transaction, topic: Topic, file: str, stored: StoredObject) -> None:
        if self.bucket is not Bucket.RAW:
            return
        database = self.database
        event = Event(type=topic, key=file, at=database.clock(), data=stored.model_dump(mode="json"))
        enqueue(database, transaction, event)


def object_file(bucket: Bucket, name: str) -> str:
    """The hash under which the versions of `name` stand. Raises InvalidInput (`invalid_object_name`)."""
    return file_id(bucket, check_object_name(name))


def _stored(row: sqlite3.Row) -> StoredObject:
    return StoredObject(
        bucket=row["bucket"],
        name=row["name"],
        generation=row["generation"],
        size=row["size"],
        md5=row["md5"],
        crc32c=row["crc32c"],
        content_type=row["content_type"],
        metadata=json.loads(row["metadata"]),
        stored_at=row["stored_at"],
    )
