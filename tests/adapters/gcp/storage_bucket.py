"""A bucket of the test's own on the Cloud Storage emulator, and how it is made to fail."""

from __future__ import annotations

import re
import uuid
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import requests
from google.auth.credentials import AnonymousCredentials
from google.cloud import storage

from scopeline.adapters.gcp.calls import Patience
from scopeline.adapters.gcp.object_store import GoogleObjectStore
from scopeline.adapters.gcp.signing import Sign


@dataclass
class TestBucket:
    """A bucket with versions; `bucket` is Google's object of it."""

    __test__ = False

    client: storage.Client
    bucket: storage.Bucket
    address: str

    def store(
        self,
        *,
        patience: Patience | None = None,
        sign: Sign | None = None,
        copied_bytes: int = 1024 * 1024,
        mount: Path | None = None,
    ) -> GoogleObjectStore:
        return GoogleObjectStore(
            self.client, self.bucket.name, sign=sign, copied_bytes=copied_bytes, mount=mount, patience=patience
        )

    def fails(self, *, method: str = "", path: str = "", **fault: Any) -> None:
        """Requests of this bucket fail from now on: `status`, `hang_seconds`, `after` (it was done), `count`."""
        asked = {"method": method, "path": f".*{re.escape(self.bucket.name)}.*{path}", **fault}
        requests.post(f"{self.address}/_faults", json=asked, timeout=10).raise_for_status()


@contextmanager
def storage_bucket(address: str) -> Iterator[TestBucket]:
    """A new bucket on the emulator at `address`."""
    with closing(storage.Client(project="storage-tests", credentials=AnonymousCredentials())) as client:
        made = client.bucket(f"test-{uuid.uuid4().hex[:16]}")
        made.versioning_enabled = True
        client.create_bucket(made, timeout=10)
        yield TestBucket(client, made, address)
