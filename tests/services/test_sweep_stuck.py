"""Work whose event was lost is begun again, and what is on its way is left alone."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from typing import Any

import pytest

from scopeline.domain.errors import InvalidInput, Unavailable
from scopeline.domain.events import Event, Topic
from scopeline.domain.files import File, FileStatus
from scopeline.domain.names import file_id, raw_object_name
from scopeline.domain.sessions import Handling, Session, SessionState
from scopeline.services import build, sessions
from scopeline.services.backend import Backend
from scopeline.services.build import window_for
from scopeline.services.files import get_or_create_file, refresh_file, upsert_version
from scopeline.services.membership import tell_session
from scopeline.services.replay import dismiss, failures
from scopeline.services.sweep import SweepReport, sweep
from scopeline.services.sweeping import stuck
from scopeline.services.sweeping.tasks import Task

STUCK = (stuck.UNREAD_FILES, stuck.MISSING_RECORDS, stuck.OUTDATED_RECORDS, stuck.UNPUBLISHED_RECORDS)


def run(desk: Any, tasks: Sequence[Task] = STUCK) -> SweepReport:
    return sweep(desk.backend, lambda event, code, reason: None, tasks=tasks)


def found(desk: Any) -> dict[str, int]:
    return {name: done.found for name, done in run(desk).tasks.items() if done.found}


def lose_events(desk: Any, *topics: Topic) -> None:
    """Take out of the queue what waits, due or not."""
    with desk.edition.database.transaction() as transaction:
        for topic in topics:
            transaction.connection.execute("DELETE FROM deliveries WHERE topic = ? AND parked_at IS NULL", (topic,))


def store(desk: Any, session: Session, path: str = "a.dm3") -> str:
    """Store a file of the session as a finished upload does; its id."""
    stored = desk.backend.raw.write(raw_object_name("titan", session.id, "titan-pc", "data", path), b"bytes")
    return file_id(stored.bucket, stored.name)


def note_version(desk: Any, session: Session, path: str = "a.dm3") -> str:
    """A file that is stored and known, whose reading never came to its end."""
    key = store(desk, session, path)
    stored = desk.backend.raw.stat(raw_object_name("titan", session.id, "titan-pc", "data", path))
    upsert_version(desk.backend, get_or_create_file(desk.backend, stored), stored)
    refresh_file(desk.backend, key)
    lose_events(desk, Topic.OBJECT_FINALIZED)
    return key


def file(desk: Any, key: str) -> File:
    document: File = desk.backend.catalog.get(File, f"files/{key}").document
    return document


def session_now(desk: Any, session: Session) -> Session:
    document: Session = desk.backend.catalog.get(Session, session.key).document
    return document


# ------------------------------------------------------------------------------------------------------------- files


def test_a_file_that_nobody_reads_is_read_after_a_while(desk: Any, work: Any) -> None:
    key = note_version(desk, desk.start())
    desk.forward(minutes=14)
    assert found(desk) == {}
    desk.forward(minutes=16)
    assert found(desk) == {"unread_files": 1}
    desk.forward(seconds=3)
    work.deliver()
    assert file(desk, key).status is FileStatus.EXTRACTED
    desk.forward(hours=1)
    assert found(desk) == {}


def test_a_queue_that_is_long_is_not_made_longer_by_every_sweep(desk: Any) -> None:
    session = desk.start()
    for n in range(3):
        note_version(desk, session, f"{n}.dm3")
    for _ in range(20):
        desk.forward(minutes=16)
        assert found(desk) == {"unread_files": 3}
    assert [topic for topic, _, _ in desk.waiting()] == ["object.changed"] * 3


def test_a_file_whose_delivery_gave_up_is_left_to_its_replay(desk: Any) -> None:
    key = note_version(desk, desk.start())
    desk.forward(minutes=20)
    assert found(desk) == {"unread_files": 1}
    desk.forward(seconds=3)
    delivery = desk.edition.events.claim([Topic.OBJECT_CHANGED])
    assert delivery.event.key == key
    desk.edition.events.fail(delivery, InvalidInput("It is broken."))
    desk.forward(hours=1)
    assert found(desk) == {}


def test_more_files_than_one_portion_are_all_found(desk: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stuck, "PAGE", 2)
    session = desk.start()
    for n in range(5):
        desk.forward(seconds=n % 2)
        note_version(desk, session, f"{n}.dm3")
    desk.forward(minutes=20)
    assert found(desk) == {"unread_files": 5}


# ----------------------------------------------------------------------------------------------------------- records


def test_an_ended_session_whose_events_were_lost_gets_its_record(desk: Any, work: Any) -> None:
    session = desk.start()
    desk.forward(hours=1)
    desk.end(announced=5)
    lose_events(desk, Topic.SESSION_ENDED)
    desk.forward(hours=2)
    assert found(desk) == {}
    desk.forward(minutes=20)
    assert found(desk) == {"missing_records": 1}
    desk.forward(seconds=3)
    work.deliver()
    assert session_now(desk, session).state is SessionState.RECORDED
    assert work.published == {session.id: 1}
    desk.forward(hours=1)
    assert found(desk) == {}


def test_an_end_that_has_just_come_late_is_not_stuck(desk: Any) -> None:
    desk.start(at=desk.now - timedelta(days=3), sent=desk.now)
    desk.end(at=desk.now - timedelta(days=2), sent=desk.now)
    lose_events(desk, Topic.SESSION_ENDED)
    assert found(desk) == {}
    desk.forward(minutes=20)
    assert found(desk) == {"missing_records": 1}


def test_a_running_session_is_not_stuck(desk: Any) -> None:
    desk.start()
    desk.forward(days=3)
    assert found(desk) == {}


def recorded_and_changed(desk: Any, work: Any, versions: int = 1) -> Session:
    """A session whose record has had so many versions, and a file that came after the last one."""
    session = desk.start()
    desk.end()
    work.deliver()
    for number in range(versions):
        desk.forward(hours=3)
        work.deliver()
        assert session_now(desk, session).record.version == number + 1
        store(desk, session, f"{number}.dm3")
        work.deliver()
    return session


def test_a_change_after_the_record_whose_event_was_lost_reaches_the_record(desk: Any, work: Any) -> None:
    session = recorded_and_changed(desk, work)
    lose_events(desk, Topic.SESSION_CHANGED)
    desk.forward(minutes=10)
    assert found(desk) == {}
    desk.forward(minutes=20)
    assert found(desk) == {"outdated_records": 1}
    desk.forward(seconds=3)
    work.deliver()
    assert session_now(desk, session).record.version == 2
    assert work.published == {session.id: 2}
    desk.forward(hours=1)
    assert found(desk) == {}


def test_a_change_that_waits_for_others_is_not_stuck(desk: Any, work: Any) -> None:
    session = recorded_and_changed(desk, work, versions=7)
    assert window_for(session_now(desk, session)) == timedelta(minutes=32)
    desk.forward(minutes=31)
    assert found(desk) == {}
    lose_events(desk, Topic.SESSION_CHANGED)
    desk.forward(minutes=17)
    assert found(desk) == {"outdated_records": 1}


def test_a_change_whose_delivery_gave_up_is_left_to_its_replay(desk: Any, work: Any) -> None:
    recorded_and_changed(desk, work)
    desk.forward(minutes=1)
    delivery = desk.edition.events.claim([Topic.SESSION_CHANGED])
    desk.edition.events.fail(delivery, InvalidInput("It is broken."))
    desk.forward(hours=1)
    assert found(desk) == {}


def test_changes_of_a_session_that_goes_on_wait_for_its_end(desk: Any, work: Any) -> None:
    session = recorded_and_changed(desk, work)
    lose_events(desk, Topic.SESSION_CHANGED)
    sessions.resume_session(desk.backend, desk.caller, session.id, at=desk.now, sent=desk.now)
    desk.forward(hours=1)
    assert found(desk) == {}
    desk.end()
    work.deliver()
    desk.forward(hours=3)
    work.deliver()
    assert found(desk) == {}
    assert session_now(desk, session).changes.behind_since is None


@pytest.mark.parametrize("handling", list(Handling))
def test_a_record_that_is_not_on_the_site_is_published_where_it_may_be(
    desk: Any, work: Any, handling: Handling
) -> None:
    session = desk.start(handling=handling)
    desk.end()
    work.deliver()
    work.published.clear()
    current = desk.backend.catalog.get(Session, session.key)
    current.document.record = current.document.record.model_copy(update={"published_version": None})
    desk.backend.catalog.update(current.document, current.revision)
    desk.forward(minutes=10)
    assert found(desk) == {}
    desk.forward(minutes=20)
    published = handling is Handling.NORMAL
    assert found(desk) == ({"unpublished_records": 1} if published else {})
    desk.forward(seconds=3)
    work.deliver()
    assert work.published == ({session.id: 1} if published else {})
    desk.forward(hours=1)
    assert found(desk) == {}


def test_a_record_that_the_site_refuses_waits_for_its_replay(desk: Any, work: Any) -> None:
    desk.start()
    desk.end()
    work.site_error = Unavailable("The site is away.", code="site_unavailable")
    for _ in range(desk.backend.settings.attempts):
        work.deliver()
        desk.forward(minutes=11)
    assert [parked.event.type for parked in desk.backend.events.parked()] == [Topic.RECORD_BUILT]
    desk.forward(hours=1)
    assert found(desk) == {}


# --------------------------------------------------------------------------------------------------------- dismissed


def dismiss_all(desk: Any) -> list[str]:
    """The topics of what gave up and is dismissed now."""
    gave_up = list(failures(desk.backend))
    assert all(dismiss(desk.backend, failure.id, "ada") for failure in gave_up)
    return [failure.topic for failure in gave_up]


def assert_left_alone(desk: Any, work: Any) -> None:
    """For two days of sweeps nothing is found, and nothing gives up."""
    for hours in (0.4, 1, 12, 36):
        desk.forward(hours=hours)
        assert found(desk) == {}
        desk.forward(seconds=3)
        work.deliver()
    assert list(failures(desk.backend)) == []


def test_a_refused_record_that_was_dismissed_is_not_published_again_until_there_is_another(
    desk: Any, work: Any
) -> None:
    session = desk.start()
    desk.end()
    work.site_error = InvalidInput("The site refuses this record.", code="refused")
    work.deliver()
    assert dismiss_all(desk) == [Topic.RECORD_BUILT]
    assert_left_alone(desk, work)
    store(desk, session)
    work.deliver()
    desk.forward(hours=2)
    work.deliver()
    assert session_now(desk, session).record.version == 2
    assert dismiss_all(desk) == [Topic.RECORD_BUILT]
    assert_left_alone(desk, work)
    work.site_error = None
    store(desk, session, "b.dm3")
    work.deliver()
    desk.forward(hours=2)
    work.deliver()
    assert work.published == {session.id: 3}


@pytest.fixture
def broken(monkeypatch: pytest.MonkeyPatch) -> Any:
    """No record can be built, until it is undone."""

    def check_record(xml: bytes) -> None:
        raise InvalidInput("The record is invalid.", code="record_invalid")

    with monkeypatch.context() as patch:
        patch.setattr(build, "check_record", check_record)
        yield patch


def changed_before_it_broke(desk: Any, work: Any) -> Session:
    """As `recorded_and_changed`, though `broken` holds from then on."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(build, "check_record", lambda xml: None)
        return recorded_and_changed(desk, work)


