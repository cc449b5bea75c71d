"""What clients mean to send in a session, so that its record can wait for it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from scopeline.domain import names
from scopeline.domain.errors import NotFound, ScopelineError
from scopeline.domain.files import File, FileStatus
from scopeline.domain.instruments import Client, Instrument
from scopeline.domain.sessions import Session
from scopeline.services.access import Caller
from scopeline.services.backend import Backend
from scopeline.services.changes import change
from scopeline.services.files import touch
from scopeline.services.lookup import own_session
from scopeline.services.membership import publish_changed
from scopeline.services.places import check_instrument, expect_file, place_of


@dataclass(frozen=True, slots=True)
class Announcement:
    """A file that a client means to send, or (`withdrawn`) no longer can."""

    root: str
    path: str
    size: int
    mtime: datetime
    withdrawn: bool = False


@dataclass(frozen=True, slots=True)
class Announced:
    """What became of an announcement: the file, or why it is refused."""

    announcement: Announcement
    object: str | None = None
    file: str | None = None
    status: FileStatus | None = None
    refused: ScopelineError | None = None


def announce_files(
    backend: Backend, caller: Caller, ref: str, announcements: Iterable[Announcement]
) -> list[Announced]:
    """Note what the client means to send in a session, in the order given; a refused file refuses no other one."""
    session = own_session(backend, caller, ref).document
    instruments: dict[str, Instrument] = {}
    answers = [_announce(backend, caller.sender, session, a, instruments) for a in announcements]
    if any(a.announcement.withdrawn for a in answers):
        publish_changed(backend, session)
    return answers


def _announce(
    backend: Backend, client: Client, session: Session, said: Announcement, instruments: dict[str, Instrument]
) -> Announced:
    try:
        place = place_of(backend, client, said.root, said.path, said.size, instruments)
        check_instrument(session, place)
    except ScopelineError as refusal:
        if refusal.transient:
            raise
        return Announced(said, refused=refusal)
    name = names.raw_object_name(place.instrument.id, session.id, client.id, said.root, place.path)
    file_id = names.file_id(backend.raw.bucket, name)
    if said.withdrawn:
        return Announced(said, name, file_id, _withdraw(backend, file_id))
    file = expect_file(
        backend,
        client,
        place,
        name,
        session=session.id,
        size=said.size,
        mtime=said.mtime,
        first_seen=backend.clock(),
    )
    return Announced(said, name, file.id, file.status)


def _withdraw(backend: Backend, file_id: str) -> FileStatus:
    def edit(file: File) -> bool:
        if file.status is not FileStatus.ANNOUNCED:
            return False
        file.status, file.reason = FileStatus.DELETED, "It vanished from its folder before it could be sent."
        touch(file, backend.clock())
        return True

    try:
        return change(backend.catalog, File, f"files/{file_id}", edit).status
    except NotFound:
        # It was never announced, so nobody waits for it.
        return FileStatus.DELETED
