"""What becomes of one delivery: joined calls, failures, the end of the process in between."""

from __future__ import annotations

import base64
import json
import time
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from google_deliveries import GoogleDeliveries, Killed, NotYet
from out_of_range import OUT_OF_RANGE

from scopeline import logs
from scopeline.adapters.gcp.failures import KEPT_ATTRIBUTES, KEPT_BYTES
from scopeline.adapters.gcp.messages import PushedMessage, decode_push, to_outgoing
from scopeline.adapters.gcp.receiver import Outcome, Receiver, pause
from scopeline.domain.documents import utc_text
from scopeline.domain.errors import InvalidInput, Unavailable
from scopeline.domain.events import Event, Topic

WINDOW = timedelta(seconds=30)
LONG_WINDOW = timedelta(minutes=8)


def changed(deliveries: GoogleDeliveries, **data: Any) -> Event:
    return Event(type=Topic.SESSION_CHANGED, key="20260206-titan-7f3k2a", at=deliveries.now(), data=data)


def receiver(deliveries: GoogleDeliveries, handler: Callable[[Event], None]) -> Receiver:
    return deliveries.receiver({Topic.SESSION_CHANGED: handler})


def messages(deliveries: GoogleDeliveries) -> list[PushedMessage]:
    """What was published until now and is not acknowledged."""
    deliveries.collect()
    return [held.message for held in deliveries.held]


def die_after(monkeypatch: pytest.MonkeyPatch, target: object, method: str) -> None:
    """Let the process end once, right after that step."""
    step, calls = getattr(target, method), []

    def last(*args: Any, **named: Any) -> Any:
        answer = step(*args, **named)
        calls.append(1)
        if len(calls) == 1:
            raise Killed(method)
        return answer

    monkeypatch.setattr(target, method, last)


def never(event: Event) -> None:
    raise AssertionError(f"{event.key} was handled")


