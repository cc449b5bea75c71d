"""Work that a running edition does again and again."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from contextlib import ExitStack

from scopeline.domain.errors import ScopelineError

log = logging.getLogger("scopeline.local")

STOP_SECONDS = 10.0

IsStopping = Callable[[], bool]


def do_regularly(stack: ExitStack, name: str, every: float, work: Callable[[IsStopping], None]) -> None:
    """Do `work` now and each `every` seconds after its end, in a thread, until the stack unwinds.

    `work` is told how to see that it is to end early. What it raises is logged, and it is done again at the next time.
    """
    stopping = threading.Event()

    def repeat() -> None:
        while not stopping.is_set():
            try:
                work(stopping.is_set)
            except ScopelineError as error:
                log.warning("The %s is done later: %s", name, error)
            except Exception:  # the boundary of a thread: without it, nothing would be done any more
                log.exception("The %s is done later", name)
            stopping.wait(every)

    thread = threading.Thread(target=repeat, name=name, daemon=True)

    def stop() -> None:
        stopping.set()
        if thread.is_alive():
            thread.join(STOP_SECONDS)

    # Before the start: a signal may end that at any point.
    stack.callback(stop)
    thread.start()
