"""Records go to the web site: the current one, once, however often and late its events come."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from scopeline.adapters.embedded.event_worker import run_once
from scopeline.domain.errors import Conflict, InvalidInput, ScopelineError, Unavailable
from scopeline.domain.events import Event, Topic
from scopeline.domain.records import Record
from scopeline.domain.sessions import RecordState, Session
from scopeline.handlers import handlers
from scopeline.services.build import build_session
from scopeline.services.changes import change
from scopeline.services.publish import publish_record


@dataclass
class Site:
    """A web site as `RecordSite` promises it; `down` is what it raises instead."""

    records: dict[str, tuple[int, str, bytes]] = field(default_factory=dict)
    calls: list[int] = field(default_factory=list)
    down: ScopelineError | None = None

    def put_record(self, session: str, version: int, input_hash: str, xml: bytes) -> object:
        self.calls.append(version)
        if self.down is not None:
            raise self.down
        if session in self.records and self.records[session][0] > version:
            raise Conflict("A later version is there.", code="stale_version")
        self.records[session] = (version, input_hash, xml)
        return None

    def delete_record(self, session: str) -> bool:
        return self.records.pop(session, None) is not None


@dataclass
class Desk:
    """The desk of the other tests, a session whose record was built, and a site."""

    desk: Any
    session_id: str
    site: Site = field(default_factory=Site)

    def session(self) -> Session:
        stored = self.desk.backend.catalog.get(Session, f"sessions/{self.session_id}")
        assert stored is not None
        return stored.document

    def record(self) -> RecordState:
        found = self.session().record
        assert found is not None
        return found

    def built(self, version: int = 1) -> Event:
        at = self.desk.backend.clock()
        return Event(type=Topic.RECORD_BUILT, key=self.session_id, at=at, data={"version": version})

    def build(self, title: str) -> None:
        change(self.desk.backend.catalog, Session, f"sessions/{self.session_id}", lambda s: setattr(s, "title", title))
        event = Event(type=Topic.SESSION_CHANGED, key=self.session_id, at=self.desk.backend.clock())
        build_session(self.desk.backend, event)

    def publish(self, version: int = 1) -> None:
        publish_record(self.desk.backend, self.site, self.built(version))


@pytest.fixture
def published(desk: Any) -> Desk:
    session = desk.start()
    desk.forward(hours=1)
    desk.end()
    desk.forward(hours=3)
    made = Desk(desk, session.id)
    made.build("first")
    return made


def test_current_record_is_brought_to_the_site_and_noted(published: Desk) -> None:
    published.publish()
    version, inputs, xml = published.site.records[published.session_id]
    assert (version, inputs) == (1, published.record().inputs)
    assert b"<title>first</title>" in xml
    assert published.record().published_version == 1
    assert published.record().published_at == published.desk.now


def test_event_delivered_again_publishes_nothing_and_notes_nothing_again(published: Desk) -> None:
    published.publish()
    noted = published.record().published_at
    published.desk.forward(minutes=1)
    published.publish()
    assert published.site.calls == [1]
    assert published.record().published_at == noted


def test_event_that_names_an_old_version_publishes_the_current_one(published: Desk) -> None:
    published.build("second")
    published.publish(version=1)
    assert published.site.records[published.session_id][0] == 2
    assert published.record().published_version == 2
    published.publish(version=2)
    assert published.site.calls == [2]


def test_publishing_that_was_overtaken_is_done(published: Desk) -> None:
    real = published.site.put_record

    def overtaken(session: str, version: int, input_hash: str, xml: bytes) -> object:
        published.site.put_record = real  # type: ignore[method-assign]
        published.build("second")
        published.publish(version=2)
        return real(session, version, input_hash, xml)

    published.site.put_record = overtaken  # type: ignore[method-assign]
    published.publish(version=1)
    assert published.site.records[published.session_id][0] == 2
    assert published.record().published_version == 2


def test_site_with_a_version_that_the_catalog_does_not_know_is_told(published: Desk) -> None:
    published.site.records[published.session_id] = (9, "of another catalog", b"")
    with pytest.raises(Conflict) as raised:
        published.publish()
    assert (raised.value.code, raised.value.transient) == ("stale_version", False)
    assert published.record().published_version is None


def test_site_that_is_down_is_tried_again(published: Desk) -> None:
    published.site.down = Unavailable("The site cannot be reached.")
    desk = published.desk
    table = handlers(desk.backend, None, published.site)  # type: ignore[arg-type]
    publishing = {Topic.RECORD_BUILT: table[Topic.RECORD_BUILT]}
    assert run_once(desk.edition.events, publishing) == 1
    assert published.record().published_version is None
    assert list(desk.edition.events.parked()) == []
    published.site.down = None
    desk.forward(minutes=1)
    assert run_once(desk.edition.events, publishing) == 1
    assert published.record().published_version == 1


def test_record_that_the_site_refuses_for_good_is_parked(published: Desk) -> None:
    published.site.down = InvalidInput("Element 'x' is not expected.", code="invalid_record")
    desk = published.desk
    table = handlers(desk.backend, None, published.site)  # type: ignore[arg-type]
    run_once(desk.edition.events, {Topic.RECORD_BUILT: table[Topic.RECORD_BUILT]})
    (parked,) = desk.edition.events.parked()
    assert (parked.code, parked.attempts) == ("invalid_record", 1)


def test_cut_at_any_write_ends_published_and_noted(published: Desk) -> None:
    desk = published.desk

    def again() -> None:
        published.publish()
        assert published.record().published_version == published.record().version
        published.build(f"after {published.record().version}")

    writes = desk.cut_at_each_write(lambda backend: publish_record(backend, published.site, published.built()), again)
    assert writes == 1


def test_missing_record_is_an_error_that_no_repetition_mends(published: Desk) -> None:
    unknown = replace(published, session_id="20260206-titan-aaaaaa")
    catalog, derived = published.desk.backend.catalog, published.desk.backend.derived
    name = catalog.get(Record, f"records/{published.session_id}/versions/1").document.xml_object
    with pytest.raises(ScopelineError) as raised:
        unknown.publish()
    assert (raised.value.code, raised.value.transient) == ("no_record", False)
    derived.delete(name, derived.stat(name).generation)
    with pytest.raises(ScopelineError) as raised:
        published.publish()
    assert (raised.value.code, raised.value.transient) == ("missing_object", False)
    catalog.delete(f"records/{published.session_id}/versions/1")
    with pytest.raises(ScopelineError) as raised:
        published.publish()
    assert (raised.value.code, raised.value.transient) == ("no_record", False)
    assert published.site.calls == []


def test_session_whose_record_was_not_built_has_none_to_publish(desk: Any, tmp_path: Path) -> None:
    session = desk.start()
    desk.forward(minutes=1)
    event = Event(type=Topic.RECORD_BUILT, key=session.id, at=desk.now - timedelta(seconds=1))
    with pytest.raises(ScopelineError) as raised:
        publish_record(desk.backend, Site(), event)
    assert raised.value.code == "no_record"
