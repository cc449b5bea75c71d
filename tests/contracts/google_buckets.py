"""Buckets of a test's own on the Cloud Storage emulator, and their events as they come out of Pub/Sub's."""

from __future__ import annotations

import http.client
import json
import time
import uuid
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from driving import PutAnswer
from google.cloud.storage import Bucket

from scopeline.adapters.gcp.clients import Clients, make_clients
from scopeline.adapters.gcp.messages import PushedMessage, to_event
from scopeline.adapters.gcp.object_store import GoogleObjectStore
from scopeline.adapters.gcp.signing import Sign
from scopeline.domain.events import Event

EVENTS = ("OBJECT_FINALIZE", "OBJECT_DELETE", "OBJECT_ARCHIVE")
COPIED_BYTES = 1024 * 1024
# The emulator publishes each event by itself: after the mark's, earlier ones are given this long (seconds).
QUIET = 0.3
PATIENCE = 30.0


class HttpUploads:
    """Sends real requests to upload URLs."""

    def put(
        self, url: str, content_range: str | None, data: bytes = b"", *, breaks_off_after: int | None = None
    ) -> PutAnswer:
        parts = urlsplit(url)
        with closing(http.client.HTTPConnection(parts.netloc, timeout=30)) as connection:
            connection.putrequest("PUT", f"{parts.path}?{parts.query}")
            connection.putheader("Content-Length", str(len(data)))
            if content_range is not None:
                connection.putheader("Content-Range", content_range)
            connection.endheaders()
            connection.send(data[:breaks_off_after])
            if breaks_off_after is not None:
                return PutAnswer(0, {}, None)
            answer = connection.getresponse()
            body = answer.read()
            is_json = answer.headers.get_content_type() == "application/json"
            headers = {name.lower(): value for name, value in answer.getheaders()}
            return PutAnswer(answer.status, headers, json.loads(body) if body and is_json else None)


@dataclass
class GoogleBuckets:
    """Both buckets, and a third one whose events mark that earlier events have come."""

    clients: Clients
    raw: GoogleObjectStore
    derived: GoogleObjectStore
    marks: GoogleObjectStore
    subscription: str
    uploads: HttpUploads

    def events(self) -> list[Event]:
        mark = self.marks.write("mark", b"")
        found: list[Event] = []
        marked_at = None
        deadline = time.monotonic() + PATIENCE
        while marked_at is None or time.monotonic() < marked_at + QUIET:
            assert time.monotonic() < deadline, "the mark's event did not come"
            for event in self._pull():
                if event.data["bucket"] == self.raw.bucket:
                    found.append(event)
                elif event.data["generation"] == mark.generation:
                    marked_at = time.monotonic()
            time.sleep(0.02)
        return found

    def _pull(self) -> Iterator[Event]:
        answer = self.clients.subscriber.pull(
            subscription=self.subscription, max_messages=100, return_immediately=True, timeout=10
        )
        if answer.received_messages:
            self.clients.subscriber.acknowledge(
                subscription=self.subscription, ack_ids=[one.ack_id for one in answer.received_messages]
            )
        for received in answer.received_messages:
            message = received.message
            event = to_event(
                PushedMessage(message.message_id, message.data, dict(message.attributes), message.publish_time)
            )
            if event is not None:
                yield event


def make_bucket(clients: Clients, prefix: str, *, versions: bool = True) -> Bucket:
    """A bucket with a name of its own."""
    bucket = clients.storage.bucket(f"{prefix}-{uuid.uuid4().hex[:16]}")
    bucket.versioning_enabled = versions
    clients.storage.create_bucket(bucket, timeout=10)
    return bucket


def store_of(
    clients: Clients, bucket: str, *, sign: Sign | None = None, mount: Path | None = None
) -> GoogleObjectStore:
    """The store of a bucket; what has over a mebibyte is read in `mount`."""
    return GoogleObjectStore(clients.storage, bucket, sign=sign, copied_bytes=COPIED_BYTES, mount=mount)


@contextmanager
def google_clients() -> Iterator[Clients]:
    """Clients of a project of the test's own."""
    clients = make_clients(f"storage-{uuid.uuid4().hex[:12]}", "(default)")
    try:
        yield clients
    finally:
        clients.close()


@contextmanager
def google_buckets() -> Iterator[GoogleBuckets]:
    """A raw bucket that tells of its changes, a derived one that tells nothing."""
    with google_clients() as clients:
        raw, derived, marks = (make_bucket(clients, name) for name in ("raw", "derived", "marks"))
        project = clients.storage.project
        topic = clients.publisher.topic_path(project, "extract")
        subscription = clients.subscriber.subscription_path(project, "extract")
        clients.publisher.create_topic(name=topic, timeout=10)
        clients.subscriber.create_subscription(
            name=subscription, topic=topic, ack_deadline_seconds=60, timeout=10, retry=None
        )
        for bucket in (raw, marks):
            bucket.notification(
                "extract", topic_project=project, event_types=list(EVENTS), payload_format="JSON_API_V1"
            ).create(timeout=10)
        stores = (store_of(clients, bucket.name) for bucket in (raw, derived, marks))
        try:
            yield GoogleBuckets(clients, *stores, subscription, HttpUploads())
        finally:
            clients.subscriber.delete_subscription(subscription=subscription, timeout=10)
            clients.publisher.delete_topic(topic=topic, timeout=10)