def test_a_first_record_that_was_dismissed_is_built_again_only_where_something_changed(
    desk: Any, work: Any, broken: Any
) -> None:
    session = desk.start()
    desk.end()
    work.deliver()
    desk.forward(hours=3)
    work.deliver()
    assert set(dismiss_all(desk)) == {Topic.SESSION_ENDED}
    assert_left_alone(desk, work)
    broken.undo()
    tell_session(desk.backend, session.id)
    lose_events(desk, Topic.SESSION_CHANGED)
    desk.forward(hours=1)
    assert found(desk) == {"missing_records": 1}
    desk.forward(seconds=3)
    work.deliver()
    assert session_now(desk, session).record.version == 1


def test_a_first_record_that_was_dismissed_is_built_after_another_end(desk: Any, work: Any, broken: Any) -> None:
    session = desk.start()
    desk.end()
    work.deliver()
    desk.forward(hours=3)
    work.deliver()
    dismiss_all(desk)
    broken.undo()
    sessions.resume_session(desk.backend, desk.caller, session.id, at=desk.now, sent=desk.now)
    desk.forward(hours=3)
    desk.end()
    lose_events(desk, *Topic)
    desk.forward(hours=3)
    assert found(desk) == {"missing_records": 1}


def test_a_change_that_was_dismissed_is_left_alone_until_the_next_change(desk: Any, work: Any, broken: Any) -> None:
    session = changed_before_it_broke(desk, work)
    desk.forward(hours=1)
    work.deliver()
    assert dismiss_all(desk) == [Topic.SESSION_CHANGED]
    assert_left_alone(desk, work)
    assert session_now(desk, session).changes.behind_since is not None
    broken.undo()
    store(desk, session, "next.dm3")
    work.deliver()
    lose_events(desk, Topic.SESSION_CHANGED)
    desk.forward(hours=1)
    assert found(desk) == {"outdated_records": 1}
    desk.forward(seconds=3)
    work.deliver()
    assert session_now(desk, session).record.version == 2


