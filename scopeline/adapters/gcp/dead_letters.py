"""What Pub/Sub gave up because nobody answered, made parked deliveries like all others."""

from __future__ import annotations

import dataclasses
import logging
import time
from collections.abc import Callable, Iterator
from datetime import datetime

from scopeline.adapters.gcp.failures import DEAD_LETTER_MARK, Failures, event_of, failure_id
from scopeline.adapters.gcp.messages import PushedMessage, to_event
from scopeline.adapters.gcp.pubsub import DeadLetter, PubSub
from scopeline.adapters.gcp.topics import FLOWS, Flow
from scopeline.adapters.judging import Failing, judge
from scopeline.domain.errors import InvalidInput, ScopelineError
from scopeline.logs import about, subject_of, trace_of_message
from scopeline.ports import OnParked

# So many rounds a flow and call; the next call goes on.
ROUNDS = 20

logger = logging.getLogger(__name__)


class DeadLetters:
    """Moves each flow's dead letters into the failures."""

    def __init__(self, pubsub: PubSub, failures: Failures, clock: Callable[[], datetime]) -> None:
        self._pubsub = pubsub
        self._failures = failures
        self._clock = clock

    def drain(self, on_parked: OnParked, until: float) -> list[Exception]:
        """Park what is there now, until that moment of `time.monotonic`, at least one letter; what could not be done.

        Each letter is written down first and acknowledged then. One that is not comes again after its deadline.
        """
        errors: list[Exception] = []
        for flow in FLOWS:
            try:
                for letter in self._letters(flow):
                    try:
                        self._park(flow, letter.message, on_parked)
                        self._pubsub.acknowledge(flow, letter)
                    except Exception as error:  # the boundary of a message: it stays where it is
                        logger.exception("A dead letter of %s could not be parked", flow.name)
                        errors.append(error)
                    if time.monotonic() >= until:
                        return errors
            except ScopelineError as error:
                errors.append(error)
                if time.monotonic() >= until:
                    break
        return errors

    def _letters(self, flow: Flow) -> Iterator[DeadLetter]:
        for _ in range(ROUNDS):
            letters = self._pubsub.dead_letters(flow)
            yield from letters
            if not letters:
                return

    def _park(self, flow: Flow, message: PushedMessage, on_parked: OnParked) -> None:
        known = self._failures.find(failure_id(message))
        if known is not None and known.parked:
            return
        delivered = _delivery_count(message)
        try:
            event, understood = to_event(message), True
        except InvalidInput as error:
            event, understood = event_of(message), False
            failing = judge(error, delivered, delivered)
        else:
            failing = dataclasses.replace(known.failing, gives_up=True) if known else _no_answer(flow, delivered)
        if event is None:
            return
        with about(**subject_of(event), **trace_of_message(message.attributes)):
            attempts = max(delivered, known.attempts if known else 0)
            self._failures.note(message, failing, attempts, known, self._clock(), on_parked if understood else None)


def _delivery_count(message: PushedMessage) -> int:
    """How often the message was delivered (https://cloud.google.com/pubsub/docs/handling-failures#track_attempts)."""
    text = message.attributes.get(f"{DEAD_LETTER_MARK}SourceDeliveryCount", "")
    return int(text) if text.isascii() and text.isdecimal() and len(text) < 6 else 1


def _no_answer(flow: Flow, delivered: int) -> Failing:
    return Failing(
        code="no_answer",
        reason=f"It was delivered {delivered} times to the function {flow.function}, which never answered for it: a "
        "crash, too little memory, a timeout, or a refused token. Look into the function's log at that time.",
        transient=True,
        gives_up=True,
    )
