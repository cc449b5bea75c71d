"""Whether something that is missing was erased: looked up only where a document that should be there is not."""

from __future__ import annotations

from datetime import datetime

from scopeline.domain import names
from scopeline.domain.erasure import ErasedFile, Tombstone
from scopeline.domain.errors import NotFound
from scopeline.services.backend import Backend


class SessionErased(NotFound):
    """A person had the session erased: nothing more is taken for it, and nothing of it is shown."""

    code = "session_erased"
    status = 410

    def __init__(self, session: str, at: datetime | None = None) -> None:
        done = f"was erased on {at.day} {at:%B %Y} at {at:%H:%M} UTC" if at else "is being erased"
        super().__init__(f"Session {session} {done}. Send nothing more of it.")
        self.session = session
        self.at = at


def find_tombstone(backend: Backend, session_id: str) -> Tombstone | None:
    """The tombstone of a session, or None."""
    found = backend.catalog.get(Tombstone, f"tombstones/{session_id}")
    return found.document if found else None


def session_erased(backend: Backend, session_id: str) -> SessionErased:
    """The error for a session that is known to be erased, with when that was."""
    tombstone = find_tombstone(backend, session_id)
    return SessionErased(session_id, tombstone.erased_at if tombstone else None)


def refuse_erased(backend: Backend, session_id: str) -> None:
    """Raise SessionErased where the session is erased."""
    tombstone = find_tombstone(backend, session_id)
    if tombstone is not None:
        raise SessionErased(session_id, tombstone.erased_at)


def refuse_erased_object(backend: Backend, name: str) -> None:
    """Raise SessionErased where the object `name` of raw belonged to a session that is erased."""
    erased = erased_session_of(backend, name)
    if erased is not None:
        raise session_erased(backend, erased)


def erased_session_of(backend: Backend, name: str) -> str | None:
    """The erased session that the object `name` of raw belonged to: by its name, or by its file's own mark."""
    session_id = names.session_in_name(name)
    if session_id is not None and find_tombstone(backend, session_id) is not None:
        return session_id
    mark = backend.catalog.get(ErasedFile, f"erased_files/{names.file_id(backend.raw.bucket, name)}")
    return mark.document.session if mark else None
