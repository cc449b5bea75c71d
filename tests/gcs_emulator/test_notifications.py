"""Events of a bucket go to the topics of its notification configurations, and nowhere else."""

from __future__ import annotations

import base64
import json
import os
import signal
import time
import uuid
from collections.abc import Callable

import pytest
import requests

from scopeline.local import emulators as local
from scopeline.local.emulators import Emulators

PATIENCE = 30.0


class Topic:
    """A topic of a project of its own, and what came to it."""

    def __init__(self, host: str) -> None:
        self.project = f"project-{uuid.uuid4().hex[:20]}"
        self.name = f"projects/{self.project}/topics/uploads"
        self._subscription = f"projects/{self.project}/subscriptions/test"
        self._base = f"http://{host}/v1/"
        self._call("put", self.name, {})
        self._call("put", self._subscription, {"topic": self.name})
        self.came: list[dict[str, str]] = []
        self.objects: list[dict[str, object]] = []

    def _call(self, method: str, path: str, body: object) -> dict:
        answer = requests.request(method, self._base + path, json=body, timeout=30)
        assert answer.status_code == 200, answer.text
        return dict(answer.json())

    def events(self, count: int) -> list[tuple[str, str, str]]:
        """Type, object and generation of the first `count` events, in the order of generations and types."""
        end = time.monotonic() + PATIENCE
        while len(self.came) < count and time.monotonic() < end:
            self._pull()
        return sorted((m["eventType"], m["objectId"], m["objectGeneration"]) for m in self.came)

    def _pull(self) -> None:
        body = {"maxMessages": 100, "returnImmediately": True}
        received = self._call("post", f"{self._subscription}:pull", body).get("receivedMessages", [])
        if not received:
            time.sleep(0.02)
            return
        self._call("post", f"{self._subscription}:acknowledge", {"ackIds": [m["ackId"] for m in received]})
        for message in received:
            self.came.append(message["message"]["attributes"])
            data = message["message"].get("data")
            self.objects.append(json.loads(base64.b64decode(data)) if data else {})

    def end(self) -> None:
        requests.delete(self._base + self._subscription, timeout=30)
        requests.delete(self._base + self.name, timeout=30)


@pytest.fixture
def make_topic(emulators: Emulators):
    made: list[Topic] = []

    def make() -> Topic:
        made.append(Topic(emulators.pubsub))
        return made[-1]

    yield make
    for topic in made:
        topic.end()


def notify(http, bucket, topic: Topic, **more) -> dict:
    config = {"topic": topic.name, "payload_format": "JSON_API_V1", **more}
    answer = http.post(f"/storage/v1/b/{bucket.name}/notificationConfigs", json=config)
    assert answer.status_code == 200, answer.text
    return dict(answer.json())


def upload(bucket, name: str, content: bytes = b"1") -> str:
    blob = bucket.blob(name)
    blob.upload_from_string(content)
    return str(blob.generation)


def test_events_of_two_buckets_go_to_their_own_projects(http, client, bucket, versioned, make_topic) -> None:
    topics = {bucket.name: make_topic(), versioned.name: make_topic()}
    generations = {}
    for place in (bucket, versioned):
        notify(http, place, topics[place.name])
        generations[place.name] = upload(place, "a")
    for name, topic in topics.items():
        assert topic.events(1) == [("OBJECT_FINALIZE", "a", generations[name])]
        assert topic.came[0]["bucketId"] == name


def test_event_carries_the_object(http, bucket, make_topic) -> None:
    topic = make_topic()
    config = notify(http, bucket, topic, custom_attributes={"flow": "extract"})
    generation = upload(bucket, "dir/ä b.dm4", b"12345")
    topic.events(1)
    attributes, made = topic.came[0], topic.objects[0]
    assert attributes["notificationConfig"] == f"projects/_/buckets/{bucket.name}/notificationConfigs/{config['id']}"
    assert (attributes["payloadFormat"], attributes["flow"]) == ("JSON_API_V1", "extract")
    assert (made["bucket"], made["name"], made["generation"]) == (bucket.name, "dir/ä b.dm4", generation)
    assert (made["size"], made["metageneration"], made["md5Hash"]) == (
        "5",
        "1",
        bucket.get_blob("dir/ä b.dm4").md5_hash,
    )


def test_event_without_payload_carries_attributes_only(http, bucket, make_topic) -> None:
    topic = make_topic()
    notify(http, bucket, topic, payload_format="NONE")
    upload(bucket, "a")
    topic.events(1)
    assert topic.objects == [{}]


def test_configuration_of_googles_client_delivers(bucket, make_topic) -> None:
    topic = make_topic()
    made = bucket.notification(
        topic_name="uploads",
        topic_project=topic.project,
        event_types=["OBJECT_FINALIZE"],
        payload_format="JSON_API_V1",
        blob_name_prefix="raw/",
    )
    made.create()
    upload(bucket, "other/a")
    generation = upload(bucket, "raw/a")
    bucket.blob("raw/a").delete()
    last = upload(bucket, "raw/b")
    assert topic.events(2) == [("OBJECT_FINALIZE", "raw/a", generation), ("OBJECT_FINALIZE", "raw/b", last)]
    assert [n.topic_project for n in bucket.list_notifications()] == [topic.project]
    assert bucket.get_notification(made.notification_id).payload_format == "JSON_API_V1"
    made.delete()
    assert list(bucket.list_notifications()) == []


