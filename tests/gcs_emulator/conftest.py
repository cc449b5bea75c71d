"""A bucket of its own for each test of the Cloud Storage emulator, through Google's client and by bare HTTP."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest
import requests

from scopeline.local.emulators import Emulators

if TYPE_CHECKING:
    from google.cloud.storage import Bucket, Client


class Http(requests.Session):
    """Requests to the emulator by their path, each with a deadline."""

    def __init__(self, base: str) -> None:
        super().__init__()
        self.base = base

    def request(self, method, url, *args, **kwargs):  # type: ignore[no-untyped-def]
        kwargs.setdefault("timeout", 30)
        return super().request(method, url if url.startswith("http") else self.base + url, *args, **kwargs)


@pytest.fixture(scope="session")
def client(emulators: Emulators) -> Iterator[Client]:
    from google.auth.credentials import AnonymousCredentials
    from google.cloud import storage

    made = storage.Client(
        project="emulated", credentials=AnonymousCredentials(), client_options={"api_endpoint": emulators.storage}
    )
    yield made
    made.close()


@pytest.fixture(scope="session")
def http_to() -> type[Http]:
    return Http


@pytest.fixture
def http(emulators: Emulators) -> Iterator[Http]:
    with Http(emulators.storage) as session:
        yield session


@pytest.fixture
def bucket(client: Client) -> Bucket:
    made = client.bucket(f"plain-{uuid.uuid4().hex}")
    made.create()
    return made


@pytest.fixture
def versioned(client: Client) -> Bucket:
    made = client.bucket(f"versioned-{uuid.uuid4().hex}")
    made.versioning_enabled = True
    made.create()
    return made
