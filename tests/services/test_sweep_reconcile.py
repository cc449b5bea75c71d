"""The raw bucket and the catalog are compared: what one of them lost is found, what differs is shown to a person."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from scopeline.domain.erasure import Tombstone
from scopeline.domain.errors import InvalidInput
from scopeline.domain.events import StoredObject, Topic
from scopeline.domain.files import File, FileStatus
from scopeline.domain.findings import Finding
from scopeline.domain.names import file_id
from scopeline.ports import FINDINGS, Retained
from scopeline.services.files import get_version
from scopeline.services.metrics import measure
from scopeline.services.replay import dismiss, failures, list_failures, replay
from scopeline.services.sweep import SweepReport, sweep
from scopeline.services.sweeping import reconcile
from scopeline.services.sweeping.reconcile import CATALOG_FILES, KNOWN_FINDINGS, OBJECTS
from scopeline.services.sweeping.tasks import Task

FOLDER = "titan/20260206-titan-aaaaaa/titan-pc/data"


def run(
    desk: Any, tasks: Sequence[Task] = (KNOWN_FINDINGS, OBJECTS, CATALOG_FILES), backend: Any = None
) -> SweepReport:
    return sweep(backend or desk.backend, lambda event, code, reason: None, tasks=tasks)


def found(desk: Any, **more: Any) -> dict[str, int]:
    return {name: done.found for name, done in run(desk, **more).tasks.items() if done.found or done.failed}


def store(desk: Any, path: str = "a.dm3", data: bytes = b"bytes") -> StoredObject:
    stored: StoredObject = desk.backend.raw.write(f"{FOLDER}/{path}", data)
    return stored


def lose_events(desk: Any) -> None:
    with desk.edition.database.transaction() as transaction:
        transaction.connection.execute("DELETE FROM deliveries")


def lose_waiting(desk: Any) -> None:
    """Lose the events that did not give up."""
    with desk.edition.database.transaction() as transaction:
        transaction.connection.execute("DELETE FROM deliveries WHERE parked_at IS NULL")


def file(desk: Any, path: str = "a.dm3") -> File:
    document: File = desk.backend.catalog.get(File, f"files/{file_id('raw', f'{FOLDER}/{path}')}").document
    return document


def damage(desk: Any, stored: StoredObject, **fields: Any) -> None:
    """Let the store say something else of an object."""
    changes = ", ".join(f"{name} = :{name}" for name in fields)
    with desk.edition.database.transaction() as transaction:
        changed = transaction.connection.execute(
            f"UPDATE objects SET {changes} WHERE generation = :generation",
            {**fields, "generation": stored.generation},
        ).rowcount
    assert changed == 1


# ------------------------------------------------------------------------------------- objects that nobody knows


def test_an_object_whose_event_was_lost_is_read(desk: Any, work: Any) -> None:
    stored = store(desk)
    lose_events(desk)
    assert found(desk) == {}, "it may be on its way"
    desk.forward(days=1)
    assert found(desk) == {"objects": 1}
    work.deliver()
    assert (file(desk).status, file(desk).generation) == (FileStatus.EXTRACTED, stored.generation)
    desk.forward(days=1)
    assert found(desk) == {}


def test_a_new_version_of_a_known_file_is_found_too(desk: Any, work: Any) -> None:
    store(desk)
    work.deliver()
    stored = store(desk, data=b"other")
    lose_events(desk)
    desk.forward(days=1)
    assert found(desk) == {"objects": 1}
    work.deliver()
    assert file(desk).generation == stored.generation


def test_an_object_whose_event_gave_up_is_left_to_its_replay(desk: Any) -> None:
    store(desk)
    desk.edition.events.fail(desk.edition.events.claim([Topic.OBJECT_FINALIZED]), InvalidInput("It is broken."))
    desk.forward(days=1)
    assert found(desk) == {}


def test_a_newer_version_is_found_where_the_delivery_of_an_older_one_gave_up(desk: Any) -> None:
    store(desk)
    desk.edition.events.fail(desk.edition.events.claim([Topic.OBJECT_FINALIZED]), InvalidInput("It is broken."))
    newer = store(desk, data=b"other")
    lose_waiting(desk)
    desk.forward(days=1)
    assert found(desk) == {"objects": 1}
    assert desk.edition.events.claim([Topic.OBJECT_FINALIZED]).event.data["generation"] == newer.generation


def test_an_object_whose_event_was_dismissed_is_announced_only_with_its_next_version(desk: Any) -> None:
    store(desk)
    desk.edition.events.fail(desk.edition.events.claim([Topic.OBJECT_FINALIZED]), InvalidInput("It is broken."))
    (failure,) = failures(desk.backend)
    assert dismiss(desk.backend, failure.id, "ada")
    for _ in range(3):
        desk.forward(days=1)
        assert found(desk) == {}
    store(desk, data=b"other")
    lose_events(desk)
    desk.forward(days=1)
    assert found(desk) == {"objects": 1}


def test_a_round_goes_on_over_many_sweeps(desk: Any, work: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reconcile, "PORTION", 2)
    paths = [f"{n}.dm3" for n in range(6)]
    for path in paths:
        store(desk, path)
    lose_events(desk)
    desk.forward(days=1)
    assert [found(desk).get("objects", 0) for _ in range(4)] == [2, 2, 2, 0]
    work.deliver()
    assert sorted(work.read) == paths
    desk.forward(days=1)
    assert [run(desk).tasks["catalog_files"].looked_at for _ in range(3)] == [2, 2, 2]


# ------------------------------------------------------------------------------------------ files without an object


def test_a_file_whose_object_is_gone_is_deleted_where_its_event_was_lost(desk: Any, work: Any) -> None:
    first, second = store(desk, "a.dm3"), store(desk, "b.dm3")
    work.deliver()
    desk.backend.raw.delete(first.name, first.generation)
    lose_events(desk)
    assert found(desk) == {"catalog_files": 1}
    work.deliver()
    assert (file(desk, "a.dm3").status, file(desk, "b.dm3").status) == (FileStatus.DELETED, FileStatus.EXTRACTED)
    assert file(desk, "b.dm3").generation == second.generation
    desk.forward(days=1)
    assert found(desk) == {}


class DeletedByName:
    """A store that keeps what was deleted by its name alone as an old version."""

    def __init__(self, raw: Any) -> None:
        self._raw = raw

    def __getattr__(self, name: str) -> Any:
        return getattr(self._raw, name)

    def stat(self, name: str, generation: int | None = None) -> StoredObject | None:
        return self._raw.stat(name, generation) if generation is not None else None


def test_a_file_whose_name_has_no_current_version_any_more_is_deleted(desk: Any, work: Any) -> None:
    stored = store(desk)
    work.deliver()
    archived = replace(desk.backend, raw=DeletedByName(desk.backend.raw))
    assert found(desk, backend=archived, tasks=[CATALOG_FILES]) == {"catalog_files": 1}
    work.deliver()
    assert file(desk).status is FileStatus.DELETED
    assert desk.backend.raw.stat(stored.name, stored.generation) is not None


def test_an_older_version_stays_the_files_where_the_newer_one_was_deleted(desk: Any, work: Any) -> None:
    older = store(desk)
    work.deliver()
    newer = store(desk, data=b"other")
    work.deliver()
    desk.backend.raw.delete(newer.name, newer.generation)
    work.deliver()
    assert file(desk).generation == older.generation
    assert desk.backend.raw.stat(older.name) is None
    assert found(desk) == {}


# ------------------------------------------------------------------------------------------------ what differs


@pytest.mark.parametrize("fields", [{"size": 4}, {"md5": "0" * 32}, {"crc32c": "AAAAAA=="}])
def test_a_difference_is_shown_to_a_person_until_it_is_mended(desk: Any, work: Any, fields: dict[str, Any]) -> None:
    stored = store(desk)
    work.deliver()
    damage(desk, stored, **fields)
    first = desk.now
    assert found(desk) == {"objects": 1}
    desk.forward(days=1)
    found(desk)
    (failure,) = failures(desk.backend)
    assert (failure.code, failure.subject, failure.since) == ("bytes_differ", file(desk).id, first)
    assert (failure.transient, failure.replayable) == (False, False)
    assert next(iter(fields)) in failure.reason
    assert json.loads(failure.model_dump_json())["payload"]["data"]["generation"] == stored.generation
    assert list_failures(desk.backend, limit=10, cursor=None) == ([failure], None)
    assert [(one.code, one.count) for one in measure(desk.backend).gave_up] == [("bytes_differ", 1)]
    assert replay(desk.backend, failure.id)
    assert list(failures(desk.backend)) == [failure], "nothing was mended yet"
    damage(desk, stored, **{name: getattr(stored, name) for name in fields})
    assert replay(desk.backend, failure.id)
    assert list(failures(desk.backend)) == []
    assert not replay(desk.backend, failure.id)
    assert file(desk).status is FileStatus.EXTRACTED


def test_a_difference_is_forgotten_by_itself_when_the_file_was_sent_again(desk: Any, work: Any) -> None:
    stored = store(desk)
    work.deliver()
    damage(desk, stored, size=4)
    assert found(desk) == {"objects": 1}
    store(desk, data=b"again")
    work.deliver()
    desk.forward(days=1)
    assert found(desk) == {"findings": 1}
    assert desk.backend.catalog.find(Finding, FINDINGS).items == []


def test_many_differences_are_compared_again_by_portions_and_each_once_a_round(
    desk: Any, work: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reconcile, "FINDINGS_PORTION", 2)
    objects = [store(desk, f"{n}.dm3") for n in range(7)]
    work.deliver()
    for stored in objects:
        damage(desk, stored, size=4)
    assert found(desk) == {"objects": 7}
    for stored in objects[1:]:
        damage(desk, stored, size=5)
    desk.forward(days=1)
    ticks = iter(range(1000))
    swept = sweep(
        desk.backend,
        lambda event, code, reason: None,
        tasks=[KNOWN_FINDINGS],
        budget=timedelta(seconds=2.5),
        stopwatch=lambda: float(next(ticks)),
    ).tasks["findings"]
    assert (swept.looked_at, swept.found, swept.round_ended) == (4, 3, False)
    assert desk.backend.catalog.count(FINDINGS) == 4
    swept = run(desk, tasks=[KNOWN_FINDINGS]).tasks["findings"]
    assert (swept.looked_at, swept.found, swept.round_ended) == (3, 3, True)
    assert [finding.object for finding in desk.backend.catalog.find(Finding, FINDINGS).items] == [objects[0].name]


def test_a_difference_that_was_dismissed_is_shown_again_where_it_is_another_one(desk: Any, work: Any) -> None:
    stored = store(desk)
    work.deliver()
    damage(desk, stored, size=4)
    found(desk)
    (failure,) = failures(desk.backend)
    assert dismiss(desk.backend, failure.id, "ada")
    desk.forward(days=1)
    found(desk)
    assert list(failures(desk.backend)) == []
    damage(desk, stored, md5="0" * 32)
    desk.forward(days=1)
    found(desk)
    (other,) = failures(desk.backend)
    assert (other.id, other.since) == (failure.id, desk.now)
    assert "md5" in other.reason


def test_a_version_that_the_catalog_takes_for_deleted_is_shown(desk: Any, work: Any) -> None:
    stored = store(desk)
    work.deliver()
    version = get_version(desk.backend, file(desk).id, stored.generation)
    kept = desk.backend.catalog.get(type(version), version.key)
    kept.document.deleted = True
    desk.backend.catalog.update(kept.document, kept.revision)
    assert found(desk) == {"objects": 1}
    (failure,) = failures(desk.backend)
    assert failure.code == "deleted_but_stored"


@pytest.mark.parametrize("failure_id", ["", "1.2", "../sessions", "a" * 24 + ".x", "a" * 24 + ".1", "9" * 400])
def test_what_is_no_failure_is_not_replayed(desk: Any, failure_id: str) -> None:
    assert not replay(desk.backend, failure_id)


# ------------------------------------------------------------------------------------------------ erased sessions


def test_what_comes_for_an_erased_session_is_deleted_and_not_announced(desk: Any) -> None:
    store(desk)
    store(desk, data=b"twice")
    desk.backend.raw.write("titan/20260206-titan-bbbbbb/titan-pc/data/b.dm3", b"of another")
    lose_events(desk)
    erased = Tombstone(session="20260206-titan-aaaaaa", reason="asked", who="ada", at=desk.now)
    desk.backend.catalog.create(erased)
    desk.forward(days=1)
    assert found(desk) == {"objects": 2}
    assert [stored.name for stored in desk.backend.raw.versions("")] == [
        "titan/20260206-titan-bbbbbb/titan-pc/data/b.dm3"
    ]
    assert [topic for topic, _, _ in desk.waiting()] == ["object.deleted", "object.deleted", "object.finalized"]


def test_an_object_that_may_not_be_deleted_yet_holds_up_no_other_one(desk: Any) -> None:
    class Locked:
        def __getattr__(self, name: str) -> Any:
            return getattr(desk.backend.raw, name)

        def delete(self, name: str, generation: int) -> bool:
            raise Retained("The bucket is locked.")

    store(desk)
    desk.backend.raw.write("titan/20260206-titan-bbbbbb/titan-pc/data/b.dm3", b"of another")
    lose_events(desk)
    erased = Tombstone(session="20260206-titan-aaaaaa", reason="asked", who="ada", at=desk.now)
    desk.backend.catalog.create(erased)
    desk.forward(days=1)
    done = run(desk, backend=replace(desk.backend, raw=Locked())).tasks["objects"]
    assert (done.looked_at, done.found, done.failed) == (2, 1, 1)
    assert [topic for topic, _, _ in desk.waiting()] == ["object.finalized"]
