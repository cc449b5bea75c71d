"""Services on a real embedded edition with a clock that tests set, and writes that can be interrupted."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from scopeline.adapters.embedded.event_worker import run_once
from scopeline.bootstrap import Embedded, embedded
from scopeline.domain.files import Dataset, DatasetType, FileStatus, Parameter
from scopeline.domain.instruments import Root, TokenKind
from scopeline.domain.sessions import Session
from scopeline.formats.results import Extracted, ExtractRequest
from scopeline.handlers import gave_up, handlers
from scopeline.services import access, sessions
from scopeline.services.access import Caller
from scopeline.services.backend import Backend
from scopeline.services.sessions import Start
from scopeline.settings import load_settings

LOCAL_ID = "7d9f1f54-9d5a-4d0f-8f55-0d9ad0b7d3f1"


class PowerCut(BaseException):
    """The process ends here."""


class Cut:
    """A port whose writes count down together with those of others; at the last one the power fails.

    It fails before that write, or (`after`) right after it was done. What is cleaned up then is not written.
    """

    def __init__(self, port: Any, writes: set[str], left: list[int], *, after: bool) -> None:
        self._port, self._writes, self._left, self._after = port, writes, left, after

    def __getattr__(self, name: str) -> Any:
        method = getattr(self._port, name)
        return functools.partial(self._write, method) if name in self._writes else method

    def _write(self, method: Callable[..., Any], *args: Any, **named: Any) -> Any:
        self._left[0] -= 1
        if self._left[0] < 0 or (self._left[0] == 0 and not self._after):
            raise PowerCut
        answer = method(*args, **named)
        if self._left[0] == 0:
            raise PowerCut
        return answer


@dataclass
class Desk:
    """A back end with the instrument `titan` and its client `titan-pc`, and somebody who calls for it."""

    edition: Embedded
    now: datetime = datetime(2026, 2, 6, 12, 0, tzinfo=UTC)
    callers: dict[str, Caller] = field(default_factory=dict)

    @property
    def backend(self) -> Backend:
        return replace(self.edition.backend, clock=lambda: self.now)

    @property
    def caller(self) -> Caller:
        return self.callers["titan-pc"]

    def forward(self, **duration: float) -> None:
        self.now += timedelta(**duration)

    def start(self, local_id: str = LOCAL_ID, *, backend: Backend | None = None, **more: Any) -> Session:
        given = {"instrument": "titan", "at": self.now, "sent": self.now, **more}
        return sessions.start_session(backend or self.backend, self.caller, Start(local_id=local_id, **given))[0]

    def end(self, local_id: str = LOCAL_ID, *, backend: Backend | None = None, **more: Any) -> Session:
        given = {"at": self.now, "sent": self.now, **more}
        return sessions.end_session(backend or self.backend, self.caller, local_id, **given)

    def waiting(self) -> list[tuple[str, str, float]]:
        """Topic, key and seconds until due (0: at once) of the deliveries that wait."""
        since = self.now - datetime(1970, 1, 1, tzinfo=UTC)
        with self.edition.database.reading() as connection:
            rows = connection.execute("SELECT topic, key, due FROM deliveries ORDER BY id").fetchall()
        return [(row["topic"], row["key"], max(0.0, row["due"] / 1e6 - since.total_seconds())) for row in rows]

    def cut_at(self, action: Callable[[Backend], Any], at: int, *, after: bool) -> bool:
        """Run `action` with the power cut before or after its write number `at`; whether it has so many."""
        writes = {
            "catalog": {"create", "update", "delete"},
            "events": {"publish", "coalesce", "discard"},
            "raw": {"delete"},
            "derived": {"write", "delete"},
        }
        left = [at]
        ports = {name: Cut(getattr(self.backend, name), methods, left, after=after) for name, methods in writes.items()}
        try:
            action(replace(self.backend, **ports))
        except PowerCut:
            return True
        return False

    def cut_at_each_write(self, action: Callable[[Backend], Any], again: Callable[[], Any]) -> int:
        """Run `action` with the power cut before and after each of its writes, `again` after each; how many writes."""
        for at in range(1, 100):
            finished = 0
            for after in (False, True):
                if self.cut_at(action, at, after=after):
                    again()
                else:
                    finished += 1
            if finished:
                return at - 1
        raise AssertionError("more writes than expected")


@dataclass
class Work:
    """The handlers of an edition: a reader that finds one dataset, with its instrument's overrides; a web site."""

    desk: Desk
    read: list[str] = field(default_factory=list)
    published: dict[str, int] = field(default_factory=dict)
    site_error: Exception | None = None

    def deliver(self) -> int:
        """Deliver all that is due; how many deliveries there were."""
        backend = self.desk.backend
        return run_once(self.desk.edition.events, handlers(backend, self, self), functools.partial(gave_up, backend))

    def extract(self, request: ExtractRequest) -> Extracted:
        self.read.append(request.file_name)
        values = {name: Parameter(value=str(value)) for name, value in sorted(request.overrides.items())}
        dataset = Dataset(index=0, type=DatasetType.IMAGE, title="made", parameters=values)
        return Extracted(
            file=request.file_name,
            status=FileStatus.EXTRACTED,
            reader="digitalmicrograph",
            reader_version=3,
            datasets=[dataset],
            metadata=[{}],
        )

    def put_record(self, session: str, version: int, input_hash: str, xml: bytes) -> object:
        if self.site_error is not None:
            raise self.site_error
        self.published[session] = version
        return None

    def delete_record(self, session: str) -> bool:
        return self.published.pop(session, None) is not None


@pytest.fixture
def work(desk: Desk) -> Work:
    return Work(desk)


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    settings = load_settings(data_dir=tmp_path)
    made: list[Desk] = []
    with embedded(settings, clock=lambda: made[0].now) as edition:
        made.append(Desk(edition))
        backend = made[0].backend
        access.add_instrument(backend, {"id": "titan", "name": "Titan", "zone": "Europe/Berlin"})
        access.set_client(backend, "titan-pc", {"data": Root(instrument="titan")})
        token, _ = access.make_token(backend, TokenKind.CLIENT, "titan-pc")
        made[0].callers["titan-pc"] = Caller(token, access.get_client(backend, "titan-pc"))
        yield made[0]
