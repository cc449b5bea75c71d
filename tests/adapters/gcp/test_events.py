"""Publishing, timers, replays: what is lost where the process or Pub/Sub ends in between (nothing)."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

import pytest
from google_deliveries import GoogleDeliveries, Killed
from push_endpoint import push_endpoint

from scopeline.adapters.gcp.events import GoogleEvents
from scopeline.adapters.gcp.messages import Outgoing, PushedMessage, to_outgoing
from scopeline.adapters.gcp.receiver import Outcome
from scopeline.adapters.gcp.topics import BUILD, Flow
from scopeline.domain.errors import InvalidInput, Unavailable
from scopeline.domain.events import Event, Topic
from scopeline.local.resources import make_subscriptions, make_topics, remove_subscriptions
from scopeline.ports import Parked

LATER = timedelta(minutes=20)


def ended(deliveries: GoogleDeliveries, **data: Any) -> Event:
    return Event(type=Topic.SESSION_ENDED, key="20260206-titan-7f3k2a", at=deliveries.now(), data=data)


def give_up(deliveries: GoogleDeliveries, message: Outgoing) -> None:
    """Do as Pub/Sub does after the last attempt."""
    topic = BUILD.dead_letters(deliveries.settings.topic_prefix)
    path = deliveries.clients.publisher.topic_path(deliveries.settings.project, topic)
    deliveries.clients.publisher.publish(path, message.data, **message.attributes).result(timeout=10)


@contextmanager
def process_that_ends_after(target: object, method: str) -> Iterator[None]:
    """What is done inside is done by a process that ends right after that step."""
    step = getattr(target, method)

    def last(*args: Any, **named: Any) -> None:
        step(*args, **named)
        raise Killed(method)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(target, method, last)
        with pytest.raises(Killed):
            yield


def deliver(deliveries: GoogleDeliveries, *, fail: Exception | None = None) -> list[Event]:
    seen: list[Event] = []

    def handle(event: Event) -> None:
        seen.append(event)
        if fail is not None:
            raise fail

    deliveries.deliver({Topic.SESSION_ENDED: handle})
    return seen


@pytest.fixture
def parked_id(deliveries: GoogleDeliveries) -> str:
    deliveries.events.publish(ended(deliveries))
    deliver(deliveries, fail=InvalidInput("no", code="no_thing"))
    (parked,) = deliveries.events.parked()
    return parked.id


class TestTheEndOfTheProcess:
    @pytest.mark.parametrize(
        "call",
        [
            lambda events, event, now: events.publish(event),
            lambda events, event, now: events.coalesce(event, timedelta(seconds=30)),
        ],
    )
    def test_a_call_that_ended_after_publishing_is_delivered(
        self,
        deliveries: GoogleDeliveries,
        call: Callable[[GoogleEvents, Event, Any], None],
    ) -> None:
        with process_that_ends_after(deliveries.events.pubsub, "publish"):
            call(deliveries.events, ended(deliveries), deliveries.now())
        deliveries.advance(40)
        assert len(deliver(deliveries)) == 1

    def test_a_call_for_later_that_ended_is_delivered_then(self, deliveries: GoogleDeliveries) -> None:
        with process_that_ends_after(deliveries.events.timers, "add"):
            deliveries.events.publish(ended(deliveries), not_before=deliveries.now() + LATER)
        assert deliver(deliveries) == []
        deliveries.advance(LATER.total_seconds())
        assert len(deliver(deliveries)) == 1

    @pytest.mark.parametrize("step", ["pubsub.publish", "timers.remove"])
    def test_a_sweep_that_ended_loses_no_timer(self, deliveries: GoogleDeliveries, step: str) -> None:
        for n in range(3):
            deliveries.events.publish(ended(deliveries, n=n), not_before=deliveries.now() + LATER)
        deliveries.advance(LATER.total_seconds())
        target, method = step.split(".")
        with process_that_ends_after(getattr(deliveries.events, target), method):
            deliveries.maintain()
        assert {event.data["n"] for event in deliver(deliveries)} == {0, 1, 2}
        assert deliver(deliveries) == []

    @pytest.mark.parametrize("step", ["pubsub.publish", "failures.remove"])
    def test_a_replay_that_ended_loses_nothing_and_leaves_nothing_behind(
        self, deliveries: GoogleDeliveries, parked_id: str, step: str
    ) -> None:
        target, method = step.split(".")
        with process_that_ends_after(getattr(deliveries.events, target), method):
            deliveries.events.replay(parked_id)
        assert len(deliver(deliveries)) == 1
        assert list(deliveries.events.parked()) == []


class TestReplays:
    def test_a_replay_that_fails_before_it_is_forgotten_is_still_there(
        self, deliveries: GoogleDeliveries, monkeypatch: pytest.MonkeyPatch, parked_id: str
    ) -> None:
        """The replayed message may be delivered and parked before `replay` removes what it came from."""
        publish = deliveries.events.pubsub.publish

        def at_once(*args: Any) -> None:
            publish(*args)
            deliver(deliveries, fail=InvalidInput("still no", code="still_no"))

        monkeypatch.setattr(deliveries.events.pubsub, "publish", at_once)
        for _ in range(3):
            assert deliveries.events.replay(parked_id)
            (parked,) = deliveries.events.parked()
            assert (parked.code, parked.id != parked_id) == ("still_no", True)
            parked_id = parked.id

    @pytest.mark.parametrize("when", ["at once", "after it failed again"])
    def test_what_two_replay_at_once_stays_one_failure(
        self, deliveries: GoogleDeliveries, monkeypatch: pytest.MonkeyPatch, parked_id: str, when: str
    ) -> None:
        failure = deliveries.events.failures.find(parked_id)
        for replays in [8] if when == "at once" else [7, 1]:
            with monkeypatch.context() as patch:
                # Each of them has read the failure before another one removed it.
                patch.setattr(deliveries.events.failures, "find", lambda id_: failure)
                with ThreadPoolExecutor(8) as threads:
                    assert all(threads.map(lambda _: deliveries.events.replay(parked_id), range(replays)))
            assert len(deliver(deliveries, fail=InvalidInput("still no"))) == replays
        assert len(list(deliveries.events.parked())) == 1

    def test_what_was_joined_is_replayed_at_once(self, deliveries: GoogleDeliveries) -> None:
        deliveries.events.coalesce(ended(deliveries), timedelta(minutes=8))
        deliveries.advance(3600)
        deliver(deliveries, fail=InvalidInput("no"))
        (parked,) = deliveries.events.parked()
        assert deliveries.events.replay(parked.id)
        assert len(deliver(deliveries)) == 1

    def test_what_is_tried_again_cannot_be_replayed_or_discarded(self, deliveries: GoogleDeliveries) -> None:
        deliveries.events.publish(ended(deliveries))
        deliver(deliveries, fail=Unavailable("away"))
        (document,) = deliveries.clients.firestore.collection("failures").get()
        assert deliveries.events.replay(document.id) is False
        assert deliveries.events.discard(document.id) is False

    def test_more_than_a_page_is_listed_in_its_order(
        self, deliveries: GoogleDeliveries, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("scopeline.adapters.gcp.failures.PAGE", 2)
        for n in range(5):
            deliveries.events.publish(ended(deliveries, n=n))
            deliver(deliveries, fail=InvalidInput("no"))
        assert [parked.event.data["n"] for parked in deliveries.events.parked()] == [0, 1, 2, 3, 4]

    def test_more_than_a_page_of_timers_is_released(
        self, deliveries: GoogleDeliveries, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("scopeline.adapters.gcp.timers.PAGE", 2)
        for n in range(5):
            deliveries.events.publish(ended(deliveries, n=n), not_before=deliveries.now() + LATER)
        deliveries.advance(LATER.total_seconds())
        assert [event.data["n"] for event in deliver(deliveries)] == [0, 1, 2, 3, 4]

    def test_timers_of_a_topic_that_this_version_does_not_know_hold_up_no_other(
        self, deliveries: GoogleDeliveries, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("scopeline.adapters.gcp.timers.PAGE", 2)
        for n in range(3):
            strange = Outgoing(b"{}", {"type": "session.dreamt"})
            deliveries.events.timers.add(f"strange-{n}", strange, deliveries.now())
        deliveries.events.publish(ended(deliveries), not_before=deliveries.now() + LATER)
        deliveries.advance(LATER.total_seconds())
        assert len(deliver(deliveries)) == 1
        assert len(list(deliveries.events.timers.due(deliveries.now()))) == 3

    def test_a_timer_that_cannot_be_published_holds_up_no_other_and_no_dead_letter(
        self, deliveries: GoogleDeliveries, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        for n in range(3):
            deliveries.events.publish(ended(deliveries, n=n), not_before=deliveries.now() + LATER)
        letter = to_outgoing(ended(deliveries, n=3), id="letter")
        give_up(deliveries, letter)
        deliveries.advance(LATER.total_seconds())
        publish = deliveries.events.pubsub.publish

        def refuse_the_first(flow: Flow, message: Outgoing) -> None:
            if json.loads(message.data)["data"]["n"] == 0:
                raise RuntimeError("it cannot be published")
            publish(flow, message)

        with monkeypatch.context() as patch:
            patch.setattr(deliveries.events.pubsub, "publish", refuse_the_first)
            with pytest.raises(RuntimeError, match="cannot be published"):
                deliveries.maintain()
        assert [parked.event.data["n"] for parked in deliveries.events.parked()] == [3]
        deliveries.collect()
        assert [json.loads(held.message.data)["data"]["n"] for held in deliveries.held] == [1, 2]
        assert [event.data["n"] for event in deliver(deliveries)] == [1, 2, 0]

    def test_a_call_whose_time_is_up_leaves_the_rest_to_the_next(
        self, deliveries: GoogleDeliveries, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("scopeline.adapters.gcp.events.PART_SECONDS", 0)
        monkeypatch.setattr("scopeline.adapters.gcp.pubsub.PULLED", 1)
        for n in range(3):
            deliveries.events.publish(ended(deliveries, n=n), not_before=deliveries.now() + LATER)
            give_up(deliveries, to_outgoing(ended(deliveries, n=n), id=str(n)))
        deliveries.advance(LATER.total_seconds())
        for done in (1, 2, 3):
            deliveries.maintain()
            deliveries.collect()
            assert (len(deliveries.held), len(list(deliveries.events.parked()))) == (done, done)


class TestPubSub:
    def test_a_topic_that_is_missing_says_what_to_check(self, deliveries: GoogleDeliveries) -> None:
        strange = GoogleEvents(
            deliveries.clients.publisher,
            deliveries.clients.subscriber,
            deliveries.clients.firestore,
            project=deliveries.settings.project,
            prefix="nobody",
            attempts=4,
            clock=deliveries.now,
        )
        for call in (
            lambda: strange.publish(ended(deliveries)),
            lambda: strange.maintain(deliveries.parked),
        ):
            with pytest.raises(Unavailable, match="Terraform") as caught:
                call()
            assert caught.value.code == "no_topic"

    def test_a_push_that_is_refused_comes_again_until_it_is_accepted(self, deliveries: GoogleDeliveries) -> None:
        answers = [500, 500, 204]
        event = ended(deliveries, n=1)
        remove_subscriptions(deliveries.settings, deliveries.clients)
        with push_endpoint(lambda message: answers.pop(0) if answers else 204) as endpoint:
            make_subscriptions(deliveries.settings, deliveries.clients, {"build_session": endpoint.url})
            deliveries.events.publish(event)
            pushed = endpoint.wait_for(3)
            remove_subscriptions(deliveries.settings, deliveries.clients)
        assert len(pushed) == 3
        assert len({message.id for message in pushed}) == 1
        seen: list[Event] = []
        receive = deliveries.receiver({Topic.SESSION_ENDED: seen.append}).receive
        assert receive(pushed[0]) is Outcome.DONE
        assert seen == [event]

    def test_what_nobody_answers_for_is_parked_and_can_be_replayed(self, deliveries: GoogleDeliveries) -> None:
        event = ended(deliveries, n=1)
        remove_subscriptions(deliveries.settings, deliveries.clients)
        with push_endpoint(lambda message: 500) as endpoint:
            make_subscriptions(deliveries.settings, deliveries.clients, {"build_session": endpoint.url})
            make_topics(deliveries.settings, deliveries.clients)
            deliveries.events.publish(event)
            parked = wait_until_parked(deliveries)
            pushed: list[PushedMessage] = endpoint.wait_for(5)
        assert (len(pushed), parked.attempts) == (5, 5)
        assert (parked.event, parked.code, parked.transient) == (event, "no_answer", True)
        assert "5 times" in parked.reason
        assert "build_session" in parked.reason
        assert deliveries.gave_up == [(event, "no_answer", parked.reason)]
        make_subscriptions(deliveries.settings, deliveries.clients, {})
        assert deliveries.events.replay(parked.id)
        assert deliver(deliveries) == [event]
        assert list(deliveries.events.parked()) == []


def wait_until_parked(deliveries: GoogleDeliveries) -> Parked:
    for _ in range(300):
        deliveries.maintain()
        for parked in deliveries.events.parked():
            return parked
        time.sleep(0.1)
    raise AssertionError("nothing was parked")