class TestJoinedCalls:
    def test_ten_calls_delivered_at_once_are_handled_once(self, deliveries: GoogleDeliveries) -> None:
        seen: list[Event] = []
        for n in range(10):
            deliveries.events.coalesce(changed(deliveries, n=n), WINDOW)
        arrived = messages(deliveries)
        deliveries.advance(40)
        with ThreadPoolExecutor(10) as threads:
            outcomes = list(threads.map(receiver(deliveries, seen.append).receive, arrived))
        assert outcomes == [Outcome.DONE] * 10
        assert len(seen) == 1

    def test_the_creator_of_a_ticket_goes_on_when_it_is_delivered_again(self, deliveries: GoogleDeliveries) -> None:
        for n in range(2):
            deliveries.events.coalesce(changed(deliveries, n=n), WINDOW)
        creator, other = messages(deliveries)
        deliveries.advance(40)

        def die(event: Event) -> None:
            raise Killed

        with pytest.raises(Killed):
            receiver(deliveries, die).receive(creator)
        assert receiver(deliveries, never).receive(other) is Outcome.DONE
        seen: list[Event] = []
        assert receiver(deliveries, seen.append).receive(creator) is Outcome.DONE
        assert [event.data["n"] for event in seen] == [0]

    def test_a_delivery_waits_until_2_s_after_its_windows_end(self, deliveries: GoogleDeliveries) -> None:
        deliveries.events.coalesce(changed(deliveries), WINDOW)
        (message,) = messages(deliveries)
        with pytest.raises(NotYet) as caught:
            receiver(deliveries, never).receive(message)
        assert caught.value.args[0] == datetime(2026, 2, 6, 12, 0, 32, tzinfo=UTC)

    @pytest.mark.parametrize("ahead", [timedelta(days=-1), timedelta(seconds=5), timedelta(days=1)], ids=str)
    def test_a_clock_that_is_off_here_changes_nothing(self, deliveries: GoogleDeliveries, ahead: timedelta) -> None:
        """Were the first handled before its window's end, a call of that window that comes then would be lost."""
        deliveries.ahead = ahead
        for n in range(2):
            deliveries.events.coalesce(changed(deliveries, n=n), WINDOW)
        seen: list[Event] = []
        receive = receiver(deliveries, seen.append).receive
        first, second = messages(deliveries)
        for _ in range(2):
            with pytest.raises(NotYet) as caught:
                receive(first)
            assert caught.value.args[0] == datetime(2026, 2, 6, 12, 0, 32, tzinfo=UTC)
        assert receive(second) is Outcome.DONE
        assert seen == []
        deliveries.advance(32)
        assert receive(first) is Outcome.DONE
        assert len(seen) == 1

    def test_a_sweep_whose_clock_is_ahead_ends_no_long_window_early(self, deliveries: GoogleDeliveries) -> None:
        deliveries.events.coalesce(changed(deliveries), LONG_WINDOW)
        assert deliveries.deliver({Topic.SESSION_CHANGED: never}) == 0
        deliveries.ahead = timedelta(hours=1)
        assert deliveries.deliver({Topic.SESSION_CHANGED: never}) == 0
        deliveries.advance(LONG_WINDOW.total_seconds() + 3)
        assert deliveries.deliver({Topic.SESSION_CHANGED: lambda event: None}) == 1

    def test_a_caller_whose_clock_is_a_day_off_joins_the_others(self, deliveries: GoogleDeliveries) -> None:
        """The window is told by Pub/Sub's clock, not by the callers'."""
        seen: list[Event] = []
        for off in (-86400, 0, 86400):
            deliveries.clock += timedelta(seconds=off)
            deliveries.events.coalesce(changed(deliveries, off=off), WINDOW)
            deliveries.clock -= timedelta(seconds=off)
        arrived = messages(deliveries)
        deliveries.advance(40)
        receive = receiver(deliveries, seen.append).receive
        assert [receive(message) for message in arrived] == [Outcome.DONE] * 3
        assert len(seen) == 1

    def test_a_window_of_over_5_minutes_becomes_a_timer(self, deliveries: GoogleDeliveries) -> None:
        seen: list[Event] = []
        for n in range(2):
            deliveries.events.coalesce(changed(deliveries, n=n), LONG_WINDOW)
        creator, other = messages(deliveries)
        receive = receiver(deliveries, never).receive
        assert [receive(message) for message in (creator, other, creator)] == [Outcome.DONE] * 3
        deliveries.held.clear()
        deliveries.advance(LONG_WINDOW.total_seconds() + 1)
        assert deliveries.deliver({Topic.SESSION_CHANGED: never}) == 0
        deliveries.advance(1.1)
        assert deliveries.deliver({Topic.SESSION_CHANGED: seen.append}) == 1
        assert [event.data["n"] for event in seen] == [0]
        deliveries.advance(3600)
        assert deliveries.deliver({Topic.SESSION_CHANGED: never}) == 0

    def test_a_late_delivery_of_a_long_window_starts_at_once(self, deliveries: GoogleDeliveries) -> None:
        deliveries.events.coalesce(changed(deliveries), LONG_WINDOW)
        deliveries.advance(3600)
        assert deliveries.deliver({Topic.SESSION_CHANGED: lambda event: None}) == 1

    def test_waiting_ends_when_the_time_has_passed(self) -> None:
        before = time.monotonic()
        pause(timedelta(seconds=0.05))
        assert time.monotonic() - before >= 0.05
        pause(timedelta(days=-1))


