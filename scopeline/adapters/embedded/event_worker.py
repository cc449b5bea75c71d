"""The threads that deliver the queue's events to handlers."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Mapping
from typing import TypeVar

from scopeline.adapters.embedded.delivery import Delivery
from scopeline.adapters.embedded.events import EmbeddedEvents, Handlers
from scopeline.adapters.judging import follow_giving_up
from scopeline.domain.errors import ScopelineError
from scopeline.domain.events import Topic
from scopeline.logs import about, subject, subject_of
from scopeline.ports import OnParked

# A waiting thread looks at the clock at least this often, so that a clock that was set is noticed.
LONGEST_WAIT_SECONDS = 30.0
# How long to wait after the database refused a read or write.
DATABASE_PAUSE_SECONDS = 1.0

Answer = TypeVar("Answer")

logger = logging.getLogger(__name__)


def handle(
    events: EmbeddedEvents, handlers: Handlers, delivery: Delivery, on_parked: OnParked | None = None
) -> Callable[[], None]:
    """Run the delivery's handler. Answers what remains to be done: to acknowledge, or to record the failure."""
    with about(**subject_of(delivery.event)):
        try:
            delivery.check_interruptions()
            handlers[delivery.event.type](delivery.event)
        except Exception as error:  # the boundary of a message: the failure is recorded with it
            failure, told = error, subject()
            if not isinstance(error, ScopelineError):
                logger.exception("%s of %s raised", delivery.event.type, delivery.event.key)
            return lambda: _record_failure(events, delivery, failure, on_parked, told)
    events.database.fault_point("delivery.handled")
    return lambda: events.acknowledge(delivery)


def _record_failure(
    events: EmbeddedEvents,
    delivery: Delivery,
    failure: Exception,
    on_parked: OnParked | None,
    subject: Mapping[str, str],
) -> None:
    """Postpone or park the delivery. What follows from giving up is done first: a process may end in between.

    `subject` is what the handler had found it to be about.
    """
    event, failing = delivery.event, events.judge(delivery, failure)
    with about(**subject):
        if failing.gives_up and on_parked is not None:
            follow_giving_up(on_parked, event, failing)
        events.fail(delivery, failure)


def run_once(events: EmbeddedEvents, handlers: Handlers, on_parked: OnParked | None = None) -> int:
    """Deliver, in this thread, all that is due now or becomes due meanwhile; how many deliveries there were."""
    count = 0
    while delivery := events.claim(handlers):
        handle(events, handlers, delivery, on_parked)()
        count += 1
    return count


class EventWorker:
    """Delivers events until it is stopped.

    Each topic has its own `threads` (one where it is not named), so that a slow topic holds up no other. `on_parked`
    is called before a delivery is parked; it may be called again for the same one.
    """

    def __init__(
        self,
        events: EmbeddedEvents,
        handlers: Handlers,
        threads: Mapping[Topic, int] | None = None,
        on_parked: OnParked | None = None,
    ) -> None:
        self._events = events
        self._handlers = handlers
        self._on_parked = on_parked
        self._stopping = threading.Event()
        wanted = threads or {}
        self._threads = [
            threading.Thread(target=self._work, args=(topic,), name=f"{topic} {n}", daemon=True)
            for topic in handlers
            for n in range(wanted.get(topic, 1))
        ]

    def start(self) -> None:
        """Start the threads."""
        for thread in self._threads:
            thread.start()

    def stop(self, timeout: float) -> bool:
        """Take no more deliveries and wait up to `timeout` seconds for the running ones.

        False where one still runs; it is delivered again at the next start.
        """
        self._stopping.set()
        self._events.database.arrivals.announce(*self._handlers)
        end = time.monotonic() + timeout
        for thread in self._threads:
            # One that a signal kept from being started takes nothing; one that starts only now ends at once.
            if thread.is_alive():
                thread.join(max(0.0, end - time.monotonic()))
        return not any(thread.is_alive() for thread in self._threads)

    def _work(self, topic: Topic) -> None:
        arrivals = self._events.database.arrivals
        while not self._stopping.is_set():
            seen = arrivals.count(topic)
            delivery = self._insist(lambda: self._events.claim([topic]))
            if delivery is not None:
                self._insist(handle(self._events, self._handlers, delivery, self._on_parked))
                continue
            pause = self._insist(lambda: self._events.seconds_to_next(topic, LONGEST_WAIT_SECONDS))
            if pause is not None and not self._stopping.is_set():
                arrivals.wait(topic, seen, pause)

    def _insist(self, action: Callable[[], Answer]) -> Answer | None:
        """The action's answer, however long the database refuses it; None where the worker is stopped meanwhile."""
        while True:
            try:
                return action()
            except ScopelineError as error:
                logger.error("Deliveries wait: %s", error)
            except Exception:  # the boundary of a thread: without it, its topic would stand still
                logger.exception("Deliveries wait")
            if self._stopping.wait(DATABASE_PAUSE_SECONDS):
                return None