@pytest.mark.parametrize(
    "write",
    [
        lambda http, bucket: bucket.blob("a").upload_from_string(b"multipart"),
        lambda http, bucket: http.post(f"/upload/storage/v1/b/{bucket.name}/o?uploadType=media&name=a", data=b"media"),
        lambda http, bucket: http.put(bucket.blob("a").create_resumable_upload_session(size=1), data=b"r"),
        lambda http, bucket: bucket.copy_blob(bucket.blob("source"), bucket, "a"),
        lambda http, bucket: bucket.blob("a").rewrite(bucket.blob("source")),
        lambda http, bucket: bucket.blob("a").compose([bucket.blob("source")]),
        lambda http, bucket: http.put(f"/{bucket.name}/a?X-Goog-Algorithm=GOOG4-RSA-SHA256", data=b"signed"),
    ],
    ids=["multipart", "media", "resumable", "copy", "rewrite", "compose", "signed"],
)
def test_each_way_to_write_is_one_event(http, bucket, make_topic, write: Callable[..., object]) -> None:
    upload(bucket, "source")
    topic = make_topic()
    notify(http, bucket, topic)
    write(http, bucket)
    generation = str(bucket.get_blob("a").generation)
    assert topic.events(1) == [("OBJECT_FINALIZE", "a", generation)]


def test_replaced_object_is_deleted(http, bucket, make_topic) -> None:
    topic = make_topic()
    notify(http, bucket, topic)
    old, new = upload(bucket, "a"), upload(bucket, "a")
    assert topic.events(3) == [
        ("OBJECT_DELETE", "a", old),
        ("OBJECT_FINALIZE", "a", old),
        ("OBJECT_FINALIZE", "a", new),
    ]
    by_event = {(m["eventType"], m["objectGeneration"]): m for m in topic.came}
    assert by_event["OBJECT_DELETE", old]["overwrittenByGeneration"] == new
    assert by_event["OBJECT_FINALIZE", new]["overwroteGeneration"] == old


def test_replaced_version_is_archived_and_deleted_by_generation_only(http, versioned, make_topic) -> None:
    old, new = upload(versioned, "a"), upload(versioned, "a", b"2")
    topic = make_topic()
    notify(http, versioned, topic)
    newest = upload(versioned, "a", b"3")
    versioned.blob("a", generation=int(old)).delete()
    versioned.blob("a").delete()
    versioned.blob("a", generation=int(newest)).delete()
    assert topic.events(5) == [
        ("OBJECT_ARCHIVE", "a", new),
        ("OBJECT_ARCHIVE", "a", newest),
        ("OBJECT_DELETE", "a", old),
        ("OBJECT_DELETE", "a", newest),
        ("OBJECT_FINALIZE", "a", newest),
    ]


def test_refused_writes_and_reads_are_no_events(http, bucket, make_topic) -> None:
    generation = upload(bucket, "a")
    topic = make_topic()
    notify(http, bucket, topic)
    path = f"/upload/storage/v1/b/{bucket.name}/o?uploadType=media&name=a&ifGenerationMatch=0"
    assert http.post(path, data=b"2").status_code == 412
    bucket.blob("a").download_as_bytes()
    blob = bucket.get_blob("a")
    blob.metadata = {"x": "y"}
    blob.patch()
    assert topic.events(1) == [("OBJECT_METADATA_UPDATE", "a", generation)]


def test_events_of_an_outage_come_when_it_is_over(emulators: Emulators, http_to) -> None:
    with local.emulators() as own, http_to(own.storage) as http:
        topic = Topic(own.pubsub)
        assert http.post("/storage/v1/b", json={"name": "outage"}).status_code == 200
        config = {"topic": topic.name, "payload_format": "NONE"}
        assert http.post("/storage/v1/b/outage/notificationConfigs", json=config).status_code == 200
        os.kill(own.pids["pubsub"], signal.SIGSTOP)
        names = [f"{n:02}" for n in range(20)]
        for name in names:
            assert http.post(f"/upload/storage/v1/b/outage/o?uploadType=media&name={name}", data=b"1").ok
        os.kill(own.pids["pubsub"], signal.SIGCONT)
        assert {name for _, name, _ in topic.events(20)} == set(names)


@pytest.mark.parametrize(
    "wrong",
    [
        {"topic": "uploads", "payload_format": "JSON_API_V1"},
        {"topic": "projects/p/topics/t"},
    ],
)
def test_configuration_that_cannot_deliver_is_refused(http, bucket, wrong) -> None:
    assert http.post(f"/storage/v1/b/{bucket.name}/notificationConfigs", json=wrong).status_code == 400