def test_a_file_that_was_dismissed_is_read_when_it_has_another_version(desk: Any, work: Any) -> None:
    session = desk.start()
    note_version(desk, session)
    for _ in range(2):
        desk.forward(minutes=20)
        assert found(desk) == {"unread_files": 1}
        desk.forward(seconds=3)
        delivery = desk.edition.events.claim([Topic.OBJECT_CHANGED])
        desk.edition.events.fail(delivery, InvalidInput("It is broken."))
        assert dismiss_all(desk) == [Topic.OBJECT_CHANGED]
        assert_left_alone(desk, work)
        note_version(desk, session)


def test_a_dismissal_does_not_undo_an_earlier_one(desk: Any, work: Any) -> None:
    session = desk.start()
    key = note_version(desk, session)
    older = file(desk, key).generation
    note_version(desk, session)
    for generation in (file(desk, key).generation, older):
        desk.backend.events.publish(
            Event(type=Topic.OBJECT_FINALIZED, key=key, at=desk.now, data={"generation": generation})
        )
        desk.edition.events.fail(desk.edition.events.claim([Topic.OBJECT_FINALIZED]), InvalidInput("It is broken."))
        dismiss_all(desk)
    assert_left_alone(desk, work)


def test_what_is_no_work_of_a_file_or_session_is_dismissed_all_the_same(desk: Any) -> None:
    for topic, key in ((Topic.OBJECT_FINALIZED, "x"), (Topic.OBJECT_CHANGED, "a" * 24), (Topic.SESSION_ENDED, "../x")):
        desk.backend.events.publish(Event(type=topic, key=key, at=desk.now))
        desk.edition.events.fail(desk.edition.events.claim([topic]), InvalidInput("It is broken."))
    assert len(dismiss_all(desk)) == 3
    assert list(failures(desk.backend)) == []


