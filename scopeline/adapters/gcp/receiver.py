"""What a function does with a delivered message: its handler's work, and the answer to Pub/Sub."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Mapping
from datetime import timedelta
from enum import Enum

from scopeline.adapters.gcp.events import GoogleEvents
from scopeline.adapters.gcp.failures import event_of, failure_id
from scopeline.adapters.gcp.messages import PushedMessage, to_event
from scopeline.adapters.gcp.tickets import LONGEST_WAIT
from scopeline.adapters.judging import judge
from scopeline.domain.errors import InvalidInput, ScopelineError
from scopeline.domain.events import Event, Topic
from scopeline.logs import about, subject_of, trace_of_message
from scopeline.ports import LONGEST_WINDOW, OnParked

Handlers = Mapping[Topic, Callable[[Event], None]]

NO_TIME = timedelta(0)

logger = logging.getLogger(__name__)


class Outcome(Enum):
    """What Pub/Sub is answered: the message is done, or it is to come again."""

    DONE = "done"
    AGAIN = "again"


def pause(left: timedelta) -> None:
    """Return after that time, at once where it is not over zero. Setting this machine's clock changes nothing."""
    time.sleep(max(0.0, left.total_seconds()))


class Receiver:
    """Receives the messages of one function.

    `wait` returns after a time. What is no Exception (the end of the process) passes: nothing is recorded, and the
    message comes again after its deadline. So it does where a handler works for longer than the deadline: the services
    bear a second delivery at the same time.
    """

    def __init__(
        self,
        events: GoogleEvents,
        handlers: Handlers,
        on_parked: OnParked,
        wait: Callable[[timedelta], None] = pause,
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
            left = self._left(event, message)
            if left is None:
                return Outcome.DONE
            self._wait(left)
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

    def _left(self, event: Event, message: PushedMessage) -> timedelta | None:
        """How long the handler is to wait; None where another message or a timer delivers for this one."""
        window = message.window
        if window is None:
            return NO_TIME
        window = min(window, LONGEST_WINDOW)
        ticket = self._events.tickets.claim(event, message, window)
        if not ticket.mine:
            return None
        if window > LONGEST_WAIT and ticket.left > NO_TIME:
            self._events.postpone(event, message, ticket.due)
            return None
        return ticket.left

    def _failed(self, event: Event, message: PushedMessage, error: Exception, *, understood: bool = True) -> Outcome:
        """Record what the handler raised; the delivery comes again, or is parked after what follows from that."""
        events = self._events
        try:
            known = events.failures.find(failure_id(message))
            attempt = message.attempt or (known.attempts if known else 0) + 1
            failing = judge(error, attempt, events.attempts)
            on_parked = self._on_parked if understood else None
            events.failures.note(message, failing, attempt, known, events.clock(), on_parked)
        except ScopelineError as problem:
            logger.error("%s of %s failed, which could not be recorded: %s: %s", event.type, event.key, error, problem)
            return Outcome.AGAIN
        return Outcome.DONE if failing.gives_up else Outcome.AGAIN
