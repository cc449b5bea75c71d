"""Google's clients, made once for each process: for the cloud, or for emulators where their variables are set."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from scopeline.domain.errors import Unavailable

if TYPE_CHECKING:
    from google.cloud.firestore import Client as FirestoreClient
    from google.cloud.pubsub_v1 import PublisherClient, SubscriberClient
    from google.cloud.storage import Client as StorageClient


@dataclass(frozen=True, slots=True)
class Clients:
    """The clients of one process; they may be used by many threads."""

    storage: StorageClient
    firestore: FirestoreClient
    publisher: PublisherClient
    subscriber: SubscriberClient

    def close(self) -> None:
        """End the connections, when what was published is sent."""
        self.publisher.stop()
        self.subscriber.close()
        self.firestore.close()  # type: ignore[no-untyped-call]
        self.storage.close()


def beside_emulator(variable: str, environment: Mapping[str, str] = os.environ) -> bool:
    """Whether Google's `variable` (STORAGE_EMULATOR_HOST, ...) names an emulator, and this is not Cloud Run.

    Cloud Run sets K_SERVICE (https://cloud.google.com/run/docs/container-contract), whatever else is set there.
    """
    return bool(environment.get(variable, "").strip()) and "K_SERVICE" not in environment


def make_clients(project: str, database: str) -> Clients:
    """The clients of a project; emulators are found by Google's own variables (STORAGE_EMULATOR_HOST, ...).

    Raises Unavailable (`no_credentials`).
    """
    from google.auth.exceptions import DefaultCredentialsError

    try:
        return _make_clients(project, database)
    except DefaultCredentialsError as error:
        raise Unavailable(
            f"Google's clients find no credentials: {str(error).rstrip('.')}. Run `gcloud auth application-default "
            "login`, or name a key file by GOOGLE_APPLICATION_CREDENTIALS; a function has its service account's.",
            code="no_credentials",
        ) from error


def _make_clients(project: str, database: str) -> Clients:
    from google.auth.credentials import AnonymousCredentials
    from google.cloud import firestore, pubsub_v1, storage

    if os.environ.get("STORAGE_EMULATOR_HOST"):
        anonymous = AnonymousCredentials()  # type: ignore[no-untyped-call]
        storage_client = storage.Client(project=project, credentials=anonymous)
    else:
        storage_client = storage.Client(project=project)
    return Clients(
        storage=storage_client,
        firestore=firestore.Client(project=project, database=database),
        publisher=pubsub_v1.PublisherClient(),
        subscriber=pubsub_v1.SubscriberClient(),
    )
