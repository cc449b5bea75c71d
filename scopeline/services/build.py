"""Sessions become records: when, from what, and what follows."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from scopeline.domain.errors import Conflict, NotFound
from scopeline.domain.events import Event, Topic
from scopeline.domain.files import SETTLED, File, FileStatus
from scopeline.domain.instruments import Instrument
from scopeline.domain.records import Overlay, Record
from scopeline.domain.sessions import RecordState, Session, SessionState
from scopeline.ports import FILES_OF_SESSION, FILES_OF_SESSION_IN_STATUS, PreconditionFailed, find_all
from scopeline.records.as_json import record_as_json
from scopeline.records.builder import build_xml
from scopeline.records.gather import make_inputs
from scopeline.records.inputs import RecordInputs
from scopeline.records.schema import check_record
from scopeline.services.backend import Backend
from scopeline.services.changes import change
from scopeline.services.dismissals import is_dismissed

log = logging.getLogger(__name__)

FIRST_WINDOW = timedelta(seconds=30)
LAST_WINDOW = timedelta(hours=1)
WAITING = tuple(sorted(status.value for status in frozenset(FileStatus) - SETTLED))

# In an event's data: all that it asks for is counted in the session's `changes`, or is known from its files' status.
COUNTED = "counted"

# A name in the store or the catalog that belongs to a build which did not finish is passed over.
VERSIONS_TRIED = 100


class BuildOvertaken(Conflict):
    """Another build of the session finished first; built again, this one starts from there."""

    code = "build_overtaken"
    transient = True


@dataclass(frozen=True, slots=True)
class CurrentRecord:
    """A session's record as it is now; `version` is None where none was built yet."""

    xml: bytes
    version: int | None


def window_for(session: Session) -> timedelta:
    """How long changes of the session are joined before its record is built again.

    Nothing until the first record, so that it comes as soon as the last file is read; then 30 s, doubling with each
    version to 1 h.
    """
    if session.record is None:
        return timedelta(0)
    doublings = min(session.record.version - 1, 20)
    return min(FIRST_WINDOW * (1 << doublings), LAST_WINDOW)


def build_session(backend: Backend, event: Event) -> None:
    """Handle `session.ended` and `session.changed`: bring the session's record up to date.

    An open session has no record. The first record waits until all announced files are settled, or until the time for
    that is over; the event of that moment was published at END. Writes XML object, Record and Session, in this order,
    then publishes; a redelivery finds each of them again. Raises RecordInvalid, and BuildOvertaken where another build
    of the session was quicker. Where nothing changed since the record, the files are not read again.
    """
    stored = backend.catalog.get(Session, f"sessions/{event.key}")
    if stored is None:
        raise NotFound(f"Session {event.key} is not in the catalog, so it has no record.", code="unknown_session")
    session = stored.document
    if session.state is SessionState.OPEN or session.erased:
        return
    if session.state is SessionState.ENDED and not _is_due(backend, session):
        return
    if session.state is SessionState.RECORDED and event.data.get(COUNTED) and _is_covered(backend, session):
        _publish(backend, session.id)
        return
    session = _start_round(backend, session.id)
    _settle_edits(backend, session)
    inputs = _inputs(backend, session)
    digest = inputs.digest()
    if session.record is None or session.record.inputs != digest:
        record = _store(backend, session, inputs, digest)
        _make_current(backend, session, record)
        log.info("Built record %s version %d of %d files.", session.id, record.version, record.files)
    else:
        _cover(backend, session)
    _publish(backend, session.id)


def current_record(backend: Backend, session_id: str) -> CurrentRecord:
    """The session's record: the built one, or one made now where none was built yet. Raises NotFound."""
    session = _session(backend, session_id)
    if session.record is not None and session.state is not SessionState.OPEN:
        name = object_name(session_id, session.record.version)
        version = backend.derived.stat(name)
        if version is None:
            raise NotFound(f"Record {name} is missing in the store. Replay the session's build.", code="missing_object")
        with backend.derived.open(name, version.generation) as body:
            return CurrentRecord(body.read(), session.record.version)
    return CurrentRecord(build_xml(_inputs(backend, session)), None)


def record_json(backend: Backend, session_id: str) -> dict[str, Any]:
    """The session's record as JSON values, made from the catalog now. Raises NotFound.

    `version` is that of the built record where it was made from just this, else null.
    """
    session = _session(backend, session_id)
    inputs = _inputs(backend, session)
    built = session.record
    return record_as_json(inputs, built.version if built and built.inputs == inputs.digest() else None)


def object_name(session_id: str, version: int) -> str:
    """Where the XML of a record's version is in the derived bucket (docs/adr/0001)."""
    return f"records/{session_id}/{version}.xml"


def _session(backend: Backend, session_id: str) -> Session:
    stored = backend.catalog.get(Session, f"sessions/{session_id}")
    if stored is None:
        raise NotFound(f"Session {session_id} is not in the catalog.", code="unknown_session")
    return stored.document


def _is_due(backend: Backend, session: Session) -> bool:
    """Whether nothing is waited for any more: the files are settled, or their time is over."""
    if session.end is None or backend.clock() >= session.end.moment + backend.settings.settle_after:
        return True
    if backend.catalog.count(FILES_OF_SESSION_IN_STATUS, where={"session": session.id, "status": list(WAITING)}):
        return False
    announced = sum(session.announced.values())
    return announced == 0 or backend.catalog.count(FILES_OF_SESSION, where={"session": session.id}) >= announced


