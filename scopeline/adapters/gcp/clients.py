"""Google's clients, made once for each process: for the cloud, or for emulators where their variables are set."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import TYPE_CHECKING

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


def make_clients(project: str, database: str) -> Clients:
    """The clients of a project; emulators are found by Google's own variables (STORAGE_EMULATOR_HOST, ...)."""
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
