"""What a function does with a delivered message: its handler's work, and the answer to Pub/Sub."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from enum import Enum

from scopeline.adapters.gcp.events import GoogleEvents
from scopeline.adapters.gcp.failures import event_of, failure_id
from scopeline.adapters.gcp.messages import PushedMessage, to_event
from scopeline.adapters.gcp.tickets import AFTER_WINDOW, LONGEST_WAIT
from scopeline.adapters.judging import follow_giving_up, judge
from scopeline.domain.errors import InvalidInput, ScopelineError
from scopeline.domain.events import Event, Topic
from scopeline.logs import about, subject_of, trace_of_message
from scopeline.ports import LONGEST_WINDOW, OnParked

Handlers = Mapping[Topic, Callable[[Event], None]]

logger = logging.getLogger(__name__)


class Outcome(Enum):
    """What Pub/Sub is answered: the message is done, or it is to come again."""

    DONE = "done"
    AGAIN = "again"


def sleep_until(moment: datetime) -> None:
    """Return at that time of this machine's clock, or after it."""
    while (left := (moment - datetime.now(UTC)).total_seconds()) > 0:
        time.sleep(left)


class Receiver:
    """Receives the messages of one function.

    `wait` returns when a time has come. What it raises, and every BaseException (the end of the process), passes:
    nothing is recorded, and the message comes again after its deadline. So it does where a handler works for longer
    than the deadline: the services bear a second delivery at the same time.
    """

    def __init__(
        self,
        events: GoogleEvents,
        handlers: Handlers,
        on_parked: OnParked,
        wait: Callable[[datetime], None] = sleep_until,
    ) -> None:
        self._events = events
        self._handlers = handlers
        self._on_parked = on_parked
        self._wait = wait

    def receive(self, message: PushedMessage) -> Outcome:
        """Handle one delivery. An event that cannot be understood or is nobody's here is parked at once."""
        try:
            event = to_event(message)
        except InvalidInput as error:
            return self._failed(event_of(message), message, error, understood=False)
        if event is None:
            return Outcome.DONE
        with about(**subject_of(event), **trace_of_message(message.attributes)):
            return self._receive(event, message)

    def _receive(self, event: Event, message: PushedMessage) -> Outcome:
        try:
            handler = self._handler(event)
            start = self._start(event, message)
        except Exception as error:  # the boundary of a message: the failure is recorded with it
            if not isinstance(error, ScopelineError):
                logger.exception("%s of %s raised", event.type, event.key)
            return self._failed(event, message, error)
        if start is None:
            return Outcome.DONE
        if start > self._events.clock():
            self._wait(start)
        try:
            handler(event)
        except Exception as error:  # the boundary of a message: the failure is recorded with it
            if not isinstance(error, ScopelineError):
                logger.exception("%s of %s raised", event.type, event.key)
            return self._failed(event, message, error)
        try:
            self._events.failures.remove_answered(event, message)
        except ScopelineError as error:
            logger.warning("%s of %s is done again: %s", event.type, event.key, error)
            return Outcome.AGAIN
        return Outcome.DONE

    def _handler(self, event: Event) -> Callable[[Event], None]:
        handler = self._handlers.get(event.type)
        if handler is None:
            raise InvalidInput(
                f"{event.type} of {event.key} came to a function that has no handler for it; expected one of "
                f"{', '.join(sorted(self._handlers))}. Look at the push subscription's endpoint.",
                code="bad_message",
            )
        return handler

    def _start(self, event: Event, message: PushedMessage) -> datetime | None:
        """When the handler is to start; None where another message or a timer delivers for this one."""
        events, now, window = self._events, self._events.clock(), message.window
        if window is None:
            return now
        window = min(window, LONGEST_WINDOW)
        ticket = events.tickets.claim(event, message, window)
        if not ticket.mine:
            return None
        # The message was accepted before now, so its window ends no later than this, whatever the clock here says.
        start = min(ticket.due, now + window + AFTER_WINDOW)
        if window > LONGEST_WAIT and start > now:
            events.postpone(event, message, start)
            return None
        return start

    def _failed(self, event: Event, message: PushedMessage, error: Exception, *, understood: bool = True) -> Outcome:
        """Record what the handler raised; the delivery comes again, or is parked after what follows from that."""
        events = self._events
        try:
            known = events.failures.find(failure_id(message))
            attempt = message.attempt or (known.attempts if known else 0) + 1
            failing = judge(error, attempt, events.attempts)
            if failing.gives_up and understood:
                follow_giving_up(self._on_parked, event, failing)
            events.failures.record(message, failing, attempt, known, events.clock())
        except ScopelineError as problem:
            logger.error("%s of %s failed, which could not be recorded: %s: %s", event.type, event.key, error, problem)
            return Outcome.AGAIN
        if failing.gives_up:
            logger.error(
                "%s of %s is parked after %d attempts: %s: %s",
                event.type,
                event.key,
                attempt,
                failing.code,
                failing.reason,
            )
            return Outcome.DONE
        logger.warning("%s of %s failed, and comes again: %s: %s", event.type, event.key, failing.code, failing.reason)
        return Outcome.AGAIN