# What changed since it gave up, and after it was dismissed, is not what was dismissed.


def give_up(desk: Any, topic: Topic) -> None:
    """Have a delivery fail for good before its handler did anything."""
    desk.edition.events.fail(desk.edition.events.claim([topic]), InvalidInput("It is broken."))


def build_now(backend: Backend, session: Session) -> None:
    build.build_session(backend, Event(type=Topic.SESSION_CHANGED, key=session.id, at=backend.clock()))


def test_a_newer_record_is_published_though_the_failure_of_an_older_one_is_dismissed_after_it_was_built(
    desk: Any, work: Any
) -> None:
    session = desk.start()
    desk.end()
    work.site_error = InvalidInput("The site refuses this record.", code="refused")
    work.deliver()
    store(desk, session)
    work.deliver()
    build_now(desk.backend, session)
    assert session_now(desk, session).record.version == 2
    lose_events(desk, *Topic)
    assert dismiss_all(desk) == [Topic.RECORD_BUILT]
    work.site_error = None
    desk.forward(hours=1)
    assert found(desk) == {"unpublished_records": 1}
    desk.forward(seconds=3)
    work.deliver()
    assert work.published == {session.id: 2}


def test_a_build_publishes_its_record_though_the_failure_of_an_older_one_was_dismissed_before(
    desk: Any, work: Any
) -> None:
    session = desk.start()
    desk.end()
    work.site_error = InvalidInput("The site refuses this record.", code="refused")
    work.deliver()
    store(desk, session)
    work.deliver()
    build_now(desk.backend, session)
    lose_events(desk, *Topic)
    dismiss_all(desk)
    work.site_error = None
    build_now(desk.backend, session)
    work.deliver()
    assert work.published == {session.id: 2}


def test_a_failure_to_publish_that_does_not_say_its_version_hides_none(desk: Any, work: Any) -> None:
    session = desk.start()
    desk.end()
    work.deliver()
    current = desk.backend.catalog.get(Session, session.key)
    current.document.record = current.document.record.model_copy(update={"published_version": None})
    desk.backend.catalog.update(current.document, current.revision)
    desk.backend.events.publish(Event(type=Topic.RECORD_BUILT, key=session.id, at=desk.now))
    give_up(desk, Topic.RECORD_BUILT)
    assert dismiss_all(desk) == [Topic.RECORD_BUILT]
    desk.forward(hours=1)
    assert found(desk) == {"unpublished_records": 1}


