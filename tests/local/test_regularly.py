"""Work that is done again and again."""

from __future__ import annotations

import threading
from contextlib import ExitStack

import pytest

from scopeline.domain.errors import Unavailable
from scopeline.local.regularly import IsStopping, do_regularly

PATIENCE = 30.0


def test_work_is_done_at_once_and_again_whatever_it_raises(caplog: pytest.LogCaptureFixture) -> None:
    troubles = [Unavailable("The store is away."), RuntimeError("A mistake.")]
    done = threading.Event()

    def work(_is_stopping: IsStopping) -> None:
        if troubles:
            raise troubles.pop(0)
        done.set()

    with ExitStack() as stack:
        do_regularly(stack, "test work", 0.01, work)
        assert done.wait(PATIENCE)
    assert "The test work is done later: The store is away." in caplog.text
    assert "A mistake." in caplog.text
    assert not [thread for thread in threading.enumerate() if thread.name == "test work"]


def test_work_that_takes_long_is_told_to_end() -> None:
    begun, ended = threading.Event(), threading.Event()

    def work(is_stopping: IsStopping) -> None:
        begun.set()
        while not is_stopping():
            ended.wait(0.01)
        ended.set()

    with ExitStack() as stack:
        do_regularly(stack, "test work", PATIENCE, work)
        assert begun.wait(PATIENCE)
        assert not ended.is_set()
    assert ended.is_set()


def test_signal_that_ends_the_start_leaves_no_work(monkeypatch: pytest.MonkeyPatch) -> None:
    start, begun, ended = threading.Thread.start, threading.Event(), threading.Event()

    def start_and_meet_signal(thread: threading.Thread) -> None:
        start(thread)
        raise SystemExit

    def work(is_stopping: IsStopping) -> None:
        begun.set()
        while not is_stopping():
            ended.wait(0.01)
        ended.set()

    monkeypatch.setattr(threading.Thread, "start", start_and_meet_signal)
    with pytest.raises(SystemExit), ExitStack() as stack:
        do_regularly(stack, "test work", PATIENCE, work)
    assert not begun.is_set() or ended.is_set()


def test_signal_that_comes_before_the_start_is_no_trouble(monkeypatch: pytest.MonkeyPatch) -> None:
    def meet_signal(_thread: threading.Thread) -> None:
        raise SystemExit

    monkeypatch.setattr(threading.Thread, "start", meet_signal)
    with pytest.raises(SystemExit), ExitStack() as stack:
        do_regularly(stack, "test work", PATIENCE, lambda _is_stopping: None)
