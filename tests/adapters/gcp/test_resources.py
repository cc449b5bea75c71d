"""The emulators get what Terraform makes in the cloud."""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterator
from typing import Any

import pytest

from scopeline.adapters.gcp.clients import Clients, make_clients
from scopeline.adapters.gcp.messages import PushedMessage, to_event
from scopeline.adapters.gcp.topics import FLOWS, as_data, delivery_attempts
from scopeline.domain.events import Topic
from scopeline.local.resources import make_resources, remove_subscriptions
from scopeline.settings import Settings

URL = "http://127.0.0.1:9/"


@pytest.fixture
def settings() -> Settings:
    name = f"resources-{uuid.uuid4().hex[:12]}"
    return Settings(project=name, raw_bucket=f"{name}-raw", derived_bucket=f"{name}-derived", attempts=8)


@pytest.fixture
def clients(emulators: Any, settings: Settings) -> Iterator[Clients]:
    clients = make_clients(settings.project, settings.database)
    yield clients
    remove_subscriptions(settings, clients)
    clients.close()


def subscriptions(settings: Settings, clients: Clients) -> dict[str, Any]:
    found = clients.subscriber.list_subscriptions(request={"project": f"projects/{settings.project}"}, timeout=10)
    return {one.name.rsplit("/", 1)[-1]: one for one in found}


def test_each_flow_has_its_push_subscription_and_its_dead_letters(settings: Settings, clients: Clients) -> None:
    make_resources(settings, clients, {flow.function: f"{URL}{flow.function}" for flow in FLOWS})
    found = subscriptions(settings, clients)
    assert len(found) == 2 * len(FLOWS)
    for flow in FLOWS:
        push, dead = found[f"scopeline-{flow.name}"], found[f"scopeline-{flow.name}-dead"]
        assert push.push_config.push_endpoint == f"{URL}{flow.function}"
        assert push.ack_deadline_seconds == 600
        assert push.dead_letter_policy.dead_letter_topic.endswith(f"/topics/scopeline-{flow.name}-dead")
        assert push.dead_letter_policy.max_delivery_attempts == 8
        assert "retry_policy" not in push
        assert dead.push_config.push_endpoint == ""


def test_both_buckets_keep_versions_and_raw_tells_what_happens(settings: Settings, clients: Clients) -> None:
    make_resources(settings, clients, {})
    raw, derived = (clients.storage.get_bucket(name) for name in (settings.raw_bucket, settings.derived_bucket))
    assert raw.versioning_enabled
    assert derived.versioning_enabled
    (notification,) = raw.list_notifications()
    assert notification.topic_name == "scopeline-extract"
    assert set(notification.event_types) == {"OBJECT_FINALIZE", "OBJECT_DELETE", "OBJECT_ARCHIVE"}


def test_making_again_changes_the_endpoints_and_nothing_else(settings: Settings, clients: Clients) -> None:
    for port in (8, 9):
        make_resources(settings, clients, {"extract": f"http://127.0.0.1:{port}/"})
    found = subscriptions(settings, clients)
    assert len(found) == 2 * len(FLOWS)
    assert found["scopeline-extract"].push_config.push_endpoint == URL
    assert len(list(clients.storage.bucket(settings.raw_bucket).list_notifications())) == 1


def test_no_subscription_is_left_after_removal(settings: Settings, clients: Clients) -> None:
    make_resources(settings, clients, {"extract": URL})
    remove_subscriptions(settings, clients)
    remove_subscriptions(settings, clients)
    assert subscriptions(settings, clients) == {}


def test_a_stored_object_comes_as_an_event_and_a_derived_one_does_not(settings: Settings, clients: Clients) -> None:
    make_resources(settings, clients, {})
    clients.storage.bucket(settings.derived_bucket).blob("a.png").upload_from_string(b"derived")
    blob = clients.storage.bucket(settings.raw_bucket).blob("titan/s/pc/data/a µ.dm3")
    blob.upload_from_string(b"hello")
    path = clients.subscriber.subscription_path(settings.project, "scopeline-extract")
    received = clients.subscriber.pull(request={"subscription": path, "max_messages": 5}, timeout=10).received_messages
    (event,) = [
        to_event(PushedMessage("1", one.message.data, dict(one.message.attributes), one.message.publish_time))
        for one in received
    ]
    assert event is not None
    assert event.type is Topic.OBJECT_FINALIZED
    assert (event.data["name"], event.data["generation"]) == (blob.name, blob.generation)
    assert (event.data["size"], event.data["md5"]) == (5, "5d41402abc4b2a76b9719d911017c592")


def test_terraform_gets_the_same_names(settings: Settings, clients: Clients) -> None:
    make_resources(settings, clients, {})
    data = json.loads(json.dumps(as_data(settings.topic_prefix, settings.attempts)))
    names = {name for flow in data["flows"] for name in (flow["topic"], flow["dead_letters"])}
    assert names == set(subscriptions(settings, clients))
    assert {event for flow in data["flows"] for event in flow["events"]} == set(Topic)
    assert data["notifications"]["topic"] in names


@pytest.mark.parametrize(("setting", "policy"), [(1, 5), (5, 5), (8, 8), (100, 100)])
def test_pubsub_takes_5_to_100_attempts(setting: int, policy: int) -> None:
    assert delivery_attempts(setting) == policy
