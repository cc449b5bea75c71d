"""The local edition does the regular work by itself: at its start, and again and again."""

from __future__ import annotations

import threading
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import Any

from scopeline.adapters.embedded.event_worker import run_once
from scopeline.bootstrap import embedded
from scopeline.domain.errors import Unavailable
from scopeline.domain.events import Event, Topic
from scopeline.domain.sweeps import SweepState
from scopeline.local.process import deliver, sweep_now_and_then
from scopeline.ports import SWEEPS, OnParked, Parked, find_all
from scopeline.services.sweep import TASKS
from scopeline.settings import load_settings

PATIENCE = 30.0


class Reader:
    """Nothing is read here."""

    def close(self) -> None:
        """Nothing is open."""


def test_what_gave_up_is_tried_again_at_every_start(tmp_path: Path) -> None:
    away = True
    tried: list[str] = []
    settings = load_settings(data_dir=tmp_path, attempts=1)
    done = threading.Event()

    def publish(event: Event) -> None:
        tried.append(event.key)
        if away:
            raise Unavailable("The web site is away.", code="site_unavailable")
        done.set()

    with embedded(settings) as edition:
        edition.events.publish(Event(type=Topic.RECORD_BUILT, key="s", at=edition.backend.clock()))
        run_once(edition.events, {Topic.RECORD_BUILT: publish})
    away = False
    with embedded(settings) as edition, ExitStack() as stack:
        deliver(stack, edition, {Topic.RECORD_BUILT: publish}, Reader())
        sweep_now_and_then(stack, edition.backend, PATIENCE)
        assert done.wait(PATIENCE)
        stack.close()
        assert [state.waiting for state in edition.events.state()] == []
    assert tried == ["s", "s"]


def test_the_work_is_done_again_and_again_also_after_trouble(tmp_path: Path) -> None:
    enough = threading.Event()
    parked = 0

    class Trouble:
        """Events that cannot be read at first, and then have nothing parked."""

        def __getattr__(self, name: str) -> Any:
            return getattr(edition.events, name)

        def parked(self) -> list[Parked]:
            nonlocal parked
            parked += 1
            if parked == 1:
                raise Unavailable("The disk is away.")
            if parked == 2:
                raise RuntimeError("A mistake.")
            return []

        def maintain(self, on_parked: OnParked) -> None:
            if parked > 2 and len(rounds) > 2:
                enough.set()
            rounds.append(parked)

    rounds: list[int] = []
    with embedded(load_settings(data_dir=tmp_path)) as edition, ExitStack() as stack:
        sweep_now_and_then(stack, replace(edition.backend, events=Trouble()), 0.02)
        assert enough.wait(PATIENCE)
        stack.close()
        known = {state.task for state in find_all(edition.backend.catalog, SweepState, SWEEPS)}
    assert known == {task.name for task in TASKS}
