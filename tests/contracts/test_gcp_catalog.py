"""The catalog's contract suite on Firestore's emulator."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from contextlib import closing

import pytest
from catalog_contract import CatalogContract
from google.auth.credentials import AnonymousCredentials
from google.cloud import firestore

from scopeline.adapters.gcp.catalog import GoogleCatalog


class TestGoogleCatalog(CatalogContract):
    @pytest.fixture
    def catalog(self, emulators: object) -> Iterator[GoogleCatalog]:
        project = f"catalog-{uuid.uuid4().hex[:12]}"
        with closing(firestore.Client(project=project, credentials=AnonymousCredentials())) as client:
            yield GoogleCatalog(client)
