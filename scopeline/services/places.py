"""Where a client's file belongs, and its document from the moment that it is expected."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from scopeline.domain import names
from scopeline.domain.errors import Forbidden, InvalidInput
from scopeline.domain.files import File, FileStatus, Membership
from scopeline.domain.instruments import Client, Instrument
from scopeline.domain.sessions import Session
from scopeline.services.access import get_instrument
from scopeline.services.backend import Backend
from scopeline.services.changes import change
from scopeline.services.files import UPLOADED, get_file, touch
from scopeline.services.ignore import refuse_ignored


@dataclass(frozen=True, slots=True)
class Place:
    """Where one file of a client belongs: its instrument, root and normal path."""

    instrument: Instrument
    root: str
    path: str


def place_of(
    backend: Backend, client: Client, root: str, path: str, size: int, instruments: dict[str, Instrument]
) -> Place:
    """The instrument of a client's root and the path in normal form. `instruments` keeps what was read.

    Raises InvalidInput (`unknown_root`, `invalid_path`, `ignored`, `file_too_large`).
    """
    known = client.roots.get(root)
    if known is None:
        raise InvalidInput(
            f"Client {client.id} has no root {root[:60]!r}. It has: {', '.join(sorted(client.roots)) or 'none'}. "
            "Add it: scopeline instruments client add.",
            code="unknown_root",
        )
    normal = names.normalise_path(path)
    if known.instrument not in instruments:
        instruments[known.instrument] = get_instrument(backend, known.instrument)
    instrument = instruments[known.instrument]
    refuse_ignored(normal, instrument)
    if size > backend.settings.max_file_size:
        raise InvalidInput(
            f"File {normal!r} has {size} bytes; at most {backend.settings.max_file_size} are accepted "
            "(setting max_file_size).",
            code="file_too_large",
            status=413,
        )
    return Place(instrument, root, normal)


def check_instrument(session: Session, place: Place) -> None:
    """Raise Forbidden (`not_your_instrument`) where the file's root belongs to another instrument than the session."""
    if session.instrument != place.instrument.id:
        raise Forbidden(
            f"Root {place.root!r} belongs to instrument {place.instrument.id}, session {session.id} to "
            f"{session.instrument}. Send the file to a session of its own instrument.",
            code="not_your_instrument",
        )


def expect_file(
    backend: Backend,
    client: Client,
    place: Place,
    name: str,
    *,
    session: str | None,
    size: int,
    mtime: datetime,
    first_seen: datetime,
) -> File:
    """The document of a file that is to come as object `name`, made or found; a vanished one is expected again."""
    now = backend.clock()
    member = [Membership(session=session, at=now, who=client.id, why=UPLOADED)] if session else []
    file = File(
        bucket=backend.raw.bucket,
        object=name,
        session=session,
        membership=member,
        instrument=place.instrument.id,
        client=client.id,
        root=place.root,
        path=place.path,
        first_seen=first_seen,
        size=size,
        mtime=mtime,
        updated_at=now,
    )
    if backend.catalog.create(file):
        return file
    there = get_file(backend, file.id)
    return _expect_again(backend, there) if there.status is FileStatus.DELETED else there


def _expect_again(backend: Backend, file: File) -> File:
    def edit(current: File) -> bool:
        if current.status is not FileStatus.DELETED or current.generation is not None:
            return False
        current.status, current.reason = FileStatus.ANNOUNCED, None
        touch(current, backend.clock())
        return True

    return change(backend.catalog, File, file.key, edit)
