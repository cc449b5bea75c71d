"""The sweep: portions, cursors, budgets, and what happens when something fails or ends it in the middle."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from functools import partial
from typing import Any

import pytest

from scopeline.adapters.questions import make_cursor
from scopeline.domain.errors import InvalidInput, Unavailable
from scopeline.domain.events import Event
from scopeline.domain.sweeps import SweepState
from scopeline.ports import CLIENTS
from scopeline.services.sweep import TASKS, SweepReport, sweep
from scopeline.services.sweeping.tasks import Portion, Task, look_at


class Counting:
    """A task over the numbers below `size`, `page` at a step, that writes down what it looked at."""

    def __init__(self, size: int = 10, page: int = 3, *, name: str = "counting", slow: bool = False) -> None:
        self.size, self.page = size, page
        self.seen: list[int] = []
        self.before_step: Callable[[SweepState], None] = lambda state: None
        self.look: Callable[[int], bool] = lambda number: number % 2 == 0
        self.task = Task(name, timedelta(hours=1), self.step, slow=slow)

    def step(self, backend: Any, state: SweepState) -> Portion:
        self.before_step(state)
        first = int(state.cursor or 0)
        end = min(first + self.page, self.size)
        self.seen += range(first, end)
        return look_at(range(first, end), self.look, str(end) if end < self.size else None)


class Stopwatch:
    """Each look at it is a second later."""

    def __init__(self) -> None:
        self.seconds = 0.0

    def __call__(self) -> float:
        self.seconds += 1
        return self.seconds


def run(desk: Any, *counting: Counting, **more: Any) -> SweepReport:
    return sweep(desk.backend, nothing, tasks=[one.task for one in counting], **more)


def nothing(event: Event, code: str, reason: str) -> None:
    raise AssertionError("nothing gave up here")


def state(desk: Any, task: str = "counting") -> SweepState:
    found: SweepState = desk.backend.catalog.get(SweepState, f"sweeps/{task}").document
    return found


def test_a_round_looks_at_everything_once_and_says_what_it_did(desk: Any) -> None:
    counting = Counting()
    done = run(desk, counting).tasks["counting"]
    assert counting.seen == list(range(10))
    assert (done.looked_at, done.found, done.failed, done.round_ended, done.stopped_by) == (10, 5, 0, True, None)
    after = state(desk)
    assert (after.cursor, after.found, after.began_at, after.finished_at) == (None, 5, desk.now, desk.now)


def test_the_next_round_begins_when_it_is_due(desk: Any) -> None:
    counting = Counting()
    run(desk, counting)
    desk.forward(minutes=59)
    assert run(desk, counting).tasks == {}
    desk.forward(minutes=1)
    assert run(desk, counting).tasks["counting"].looked_at == 10
    desk.forward(days=-2)
    assert run(desk, counting).tasks["counting"].looked_at == 10


def test_when_the_time_is_over_the_next_sweep_goes_on_where_this_one_was(desk: Any) -> None:
    counting = Counting(size=10, page=1)
    sweeps = 0
    while not counting.seen or state(desk).cursor is not None:
        run(desk, counting, budget=timedelta(seconds=4), stopwatch=Stopwatch())
        sweeps += 1
    assert counting.seen == list(range(10))
    assert sweeps > 2
    assert state(desk).found == 5


def test_tasks_take_turns_and_a_slow_one_does_one_portion_a_sweep(desk: Any) -> None:
    order: list[str] = []
    tasks = [Counting(9, 3, name=name, slow=name == "slow") for name in ("first", "slow", "last")]
    for one in tasks:
        one.before_step = lambda at: order.append(at.task)
    run(desk, *tasks)
    assert order == ["first", "slow", "last", "first", "last", "first", "last"]
    assert (state(desk, "slow").cursor, state(desk, "last").cursor) == ("3", None)
    run(desk, *tasks)
    run(desk, *tasks)
    assert tasks[1].seen == list(range(9))


def test_a_sweep_that_is_to_stop_begins_no_portion(desk: Any) -> None:
    counting = Counting()
    run(desk, counting, is_stopping=lambda: len(counting.seen) >= 6)
    assert (counting.seen, state(desk).cursor) == (list(range(6)), "6")


def test_one_item_that_fails_is_counted_and_the_others_are_looked_at(desk: Any) -> None:
    counting = Counting()

    def look(number: int) -> bool:
        if number == 4:
            raise InvalidInput("Number 4 is broken.")
        return True

    counting.look = look
    done = run(desk, counting).tasks["counting"]
    assert (done.looked_at, done.found, done.failed, done.round_ended) == (10, 9, 1, True)


def test_a_store_that_is_away_ends_the_task_for_now_and_no_other_one(desk: Any) -> None:
    away, well = Counting(name="away"), Counting(name="well")

    def look(number: int) -> bool:
        if number == 4:
            raise Unavailable("The store is away.")
        return True

    away.look = look
    report = run(desk, away, well)
    assert (report.tasks["away"].stopped_by, report.tasks["well"].round_ended) == ("unavailable", True)
    assert state(desk, "away").cursor == "3"
    away.look = lambda number: True
    assert run(desk, away, well).tasks["away"].round_ended
    assert away.seen == [0, 1, 2, 3, 4, 5, 3, 4, 5, 6, 7, 8, 9]


def test_a_mistake_in_one_task_stops_no_other_one(desk: Any, caplog: pytest.LogCaptureFixture) -> None:
    wrong, well = Counting(name="wrong"), Counting(name="well")
    wrong.look = lambda number: bool(1 / 0)
    report = run(desk, wrong, well)
    assert (report.tasks["wrong"].stopped_by, report.tasks["well"].round_ended) == ("ZeroDivisionError", True)
    assert "ZeroDivisionError" in caplog.text


@pytest.mark.parametrize("at", range(4))
def test_a_process_that_ends_in_the_middle_loses_at_most_the_portion_it_was_at(desk: Any, at: int) -> None:
    class PowerCut(BaseException):
        pass

    counting = Counting()

    def cut(_: SweepState) -> None:
        if len(counting.seen) >= 3 * at:
            raise PowerCut

    counting.before_step = cut
    with pytest.raises(PowerCut):
        run(desk, counting)
    counting.before_step = lambda state: None
    run(desk, counting)
    assert counting.seen == list(range(10))


def test_a_process_that_ends_at_a_write_of_the_cursor_repeats_that_portion(desk: Any) -> None:
    counting = Counting(size=6)

    def again() -> None:
        run(desk, counting)
        assert set(counting.seen) == set(range(6))
        assert state(desk).cursor is None
        desk.forward(hours=1)
        counting.seen.clear()

    again()
    desk.cut_at_each_write(lambda backend: sweep(backend, nothing, tasks=[counting.task]), again)


def test_two_sweeps_at_once_move_the_cursor_once(desk: Any) -> None:
    counting = Counting()

    def another_sweep_is_quicker(at: SweepState) -> None:
        if at.cursor == "3":
            counting.before_step = lambda state: None
            run(desk, counting)

    counting.before_step = another_sweep_is_quicker
    done = run(desk, counting).tasks["counting"]
    assert not done.round_ended
    # The slower one repeats one portion and leaves the rest to the other.
    assert counting.seen == [*range(10), 3, 4, 5]
    assert (state(desk).cursor, state(desk).found) == (None, 5)


# ------------------------------------------------------------------------------------------ cursors of older versions


def test_a_round_whose_cursor_is_not_understood_any_more_begins_anew_with_the_next_sweep(
    desk: Any, caplog: pytest.LogCaptureFixture
) -> None:
    def step(at: SweepState) -> None:
        if at.cursor == "of an older version":
            raise InvalidInput("It does not belong to this question.", code="invalid_cursor")

    counting = Counting()
    counting.before_step = step
    before = SweepState(task="counting", cursor="of an older version", finished_at=desk.now - timedelta(hours=2))
    desk.backend.catalog.create(before)
    done = run(desk, counting).tasks["counting"]
    assert (done.looked_at, done.round_ended, done.stopped_by) == (0, False, None)
    assert "begins anew with counting" in caplog.text
    # What a round says of the one before it is still true.
    assert (state(desk).cursor, state(desk).finished_at) == (None, before.finished_at)
    assert run(desk, counting).tasks["counting"].round_ended
    assert counting.seen == list(range(10))


def test_a_cursor_that_another_sweep_has_moved_meanwhile_is_left_as_it_is(desk: Any) -> None:
    def step(at: SweepState) -> None:
        current = desk.backend.catalog.get(SweepState, "sweeps/counting")
        desk.backend.catalog.update(current.document.model_copy(update={"cursor": "3"}), current.revision)
        raise InvalidInput("It does not belong to this question.", code="invalid_cursor")

    counting = Counting()
    counting.before_step = step
    desk.backend.catalog.create(SweepState(task="counting", cursor="of an older version"))
    run(desk, counting)
    assert state(desk).cursor == "3"


@pytest.mark.parametrize("code", ["invalid_cursor", "invalid_query"])
def test_a_mistake_at_the_beginning_of_a_round_is_reported(desk: Any, code: str) -> None:
    def step(at: SweepState) -> None:
        raise InvalidInput("It is wrong.", code=code)

    counting = Counting()
    counting.before_step = step
    assert run(desk, counting).tasks["counting"].stopped_by == code


@pytest.mark.parametrize("task", TASKS, ids=lambda task: task.name)
def test_every_task_ends_its_round_after_an_update_whatever_its_cursor_was(desk: Any, task: Task) -> None:
    desk.start()
    desk.backend.catalog.create(SweepState(task=task.name, cursor=make_cursor(CLIENTS, ("clients/titan-pc",))))
    for _ in range(2):
        desk.forward(minutes=1)
        done = sweep(desk.backend, nothing, tasks=[task]).tasks[task.name]
        assert (done.failed, done.stopped_by) == (0, None)
        if done.round_ended:
            break
    assert state(desk, task.name).finished_at == desk.now


def test_deliveries_that_nobody_answered_for_come_first(desk: Any) -> None:
    class Maintained:
        def __init__(self, events: Any) -> None:
            self.events, self.calls = events, []

        def __getattr__(self, name: str) -> Any:
            return getattr(self.events, name)

        def maintain(self, on_parked: Any) -> None:
            self.calls.append(on_parked)
            raise Unavailable("The queue is away.")

    events = Maintained(desk.backend.events)
    counting = Counting()
    report = sweep(replace(desk.backend, events=events), nothing, tasks=[counting.task])
    assert events.calls == [nothing]
    assert report.tasks["maintain"].stopped_by == "unavailable"
    assert report.tasks["counting"].round_ended


def test_a_laboratory_in_order_has_nothing_to_do(desk: Any) -> None:
    desk.start()
    report = sweep(desk.backend, partial(nothing))
    assert set(report.tasks) == {task.name for task in TASKS}
    assert all(
        (done.found, done.failed, done.stopped_by, done.round_ended) == (0, 0, None, True)
        for done in report.tasks.values()
    )
    assert desk.waiting() == []
