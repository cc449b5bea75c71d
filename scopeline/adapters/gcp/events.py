"""`ports.Events` on Pub/Sub, with documents in Firestore for what Pub/Sub does not do (docs/adr/0010).

In every method a message is published before the document that it came from is removed: whatever ends the process in
between, it is delivered twice rather than never.
"""

from __future__ import annotations

import hashlib
import logging
import math
import time
import uuid
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from scopeline.adapters.gcp.dead_letters import DeadLetters
from scopeline.adapters.gcp.failures import FailedMessage, Failures, failure_id
from scopeline.adapters.gcp.messages import Outgoing, PushedMessage, to_outgoing
from scopeline.adapters.gcp.pubsub import PubSub
from scopeline.adapters.gcp.tickets import Tickets
from scopeline.adapters.gcp.timers import Timer, Timers
from scopeline.adapters.gcp.topics import FLOW_OF
from scopeline.domain.documents import utc_text
from scopeline.domain.errors import ScopelineError
from scopeline.domain.events import Event, Topic
from scopeline.ports import LONGEST_WINDOW, OnParked, Parked

if TYPE_CHECKING:
    from google.cloud.firestore import Client
    from google.cloud.pubsub_v1 import PublisherClient, SubscriberClient

SECOND = timedelta(seconds=1)
# The time of one call of `maintain` for timers, and again for dead letters: the sweep has other work.
PART_SECONDS = 30.0

logger = logging.getLogger(__name__)


class GoogleEvents:
    """`ports.Events`, and what the receiver's side of it needs: tickets, timers and failures.

    A delivery is parked after `attempts` failures. `prefix` begins the names of topics and subscriptions.
    """

    def __init__(
        self,
        publisher: PublisherClient,
        subscriber: SubscriberClient,
        firestore: Client,
        *,
        project: str,
        prefix: str,
        attempts: int,
        clock: Callable[[], datetime],
    ) -> None:
        self.attempts = attempts
        self.clock = clock
        self.pubsub = PubSub(publisher, subscriber, project, prefix)
        self.tickets = Tickets(firestore)
        self.timers = Timers(firestore)
        self.failures = Failures(firestore)
        self.dead_letters = DeadLetters(self.pubsub, self.failures, clock)

    def publish(self, event: Event, *, not_before: datetime | None = None) -> None:
        """See the port."""
        message_id, now = uuid.uuid4().hex, self.clock()
        if not_before is None or not_before <= now:
            self.pubsub.publish(FLOW_OF[event.type], to_outgoing(event, id=message_id))
        else:
            self.timers.add(message_id, to_outgoing(event, id=message_id, accepted=utc_text(now)), not_before)

    def coalesce(self, event: Event, window: timedelta) -> None:
        """See the port. Whole seconds are joined, at least one."""
        seconds = max(1, math.ceil(min(window, LONGEST_WINDOW) / SECOND))
        self.pubsub.publish(FLOW_OF[event.type], to_outgoing(event, id=uuid.uuid4().hex, window=str(seconds)))

    def postpone(self, event: Event, message: PushedMessage, due: datetime) -> None:
        """Deliver a message that calls were joined in by a timer; the same at every delivery of it."""
        attributes = {name: value for name, value in message.attributes.items() if name != "window"}
        attributes["accepted"] = utc_text(message.accepted)
        self.timers.add(failure_id(message), Outgoing(message.data, {**attributes, "type": event.type}), due)

    def check_reachable(self) -> None:
        """See the port."""
        self.pubsub.check_reachable()

    def parked(self, *, since: datetime | None = None) -> Iterator[Parked]:
        """See the port."""
        return (failure.to_parked() for failure in self.failures.parked(since))

    def replay(self, parked_id: str) -> bool:
        """See the port."""
        failure = self.failures.find(parked_id)
        if failure is None or not failure.parked:
            return False
        # A message of its own: what is recorded of it must not be removed with what is recorded here. Where two replay
        # it at once, both messages are the same one, and share what is recorded.
        attributes = {name: value for name, value in failure.message.attributes.items() if name != "window"}
        attributes |= {
            "id": _replay_id(failure),
            "accepted": utc_text(failure.accepted),
            "since": utc_text(failure.since),
        }
        self.pubsub.publish(FLOW_OF[failure.event.type], Outgoing(failure.message.data, attributes))
        self.failures.remove(failure.id)
        return True

    def discard(self, parked_id: str) -> bool:
        """See the port."""
        failure = self.failures.find(parked_id)
        if failure is None or not failure.parked:
            return False
        self.failures.remove(failure.id)
        return True

    def maintain(self, on_parked: OnParked) -> None:
        """See the port. After about twice `PART_SECONDS` the rest is left to the next call.

        What cannot be done holds up nothing else; its error is raised at the end.
        """
        errors = self._release_timers(time.monotonic() + PART_SECONDS)
        errors += self.dead_letters.drain(on_parked, time.monotonic() + PART_SECONDS)
        if errors:
            raise errors[0]

    def _release_timers(self, until: float) -> list[Exception]:
        """Publish what is due until that moment of `time.monotonic`; what could not be."""
        errors: list[Exception] = []
        try:
            for timer in self.timers.due(self.clock()):
                try:
                    self._release(timer)
                except Exception as error:  # the boundary of a message: it stays where it is
                    logger.exception("Timer %s could not be released", timer.id)
                    errors.append(error)
                if time.monotonic() >= until:
                    break
        except ScopelineError as error:
            errors.append(error)
        return errors

    def _release(self, timer: Timer) -> None:
        if timer.due > timer.told:
            # This machine's clock is ahead: calls that are to be joined may still come.
            return
        topic = timer.message.attributes["type"]
        if topic not in set(Topic):
            logger.error(
                "Timer %s is for %s, which this version does not know; a newer one publishes it.", timer.id, topic
            )
            return
        self.pubsub.publish(FLOW_OF[Topic(topic)], timer.message)
        self.timers.remove(timer.id)


def _replay_id(failure: FailedMessage) -> str:
    """The id of the message that replays a failure, which may fail and be replayed again."""
    state = f"{failure.id} {failure.attempts} {utc_text(failure.since)}"
    return hashlib.sha256(state.encode()).hexdigest()[:32]
