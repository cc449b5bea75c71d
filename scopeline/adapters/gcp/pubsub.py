"""Publishing to the flows' topics, and taking what gave up from their dead letters."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING

from google.api_core.exceptions import NotFound, PermissionDenied

from scopeline.adapters.gcp.calls import CALL_SECONDS, RETRY, TOTAL_SECONDS, google_problems
from scopeline.adapters.gcp.messages import Outgoing, PushedMessage
from scopeline.adapters.gcp.topics import EXTRACT, Flow
from scopeline.domain.errors import Unavailable

if TYPE_CHECKING:
    from google.cloud.pubsub_v1 import PublisherClient, SubscriberClient

PULLED = 50
# Names of other arguments of the client's `publish`: a stranger's message that is replayed goes without them.
TAKEN = frozenset({"topic", "data", "ordering_key", "retry", "timeout"})


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """A message that Pub/Sub gave up; it comes again after the acknowledgement deadline unless it is acknowledged."""

    ack_id: str
    message: PushedMessage


class PubSub:
    """The topics and dead letters of one edition, whose names begin with `prefix`."""

    def __init__(self, publisher: PublisherClient, subscriber: SubscriberClient, project: str, prefix: str) -> None:
        self._publisher = publisher
        self._subscriber = subscriber
        self._project = project
        self._prefix = prefix

    def publish(self, flow: Flow, message: Outgoing) -> None:
        """Return when Pub/Sub has stored the message; an error leaves open whether it has."""
        topic = self._publisher.topic_path(self._project, flow.topic(self._prefix))
        attributes = {name: value for name, value in message.attributes.items() if name not in TAKEN}
        with _pubsub_problems(f"Publishing to {topic}"):
            answer = self._publisher.publish(topic, message.data, retry=RETRY, timeout=CALL_SECONDS, **attributes)
            answer.result(timeout=TOTAL_SECONDS)

    def check_reachable(self) -> None:
        """Ask for a topic. Who may not know of it gets an answer, too: publishing needs another right."""
        topic = self._publisher.topic_path(self._project, EXTRACT.topic(self._prefix))
        with _pubsub_problems(f"Asking for {topic}"), suppress(PermissionDenied):
            self._publisher.get_topic(topic=topic, retry=RETRY, timeout=CALL_SECONDS)

    def dead_letters(self, flow: Flow) -> list[DeadLetter]:
        """Some of what gave up; empty where nothing is there now."""
        path = self._dead_letters(flow)
        with _pubsub_problems(f"Pulling from {path}"):
            answer = self._subscriber.pull(
                # The next look is a minute away: nothing is gained by waiting for a message.
                request={"subscription": path, "max_messages": PULLED, "return_immediately": True},
                retry=RETRY,
                timeout=CALL_SECONDS,
            )
        return [
            DeadLetter(
                received.ack_id,
                PushedMessage(
                    received.message.message_id,
                    received.message.data,
                    dict(received.message.attributes),
                    received.message.publish_time,
                ),
            )
            for received in answer.received_messages
        ]

    def acknowledge(self, flow: Flow, letter: DeadLetter) -> None:
        """The dead letter is written down elsewhere."""
        path = self._dead_letters(flow)
        with _pubsub_problems(f"Acknowledging a message of {path}"):
            self._subscriber.acknowledge(
                request={"subscription": path, "ack_ids": [letter.ack_id]}, retry=RETRY, timeout=CALL_SECONDS
            )

    def _dead_letters(self, flow: Flow) -> str:
        path: str = self._subscriber.subscription_path(self._project, flow.dead_letters(self._prefix))
        return path


@contextmanager
def _pubsub_problems(what: str) -> Iterator[None]:
    try:
        with google_problems(what):
            yield
    except NotFound as error:
        raise Unavailable(
            f"{what} failed: it does not exist. Expected the topics and subscriptions that Terraform makes; check that "
            "it was applied, and SCOPELINE_PROJECT and SCOPELINE_TOPIC_PREFIX.",
            code="no_topic",
        ) from error
    except TimeoutError as error:
        raise Unavailable(
            f"{what} had no answer in {TOTAL_SECONDS:.0f} s. It is tried again by itself.", code="google_unavailable"
        ) from error
