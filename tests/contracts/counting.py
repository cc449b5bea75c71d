"""A catalog that counts its operations as Firestore bills them (https://cloud.google.com/firestore/pricing)."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, TypeVar

from scopeline.domain.documents import Document
from scopeline.ports import Catalog, Page, Query, Stored

D = TypeVar("D", bound=Document)

# Index entries that are counted for the price of one read.
COUNTED_FOR_ONE = 1000


@dataclass
class CountingCatalog:
    """`ports.Catalog` in front of another one.

    A document that is asked for is a read, also where it is missing; a query costs what it finds, with the one document
    that tells whether there is another page, and at least one; a count one for each begun thousand; each write that is
    tried is a write.
    """

    catalog: Catalog
    reads: int = 0
    writes: int = 0
    calls: list[str] = field(default_factory=list)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def take(self) -> tuple[int, int]:
        """Reads and writes since the last time."""
        with self._lock:
            found = (self.reads, self.writes)
            self.reads = self.writes = 0
            self.calls.clear()
        return found

    def create(self, document: Document) -> bool:
        self._add(f"create {document.key}", writes=1)
        return self.catalog.create(document)

    def get(self, kind: type[D], key: str) -> Stored[D] | None:
        self._add(f"get {key}", reads=1)
        return self.catalog.get(kind, key)

    def update(self, document: Document, revision: str) -> str:
        self._add(f"update {document.key}", writes=1)
        return self.catalog.update(document, revision)

    def delete(self, key: str) -> bool:
        self._add(f"delete {key}", writes=1)
        return self.catalog.delete(key)

    def find(self, kind: type[D], query: Query, **asked: Any) -> Page[D]:
        page = self.catalog.find(kind, query, **asked)
        self._add(f"find {query.name}", reads=max(1, len(page.items) + (page.cursor is not None)))
        return page

    def count(self, query: Query, *, where: Mapping[str, Any] | None = None, parent: str | None = None) -> int:
        found = self.catalog.count(query, where=where, parent=parent)
        self._add(f"count {query.name}", reads=max(1, -(-found // COUNTED_FOR_ONE)))
        return found

    def _add(self, call: str, *, reads: int = 0, writes: int = 0) -> None:
        with self._lock:
            self.reads += reads
            self.writes += writes
            self.calls.append(call)