def _inputs(backend: Backend, session: Session) -> RecordInputs:
    instrument = backend.catalog.get(Instrument, f"instruments/{session.instrument}")
    overlay = backend.catalog.get(Overlay, f"overlays/{session.id}")
    return make_inputs(
        session,
        instrument.document if instrument else None,
        find_all(backend.catalog, File, FILES_OF_SESSION, where={"session": session.id}),
        overlay.document if overlay else None,
        pid_prefix=backend.settings.pid_prefix,
    )


def _store(backend: Backend, session: Session, inputs: RecordInputs, digest: str) -> Record:
    """The next version's XML and document, written now or found from a build of the same inputs that did not finish."""
    xml = build_xml(inputs)
    check_record(xml)
    first = session.record.version + 1 if session.record else 1
    for version in range(first, first + VERSIONS_TRIED):
        record = Record(
            session=session.id,
            version=version,
            inputs=digest,
            pid=inputs.pid,
            xml_object=object_name(session.id, version),
            built_at=backend.clock(),
            files=len(inputs.files),
            datasets=inputs.dataset_count,
        )
        if _write_object(backend, record.xml_object, xml, digest):
            return _write_document(backend, record)
    raise Conflict(
        f"Versions {first} to {first + VERSIONS_TRIED - 1} of record {session.id} are taken by builds that did not "
        "finish. Expected at most a few: look for what keeps builds from finishing.",
        code="versions_taken",
    )


def _write_object(backend: Backend, name: str, xml: bytes, digest: str) -> bool:
    """Whether the XML of these inputs stands at `name` now."""
    try:
        backend.derived.write(name, xml, if_generation=0, content_type="application/xml", metadata={"inputs": digest})
    except PreconditionFailed:
        there = backend.derived.stat(name)
        return there is not None and there.metadata.get("inputs") == digest
    return True


def _write_document(backend: Backend, record: Record) -> Record:
    """The Record in the catalog, written now or by the earlier build of the same inputs that wrote the object."""
    if backend.catalog.create(record):
        return record
    there = backend.catalog.get(Record, record.key)
    return there.document if there else record


def _make_current(backend: Backend, seen: Session, record: Record) -> None:
    """Name the record in the session, unless another build did meanwhile."""

    def edit(session: Session) -> bool:
        if session.record is not None and session.record.inputs == record.inputs:
            return False
        if (session.record.version if session.record else 0) != (seen.record.version if seen.record else 0):
            raise BuildOvertaken(
                f"Record {session.id} version {record.version} was overtaken by another build. Build it again."
            )
        if session.state is SessionState.OPEN:
            # It went on meanwhile: the record is built at its next END.
            return False
        published = session.record
        session.record = RecordState(
            version=record.version,
            inputs=record.inputs,
            pid=record.pid,
            built_at=record.built_at,
            published_at=published.published_at if published else None,
            published_version=published.published_version if published else None,
        )
        session.state = SessionState.RECORDED
        session.changes = session.changes.done(seen.changes.started, backend.clock())
        session.updated_at = backend.clock()
        return True

    change(backend.catalog, Session, f"sessions/{seen.id}", edit)


def _is_covered(backend: Backend, session: Session) -> bool:
    """Whether nothing changed since the record, and no file that it knows is waited for."""
    if session.changes.asked != session.changes.covered:
        return False
    waiting = {"session": session.id, "status": list(WAITING)}
    return backend.catalog.count(FILES_OF_SESSION_IN_STATUS, where=waiting) == 0


def _start_round(backend: Backend, session_id: str) -> Session:
    """The session, with the last round asked for started: what changes from now on asks for another one.

    A build that nobody asked for in rounds is one of its own, so that what it does not finish stays to be done.
    """

    def edit(session: Session) -> bool:
        before = session.changes
        session.changes = before.begun(backend.clock())
        return session.changes != before

    return change(backend.catalog, Session, f"sessions/{session_id}", edit)


def _settle_edits(backend: Backend, session: Session) -> None:
    """Have edits that were asked for in this round stand in the overlay now, or never come there as they are.

    Where they are not written yet, the overlay is written as it stands: who read it before finds it changed, and the
    edits are refused. Else the round would be covered without them, and nobody would know so if their writer is killed.
    """
    read = session.changes.edits_read
    if read is None:
        return
    if read == 0:
        backend.catalog.create(Overlay(session=session.id))
    change(backend.catalog, Overlay, f"overlays/{session.id}", lambda overlay: len(overlay.edits) <= read)


def _cover(backend: Backend, seen: Session) -> None:
    """Note that the record stands as the round wants it; also where it went on after it, and nothing came of that."""

    def edit(session: Session) -> bool:
        changes = session.changes.done(seen.changes.started, backend.clock())
        recorded = session.state is SessionState.ENDED
        if changes == session.changes and not recorded:
            return False
        session.changes = changes
        if recorded:
            session.state = SessionState.RECORDED
            session.updated_at = backend.clock()
        return True

    change(backend.catalog, Session, f"sessions/{seen.id}", edit)


def _publish(backend: Backend, session_id: str) -> None:
    """Say that the current record was built, unless it is published, or somebody said that it will not be."""
    record = _session(backend, session_id).record
    if record is None or record.published_version == record.version:
        return
    built = Event(
        type=Topic.RECORD_BUILT,
        key=session_id,
        at=backend.clock(),
        data={"version": record.version, "inputs": record.inputs},
    )
    if not is_dismissed(backend, built):
        backend.events.publish(built)
