"""Records go from the catalog to the web site."""

from __future__ import annotations

import logging
from typing import Protocol

from scopeline.domain.errors import Conflict, NotFound, ScopelineError
from scopeline.domain.events import Event
from scopeline.domain.records import Record
from scopeline.domain.sessions import Handling, Session
from scopeline.services.backend import Backend
from scopeline.services.changes import change
from scopeline.services.tombstones import SessionErased, find_tombstone

log = logging.getLogger(__name__)


class RecordSite(Protocol):
    """A web site that shows one current record for each session."""

    def put_record(self, session: str, version: int, input_hash: str, xml: bytes) -> object:
        """Show this version; again with the same hash changes nothing.

        Raises Unavailable (later, again), InvalidInput (never as it is), Conflict (`stale_version`: it has a later
        one).
        """

    def delete_record(self, session: str) -> bool:
        """Remove the session's record; False where there is none."""


def publish_record(backend: Backend, site: RecordSite, event: Event) -> None:
    """Handle `record.built`: bring the session's current record to the web site and note that it is there.

    Whatever version the event names, the current one is published: an older one would only be replaced. The session may
    be erased meanwhile: whoever finds so after it has put the record takes it off again, and so does a redelivery that
    cannot know whether the one before had put it. Raises
    ScopelineError where there is none, Conflict where the site has a version that the catalog does not know.
    """
    stored = backend.catalog.get(Session, f"sessions/{event.key}")
    if stored.document.erased if stored else find_tombstone(backend, event.key):
        site.delete_record(event.key)
        return
    if stored is None or stored.document.record is None:
        raise ScopelineError(
            f"Session {event.key} has no record to publish. Expected record.built only after a record was stored.",
            code="no_record",
        )
    if stored.document.handling is not Handling.NORMAL:
        return
    current = stored.document.record
    if current.published_version == current.version:
        return
    record = backend.catalog.get(Record, f"records/{event.key}/versions/{current.version}")
    if record is None:
        raise ScopelineError(
            f"Record {event.key} version {current.version} is not in the catalog. Replay the session's build.",
            code="no_record",
        )
    version = backend.derived.stat(record.document.xml_object)
    if version is None:
        raise ScopelineError(
            f"Object {record.document.xml_object} of record {event.key} is missing. Replay the session's build.",
            code="missing_object",
        )
    with backend.derived.open(version.name, version.generation) as body:
        xml = body.read()
    try:
        site.put_record(event.key, current.version, current.inputs, xml)
    except Conflict:
        if _overtaken(backend, event.key, current.version):
            # A later version was published meanwhile by its own event.
            return
        raise
    try:
        _note_published(backend, event.key, current.version)
    except NotFound:
        site.delete_record(event.key)
        raise
    log.info("Published record %s version %d.", event.key, current.version)


def _overtaken(backend: Backend, session_id: str, version: int) -> bool:
    stored = backend.catalog.get(Session, f"sessions/{session_id}")
    return stored is not None and stored.document.record is not None and stored.document.record.version > version


def _note_published(backend: Backend, session_id: str, version: int) -> None:
    def edit(session: Session) -> bool:
        if session.erased:
            raise SessionErased(session_id)
        record = session.record
        if record is None or (record.published_version or 0) >= version:
            return False
        session.record = record.model_copy(update={"published_version": version, "published_at": backend.clock()})
        session.updated_at = backend.clock()
        return True

    change(backend.catalog, Session, f"sessions/{session_id}", edit)
