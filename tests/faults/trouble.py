"""Ports that break: the process ends at the n-th call, or the store behind them does not answer for a while."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any

from scopeline.domain.errors import Unavailable
from scopeline.services.backend import Backend

WRITES = {
    "catalog": {"create", "update", "delete"},
    "events": {"publish", "coalesce"},
    "raw": {"write", "delete"},
    "derived": {"write", "delete"},
}
READS = {
    "catalog": {"get", "find", "count"},
    "raw": {"stat", "list", "open"},
    "derived": {"stat", "open"},
    "events": set(),
}


class PowerCut(BaseException):
    """The process ends here."""


@dataclass
class Fuse:
    """Counts calls of several ports together and breaks at one of them, and where it is `final` at all that follow."""

    at: int
    breaks: Callable[[], BaseException]
    after: bool = False  # the call is done and its answer lost
    lasting: int = 1  # how many calls in turn break
    final: bool = False  # the process is gone: what its cleaning up calls is not done
    calls: int = 0

    @property
    def blown(self) -> bool:
        """Whether the call that breaks was reached."""
        return self.calls >= self.at

    def call(self, method: Callable[..., Any], *args: Any, **named: Any) -> Any:
        """The method's answer, or the break."""
        self.calls += 1
        if self.final and self.calls > self.at:
            raise self.breaks()
        here = self.at <= self.calls < self.at + self.lasting
        if here and not self.after:
            raise self.breaks()
        answer = method(*args, **named)
        if here:
            raise self.breaks()
        return answer


class Port:
    """A port whose methods go through the fuse."""

    def __init__(self, port: Any, methods: set[str], fuse: Fuse) -> None:
        self._port, self._methods, self._fuse = port, methods, fuse

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._port, name)
        return functools.partial(self._fuse.call, found) if name in self._methods else found


def with_fuse(backend: Backend, fuse: Fuse, *, reads: bool = False) -> Backend:
    """The back end whose writes (with `reads`, all calls) go through the fuse."""
    methods = {name: writes | (READS[name] if reads else set()) for name, writes in WRITES.items()}
    return replace(backend, **{name: Port(getattr(backend, name), wanted, fuse) for name, wanted in methods.items()})


def power_cuts(longest: int = 60) -> Iterator[Fuse]:
    """A fuse for each write, before and after it, until one was not reached."""
    for at in range(1, longest):
        for after in (False, True):
            fuse = Fuse(at, PowerCut, after, final=True)
            yield fuse
            if not fuse.blown:
                return
    raise AssertionError("more writes than expected")


def outages(longest: int = 120, lasting: int = 2) -> Iterator[Fuse]:
    """A fuse for each call of any port, as of a store that cannot be reached for a while, until one was not reached."""
    for at in range(1, longest):
        fuse = Fuse(at, lambda: Unavailable("The store answers 503.", code="google_unavailable"), lasting=lasting)
        yield fuse
        if not fuse.blown:
            return
    raise AssertionError("more calls than expected")