def test_the_next_change_is_followed_where_no_build_had_begun_with_the_one_that_was_dismissed(
    desk: Any, work: Any
) -> None:
    session = recorded_and_changed(desk, work)
    desk.forward(hours=1)
    give_up(desk, Topic.SESSION_CHANGED)
    assert dismiss_all(desk) == [Topic.SESSION_CHANGED]
    store(desk, session, "next.dm3")
    work.deliver()
    lose_events(desk, Topic.SESSION_CHANGED)
    desk.forward(hours=1)
    assert found(desk) == {"outdated_records": 1}
    desk.forward(seconds=3)
    work.deliver()
    assert session_now(desk, session).record.version == 2


def test_what_gave_up_before_a_build_began_is_begun_once_more_and_then_left_alone(
    desk: Any, work: Any, broken: Any
) -> None:
    changed_before_it_broke(desk, work)
    desk.forward(hours=1)
    give_up(desk, Topic.SESSION_CHANGED)
    dismiss_all(desk)
    desk.forward(hours=1)
    assert found(desk) == {"outdated_records": 1}
    desk.forward(seconds=3)
    work.deliver()
    assert dismiss_all(desk) == [Topic.SESSION_CHANGED]
    assert_left_alone(desk, work)


def test_a_first_record_that_gave_up_before_its_build_began_stays_dismissed_until_something_changes(
    desk: Any, work: Any
) -> None:
    session = desk.start()
    desk.end()
    while desk.edition.events.state():
        give_up(desk, Topic.SESSION_ENDED)
        dismiss_all(desk)
        desk.forward(hours=3)
    assert_left_alone(desk, work)
    tell_session(desk.backend, session.id)
    lose_events(desk, Topic.SESSION_CHANGED)
    desk.forward(hours=1)
    assert found(desk) == {"missing_records": 1}


@pytest.mark.parametrize("begun", [False, True])
def test_a_change_between_a_failure_and_its_dismissal_is_followed(
    desk: Any, work: Any, broken: Any, begun: bool
) -> None:
    session = changed_before_it_broke(desk, work)
    desk.forward(hours=1)
    work.deliver()
    desk.forward(hours=1)
    store(desk, session, "next.dm3")
    work.deliver()
    lose_events(desk, Topic.SESSION_CHANGED)
    if begun:
        assert desk.cut_at(lambda backend: build_now(backend, session), 1, after=True)
        changes = session_now(desk, session).changes
        assert changes.asked == changes.started > changes.covered
    assert dismiss_all(desk) == [Topic.SESSION_CHANGED]
    broken.undo()
    desk.forward(hours=1)
    assert found(desk) == {"outdated_records": 1}
    desk.forward(seconds=3)
    work.deliver()
    assert session_now(desk, session).record.version == 2


def test_a_change_after_a_dismissal_is_followed_also_where_its_build_had_begun(
    desk: Any, work: Any, broken: Any
) -> None:
    session = changed_before_it_broke(desk, work)
    desk.forward(hours=1)
    work.deliver()
    assert dismiss_all(desk) == [Topic.SESSION_CHANGED]
    store(desk, session, "next.dm3")
    work.deliver()
    lose_events(desk, Topic.SESSION_CHANGED)
    assert desk.cut_at(lambda backend: build_now(backend, session), 1, after=True)
    changes = session_now(desk, session).changes
    assert changes.asked == changes.started > changes.covered
    desk.forward(hours=1)
    assert found(desk) == {"outdated_records": 1}


def test_an_end_between_a_failure_and_its_dismissal_is_followed(desk: Any, work: Any, broken: Any) -> None:
    session = desk.start()
    desk.end()
    work.deliver()
    lose_events(desk, *Topic)
    desk.forward(hours=1)
    sessions.resume_session(desk.backend, desk.caller, session.id, at=desk.now, sent=desk.now)
    desk.forward(hours=1)
    desk.end()
    lose_events(desk, *Topic)
    assert dismiss_all(desk) == [Topic.SESSION_ENDED]
    desk.forward(hours=3)
    assert found(desk) == {"missing_records": 1}


def test_a_version_between_a_failure_and_its_dismissal_is_read(desk: Any, work: Any) -> None:
    session = desk.start()
    key = note_version(desk, session)
    desk.forward(minutes=20)
    assert found(desk) == {"unread_files": 1}
    desk.forward(seconds=3)
    give_up(desk, Topic.OBJECT_CHANGED)
    desk.forward(seconds=1)
    note_version(desk, session)
    assert dismiss_all(desk) == [Topic.OBJECT_CHANGED]
    desk.forward(minutes=20)
    assert found(desk) == {"unread_files": 1}
    desk.forward(seconds=3)
    work.deliver()
    assert file(desk, key).status is FileStatus.EXTRACTED
