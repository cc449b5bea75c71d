"""What the service says of itself: whether it can work."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any

import pytest

from scopeline.domain.errors import Unavailable
from scopeline.services.health import StoreProbes


class FullStore:
    """A store that can be read and takes no writes."""

    def __init__(self, store: Any) -> None:
        self._store = store

    def __getattr__(self, name: str) -> Any:
        return getattr(self._store, name)

    def check_writable(self) -> None:
        raise Unavailable("The disk is full.", code="disk_full", status=507)


@pytest.mark.parametrize("bucket", ["raw", "derived"])
def test_service_is_not_ready_where_a_store_takes_no_writes(desk: Any, bucket: str) -> None:
    StoreProbes(desk.backend).ask()
    full = replace(desk.backend, **{bucket: FullStore(getattr(desk.backend, bucket))})
    with pytest.raises(Unavailable) as refused:
        StoreProbes(full).ask()
    assert refused.value.code == "disk_full"


class SilentPort:
    """A port that answers nothing until it is let go."""

    def __init__(self, port: Any, method: str, let_go: threading.Event) -> None:
        self._port, self._method, self._let_go = port, method, let_go
        self.asked = 0

    def __getattr__(self, name: str) -> Any:
        return self._wait if name == self._method else getattr(self._port, name)

    def _wait(self, *_: object) -> None:
        self.asked += 1
        self._let_go.wait()
        raise Unavailable("The service did not answer within 44 s.")


@pytest.fixture
def let_go() -> Iterator[threading.Event]:
    event = threading.Event()
    yield event
    event.set()


@pytest.mark.parametrize(
    ("port", "method", "name"),
    [
        ("catalog", "count", "the catalog"),
        ("raw", "stat", "the store of original files"),
        ("derived", "check_writable", "the store of records and pictures"),
        ("events", "check_reachable", "the queue of events"),
    ],
)
def test_a_store_that_does_not_answer_in_time_is_named_and_not_waited_for(
    desk: Any, let_go: threading.Event, port: str, method: str, name: str
) -> None:
    silent = replace(desk.backend, **{port: SilentPort(getattr(desk.backend, port), method, let_go)})
    with pytest.raises(Unavailable, match=r"No answer in 0\.2 s") as refused:
        StoreProbes(silent).ask(seconds=0.2)
    assert refused.value.code == "store_silent"
    assert name in str(refused.value)


def test_what_a_store_answers_is_told_though_another_one_is_silent(desk: Any, let_go: threading.Event) -> None:
    silent = SilentPort(desk.backend.catalog, "count", let_go)
    with pytest.raises(Unavailable) as refused:
        StoreProbes(replace(desk.backend, catalog=silent, raw=FullStore(desk.backend.raw))).ask(seconds=60)
    assert refused.value.code == "disk_full"


PORTS = {"catalog": "count", "raw": "stat", "derived": "check_writable", "events": "check_reachable"}


def test_of_many_calls_each_silent_port_holds_one_thread(desk: Any, let_go: threading.Event) -> None:
    """Nobody needs a token to call, and a silent store holds a thread for longer than the caller waits."""
    silent = {port: SilentPort(getattr(desk.backend, port), method, let_go) for port, method in PORTS.items()}
    probes = StoreProbes(replace(desk.backend, **silent))
    before = set(threading.enumerate())
    with ThreadPoolExecutor(10, thread_name_prefix="caller") as callers:
        answers = [callers.submit(probes.ask, seconds=0.1) for _ in range(20)]
        refusals = [answer.exception() for answer in answers]
    assert [getattr(refusal, "code", None) for refusal in refusals] == ["store_silent"] * 20
    assert len([thread for thread in set(threading.enumerate()) - before if thread.name == "readyz"]) == 4


def test_a_port_that_answered_is_asked_again(desk: Any, let_go: threading.Event) -> None:
    silent = SilentPort(desk.backend.catalog, "count", let_go)
    probes = StoreProbes(replace(desk.backend, catalog=silent))
    with pytest.raises(Unavailable, match="No answer"):
        probes.ask(seconds=0.1)
    let_go.set()
    for thread in threading.enumerate():
        if thread.name == "readyz":
            thread.join(30)
    for asked in (2, 3):
        with pytest.raises(Unavailable, match="did not answer within 44 s"):
            probes.ask(seconds=60)
        assert silent.asked == asked
