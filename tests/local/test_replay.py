"""The local edition tries again by itself what gave up for a reason that may pass."""

from __future__ import annotations

import threading
from contextlib import ExitStack
from pathlib import Path

from scopeline.bootstrap import embedded
from scopeline.domain.errors import Unavailable
from scopeline.domain.events import Event, Topic
from scopeline.local.process import deliver, replay_now_and_then
from scopeline.settings import load_settings

PATIENCE = 30.0


class Reader:
    """Nothing is read here."""

    def close(self) -> None:
        """Nothing is open."""


def test_it_is_tried_at_the_start_and_again_until_it_is_done(tmp_path: Path) -> None:
    done = threading.Event()
    tried: list[str] = []

    def publish(event: Event) -> None:
        tried.append(event.key)
        if len(tried) < 4:
            raise Unavailable("The web site is away.", code="site_unavailable")
        done.set()

    settings = load_settings(data_dir=tmp_path, attempts=1)
    with embedded(settings) as edition, ExitStack() as stack:
        edition.events.publish(Event(type=Topic.RECORD_BUILT, key="s", at=edition.backend.clock()))
        deliver(stack, edition, {Topic.RECORD_BUILT: publish}, Reader())
        replay_now_and_then(stack, edition.backend, 0.05)
        assert done.wait(PATIENCE)
        stack.close()
        assert tried == ["s"] * 4
        assert [state.waiting for state in edition.events.state()] == []
