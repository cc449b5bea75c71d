"""Google's events under a clock of the test's own: the emulators store, this module is Pub/Sub's push and clock.

The emulator's publish time and its pauses between attempts cannot be moved. So messages are pulled as soon as time is
to pass, are stamped with the test's time, and those that are to come again are kept here, un-acknowledged, until the
test's clock has gone on by `PAUSE`.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

from driving import Handlers
from google.cloud.firestore import Client

from scopeline.adapters.gcp.clients import Clients, make_clients
from scopeline.adapters.gcp.events import GoogleEvents
from scopeline.adapters.gcp.messages import PushedMessage
from scopeline.adapters.gcp.receiver import Outcome, Receiver
from scopeline.adapters.gcp.tickets import Ticket, Tickets
from scopeline.adapters.gcp.timers import Timer, Timers
from scopeline.adapters.gcp.topics import FLOWS
from scopeline.domain.events import Event
from scopeline.local.resources import make_subscriptions, make_topics, remove_subscriptions
from scopeline.settings import Settings

PAUSE = timedelta(seconds=10)
TICK = timedelta(microseconds=1)


class NotYet(BaseException):
    """A delivery waits for a time that has not come."""


class Killed(BaseException):
    """The process ended."""


class ClockedTickets(Tickets):
    """Tickets whose answers are told at the test's time instead of Google's."""

    def __init__(self, firestore: Client, google_now: Callable[[], datetime]) -> None:
        super().__init__(firestore)
        self._google_now = google_now

    def claim(self, event: Event, message: PushedMessage, window: timedelta) -> Ticket:
        return replace(super().claim(event, message, window), told=self._google_now())


class ClockedTimers(Timers):
    """Timers that are found at the test's time instead of Google's."""

    def __init__(self, firestore: Client, google_now: Callable[[], datetime]) -> None:
        super().__init__(firestore)
        self._google_now = google_now

    def due(self, now: datetime) -> Iterator[Timer]:
        return (replace(timer, told=self._google_now()) for timer in super().due(now))


@dataclass
class Held:
    """A message that is not acknowledged, and when it comes again."""

    subscription: str
    ack_id: str
    message: PushedMessage
    due: datetime


class GoogleDeliveries:
    """The driver of the contract suite; `attempts` are counted by the receiver, as with the emulator's pushes.

    `clock` is Google's time; the clock of the machine that receives and sweeps is `ahead` of it.
    """

    def __init__(self, clients: Clients, project: str, attempts: int = 4) -> None:
        self.attempts = attempts
        self.clients = clients
        self.settings = Settings(project=project, attempts=attempts)
        self.clock = datetime(2026, 2, 6, 12, tzinfo=UTC)
        self.ahead = timedelta(0)
        self.held: list[Held] = []
        self.gave_up: list[tuple[Event, str, str]] = []
        self.events = GoogleEvents(
            clients.publisher,
            clients.subscriber,
            clients.firestore,
            project=project,
            prefix=self.settings.topic_prefix,
            attempts=attempts,
            clock=lambda: self.now() + self.ahead,
        )
        self.events.tickets = ClockedTickets(clients.firestore, self.now)
        self.events.timers = ClockedTimers(clients.firestore, self.now)

    def now(self) -> datetime:
        """The clock goes on at each look, so that nothing happens at the same time as something else."""
        self.clock += TICK
        return self.clock

    def advance(self, seconds: float) -> None:
        self.collect()
        self.clock += timedelta(seconds=seconds)

    def deliver(self, handlers: Handlers) -> int:
        self.maintain()
        self.collect()
        count = 0

        def counted(event: Event) -> None:
            nonlocal count
            count += 1
            handlers[event.type](event)

        receiver = self.receiver(dict.fromkeys(handlers, counted))
        while due := [held for held in self.held if held.due <= self.clock]:
            for held in due:
                self.push(receiver, held)
            self.collect()
        return count

    def interrupt(self) -> None:
        self.collect()

        def die(event: Event) -> None:
            raise Killed

        receiver = self.receiver(dict.fromkeys([topic for flow in FLOWS for topic in flow.events], die))
        for held in [held for held in self.held if held.due <= self.clock]:
            try:
                self.push(receiver, held)
            except Killed:
                return

    def maintain(self) -> None:
        self.events.maintain(self.parked)

    def parked(self, event: Event, code: str, reason: str) -> None:
        self.gave_up.append((event, code, reason))

    def receiver(self, handlers: Handlers) -> Receiver:
        return Receiver(self.events, handlers, self.parked, self.wait)

    def wait(self, left: timedelta) -> None:
        if left > timedelta(0):
            raise NotYet(self.clock + left)

    def push(self, receiver: Receiver, held: Held) -> None:
        """Deliver one message as a push would, and answer Pub/Sub."""
        try:
            outcome = receiver.receive(held.message)
        except NotYet as error:
            # In the cloud, the instance would hold it so long.
            held.due = error.args[0]
            return
        if outcome is Outcome.AGAIN:
            held.due = self.clock + PAUSE
            return
        self.clients.subscriber.acknowledge(request={"subscription": held.subscription, "ack_ids": [held.ack_id]})
        self.held.remove(held)

    def collect(self) -> None:
        """Take all that was published until now."""
        for flow in FLOWS:
            path = self.clients.subscriber.subscription_path(
                self.settings.project, flow.topic(self.settings.topic_prefix)
            )
            while received := self.clients.subscriber.pull(
                request={"subscription": path, "max_messages": 100, "return_immediately": True}, timeout=10
            ).received_messages:
                for one in sorted(received, key=lambda one: int(one.message.message_id)):
                    now = self.now()
                    message = PushedMessage(one.message.message_id, one.message.data, dict(one.message.attributes), now)
                    self.held.append(Held(path, one.ack_id, message, now))


@contextmanager
def google_deliveries(attempts: int = 4) -> Iterator[GoogleDeliveries]:
    """An empty project on the emulators, with a subscription to pull from for each flow."""
    project = f"events-{uuid.uuid4().hex[:12]}"
    clients = make_clients(project, "(default)")
    try:
        deliveries = GoogleDeliveries(clients, project, attempts)
        make_topics(deliveries.settings, clients)
        make_subscriptions(deliveries.settings, clients, {})
        yield deliveries
        remove_subscriptions(deliveries.settings, clients)
    finally:
        clients.close()
