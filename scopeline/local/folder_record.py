"""A record of a folder: its files go through a temporary embedded edition, the same way as a session's."""

from __future__ import annotations

import tempfile
import uuid
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

from scopeline.adapters.embedded.event_worker import run_once
from scopeline.bootstrap import Embedded, embedded, reader_pool
from scopeline.domain.errors import InvalidInput
from scopeline.domain.files import File, FileStatus
from scopeline.domain.instruments import Root, TokenKind
from scopeline.domain.sessions import Person
from scopeline.handlers import gave_up, handlers
from scopeline.ports import FILES_OF_SESSION, find_all
from scopeline.services.access import Caller, add_instrument, make_token, set_client
from scopeline.services.build import current_record
from scopeline.services.sessions import Start, end_session, start_session
from scopeline.services.uploads import UploadRequest, request_upload
from scopeline.settings import Settings

CLIENT = "folder"
ROOT = "data"


@dataclass(frozen=True, slots=True)
class FolderSession:
    """Whose session the files are. Without `start` and `end`, the files' own times bound it."""

    folder: Path
    instrument: str
    instrument_name: str
    zone: str
    user: str
    title: str | None = None
    start: datetime | None = None
    end: datetime | None = None


@dataclass(frozen=True, slots=True)
class FolderRecord:
    """The record, the files that it shows with a reason instead of data, and the paths that were not taken."""

    xml: bytes
    unread: list[File]
    refused: list[str]


def record_of_folder(session: FolderSession, settings: Settings) -> FolderRecord:
    """Build the record of a folder's files; the same folder and arguments give the same record.

    Raises InvalidInput where there are no files or the arguments contradict each other, and what the services raise.
    """
    paths = sorted(path for path in session.folder.rglob("*") if path.is_file() and not path.is_symlink())
    if not paths:
        raise InvalidInput(f"There are no files in {session.folder}. Name a folder with a session's files.")
    if not session.user.strip():
        raise InvalidInput("The user's name is empty. Say who was at the instrument.")
    began, ended = _began(session, paths), session.end or _last(paths)
    if began > ended:
        raise InvalidInput(f"The session would begin at {began.isoformat()}, after its end at {ended.isoformat()}.")
    with reader_pool(settings) as reader, tempfile.TemporaryDirectory(prefix="scopeline-record-") as folder:
        temporary = settings.model_copy(update={"data_dir": Path(folder)})
        # The clock stands at the end of the session: nothing in the record depends on when this command runs.
        with embedded(temporary, clock=lambda: ended) as edition:
            caller = _caller(edition, session)
            session_id = _start(edition, caller, session, began)
            refused = list(_store(edition, caller, session, session_id, began, paths))
            work, parked = handlers(edition.backend, reader, None), partial(gave_up, edition.backend)
            with ThreadPoolExecutor(settings.readers) as threads:
                list(threads.map(lambda _: run_once(edition.events, work, parked), range(settings.readers)))
            end_session(edition.backend, caller, session_id, at=ended, sent=ended)
            run_once(edition.events, work, parked)
            files = find_all(edition.backend.catalog, File, FILES_OF_SESSION, where={"session": session_id})
            unread = [file for file in files if file.status is not FileStatus.EXTRACTED]
            return FolderRecord(current_record(edition.backend, session_id).xml, unread, refused)


def _caller(edition: Embedded, session: FolderSession) -> Caller:
    backend = edition.backend
    add_instrument(
        backend, {"id": session.instrument, "name": session.instrument_name, "zone": session.zone, "ignore": None}
    )
    client = set_client(backend, CLIENT, {ROOT: Root(instrument=session.instrument)})
    return Caller(token=make_token(backend, TokenKind.CLIENT, CLIENT)[0], client=client)


def _start(edition: Embedded, caller: Caller, session: FolderSession, began: datetime) -> str:
    name = "\n".join([session.folder.resolve().name, session.instrument, session.user, began.isoformat()])
    start = Start(
        local_id=str(uuid.uuid5(uuid.NAMESPACE_OID, name)),
        instrument=session.instrument,
        at=began,
        sent=edition.backend.clock(),
        title=session.title,
        people=[Person(person=session.user.strip())],
    )
    return start_session(edition.backend, caller, start)[0].id


def _store(
    edition: Embedded,
    caller: Caller,
    session: FolderSession,
    session_id: str,
    began: datetime,
    paths: Sequence[Path],
) -> Iterator[str]:
    """Store each file as an upload of the session; yields why one is not taken."""
    for path in paths:
        mtime = _time(path)
        relative = path.relative_to(session.folder).as_posix()
        request = UploadRequest(
            session=session_id,
            root=ROOT,
            path=relative,
            size=path.stat().st_size,
            mtime=mtime,
            # All of the folder belongs to the session, whatever time a file has.
            first_seen=began,
            key=relative,
        )
        try:
            upload = request_upload(edition.backend, caller, request)
        except InvalidInput as error:
            yield str(error)
            continue
        edition.raw.write(upload.object, path, if_generation=0, metadata={"mtime": mtime.isoformat()})


def _began(session: FolderSession, paths: Sequence[Path]) -> datetime:
    return session.start or min(_time(path) for path in paths)


def _time(path: Path) -> datetime:
    return datetime.fromtimestamp(path.stat().st_mtime, UTC)


def _last(paths: Sequence[Path]) -> datetime:
    return max(_time(path) for path in paths)
