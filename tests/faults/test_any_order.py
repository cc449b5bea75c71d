"""Whatever people, PCs and machines do, in any order: in the end the guarantee holds."""

from __future__ import annotations

import random
import tempfile
import uuid
from pathlib import Path

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, initialize, rule, run_state_machine_as_test
from laboratory import SCALE, Laboratory, as_another
from test_embedded_faults import embedded_laboratory
from trouble import Fuse, PowerCut, with_fuse

from scopeline.domain.errors import ScopelineError, Unavailable
from scopeline.domain.events import Event, StoredObject
from scopeline.domain.sessions import SessionState
from scopeline.services import sessions

PATHS = st.sampled_from(["a.txt", "b.txt", "sub/a.txt", "__x__.txt"])
# What is killed in the middle, or handled at once with others, may be read again each time.
READINGS = 50
TEXTS = st.sampled_from(["one", "two", "three", "bad bytes"])


class AnyDay(RuleBasedStateMachine):
    """Sessions are played; their events are held back, told twice, in any order, lost and told again, and handlers are
    killed in the middle. Then all is quiet, everything is delivered, and the laboratory is checked."""

    sessions_begun = Bundle("sessions_begun")
    versions = Bundle("versions")

    @initialize(seed=st.integers(0, 2**32))
    def open(self, seed: int) -> None:
        # Threads make how many events there are differ from run to run; what hypothesis draws must not depend on it.
        self.chance = random.Random(seed)
        self.folder = tempfile.TemporaryDirectory()
        self.context = embedded_laboratory(Path(self.folder.name))
        self.lab: Laboratory = self.context.__enter__()
        self.waiting: list[Event] = []  # taken from the queue, not handled yet
        self.begun: list[str] = []

    def teardown(self) -> None:
        if not hasattr(self, "lab"):
            return
        try:
            self._finish()
        finally:
            self.context.__exit__(None, None, None)
            self.folder.cleanup()

    def _finish(self) -> None:
        self.gather()
        for event in self.waiting:
            self._insist(event)
        self.lab.settle()
        # What has given up is replayed; nothing may give up for good.
        for parked in list(self.lab.backend.events.parked()):
            assert self.lab.backend.events.replay(parked.id)
        self.lab.settle()
        ended = [s for s in self.begun if self.lab.session(s).state is not SessionState.OPEN]
        self.lab.check(*ended, readings=READINGS)

    def _insist(self, event: Event) -> None:
        for _ in range(20):
            try:
                self.lab.handle(event)
                return
            except Unavailable:
                continue
            except ScopelineError as error:
                if not error.transient:
                    raise
        raise AssertionError(f"{event.type} never succeeded")

    # ------------------------------------------------------------------------------------------ people and their PCs

    @rule(target=sessions_begun)
    def start(self) -> str:
        session = self.lab.start(str(uuid.UUID(int=self.chance.getrandbits(128), version=4)))
        self.begun.append(session)
        return session

    @rule(session=sessions_begun, announced=st.sampled_from([None, 0, 1, 5]))
    def end(self, session: str, announced: int | None) -> None:
        self.lab.end(session, announced=announced)

    @rule(session=sessions_begun)
    def go_on(self, session: str) -> None:
        moment = self.lab.clock()
        sessions.resume_session(self.lab.backend, self.lab.caller, session, at=moment, sent=moment)

    @rule(target=versions, session=sessions_begun, path=PATHS, text=TEXTS)
    def send(self, session: str, path: str, text: str) -> tuple[StoredObject, str]:
        return self.lab.send(session, path, text), text

    @rule(target=versions, path=PATHS, text=TEXTS)
    def send_without_a_session(self, path: str, text: str) -> tuple[StoredObject, str]:
        return self.lab.send(None, "unassigned " + path, text), text

    @rule(version=versions, right=st.booleans())
    def confirm(self, version: tuple[StoredObject, str], right: bool) -> None:
        stored, text = version
        known = next(s for s in self.lab.sent[stored.name] if s.stored.generation == stored.generation)
        if known.accepted:
            self.lab.confirm(stored, text if right else text + "!")

    @rule(version=versions)
    def delete(self, version: tuple[StoredObject, str]) -> None:
        self.lab.delete(version[0])

    @rule(minutes=st.sampled_from([0.05, 1, 20, 150]))
    def wait(self, minutes: float) -> None:
        self.lab.forward(minutes=minutes)

    # -------------------------------------------------------------------------------------------------- deliveries

    @rule()
    def gather(self) -> None:
        """Deliveries are on their way, in no order."""
        self.waiting += self.lab.take()
        self.chance.shuffle(self.waiting)

    @rule(again=st.booleans())
    def handle(self, again: bool) -> None:
        if not self.waiting:
            return
        event = self.waiting.pop()
        self._insist(event)
        if again:
            self.waiting.insert(0, as_another(event, 1) if self.chance.random() < 0.5 else event)

    @rule(at=st.integers(1, 14), after=st.booleans())
    def handle_and_be_killed(self, at: int, after: bool) -> None:
        """It is not acknowledged, so it comes again."""
        if not self.waiting:
            return
        event = self.waiting[-1]
        try:
            self.lab.handle(event, backend=with_fuse(self.lab.backend, Fuse(at, PowerCut, after, final=True)))
        except (PowerCut, Unavailable):
            self.chance.shuffle(self.waiting)
            return
        self.waiting.remove(event)

    @rule(count=st.integers(2, 4))
    def handle_at_once(self, count: int) -> None:
        together = [self.waiting.pop() for _ in range(min(count, len(self.waiting)))]
        if together:
            self.lab.handle_at_once(together)


def test_any_day_ends_with_the_guarantee() -> None:
    run_state_machine_as_test(
        AnyDay,
        settings=settings(
            max_examples=max(10, int(400 * SCALE)),
            stateful_step_count=40,
            deadline=None,
            derandomize=True,
            database=None,
            suppress_health_check=list(HealthCheck),
        ),
    )