class TestFailures:
    def test_pubsubs_own_count_of_attempts_goes_before_ours(self, deliveries: GoogleDeliveries) -> None:
        deliveries.events.publish(changed(deliveries))
        (message,) = messages(deliveries)
        last = PushedMessage(message.id, message.data, message.attributes, message.published, attempt=4)

        def fail(event: Event) -> None:
            raise Unavailable("away")

        assert receiver(deliveries, fail).receive(last) is Outcome.DONE
        (parked,) = deliveries.events.parked()
        assert (parked.attempts, parked.transient) == (4, True)
        assert [code for _, code, _ in deliveries.gave_up] == ["unavailable"]

    def test_a_failed_attempt_is_remembered_with_its_time_and_forgotten_after_success(
        self, deliveries: GoogleDeliveries
    ) -> None:
        deliveries.events.publish(changed(deliveries))
        (message,) = messages(deliveries)

        def fail(event: Event) -> None:
            raise Unavailable("away")

        before = deliveries.now()
        assert receiver(deliveries, fail).receive(message) is Outcome.AGAIN
        (document,) = deliveries.clients.firestore.collection("failures").get()
        assert (document.get("attempts"), document.get("code")) == (1, "unavailable")
        assert before < document.get("since") < deliveries.now()
        assert list(deliveries.events.parked()) == []
        assert receiver(deliveries, lambda event: None).receive(message) is Outcome.DONE
        assert deliveries.clients.firestore.collection("failures").get() == []

    def test_what_is_parked_stays_so_when_its_message_comes_again(self, deliveries: GoogleDeliveries) -> None:
        deliveries.events.publish(changed(deliveries))
        (message,) = messages(deliveries)
        errors: list[Exception] = [InvalidInput("no"), Unavailable("away")]

        def fail(event: Event) -> None:
            raise errors.pop(0)

        assert receiver(deliveries, fail).receive(message) is Outcome.DONE
        assert receiver(deliveries, fail).receive(message) is Outcome.AGAIN
        (parked,) = deliveries.events.parked()
        assert (parked.code, parked.attempts) == ("unavailable", 2)

    def test_an_older_success_forgets_no_newer_failure(self, deliveries: GoogleDeliveries) -> None:
        for n in range(2):
            deliveries.events.publish(changed(deliveries, n=n))
        older, newer = messages(deliveries)

        def fail(event: Event) -> None:
            raise InvalidInput("no")

        assert receiver(deliveries, fail).receive(newer) is Outcome.DONE
        assert receiver(deliveries, lambda event: None).receive(older) is Outcome.DONE
        assert [parked.event.data["n"] for parked in deliveries.events.parked()] == [1]

    @pytest.mark.parametrize(
        ("data", "attributes"),
        [
            (b"\xff\x00" * 400_000, {"__x__": "1", "topic": "t"}),
            (b"{}", {}),
            (json.dumps({"type": "cake.baked", "key": "k", "at": "2026-02-06T12:00:00Z"}).encode(), {"accepted": "x"}),
        ],
    )
    def test_what_cannot_be_understood_is_parked_with_what_came(
        self, deliveries: GoogleDeliveries, data: bytes, attributes: dict[str, str]
    ) -> None:
        message = PushedMessage("1", data, attributes, deliveries.now())
        assert receiver(deliveries, never).receive(message) is Outcome.DONE
        (parked,) = deliveries.events.parked()
        assert (parked.code, parked.transient, parked.attempts) == ("bad_message", False, 1)
        assert "expected" in parked.reason
        assert parked.event.data["body"] == data[:KEPT_BYTES].decode(errors="replace")
        assert parked.event.data["attributes"] == attributes
        assert deliveries.gave_up == []

    @pytest.mark.parametrize("message", OUT_OF_RANGE.values(), ids=OUT_OF_RANGE.keys())
    def test_what_firestore_cannot_take_is_parked_at_once(
        self, deliveries: GoogleDeliveries, message: PushedMessage
    ) -> None:
        every = dict.fromkeys(Topic, never)
        assert deliveries.receiver(every).receive(message) is Outcome.DONE
        (parked,) = deliveries.events.parked()
        assert (parked.code, parked.transient, parked.attempts) == ("bad_message", False, 1)
        assert parked.event.data["body"] == message.data[:KEPT_BYTES].decode()
        assert deliveries.gave_up == []

    @pytest.mark.parametrize("attempt", [2**63 - 1, 10**25])
    def test_a_count_of_attempts_that_cannot_be_one_is_made_here(
        self, deliveries: GoogleDeliveries, attempt: int
    ) -> None:
        content = {
            "data": base64.b64encode(json.dumps(changed(deliveries).to_json()).encode()).decode(),
            "messageId": "1",
            "publishTime": utc_text(deliveries.now()),
        }
        message = decode_push({}, json.dumps({"message": content, "deliveryAttempt": attempt}).encode())

        def fail(event: Event) -> None:
            raise Unavailable("away")

        outcomes = [receiver(deliveries, fail).receive(message) for _ in range(4)]
        assert outcomes == [Outcome.AGAIN] * 3 + [Outcome.DONE]
        assert [parked.attempts for parked in deliveries.events.parked()] == [4]

    def test_what_cannot_be_understood_can_be_replayed(self, deliveries: GoogleDeliveries) -> None:
        message = PushedMessage("1", b"\xff", {"topic": "t"}, deliveries.now())
        receiver(deliveries, never).receive(message)
        (parked,) = deliveries.events.parked()
        assert deliveries.events.replay(parked.id)
        (again,) = messages(deliveries)
        assert again.data == b"\xff"

    def test_an_event_for_another_function_is_parked(self, deliveries: GoogleDeliveries) -> None:
        deliveries.events.publish(Event(type=Topic.RECORD_BUILT, key="s", at=deliveries.now()))
        (message,) = messages(deliveries)
        assert receiver(deliveries, never).receive(message) is Outcome.DONE
        (parked,) = deliveries.events.parked()
        assert (parked.code, parked.event.type) == ("bad_message", Topic.RECORD_BUILT)

    @pytest.mark.parametrize("step", ["find", "record", "remove_answered"])
    def test_where_firestore_does_not_answer_the_message_comes_again(
        self, deliveries: GoogleDeliveries, monkeypatch: pytest.MonkeyPatch, step: str
    ) -> None:
        deliveries.events.publish(changed(deliveries))
        (message,) = messages(deliveries)

        def away(*args: Any) -> None:
            raise Unavailable("Firestore is away")

        def handle(event: Event) -> None:
            if step != "remove_answered":
                raise InvalidInput("no")

        monkeypatch.setattr(deliveries.events.failures, step, away)
        assert receiver(deliveries, handle).receive(message) is Outcome.AGAIN

    def test_what_follows_from_giving_up_is_done_before_it_is_parked(self, deliveries: GoogleDeliveries) -> None:
        """Nothing comes again after it is parked: what then remained to be done would remain undone."""
        deliveries.events.publish(changed(deliveries))
        (message,) = messages(deliveries)
        parked_before: list[int] = []

        def fail(event: Event) -> None:
            raise InvalidInput("no")

        def on_parked(event: Event, code: str, reason: str) -> None:
            parked_before.append(len(list(deliveries.events.parked())))

        Receiver(deliveries.events, {Topic.SESSION_CHANGED: fail}, on_parked).receive(message)
        assert parked_before == [0]
        assert len(list(deliveries.events.parked())) == 1

    def test_what_follows_from_giving_up_may_fail(self, deliveries: GoogleDeliveries) -> None:
        deliveries.events.publish(changed(deliveries))
        (message,) = messages(deliveries)

        def fail(*args: object) -> None:
            raise InvalidInput("no")

        receives = Receiver(deliveries.events, {Topic.SESSION_CHANGED: fail}, fail)
        assert receives.receive(message) is Outcome.DONE
        assert len(list(deliveries.events.parked())) == 1

    def test_where_an_error_came_from_is_logged_where_nobody_foresaw_it(
        self, deliveries: GoogleDeliveries, caplog: pytest.LogCaptureFixture
    ) -> None:
        deliveries.events.publish(changed(deliveries))
        (message,) = messages(deliveries)

        def fail(event: Event) -> None:
            raise KeyError("surprise")

        assert receiver(deliveries, fail).receive(message) is Outcome.AGAIN
        (told,) = [record for record in caplog.records if record.exc_info]
        assert "raised" in told.getMessage()

    def test_words_that_are_no_text_are_recorded(self, deliveries: GoogleDeliveries) -> None:
        deliveries.events.publish(changed(deliveries))
        (message,) = messages(deliveries)

        def fail(event: Event) -> None:
            raise InvalidInput("File a\udcff.dm3 is not there")

        assert receiver(deliveries, fail).receive(message) is Outcome.DONE
        (parked,) = deliveries.events.parked()
        assert parked.reason == "File a?.dm3 is not there"

    def test_all_that_is_logged_says_what_it_is_about(self, deliveries: GoogleDeliveries) -> None:
        subjects = []
        deliveries.events.publish(changed(deliveries))
        (message,) = messages(deliveries)
        receiver(deliveries, lambda event: subjects.append(dict(logs.subject()))).receive(message)
        assert subjects == [{"topic": "session.changed", "session": "20260206-titan-7f3k2a"}]

    def test_what_follows_from_a_call_has_its_trace(self, deliveries: GoogleDeliveries) -> None:
        seen: list[Mapping[str, str]] = []

        def handle(event: Event) -> None:
            seen.append(logs.subject())
            if len(seen) == 1:
                deliveries.events.publish(changed(deliveries, n=2), not_before=deliveries.now() + WINDOW)

        with logs.about(trace="ab" * 16, span="cd" * 8):
            deliveries.events.coalesce(changed(deliveries, n=1), WINDOW)
        deliveries.advance(40)
        with logs.about(trace="ef" * 16, span="01" * 8):
            deliveries.deliver({Topic.SESSION_CHANGED: handle})
        deliveries.advance(40)
        deliveries.deliver({Topic.SESSION_CHANGED: handle})
        assert [(told.get("trace"), told.get("span")) for told in seen] == [("ab" * 16, None)] * 2

    def test_of_many_attributes_those_that_a_replay_needs_are_kept(self, deliveries: GoogleDeliveries) -> None:
        event = changed(deliveries)
        more = {f"a{n:02}": "x" * 1024 for n in range(90)}
        message = to_outgoing(event, id="1" * 32, accepted=utc_text(deliveries.now()), **more)
        pushed = PushedMessage("1", message.data, message.attributes, deliveries.now())

        def fail(event: Event) -> None:
            raise InvalidInput("no")

        assert receiver(deliveries, fail).receive(pushed) is Outcome.DONE
        (parked,) = deliveries.events.parked()
        failure = deliveries.events.failures.find(parked.id)
        assert failure is not None
        kept = failure.message.attributes
        assert len(kept) == KEPT_ATTRIBUTES
        assert {"type", "key", "id", "accepted"} < set(kept)
        assert deliveries.events.replay(parked.id)
        assert deliveries.deliver({Topic.SESSION_CHANGED: lambda event: None}) == 1


