"""Old files are read again where what they were read with has changed, and only there."""

from __future__ import annotations

from dataclasses import replace
from itertools import islice
from typing import Any

import pytest

from scopeline.domain.errors import InvalidInput
from scopeline.domain.events import Topic
from scopeline.domain.names import raw_object_name
from scopeline.domain.sessions import Session
from scopeline.formats import registry
from scopeline.ports import RECORD_VERSIONS
from scopeline.services import access
from scopeline.services.ingest import object_gave_up
from scopeline.services.reextract import Examined, examine, read_again


def store(desk: Any, session: Session, path: str) -> None:
    desk.backend.raw.write(raw_object_name("titan", session.id, "titan-pc", "data", path), b"bytes")


def recorded(desk: Any, work: Any, *paths: str) -> Session:
    """A session with a record of these files."""
    session = desk.start()
    for path in paths:
        store(desk, session, path)
    work.deliver()
    desk.end()
    settle(desk, work)
    work.read.clear()
    document: Session = desk.backend.catalog.get(Session, session.key).document
    assert document.record.version == 1
    return document


def settle(desk: Any, work: Any) -> None:
    """Let time pass until nothing is due any more."""
    for _ in range(4):
        work.deliver()
        desk.forward(hours=1)


def versions(desk: Any, session: Session) -> int:
    count: int = desk.backend.catalog.count(RECORD_VERSIONS, parent=session.id)
    return count


def changed(desk: Any, reader: str | None = None) -> dict[str, str]:
    return {each.file.path: each.why for each in examine(desk.backend, reader) if each.why is not None}


def again(desk: Any, **more: Any) -> list[Examined]:
    return list(read_again(desk.backend, examine(desk.backend), rate=1000, sleep=lambda seconds: None, **more))


def raise_version(monkeypatch: pytest.MonkeyPatch, reader: str) -> None:
    rows = (replace(row, version=row.version + 1) if row.id == reader else row for row in registry.FORMATS)
    monkeypatch.setattr(registry, "FORMATS", tuple(rows))


def test_nothing_is_read_again_where_nothing_changed(desk: Any, work: Any) -> None:
    recorded(desk, work, "a.dm3", "b.dm4")
    assert changed(desk) == {}
    assert len(again(desk)) == 2
    assert work.deliver() == 0


def test_a_changed_override_makes_exactly_one_new_record_version(desk: Any, work: Any) -> None:
    session = recorded(desk, work, "a.dm3", "b.dm4")
    access.change_instrument(desk.backend, "titan", {"overrides": {"Voltage": 200}})
    assert set(changed(desk)) == {"a.dm3", "b.dm4"}
    assert "overrides of instrument titan" in changed(desk)["a.dm3"]
    again(desk)
    settle(desk, work)
    assert sorted(work.read) == ["a.dm3", "b.dm4"]
    assert versions(desk, session) == 2
    assert work.published == {session.id: 2}
    assert changed(desk) == {}
    again(desk)
    settle(desk, work)
    assert versions(desk, session) == 2


def test_reading_again_with_the_same_result_makes_no_new_record_version(
    desk: Any, work: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    session = recorded(desk, work, "a.dm3")
    raise_version(monkeypatch, "digitalmicrograph")
    assert changed(desk) == {"a.dm3": "reader digitalmicrograph 3 -> 4"}
    again(desk)
    settle(desk, work)
    assert work.read == ["a.dm3"]
    assert versions(desk, session) == 1


def test_a_new_vocabulary_concerns_every_file(desk: Any, work: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    recorded(desk, work, "a.dm3")
    monkeypatch.setattr(registry, "VOCABULARY_VERSION", registry.VOCABULARY_VERSION + 1)
    now = registry.VOCABULARY_VERSION
    assert changed(desk) == {"a.dm3": f"vocabulary {now - 1} -> {now}"}


def test_only_the_files_of_one_reader_are_looked_at(desk: Any, work: Any) -> None:
    recorded(desk, work, "a.dm3", "b.mrc", "c.unknown")
    access.change_instrument(desk.backend, "titan", {"zone": "UTC"})
    # The reader of these tests says that all of them are of one format.
    assert set(changed(desk, "mrc")) == {"b.mrc"}
    assert set(changed(desk, "digitalmicrograph")) == {"a.dm3", "b.mrc", "c.unknown"}
    with pytest.raises(InvalidInput, match="digitalmicrograph"):
        changed(desk, "nonsense")


def test_what_was_never_read_or_is_gone_is_left_alone(desk: Any, work: Any) -> None:
    session = recorded(desk, work, "a.dm3")
    stored = desk.backend.raw.stat(raw_object_name("titan", session.id, "titan-pc", "data", "a.dm3"))
    desk.backend.raw.delete(stored.name, stored.generation)
    settle(desk, work)
    store(desk, session, "waiting.dm3")
    access.change_instrument(desk.backend, "titan", {"zone": "UTC"})
    assert changed(desk) == {}


def test_it_publishes_no_faster_than_it_is_told(desk: Any, work: Any) -> None:
    recorded(desk, work, "a.dm3", "b.dm3", "c.dm3")
    access.change_instrument(desk.backend, "titan", {"zone": "UTC"})
    pauses: list[float] = []
    found = list(read_again(desk.backend, examine(desk.backend), rate=4, sleep=pauses.append))
    assert len(found) == 3
    assert pauses == [0.25] * 3


def test_it_can_be_interrupted_and_begun_again(desk: Any, work: Any) -> None:
    session = recorded(desk, work, "a.dm3", "b.dm3", "c.dm3")
    access.change_instrument(desk.backend, "titan", {"overrides": {"Voltage": 200}})
    list(islice(read_again(desk.backend, examine(desk.backend), rate=1, sleep=lambda seconds: None), 2))
    work.deliver()
    assert len(changed(desk)) == 1
    again(desk)
    settle(desk, work)
    assert sorted(work.read) == ["a.dm3", "b.dm3", "c.dm3"]
    assert versions(desk, session) == 2


def test_a_file_that_could_not_be_processed_is_read_again(desk: Any, work: Any) -> None:
    session = desk.start()
    store(desk, session, "a.dm3")
    delivery = desk.edition.events.claim([Topic.OBJECT_FINALIZED])
    object_gave_up(desk.backend, delivery.event, "The reader was away.")
    desk.edition.events.acknowledge(delivery)
    assert changed(desk) == {"a.dm3": "it failed: It could not be processed: The reader was away."}
    again(desk)
    settle(desk, work)
    assert work.read == ["a.dm3"]
