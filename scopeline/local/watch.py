"""Looks after what `serve --edition gcp` started: functions that end come back, the end of an emulator is told."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Collection

from scopeline.local.emulators import Emulators
from scopeline.local.functions_process import FunctionProcess
from scopeline.local.regularly import IsStopping
from scopeline.local.storage_emulator import EmulatorFailed

log = logging.getLogger("scopeline.local")

LOOK_SECONDS = 0.5
ASK_SECONDS = 10.0


class Watch:
    """Functions that end by themselves are started again.

    The end of an emulator of our own, whose data are gone, is `failure`, and `end` is called. Emulators of others are
    asked now and then, and it is said once when they do not answer any more.
    """

    def __init__(
        self, functions: Collection[FunctionProcess], found: Emulators, end: Callable[[], None], ask_every: float
    ) -> None:
        self.failure: EmulatorFailed | None = None
        self._functions = functions
        self._found = found
        self._end = end
        self._ask_every = ask_every
        self._ask_at = time.monotonic() + ask_every
        self._silent = False

    def look(self, is_stopping: IsStopping) -> None:
        """Do what is to be done now."""
        for function in self._functions:
            if is_stopping():
                return
            function.start_again_where_it_ended(time.monotonic())
        if self._found.started:
            self._look_at_own()
        elif time.monotonic() >= self._ask_at:
            self._ask_others()
            self._ask_at = time.monotonic() + self._ask_every

    def _look_at_own(self) -> None:
        words = self._found.ended()
        if words and self.failure is None:
            self.failure = EmulatorFailed(f"{words} What was stored is gone with it. Start again.")
            self._end()

    def _ask_others(self) -> None:
        named = self._found.environment()
        silent = ", ".join(f"{name}={named[name]}" for name in self._found.silent())
        if silent and not self._silent:
            log.error("Emulators of the environment do not answer any more: %s. Nothing works until they do.", silent)
        elif self._silent and not silent:
            log.warning("The emulators of the environment answer again.")
        self._silent = bool(silent)