class TestTheEndOfTheProcess:
    """After each step of a delivery the process ends once; the message comes again, and nothing is lost."""

    @pytest.mark.parametrize("step", ["tickets.claim", "handler", "failures.remove_answered"])
    def test_a_joined_delivery_that_ended_is_handled_again(
        self, deliveries: GoogleDeliveries, monkeypatch: pytest.MonkeyPatch, step: str
    ) -> None:
        seen: list[Event] = []
        self.end_after(deliveries, monkeypatch, step, seen)
        deliveries.events.coalesce(changed(deliveries, n=1), WINDOW)
        deliveries.events.coalesce(changed(deliveries, n=2), WINDOW)
        deliveries.advance(40)
        self.deliver_with_ends(deliveries, 1)
        assert {event.data["n"] for event in seen} == {1}
        assert deliveries.held == []

    @pytest.mark.parametrize("step", ["tickets.claim", "timers.add"])
    def test_a_long_window_that_ended_still_becomes_a_timer(
        self, deliveries: GoogleDeliveries, monkeypatch: pytest.MonkeyPatch, step: str
    ) -> None:
        self.end_after(deliveries, monkeypatch, step, [])
        deliveries.events.coalesce(changed(deliveries), LONG_WINDOW)
        self.deliver_with_ends(deliveries, 1)
        deliveries.advance(3600)
        seen: list[Event] = []
        assert deliveries.deliver({Topic.SESSION_CHANGED: seen.append}) == 1

    @pytest.mark.parametrize("step", ["failures.find", "on_parked", "failures.record"])
    def test_a_failure_that_was_not_recorded_to_the_end_is_parked_once(
        self, deliveries: GoogleDeliveries, monkeypatch: pytest.MonkeyPatch, step: str
    ) -> None:
        if step == "on_parked":
            die_after(monkeypatch, deliveries, "parked")
        else:
            die_after(monkeypatch, deliveries.events.failures, step.split(".")[1])
        deliveries.events.publish(changed(deliveries))

        def fail(event: Event) -> None:
            raise InvalidInput("no", code="no_thing")

        self.handler = fail
        self.deliver_with_ends(deliveries, 1)
        (parked,) = deliveries.events.parked()
        assert parked.code == "no_thing"
        assert deliveries.held == []
        assert {code for _, code, _ in deliveries.gave_up} == {"no_thing"}

    def end_after(
        self, deliveries: GoogleDeliveries, monkeypatch: pytest.MonkeyPatch, step: str, seen: list[Event]
    ) -> None:
        self.handler: Callable[[Event], None] = seen.append
        if step == "handler":
            die_after(monkeypatch, self, "handler")
        else:
            target, method = step.split(".")
            die_after(monkeypatch, getattr(deliveries.events, target), method)

    def deliver_with_ends(self, deliveries: GoogleDeliveries, ends: int) -> None:
        for _ in range(ends):
            with pytest.raises(Killed):
                deliveries.deliver({Topic.SESSION_CHANGED: lambda event: self.handler(event)})
        deliveries.deliver({Topic.SESSION_CHANGED: lambda event: self.handler(event)})
