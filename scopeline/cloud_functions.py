"""What one process of a Cloud Run function works with, put together when the first call needs it."""

from __future__ import annotations

import atexit
import threading
from collections.abc import Callable
from contextlib import AbstractContextManager, ExitStack
from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar, cast

from scopeline.bootstrap import Google, google, reader_pool
from scopeline.settings import BadSetting, Settings, load_settings

if TYPE_CHECKING:
    from flask import Flask

    from cdcs_connector.client import CdcsSite
    from scopeline.adapters.gcp.callers import Callers
    from scopeline.adapters.gcp.receiver import Receiver
    from scopeline.formats.pool import ReaderPool

T = TypeVar("T")


class CloudFunctions:
    """The parts, each made once however many threads ask for it, and kept until the process ends.

    A part that cannot be made raises, and the next call tries again: BadSetting, Unavailable.
    """

    def __init__(self) -> None:
        self._lock = threading.RLock()
        self._parts: dict[str, Any] = {}

    @property
    def settings(self) -> Settings:
        """The settings of the environment; the log begins with them."""
        return self._once("settings", _load)

    @property
    def google(self) -> Google:
        """The edition."""
        return self._once("google", lambda: _enter(google(self.settings)))

    @property
    def application(self) -> Flask:
        """The API."""
        from scopeline.api.application import create_application

        return self._once("application", lambda: create_application(self.google.backend))

    @property
    def callers(self) -> Callers:
        """Who may push."""
        from scopeline.adapters.gcp.callers import make_callers

        return self._once("callers", lambda: make_callers(self.settings))

    def receiver(self, function: str) -> Receiver:
        """What takes the messages of the flow that ends at `function`."""
        return self._once(f"receiver {function}", lambda: self._make_receiver(function))

    def start_readers(self) -> None:
        """Start the process that readers come from, while the rest is being put together."""
        self._reader.start()

    @property
    def _reader(self) -> ReaderPool:
        """The readers; nothing is started before a file is read."""
        return self._once("reader", self._make_reader)

    def _make_reader(self) -> ReaderPool:
        pool = reader_pool(self.settings)
        atexit.register(pool.close)
        return pool

    def _make_receiver(self, function: str) -> Receiver:
        from scopeline.adapters.gcp.receiver import Receiver
        from scopeline.adapters.gcp.topics import FLOWS
        from scopeline.handlers import WITH_SITE, gave_up, handlers

        backend = self.google.backend
        (flow,) = (each for each in FLOWS if each.function == function)
        # Only what publishes knows the web site and its token.
        site = _site(self.settings) if WITH_SITE.intersection(flow.events) else None
        work = handlers(backend, self._reader, site)
        mine = {topic: work[topic] for topic in flow.events}
        return Receiver(self.google.events, mine, partial(gave_up, backend))

    def _once(self, name: str, make: Callable[[], T]) -> T:
        with self._lock:
            if name not in self._parts:
                self._parts[name] = make()
            return cast(T, self._parts[name])


def _load() -> Settings:
    from scopeline.process_log import start_log

    settings = load_settings(edition="gcp")
    start_log(settings)
    return settings


def _enter(edition: AbstractContextManager[T]) -> T:
    """Enter a context that is left when the process ends."""
    ending = ExitStack()
    entered = ending.enter_context(edition)
    atexit.register(ending.close)
    return entered


def _site(settings: Settings) -> CdcsSite | None:
    """The web site that records are published to; None where the settings name none."""
    from cdcs_connector.client import CdcsSite

    if not settings.records_url:
        return None
    if settings.records_token is None:
        raise BadSetting(
            "Setting records_token (SCOPELINE_RECORDS_TOKEN) is empty. Records are published to "
            f"{settings.records_url} with the token that the web site made (`publisher_token`)."
        )
    return CdcsSite(settings.records_url, settings.records_token.get_secret_value())
