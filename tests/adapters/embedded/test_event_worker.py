from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from scopeline.adapters.embedded import event_worker
from scopeline.adapters.embedded.database import Database
from scopeline.adapters.embedded.delivery import INTERRUPTIONS, Delivery, back_off
from scopeline.adapters.embedded.event_worker import EventWorker, run_once
from scopeline.adapters.embedded.events import EmbeddedEvents, Handlers
from scopeline.adapters.storage_errors import disk_full
from scopeline.domain.errors import InvalidInput, Unavailable
from scopeline.domain.events import Event, Topic
from scopeline.logs import subject

PATIENCE = 30.0


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    database = Database(tmp_path)
    yield database
    database.close()


@pytest.fixture
def events(database: Database) -> EmbeddedEvents:
    return EmbeddedEvents(database)


def event(key: str, topic: Topic = Topic.OBJECT_FINALIZED, **data: Any) -> Event:
    return Event(type=topic, key=key, at=datetime.now(UTC), data=data)


@contextmanager
def working(events: EmbeddedEvents, handlers: Handlers, threads: dict[Topic, int] | None = None) -> Iterator[None]:
    worker = EventWorker(events, handlers, threads)
    worker.start()
    try:
        yield
    finally:
        assert worker.stop(PATIENCE)


def wait_until_empty(events: EmbeddedEvents) -> None:
    for _ in range(3000):
        if not events.state():
            return
        threading.Event().wait(0.01)
    raise AssertionError(f"still in the queue: {events.state()}")


def never(event: Event) -> None:
    raise AssertionError(f"{event.key} was handled")


