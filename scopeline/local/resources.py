"""What Terraform makes in the cloud, made on emulators: buckets, topics, subscriptions and notifications."""

from __future__ import annotations

import urllib.error
import urllib.request
from collections.abc import Callable, Mapping
from http.client import HTTPException
from typing import TYPE_CHECKING, Any

from scopeline.adapters.gcp.topics import (
    ACK_DEADLINE,
    EXTRACT,
    FLOWS,
    KEPT,
    NOTIFICATIONS,
    Flow,
    delivery_attempts,
)

if TYPE_CHECKING:
    from scopeline.adapters.gcp.clients import Clients
    from scopeline.settings import Settings

CALL_SECONDS = 20.0
ANSWER_SECONDS = 5.0
PROBLEM_TYPE = "application/problem+json"


def make_resources(settings: Settings, clients: Clients, endpoints: Mapping[str, str]) -> None:
    """Make what is missing for the project, buckets and topics of `settings`.

    `endpoints` are the functions' URLs by entry point; a flow without one gets a subscription to pull from.
    """
    make_topics(settings, clients)
    make_subscriptions(settings, clients, endpoints)
    make_buckets(settings, clients)


def make_topics(settings: Settings, clients: Clients) -> None:
    """The topics of all flows and their dead letters, each of these with its subscription."""
    publisher, subscriber = clients.publisher, clients.subscriber
    for flow in FLOWS:
        for name in (flow.topic(settings.topic_prefix), flow.dead_letters(settings.topic_prefix)):
            topic = publisher.topic_path(settings.project, name)
            _unless_there(publisher.create_topic, request={"name": topic}, timeout=CALL_SECONDS)
        dead = flow.dead_letters(settings.topic_prefix)
        request = {
            "name": subscriber.subscription_path(settings.project, dead),
            "topic": publisher.topic_path(settings.project, dead),
            "ack_deadline_seconds": ACK_DEADLINE,
            # Less than in the cloud: the emulator takes no more.
            "message_retention_duration": {"seconds": KEPT},
            "expiration_policy": {},  # never
        }
        _unless_there(subscriber.create_subscription, request=request, timeout=CALL_SECONDS)


def make_subscriptions(
    settings: Settings, clients: Clients, endpoints: Mapping[str, str], seconds: float = CALL_SECONDS
) -> None:
    """The flows' own subscriptions; one that is there for another endpoint is turned to the new one.

    Each call has so many seconds, with all its tries.
    """
    from google.api_core.retry import Retry

    subscriber, retry = clients.subscriber, Retry(timeout=seconds)
    for flow in FLOWS:
        request = _subscription(settings, clients, flow, endpoints.get(flow.function))
        made = _unless_there(subscriber.create_subscription, request=request, retry=retry, timeout=seconds)
        if not made:
            turned = {"subscription": request["name"], "push_config": request["push_config"]}
            subscriber.modify_push_config(request=turned, retry=retry, timeout=seconds)


def living_endpoint(settings: Settings, clients: Clients) -> str:
    """Where a running function of the same project and prefix takes the messages; nothing where none does."""
    from google.api_core.exceptions import NotFound

    for flow in FLOWS:
        name = clients.subscriber.subscription_path(settings.project, flow.topic(settings.topic_prefix))
        try:
            found = clients.subscriber.get_subscription(request={"subscription": name}, timeout=CALL_SECONDS)
        except NotFound:
            continue
        endpoint = str(found.push_config.push_endpoint)
        if endpoint and _is_function(endpoint):
            return endpoint
    return ""


def _is_function(url: str) -> bool:
    """Whether one of our functions answers there, which has words for what it does not understand."""
    try:
        with urllib.request.urlopen(url, timeout=ANSWER_SECONDS):
            return False
    except urllib.error.HTTPError as error:
        with error:
            return error.headers.get_content_type() == PROBLEM_TYPE
    except (OSError, HTTPException, ValueError):
        return False


def make_buckets(settings: Settings, clients: Clients) -> None:
    """Both buckets, with versions, and raw's notifications to the topic of `extract`."""
    _make_bucket(clients, settings.derived_bucket)
    made = _make_bucket(clients, settings.raw_bucket)
    raw, topic = clients.storage.bucket(settings.raw_bucket), EXTRACT.topic(settings.topic_prefix)
    if not made and any(known.topic_name == topic for known in raw.list_notifications(timeout=CALL_SECONDS)):
        return
    raw.notification(
        topic_name=topic,
        topic_project=settings.project,
        event_types=list(NOTIFICATIONS),
        payload_format="JSON_API_V1",
    ).create(timeout=CALL_SECONDS)


def remove_subscriptions(settings: Settings, clients: Clients) -> None:
    """Remove all subscriptions, and with them what waits: an endpoint that is gone would be tried for ever."""
    from google.api_core.exceptions import NotFound

    for flow in FLOWS:
        for name in (flow.topic(settings.topic_prefix), flow.dead_letters(settings.topic_prefix)):
            path = clients.subscriber.subscription_path(settings.project, name)
            try:
                clients.subscriber.delete_subscription(request={"subscription": path}, timeout=CALL_SECONDS)
            except NotFound:
                continue


def _subscription(settings: Settings, clients: Clients, flow: Flow, endpoint: str | None) -> dict[str, Any]:
    publisher, name = clients.publisher, flow.topic(settings.topic_prefix)
    return {
        "name": clients.subscriber.subscription_path(settings.project, name),
        "topic": publisher.topic_path(settings.project, name),
        "push_config": {"push_endpoint": endpoint} if endpoint else {},
        "ack_deadline_seconds": ACK_DEADLINE,
        "message_retention_duration": {"seconds": KEPT},
        "expiration_policy": {},  # never
        # No retry policy: with one, the emulator gives a message up silently whose endpoint was gone for 4 s. Without,
        # it tries each second.
        "dead_letter_policy": {
            "dead_letter_topic": publisher.topic_path(settings.project, flow.dead_letters(settings.topic_prefix)),
            "max_delivery_attempts": delivery_attempts(settings.attempts),
        },
    }


def _make_bucket(clients: Clients, name: str) -> bool:
    """Make a bucket with versions; False where it is there already."""
    bucket = clients.storage.bucket(name)
    if bucket.exists(timeout=CALL_SECONDS):
        return False
    bucket.versioning_enabled = True
    return _unless_there(clients.storage.create_bucket, bucket, timeout=CALL_SECONDS)


def _unless_there(make: Callable[..., object], *what: object, **how: object) -> bool:
    """Make it; False where it is there already."""
    from google.api_core.exceptions import AlreadyExists, Conflict

    try:
        make(*what, **how)
    except (AlreadyExists, Conflict):
        return False
    return True
