"""Whether the stores answer, and how loggers are."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import FIRST_EXCEPTION, Future, wait
from datetime import datetime
from typing import Any

from scopeline.domain.errors import Unavailable
from scopeline.domain.instruments import Client
from scopeline.ports import INSTRUMENTS, ObjectStore
from scopeline.services.access import Caller
from scopeline.services.backend import Backend
from scopeline.services.changes import change

STORES_SECONDS = 3.0  # for all together: who asks wants to know it now
_PROBE = "readyz"


class StoreProbes:
    """Asks the ports of one back end whether they answer, however often somebody wants to know.

    To each port one question at most is under way: who comes meanwhile waits for the same answer. A store may be silent
    for long, and each question holds a thread for so long.
    """

    def __init__(self, backend: Backend) -> None:
        self._questions: dict[str, Callable[[], object]] = {
            "catalog": lambda: backend.catalog.count(INSTRUMENTS),
            "store of original files": lambda: _ask_objects(backend.raw),
            "store of records and pictures": lambda: _ask_objects(backend.derived),
            "queue of events": backend.events.check_reachable,
        }
        self._lock = threading.Lock()
        self._under_way: dict[str, Future[None]] = {}

    def ask(self, seconds: float = STORES_SECONDS) -> None:
        """Ask each port something, and the stores whether they take writes; raises what the one that cannot raises.

        Raises Unavailable (`store_silent`) where one does not answer within `seconds`: a store that is away is asked
        with much patience by whoever needs it.
        """
        asked = {self._ask(name): name for name in self._questions}
        answered, _ = wait(asked, timeout=seconds, return_when=FIRST_EXCEPTION)
        silent = [name for answer, name in asked.items() if answer not in answered]
        for answer in asked:
            if answer in answered:
                answer.result()
        if silent:
            names = " and the ".join(silent)
            raise Unavailable(f"No answer in {seconds:g} s from the {names}.", code="store_silent")

    def _ask(self, name: str) -> Future[None]:
        with self._lock:
            answer = self._under_way.get(name)
            if answer is None or answer.done():
                answer = self._under_way[name] = _in_a_thread(self._questions[name])
            return answer


def _ask_objects(store: ObjectStore) -> None:
    store.stat(_PROBE)
    store.check_writable()


def _in_a_thread(question: Callable[[], object]) -> Future[None]:
    """Ask in a thread of its own, which nobody has to wait for."""
    answer: Future[None] = Future()

    def ask() -> None:
        try:
            question()
        except Exception as error:  # noqa: BLE001 - the thread's end: whoever waits gets it
            answer.set_exception(error)
        else:
            answer.set_result(None)

    threading.Thread(target=ask, name="readyz", daemon=True).start()
    return answer


def note_heartbeat(backend: Backend, caller: Caller, *, at: datetime, version: str, queue: dict[str, Any]) -> datetime:
    """Write down how the caller's logger is; the server's time."""
    now = backend.clock()

    def edit(client: Client) -> None:
        client.last_heartbeat = now
        client.clock_offset = (now - at).total_seconds()
        client.version = version
        client.queue = queue

    change(backend.catalog, Client, caller.sender.key, edit)
    return now