class TestThreads:
    def test_an_event_wakes_a_waiting_worker(self, events: EmbeddedEvents, monkeypatch: pytest.MonkeyPatch) -> None:
        # A worker that only looked at the clock would not see the event within the test's patience.
        monkeypatch.setattr(event_worker, "LONGEST_WAIT_SECONDS", 10 * PATIENCE)
        waiting, done = threading.Event(), threading.Event()
        wait = events.database.arrivals.wait

        def noticed(topic: str, seen: int, seconds: float) -> None:
            waiting.set()
            wait(topic, seen, seconds)

        monkeypatch.setattr(events.database.arrivals, "wait", noticed)
        with working(events, {Topic.OBJECT_FINALIZED: lambda event: done.set()}):
            assert waiting.wait(PATIENCE)
            events.publish(event("a"))
            assert done.wait(PATIENCE)

    def test_an_event_that_is_due_later_comes_by_itself(self, events: EmbeddedEvents) -> None:
        done = threading.Event()
        with working(events, {Topic.OBJECT_FINALIZED: lambda event: done.set()}):
            moment = events.database.clock() + timedelta(seconds=0.3)
            events.publish(event("a"), not_before=moment)
            assert done.wait(PATIENCE)
            assert events.database.clock() >= moment

    def test_a_slow_topic_holds_up_no_other(self, events: EmbeddedEvents) -> None:
        release, built = threading.Event(), threading.Event()

        def slow(event: Event) -> None:
            assert release.wait(PATIENCE)

        handlers: Handlers = {Topic.OBJECT_FINALIZED: slow, Topic.SESSION_ENDED: lambda event: built.set()}
        with working(events, handlers, {Topic.OBJECT_FINALIZED: 2}):
            for n in range(10):
                events.publish(event(f"{n}"))
            events.publish(event("s", Topic.SESSION_ENDED))
            assert built.wait(PATIENCE)
            release.set()
            wait_until_empty(events)

    def test_many_threads_handle_each_event_once(self, events: EmbeddedEvents) -> None:
        handled: Counter[str] = Counter()
        lock = threading.Lock()

        def handle(event: Event) -> None:
            with lock:
                handled[event.key] += 1

        with working(events, {Topic.OBJECT_FINALIZED: handle}, {Topic.OBJECT_FINALIZED: 4}):
            for n in range(200):
                events.publish(event(f"{n}"))
            wait_until_empty(events)
        assert handled == Counter(f"{n}" for n in range(200))

    def test_deliveries_of_one_key_never_run_at_once(self, events: EmbeddedEvents) -> None:
        running: Counter[str] = Counter()
        most: list[int] = []
        handled: list[int] = []

        def handle(event: Event) -> None:
            running[event.key] += 1
            most.append(running[event.key])
            threading.Event().wait(0.002)
            running[event.key] -= 1
            handled.append(event.data["n"])

        for n in range(40):
            events.publish(event(f"{n % 2}", n=n))
        with working(events, {Topic.OBJECT_FINALIZED: handle}, {Topic.OBJECT_FINALIZED: 6}):
            wait_until_empty(events)
        assert sorted(handled) == list(range(40))
        assert max(most) == 1

    def test_stopping_waits_for_a_running_handler(self, events: EmbeddedEvents) -> None:
        started, release, handled = threading.Event(), threading.Event(), threading.Event()

        def handle(event: Event) -> None:
            started.set()
            assert release.wait(PATIENCE)
            handled.set()

        worker = EventWorker(events, {Topic.OBJECT_FINALIZED: handle})
        worker.start()
        events.publish(event("a"))
        events.publish(event("b"))
        assert started.wait(PATIENCE)
        assert worker.stop(0) is False
        release.set()
        assert worker.stop(PATIENCE) is True
        assert handled.is_set()
        assert [(state.waiting, state.running) for state in events.state()] == [(1, 0)]

    def test_a_call_during_a_running_delivery_is_followed_by_another(
        self, events: EmbeddedEvents, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("scopeline.adapters.embedded.events.AFTER_WINDOW", timedelta(0))
        started, release, second = threading.Event(), threading.Event(), threading.Event()
        seen: list[int] = []

        def handle(event: Event) -> None:
            seen.append(event.data["n"])
            if len(seen) == 1:
                started.set()
                assert release.wait(PATIENCE)
            else:
                second.set()

        with working(events, {Topic.SESSION_CHANGED: handle}, {Topic.SESSION_CHANGED: 2}):
            events.coalesce(event("s", Topic.SESSION_CHANGED, n=1), timedelta(milliseconds=10))
            assert started.wait(PATIENCE)
            events.coalesce(event("s", Topic.SESSION_CHANGED, n=2), timedelta(milliseconds=10))
            release.set()
            assert second.wait(PATIENCE)
            wait_until_empty(events)
        assert seen == [1, 2]


class TestRefusingDatabase:
    @pytest.mark.parametrize("method", ["claim", "acknowledge", "seconds_to_next"])
    def test_what_the_full_disk_refuses_is_done_when_there_is_room(
        self, events: EmbeddedEvents, monkeypatch: pytest.MonkeyPatch, method: str
    ) -> None:
        monkeypatch.setattr(event_worker, "DATABASE_PAUSE_SECONDS", 0.01)
        refusals = [disk_full("Testing"), RuntimeError("a bug of the queue"), disk_full("Testing")]
        real = getattr(EmbeddedEvents, method)

        def refuse(self: EmbeddedEvents, *given: Any) -> Any:
            if refusals:
                raise refusals.pop()
            return real(self, *given)

        monkeypatch.setattr(EmbeddedEvents, method, refuse)
        handled: list[str] = []
        with working(events, {Topic.OBJECT_FINALIZED: lambda event: handled.append(event.key)}):
            events.publish(event("a"))
            wait_until_empty(events)
        assert handled == ["a"]

    def test_a_worker_that_is_stopped_meanwhile_leaves_the_delivery(
        self, events: EmbeddedEvents, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        refused = threading.Event()

        def refuse(self: EmbeddedEvents, delivery: Delivery) -> None:
            refused.set()
            raise disk_full("Testing")

        monkeypatch.setattr(EmbeddedEvents, "acknowledge", refuse)
        with working(events, {Topic.OBJECT_FINALIZED: lambda event: None}):
            events.publish(event("a"))
            assert refused.wait(PATIENCE)
        assert [(state.waiting, state.running) for state in events.state()] == [(0, 1)]


class TestQueue:
    def test_pauses_grow_to_ten_minutes(self) -> None:
        assert [back_off(n, 1.0).total_seconds() for n in range(1, 8)] == [1, 4, 16, 64, 256, 600, 600]
        assert [back_off(n, 0.0).total_seconds() for n in range(1, 4)] == [0.5, 2, 8]

    def test_the_state_tells_what_waits_runs_and_is_parked(self, opened: Any) -> None:
        queue: EmbeddedEvents = opened.events
        queue.publish(event("later"), not_before=opened.clock() + timedelta(hours=1))
        queue.publish(event("a"))
        opened.clock.advance(seconds=1)
        queue.publish(event("b"))
        queue.publish(event("c"))
        bad = queue.claim([Topic.OBJECT_FINALIZED])
        assert bad is not None
        for _ in range(4):
            queue.fail(Delivery(bad.id, bad.event, 4), Unavailable("away"))
        assert queue.claim([Topic.OBJECT_FINALIZED]) is not None
        (state,) = queue.state()
        assert (state.topic, state.waiting, state.running, state.parked) == (Topic.OBJECT_FINALIZED, 2, 1, 1)
        assert state.oldest_due == opened.clock()

    def test_a_call_that_joins_a_failing_delivery_has_fresh_attempts(self, opened: Any) -> None:
        queue: EmbeddedEvents = opened.events
        for calls in range(3):
            queue.coalesce(event("s", Topic.SESSION_CHANGED, n=calls), timedelta(seconds=1))
            for _ in range(3):
                opened.clock.advance(hours=1)
                delivery = queue.claim([Topic.SESSION_CHANGED])
                assert delivery is not None
                queue.fail(delivery, Unavailable("away"))
        assert list(queue.parked()) == []
        assert queue.claim([Topic.SESSION_CHANGED]) is None

    def test_an_interruption_is_no_attempt_but_many_are_a_reason(self, open_folder: Any) -> None:
        opened = open_folder()
        opened.events.publish(event("a"))
        for _ in range(INTERRUPTIONS):
            assert opened.events.claim(Topic).attempt == 1
            opened.database.close()
            opened = open_folder()
        assert run_once(opened.events, dict.fromkeys(Topic, never)) == 1
        (parked,) = opened.events.parked()
        assert (parked.code, parked.transient) == ("interrupted", False)
        assert opened.events.replay(parked.id)
        assert run_once(opened.events, dict.fromkeys(Topic, lambda event: None)) == 1

    @pytest.mark.parametrize(
        ("error", "transient"),
        [(OSError(28, "No space left on device"), True), (MemoryError(), True), (KeyError("axes"), False)],
    )
    def test_what_the_system_refuses_may_pass_by_itself(self, opened: Any, error: Exception, transient: bool) -> None:
        opened.events.publish(event("a"))
        for _ in range(4):
            delivery = opened.events.claim(Topic)
            opened.events.fail(delivery, error)
            opened.clock.advance(hours=1)
        (parked,) = opened.events.parked()
        assert (parked.code, parked.transient) == ("unexpected_error", transient)


class TestClock:
    """The server's clock was a day ahead, and is right again, with or without a new start."""

    @pytest.mark.parametrize("restarted", [False, True])
    def test_accepted_work_is_delivered_although_the_clock_was_ahead(self, open_folder: Any, restarted: bool) -> None:
        opened = open_folder()
        opened.clock.advance(days=1)
        opened.raw.write("titan/a.dm3", b"x")
        opened.events.publish(event("at once", Topic.SESSION_ENDED))
        opened.events.coalesce(event("joined", Topic.SESSION_CHANGED), timedelta(minutes=10))
        opened.events.publish(event("failing", Topic.RECORD_BUILT))
        opened.events.fail(opened.events.claim([Topic.RECORD_BUILT]), Unavailable("away"))
        opened.clock.advance(days=-1)
        if restarted:
            opened.database.close()
            opened = open_folder()
        assert opened.events.seconds_to_next(Topic.SESSION_CHANGED, 30.0) == 0.0
        seen: list[Topic] = []
        run_once(opened.events, dict.fromkeys(Topic, lambda event: seen.append(event.type)))
        assert sorted(seen) == sorted(
            [Topic.OBJECT_FINALIZED, Topic.SESSION_ENDED, Topic.SESSION_CHANGED, Topic.RECORD_BUILT]
        )

    def test_what_was_published_for_a_time_waits_for_it(self, opened: Any) -> None:
        opened.events.publish(event("s"), not_before=opened.clock() + timedelta(days=3))
        assert opened.events.seconds_to_next(Topic.OBJECT_FINALIZED, 30.0) == 30.0
        assert opened.events.claim(Topic) is None
        opened.clock.advance(days=3)
        assert opened.events.claim(Topic) is not None

    def test_the_longest_window_and_pause_are_waited_for(self, opened: Any) -> None:
        opened.events.coalesce(event("s"), timedelta(hours=1))
        assert opened.events.claim(Topic) is None
        opened.events.coalesce(event("t"), timedelta(days=30))
        opened.clock.advance(hours=1, seconds=2)
        assert opened.events.claim(Topic) is not None
        assert opened.events.claim(Topic) is not None


class TestGivingUp:
    def test_what_follows_is_done_once_before_the_delivery_is_parked(self, opened: Any) -> None:
        told: list[tuple[str, str, str]] = []

        def note(event: Event, code: str, reason: str) -> None:
            assert list(opened.events.parked()) == []
            told.append((event.key, code, reason))

        def refuse(event: Event) -> None:
            raise Unavailable("the disk is full", code="disk_full")

        opened.events.publish(event("a"))
        for _ in range(6):
            run_once(opened.events, dict.fromkeys(Topic, refuse), note)
            opened.clock.advance(hours=1)
        assert told == [("a", "disk_full", "the disk is full")]
        assert [parked.code for parked in opened.events.parked()] == ["disk_full"]

    @pytest.mark.parametrize("raised", [Unavailable("away"), RuntimeError("a bug")])
    def test_where_it_raises_the_delivery_is_parked_and_the_worker_goes_on(
        self, events: EmbeddedEvents, caplog: pytest.LogCaptureFixture, raised: Exception
    ) -> None:
        handled = threading.Event()

        def handle(event: Event) -> None:
            if event.key == "bad":
                raise InvalidInput("never as it is")
            handled.set()

        def follow(event: Event, code: str, reason: str) -> None:
            raise raised

        worker = EventWorker(events, {Topic.OBJECT_FINALIZED: handle}, on_parked=follow)
        worker.start()
        events.publish(event("bad"))
        events.publish(event("good"))
        assert handled.wait(PATIENCE)
        assert worker.stop(PATIENCE)
        assert [parked.event.key for parked in events.parked()] == ["bad"]
        assert "What follows from giving up object.finalized of bad was not done" in caplog.text

    def test_it_is_done_again_until_the_delivery_can_be_parked(
        self, events: EmbeddedEvents, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(event_worker, "DATABASE_PAUSE_SECONDS", 0.01)
        refusals = [disk_full("Testing"), disk_full("Testing")]
        real = EmbeddedEvents.fail

        def refuse(self: EmbeddedEvents, *given: Any) -> None:
            if refusals:
                raise refusals.pop()
            real(self, *given)

        monkeypatch.setattr(EmbeddedEvents, "fail", refuse)
        told: list[str] = []
        done = threading.Event()

        def handle(event: Event) -> None:
            if event.key == "last":
                done.set()
                return
            raise InvalidInput("never as it is")

        worker = EventWorker(
            events, {Topic.OBJECT_FINALIZED: handle}, on_parked=lambda event, code, reason: told.append(event.key)
        )
        worker.start()
        events.publish(event("a"))
        events.publish(event("last"))
        assert done.wait(PATIENCE)
        assert worker.stop(PATIENCE)
        assert told == ["a", "a", "a"]
        assert [parked.event.key for parked in events.parked()] == ["a"]


class TestLog:
    def test_all_that_a_handler_logs_is_about_its_event(self, events: EmbeddedEvents) -> None:
        seen: list[dict[str, str]] = []
        for topic in (Topic.OBJECT_CHANGED, Topic.RECORD_BUILT):
            events.publish(event("k", topic))
            run_once(events, {topic: lambda event: seen.append(dict(subject()))})
        assert seen == [{"topic": "object.changed", "file": "k"}, {"topic": "record.built", "session": "k"}]
        assert subject() == {}

    def test_a_failure_is_told_with_its_code_and_what_it_is_about(
        self, database: Database, caplog: pytest.LogCaptureFixture
    ) -> None:
        def fail(event: Event) -> None:
            raise Unavailable("The site is away.", code="site_unavailable")

        about: list[dict[str, str]] = []
        caplog.handler.addFilter(lambda _record: not about.append(dict(subject())))
        events = EmbeddedEvents(database, attempts=1)
        events.publish(event("s", Topic.RECORD_BUILT))
        run_once(events, {Topic.RECORD_BUILT: fail})
        (line,) = caplog.messages
        assert line == "record.built of s is parked as 1 after 1 attempt: site_unavailable: The site is away."
        assert about == [{"topic": "record.built", "session": "s"}]

    def test_what_gave_up_names_no_secret(self, database: Database) -> None:
        secret = "sl_0123456789ab_averysecretwordofatleasttwentycharacters"

        def fail(event: Event) -> None:
            raise RuntimeError(f"https://lab.test/upload/{secret}?upload_id={secret} refused Bearer {secret}")

        events = EmbeddedEvents(database, attempts=1)
        events.publish(event("s", Topic.RECORD_BUILT))
        run_once(events, {Topic.RECORD_BUILT: fail})
        (parked,) = events.parked()
        assert "refused" in parked.reason
        assert "averysecretword" not in parked.reason


@pytest.mark.parametrize("started", [0, 1, 2])
def test_worker_whose_start_a_signal_ended_is_stopped(
    events: EmbeddedEvents, monkeypatch: pytest.MonkeyPatch, started: int
) -> None:
    start, threads = threading.Thread.start, []

    def start_some(thread: threading.Thread) -> None:
        if len(threads) == started:
            raise SystemExit
        threads.append(thread)
        start(thread)

    worker = EventWorker(events, {Topic.OBJECT_FINALIZED: never}, {Topic.OBJECT_FINALIZED: 3})
    with monkeypatch.context() as patches:
        patches.setattr(threading.Thread, "start", start_some)
        with pytest.raises(SystemExit):
            worker.start()
    assert worker.stop(PATIENCE)
    assert not [thread for thread in threads if thread.is_alive()]
