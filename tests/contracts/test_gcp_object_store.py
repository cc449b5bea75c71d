"""The object store's contract suite on the Cloud Storage emulator. What differs stands in docs/emulators.md."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from google_buckets import GoogleBuckets, google_buckets, google_clients, make_bucket, store_of
from object_store_contract import ObjectStoreContract

from scopeline.ports import ObjectStore

pytestmark = pytest.mark.usefixtures("emulators")


class TestGoogleObjectStore(ObjectStoreContract):
    model_examples = 8

    @pytest.fixture
    def edition(self, emulators: object) -> Iterator[GoogleBuckets]:
        with google_buckets() as edition:
            yield edition

    @contextmanager
    def fresh_store(self) -> Iterator[ObjectStore]:
        with google_clients() as clients:
            yield store_of(clients, make_bucket(clients, "raw").name)
