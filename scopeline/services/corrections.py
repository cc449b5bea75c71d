"""What people change afterwards: a session's own fields, and edits to its record."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from scopeline.domain.errors import InvalidInput, ScopelineError
from scopeline.domain.names import dataset_id
from scopeline.domain.records import Edit, Overlay
from scopeline.domain.sessions import Correction, Person, Session
from scopeline.ports import PreconditionFailed, Stored
from scopeline.records.edits import SESSION_TARGET, check_edit
from scopeline.services.access import Caller
from scopeline.services.backend import Backend
from scopeline.services.files import get_file
from scopeline.services.lookup import find_session
from scopeline.services.membership import ask_for_record, publish_changed

# The revision of an overlay that nobody has made yet.
NO_OVERLAY = "0"
# An overlay with more would no longer fit into one document of every catalog.
MAX_EDITS = 2000


@dataclass(frozen=True, slots=True)
class Change:
    """One edit that a person asks for. `target` is a dataset id, or `session`."""

    target: str
    field: str
    value: Any
    reason: str | None = None


def correct_session(
    backend: Backend, caller: Caller, ref: str, fields: dict[str, Any], *, reason: str, expected: str | None
) -> Stored[Session]:
    """Change a session's own fields, keeping who, when, why and what was there before.

    `expected` is the revision that the person saw (None: whichever). Raises PreconditionFailed where it has changed.
    """
    stored = find_session(backend, ref)
    session = stored.document
    _check_revision(backend, session, "session", stored.revision, expected)
    wanted = {**fields, "people": _still_confirmed(session, fields["people"])} if "people" in fields else fields
    changed = {name: value for name, value in wanted.items() if getattr(session, name) != value}
    if not changed:
        publish_changed(backend, session)
        return stored
    before = session.model_dump(mode="json", include=set(changed))
    for name, value in changed.items():
        setattr(session, name, value)
    now = backend.clock()
    session.corrections = [*session.corrections, Correction(who=caller.name, at=now, reason=reason, before=before)]
    session.updated_at = now
    session.ask_for_record(now)
    revision = _write(backend, session, session, stored.revision)
    return Stored(session, revision)


def _still_confirmed(session: Session, people: list[Person]) -> list[Person]:
    """The people, with those confirmed that were so before: a correction takes nobody's access by the way."""
    confirmed = {person.person for person in session.people if person.confirmed}
    return [person.model_copy(update={"confirmed": person.person in confirmed}) for person in people]


def read_overlay(backend: Backend, ref: str) -> Stored[Overlay]:
    """People's edits to a session's record; an empty overlay with the revision `0` where there are none."""
    session = find_session(backend, ref).document
    found = backend.catalog.get(Overlay, f"overlays/{session.id}")
    return found or Stored(Overlay(session=session.id), NO_OVERLAY)


def edit_overlay(
    backend: Backend, caller: Caller, ref: str, changes: list[Change], *, expected: str | None
) -> Stored[Overlay]:
    """Add edits to the overlay. Raises PreconditionFailed, InvalidInput (`unknown_target`, `unknown_field`,
    `invalid_edit`).

    Who is killed after the overlay's write tells nobody: the record is asked for before, and a build that comes in
    between writes the overlay as it stands (`services/build.py`), so that this write is refused.
    """
    session = find_session(backend, ref).document
    stored = read_overlay(backend, session.id)
    _check_revision(backend, session, "overlay", stored.revision, expected)
    for asked in changes:
        _check_change(backend, session, asked)
    now = backend.clock()
    overlay = stored.document
    if len(overlay.edits) + len(changes) > MAX_EDITS:
        raise InvalidInput(f"Session {session.id} has {len(overlay.edits)} edits; at most {MAX_EDITS} are kept.")
    ask_for_record(backend, session.id, edits_read=len(overlay.edits))
    overlay.edits = [*overlay.edits, *(_edit(asked, caller.name, now) for asked in changes)]
    if stored.revision == NO_OVERLAY:
        return _create_overlay(backend, session, overlay)
    return Stored(overlay, _write(backend, session, overlay, stored.revision))


def _create_overlay(backend: Backend, session: Session, overlay: Overlay) -> Stored[Overlay]:
    if not backend.catalog.create(overlay):
        raise _changed(session, "overlay")
    publish_changed(backend, session)
    found = backend.catalog.get(Overlay, overlay.key)
    if found is None:
        raise _changed(session, "overlay")
    return found


def _write(backend: Backend, session: Session, document: Session | Overlay, revision: str) -> str:
    """Store and publish; the new revision. Publishes also where somebody else was quicker.

    A caller whose answer was lost repeats its call, finds the document changed by itself, and its change must still
    reach the record.
    """
    try:
        return backend.catalog.update(document, revision)
    finally:
        publish_changed(backend, session)


def _check_revision(backend: Backend, session: Session, what: str, found: str, expected: str | None) -> None:
    if expected is not None and expected != found:
        publish_changed(backend, session)
        raise _changed(session, what)


def _changed(session: Session, what: str) -> ScopelineError:
    return PreconditionFailed(
        f"The {what} of session {session.id} was changed by somebody else since it was read. "
        "Read it again, then repeat."
    )


def _check_change(backend: Backend, session: Session, asked: Change) -> None:
    check_edit(asked.target, asked.field, asked.value)
    if asked.target == SESSION_TARGET:
        return
    file = get_file(backend, asked.target.partition(".")[0])
    # A file without datasets stands in the record as its placeholder, number 0.
    there = {dataset_id(file.id, dataset.index) for dataset in file.datasets} or {dataset_id(file.id, 0)}
    if file.session != session.id or asked.target not in there:
        raise InvalidInput(
            f"Session {session.id} has no dataset {asked.target[:60]!r}. "
            f"Expected the id of one of its datasets, or {SESSION_TARGET!r}.",
            code="unknown_target",
        )


def _edit(asked: Change, who: str, now: datetime) -> Edit:
    return Edit(target=asked.target, field=asked.field, value=asked.value, who=who, at=now, reason=asked.reason)
