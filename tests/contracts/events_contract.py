"""What every Events does. An edition subclasses the suite and gives it `deliveries`."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from contextlib import AbstractContextManager
from datetime import timedelta
from typing import Any

import pytest
from driving import Deliveries, Handlers
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule, run_state_machine_as_test

from scopeline.domain.errors import InvalidInput, Unavailable
from scopeline.domain.events import Event, Topic

WINDOW = timedelta(seconds=30)
# Longer than any pause between two attempts.
LONG = 3600.0


class Recorder:
    """A handler that keeps what it was given, and raises as often as it is told."""

    def __init__(self, *failures: Exception) -> None:
        self.events: list[Event] = []
        self._failures = list(failures)

    def __call__(self, event: Event) -> None:
        self.events.append(event)
        if self._failures:
            raise self._failures.pop(0)

    def handlers(self, *topics: Topic) -> Handlers:
        return dict.fromkeys(topics or list(Topic), self)


class EventsContract:
    """Subclasses define the fixture `deliveries` and `fresh_deliveries`."""

    # How many runs of the model there are, and how many steps each has.
    model_examples = 25
    model_steps = 30

    @pytest.fixture
    def deliveries(self) -> Deliveries:
        raise NotImplementedError

    def fresh_deliveries(self) -> AbstractContextManager[Deliveries]:
        """An empty queue for one round of the model test."""
        raise NotImplementedError

    def event(self, deliveries: Deliveries, key: str = "s", topic: Topic = Topic.SESSION_CHANGED, **data: Any) -> Event:
        return Event(type=topic, key=key, at=deliveries.now(), data=data)

    # ----------------------------------------------------------------------------------------------------- publish

    def test_a_published_event_is_delivered_whole_and_once(self, deliveries: Deliveries) -> None:
        event = self.event(deliveries, "s µ", version=3, names=["a", "日本"])
        deliveries.events.publish(event)
        seen = Recorder()
        assert deliveries.deliver(seen.handlers()) == 1
        assert seen.events == [event]
        assert deliveries.deliver(seen.handlers()) == 0

    def test_who_asks_whether_it_can_be_reached_hears_no_error(self, deliveries: Deliveries) -> None:
        deliveries.events.check_reachable()

    def test_each_topic_goes_to_its_own_handler(self, deliveries: Deliveries) -> None:
        recorders = {topic: Recorder() for topic in Topic}
        for topic in Topic:
            deliveries.events.publish(self.event(deliveries, topic=topic))
        assert deliveries.deliver(recorders) == len(Topic)
        assert all([event.type for event in seen.events] == [topic] for topic, seen in recorders.items())

    def test_equal_events_are_as_many_deliveries(self, deliveries: Deliveries) -> None:
        for _ in range(3):
            deliveries.events.publish(self.event(deliveries))
        assert deliveries.deliver(Recorder().handlers()) == 3

    def test_an_event_is_not_delivered_before_its_time(self, deliveries: Deliveries) -> None:
        deliveries.events.publish(self.event(deliveries), not_before=deliveries.now() + timedelta(seconds=20))
        seen = Recorder()
        assert deliveries.deliver(seen.handlers()) == 0
        deliveries.advance(19)
        assert deliveries.deliver(seen.handlers()) == 0
        deliveries.advance(1.1)
        assert deliveries.deliver(seen.handlers()) == 1

    def test_a_handler_may_publish(self, deliveries: Deliveries) -> None:
        def build(event: Event) -> None:
            deliveries.events.publish(self.event(deliveries, topic=Topic.RECORD_BUILT))

        seen = Recorder()
        deliveries.events.publish(self.event(deliveries))
        deliveries.deliver({Topic.SESSION_CHANGED: build, Topic.RECORD_BUILT: seen})
        assert [event.type for event in seen.events] == [Topic.RECORD_BUILT]

    # --------------------------------------------------------------------------------------------- retry, parking

    def test_what_failed_is_tried_again_after_a_pause(self, deliveries: Deliveries) -> None:
        seen = Recorder(Unavailable("the site is away"), RuntimeError("a bug"))
        deliveries.events.publish(self.event(deliveries))
        assert deliveries.deliver(seen.handlers()) == 1
        deliveries.advance(LONG)
        assert deliveries.deliver(seen.handlers()) == 1
        deliveries.advance(LONG)
        assert deliveries.deliver(seen.handlers()) == 1
        deliveries.advance(LONG)
        assert deliveries.deliver(seen.handlers()) == 0
        assert list(deliveries.events.parked()) == []

    def test_after_its_attempts_a_delivery_is_parked_with_the_reason(self, deliveries: Deliveries) -> None:
        event = self.event(deliveries, version=1)
        seen = Recorder(*[Unavailable("the site is away", code="site_away")] * deliveries.attempts)
        deliveries.events.publish(event)
        for _ in range(deliveries.attempts):
            deliveries.deliver(seen.handlers())
            deliveries.advance(LONG)
        assert deliveries.deliver(seen.handlers()) == 0
        (parked,) = deliveries.events.parked()
        assert (parked.event, parked.code, parked.attempts) == (event, "site_away", deliveries.attempts)
        assert "the site is away" in parked.reason

    def test_an_error_of_the_code_is_parked_with_its_type_and_words(self, deliveries: Deliveries) -> None:
        seen = Recorder(*[KeyError("axes")] * deliveries.attempts)
        deliveries.events.publish(self.event(deliveries))
        for _ in range(deliveries.attempts):
            deliveries.deliver(seen.handlers())
            deliveries.advance(LONG)
        (parked,) = deliveries.events.parked()
        assert parked.code == "unexpected_error"
        assert "KeyError" in parked.reason
        assert "axes" in parked.reason

    def test_an_error_that_is_not_transient_is_parked_at_once(self, deliveries: Deliveries) -> None:
        deliveries.events.publish(self.event(deliveries))
        deliveries.deliver(Recorder(InvalidInput("no such thing", code="no_thing")).handlers())
        (parked,) = deliveries.events.parked()
        assert (parked.code, parked.attempts) == ("no_thing", 1)
        deliveries.advance(LONG)
        assert deliveries.deliver(Recorder().handlers()) == 0

    def test_parked_deliveries_are_listed_oldest_first(self, deliveries: Deliveries) -> None:
        for key in ("c", "a", "b"):
            deliveries.events.publish(self.event(deliveries, key))
            deliveries.deliver(Recorder(InvalidInput("no")).handlers())
            deliveries.advance(1)
        listed = list(deliveries.events.parked())
        assert [parked.event.key for parked in listed] == ["c", "a", "b"]
        for n, first in enumerate(listed):
            assert list(deliveries.events.parked(since=first.since)) == listed[n:]
        assert list(deliveries.events.parked(since=listed[-1].since + timedelta(microseconds=1))) == []

    def test_a_replayed_delivery_has_fresh_attempts(self, deliveries: Deliveries) -> None:
        event = self.event(deliveries)
        deliveries.events.publish(event)
        deliveries.deliver(Recorder(InvalidInput("no")).handlers())
        (parked,) = deliveries.events.parked()
        assert deliveries.events.replay(parked.id) is True
        assert list(deliveries.events.parked()) == []
        seen = Recorder(Unavailable("away"))
        assert deliveries.deliver(seen.handlers()) == 1
        deliveries.advance(LONG)
        assert deliveries.deliver(seen.handlers()) == 1
        assert seen.events == [event, event]

    @pytest.mark.parametrize("parked_id", ["", "none", "0", "-1", "999999", "9" * 30, "²"])
    def test_only_what_is_parked_can_be_replayed(self, deliveries: Deliveries, parked_id: str) -> None:
        deliveries.events.publish(self.event(deliveries))
        assert deliveries.events.replay(parked_id) is False
        assert deliveries.deliver(Recorder().handlers()) == 1

    def test_a_discarded_delivery_is_forgotten(self, deliveries: Deliveries) -> None:
        for key in ("a", "b"):
            deliveries.events.publish(self.event(deliveries, key))
            deliveries.deliver(Recorder(InvalidInput("no")).handlers())
        first, second = deliveries.events.parked()
        assert deliveries.events.discard(first.id) is True
        assert deliveries.events.discard(first.id) is False
        assert deliveries.events.replay(first.id) is False
        assert [parked.id for parked in deliveries.events.parked()] == [second.id]
        deliveries.advance(LONG)
        assert deliveries.deliver(Recorder().handlers()) == 0

    @pytest.mark.parametrize("parked_id", ["", "none", "0", "-1", "999999", "9" * 30, "²", "a/b"])
    def test_only_what_is_parked_can_be_discarded(self, deliveries: Deliveries, parked_id: str) -> None:
        deliveries.events.publish(self.event(deliveries))
        deliveries.deliver(Recorder(Unavailable("away")).handlers())
        assert deliveries.events.discard(parked_id) is False
        deliveries.advance(LONG)
        assert deliveries.deliver(Recorder().handlers()) == 1

    def test_maintaining_loses_and_doubles_nothing(self, deliveries: Deliveries) -> None:
        def gave_up(event: Event, code: str, reason: str) -> None:
            raise AssertionError(f"{event.key} gave up")

        deliveries.events.publish(self.event(deliveries, "now"))
        deliveries.events.publish(self.event(deliveries, "later"), not_before=deliveries.now() + WINDOW)
        deliveries.events.coalesce(self.event(deliveries, "joined"), WINDOW)
        seen = Recorder()
        for _ in range(4):
            deliveries.events.maintain(gave_up)
            deliveries.deliver(seen.handlers())
            deliveries.advance(20)
        assert sorted(event.key for event in seen.events) == ["joined", "later", "now"]

    def test_a_delivery_that_fails_holds_up_no_other(self, deliveries: Deliveries) -> None:
        deliveries.events.publish(self.event(deliveries, "bad"))
        deliveries.events.publish(self.event(deliveries, "good"))
        done = []

        def handle(event: Event) -> None:
            if event.key == "bad":
                raise Unavailable("away")
            done.append(event.key)

        deliveries.deliver({Topic.SESSION_CHANGED: handle})
        assert done == ["good"]

    def test_a_parked_delivery_says_whether_its_reason_may_pass_by_itself(self, deliveries: Deliveries) -> None:
        for key, error in (("away", Unavailable("away")), ("bad", InvalidInput("no")), ("bug", KeyError("axes"))):
            deliveries.events.publish(self.event(deliveries, key))
            self.park(deliveries, error)
        assert {parked.event.key: parked.transient for parked in deliveries.events.parked()} == {
            "away": True,
            "bad": False,
            "bug": False,
        }

    def test_the_first_failure_is_remembered_through_replays(self, deliveries: Deliveries) -> None:
        deliveries.events.publish(self.event(deliveries))
        deliveries.advance(5)
        first = deliveries.now()
        for _ in range(3):
            self.park(deliveries, Unavailable("away"))
            (parked,) = deliveries.events.parked()
            assert abs(parked.since - first) < timedelta(seconds=1)
            deliveries.advance(LONG)
            assert deliveries.events.replay(parked.id)

    @pytest.mark.parametrize("topic", [Topic.RECORD_BUILT, Topic.SESSION_CHANGED, Topic.OBJECT_CHANGED])
    def test_what_is_parked_is_forgotten_when_a_later_one_of_its_topic_and_key_succeeds(
        self, deliveries: Deliveries, topic: Topic
    ) -> None:
        other = Topic.SESSION_ENDED
        for key, one in (("s", topic), ("t", topic), ("s", other)):
            deliveries.events.publish(self.event(deliveries, key, one, version=1))
            deliveries.deliver(Recorder(InvalidInput("no")).handlers())
        deliveries.events.publish(self.event(deliveries, "s", topic, version=2))
        deliveries.deliver(Recorder(Unavailable("away")).handlers())
        assert len(list(deliveries.events.parked())) == 3
        deliveries.advance(LONG)
        assert deliveries.deliver(Recorder().handlers()) == 1
        left = [(parked.event.key, parked.event.type) for parked in deliveries.events.parked()]
        assert left == [("t", topic), ("s", other)]

    @pytest.mark.parametrize("topic", [Topic.OBJECT_FINALIZED, Topic.OBJECT_DELETED])
    def test_what_is_parked_of_a_version_is_only_forgotten_for_the_same_version(
        self, deliveries: Deliveries, topic: Topic
    ) -> None:
        for generation in (1, 2):
            deliveries.events.publish(self.event(deliveries, "f", topic, generation=generation))
            deliveries.deliver(Recorder(InvalidInput("no")).handlers())
        deliveries.events.publish(self.event(deliveries, "f", topic, generation=2))
        assert deliveries.deliver(Recorder().handlers()) == 1
        assert [parked.event.data["generation"] for parked in deliveries.events.parked()] == [1]

    def test_an_earlier_delivery_that_succeeds_leaves_a_later_one_parked(self, deliveries: Deliveries) -> None:
        for version in (1, 2):
            deliveries.events.publish(self.event(deliveries, version=version))
            deliveries.deliver(Recorder(InvalidInput("no")).handlers())
        first, _ = deliveries.events.parked()
        assert deliveries.events.replay(first.id)
        assert deliveries.deliver(Recorder().handlers()) == 1
        assert [parked.event.data["version"] for parked in deliveries.events.parked()] == [2]

    def park(self, deliveries: Deliveries, error: Exception) -> None:
        """Let what is due fail until nothing is tried any more."""
        parked = len(list(deliveries.events.parked()))
        for _ in range(deliveries.attempts):
            if len(list(deliveries.events.parked())) == parked:
                deliveries.deliver(Recorder(error).handlers())
                deliveries.advance(LONG)

    # ---------------------------------------------------------------------------------------------------- coalesce

    def test_calls_in_a_window_are_one_delivery_after_its_end(self, deliveries: Deliveries) -> None:
        seen = Recorder()
        for n in range(5):
            deliveries.events.coalesce(self.event(deliveries, n=n), WINDOW)
            deliveries.advance(5)
            assert deliveries.deliver(seen.handlers()) == 0
        deliveries.advance(WINDOW.total_seconds() - 25 + 1.5)
        assert deliveries.deliver(seen.handlers()) == 0
        deliveries.advance(1)
        assert deliveries.deliver(seen.handlers()) == 1
        assert seen.events[0].data["n"] in range(5)
        deliveries.advance(LONG)
        assert deliveries.deliver(seen.handlers()) == 0

    def test_other_keys_and_topics_have_their_own_windows(self, deliveries: Deliveries) -> None:
        deliveries.events.coalesce(self.event(deliveries, "a"), WINDOW)
        deliveries.events.coalesce(self.event(deliveries, "b"), WINDOW)
        deliveries.events.coalesce(self.event(deliveries, "a", Topic.SESSION_ENDED), WINDOW)
        deliveries.advance(WINDOW.total_seconds() + 2.1)
        assert deliveries.deliver(Recorder().handlers()) == 3

    def test_a_published_event_joins_no_window(self, deliveries: Deliveries) -> None:
        deliveries.events.coalesce(self.event(deliveries), WINDOW)
        deliveries.events.publish(self.event(deliveries))
        deliveries.events.coalesce(self.event(deliveries), WINDOW)
        assert deliveries.deliver(Recorder().handlers()) == 1
        deliveries.advance(WINDOW.total_seconds() + 2.1)
        assert deliveries.deliver(Recorder().handlers()) == 1

    def test_a_call_after_a_window_opens_the_next(self, deliveries: Deliveries) -> None:
        for _ in range(2):
            deliveries.events.coalesce(self.event(deliveries), WINDOW)
            deliveries.advance(WINDOW.total_seconds() + 2.1)
            assert deliveries.deliver(Recorder().handlers()) == 1

    def test_a_call_during_a_running_delivery_is_followed_by_another(self, deliveries: Deliveries) -> None:
        deliveries.events.coalesce(self.event(deliveries, n=1), WINDOW)
        deliveries.advance(WINDOW.total_seconds() + 2.1)
        started = []

        def handle(event: Event) -> None:
            started.append(event.data["n"])
            if len(started) == 1:
                deliveries.events.coalesce(self.event(deliveries, n=2), WINDOW)

        assert deliveries.deliver({Topic.SESSION_CHANGED: handle}) == 1
        deliveries.advance(WINDOW.total_seconds() + 2.1)
        assert deliveries.deliver({Topic.SESSION_CHANGED: handle}) == 1
        assert started == [1, 2]

    def test_a_call_is_followed_by_a_delivery_also_where_an_earlier_one_failed_or_is_parked(
        self, deliveries: Deliveries
    ) -> None:
        deliveries.events.coalesce(self.event(deliveries), WINDOW)
        deliveries.advance(WINDOW.total_seconds() + 2.1)
        deliveries.deliver(Recorder(Unavailable("away")).handlers())
        deliveries.events.coalesce(self.event(deliveries), WINDOW)
        deliveries.advance(WINDOW.total_seconds() + 2.1)
        assert deliveries.deliver(Recorder(InvalidInput("no")).handlers()) >= 1
        deliveries.events.coalesce(self.event(deliveries), WINDOW)
        deliveries.advance(LONG)
        assert deliveries.deliver(Recorder().handlers()) == 1

    # ------------------------------------------------------------------------------------------------------- model

    def test_in_any_order_of_calls_nothing_is_lost(self) -> None:
        run_state_machine_as_test(
            lambda: NothingIsLost(self.fresh_deliveries),
            settings=settings(
                max_examples=self.model_examples,
                stateful_step_count=self.model_steps,
                deadline=None,
                derandomize=True,
                database=None,
                suppress_health_check=list(HealthCheck),
            ),
        )


class NothingIsLost(RuleBasedStateMachine):
    """Publishes, coalesces, fails, lets workers die in the middle; at the end, with what is parked replayed, each
    published event was handled once and each coalescing call has had a delivery that began after it. The published
    events are each of a version of their own, so that none answers another."""

    keys = st.sampled_from(["a", "b"])

    def __init__(self, fresh: Callable[[], AbstractContextManager[Deliveries]]) -> None:
        super().__init__()
        self._context = fresh()
        self.deliveries = self._context.__enter__()

    @initialize()
    def empty(self) -> None:
        self.published: Counter[str] = Counter()
        self.handled: Counter[str] = Counter()
        self.serial = 0
        # By key, the serial of the last coalescing call, and of the newest call before a delivery that succeeded.
        self.called: dict[str, int] = {}
        self.answered: dict[str, int] = {}

    def teardown(self) -> None:
        try:
            for parked in list(self.deliveries.events.parked()):
                assert self.deliveries.events.replay(parked.id)
            self.deliveries.advance(LONG)
            self.deliveries.deliver(self._handlers())
            for key, serial in self.called.items():
                assert self.answered[key] >= serial
            assert self.handled == self.published
            assert list(self.deliveries.events.parked()) == []
        finally:
            self._context.__exit__(None, None, None)

    def _event(self, topic: Topic, key: str) -> Event:
        self.serial += 1
        data = {"serial": self.serial, "generation": self.serial}
        return Event(type=topic, key=key, at=self.deliveries.now(), data=data)

    def _handlers(self, fail: bool = False) -> Handlers:
        def published(event: Event) -> None:
            if fail:
                raise Unavailable("away")
            self.handled[str(event.data["serial"])] += 1

        def coalesced(event: Event) -> None:
            called = self.called[event.key]
            if fail:
                raise Unavailable("away")
            self.answered[event.key] = called

        return {Topic.OBJECT_FINALIZED: published, Topic.SESSION_CHANGED: coalesced}

    @rule(key=keys, delay=st.sampled_from([0, 5, 100]))
    def publish(self, key: str, delay: int) -> None:
        event = self._event(Topic.OBJECT_FINALIZED, key)
        self.deliveries.events.publish(event, not_before=self.deliveries.now() + timedelta(seconds=delay))
        self.published[str(event.data["serial"])] += 1

    @rule(key=keys, window=st.sampled_from([1, 30]))
    def coalesce(self, key: str, window: int) -> None:
        event = self._event(Topic.SESSION_CHANGED, key)
        self.deliveries.events.coalesce(event, timedelta(seconds=window))
        self.called[key] = self.serial

    @rule(seconds=st.sampled_from([0.5, 3, 40, 700]))
    def wait(self, seconds: float) -> None:
        self.deliveries.advance(seconds)

    @rule(fail=st.booleans())
    def deliver(self, fail: bool) -> None:
        self.deliveries.deliver(self._handlers(fail))

    @rule()
    def interrupt(self) -> None:
        self.deliveries.interrupt()
