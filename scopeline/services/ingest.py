"""From a stored version of a file to its metadata and previews in the catalog."""

from __future__ import annotations

import hashlib
import json
import logging
import time
from dataclasses import dataclass
from typing import Protocol

from pydantic import ValidationError

from scopeline.domain.errors import InvalidInput
from scopeline.domain.events import Event, StoredObject, Topic, object_changed_event
from scopeline.domain.files import Extraction, File, FileStatus, FileVersion, current_version
from scopeline.domain.instruments import Instrument
from scopeline.domain.names import file_id
from scopeline.formats import registry
from scopeline.formats.results import Extracted, ExtractRequest
from scopeline.logs import learn
from scopeline.ports import MissingObject, NotCurrent, ObjectRef, TooLargeToCopy
from scopeline.services.backend import Backend
from scopeline.services.changes import change
from scopeline.services.companions import companions_of_object, leaders_of_object
from scopeline.services.derived import store_result
from scopeline.services.files import get_or_create_file, get_version, newest_versions, refresh_file, upsert_version
from scopeline.services.membership import tell_session

log = logging.getLogger(__name__)


# Stands for the inputs' hash in a result that was given up: no inputs have it, so that a replay reads again.
GIVEN_UP = "given-up"


class FileReader(Protocol):
    """Reads one file apart from the service, so that a crash or hang becomes an answer."""

    def extract(self, request: ExtractRequest) -> Extracted:
        """The answer for one file; it never raises for what a file contains."""


@dataclass(frozen=True, slots=True)
class Inputs:
    """All that an extraction depends on (design section 5, "Idempotency")."""

    generation: int
    companions: tuple[StoredObject, ...]
    leaders: tuple[str, ...]
    reader_versions: str
    instrument_revision: int

    @property
    def hash(self) -> str:
        """16 hexadecimal characters; the same inputs have the same."""
        text = json.dumps(
            [
                self.generation,
                sorted((c.name, c.generation) for c in self.companions),
                sorted(self.leaders),
                self.reader_versions,
                self.instrument_revision,
            ]
        )
        return hashlib.sha256(text.encode()).hexdigest()[:16]


def object_finalized(backend: Backend, reader: FileReader, event: Event) -> None:
    """Handle `object.finalized`: read the new version, and again the files that are read together with it."""
    stored = _raw_object(backend, event)
    file = _file_of(backend, stored)
    version = upsert_version(backend, file, stored)
    log.info("Stored %s: %s, %d bytes.", _words(file), file.path, stored.size)
    if backend.raw.stat(stored.name, stored.generation) is None:
        _mark_deleted(backend, version)
    else:
        _extract(backend, reader, file, version)
    _finish(backend, file)


def object_deleted(backend: Backend, event: Event) -> None:
    """Handle `object.deleted`: the version is gone, whichever event came first."""
    stored = _raw_object(backend, event)
    file = _file_of(backend, stored)
    _mark_deleted(backend, upsert_version(backend, file, stored))
    _finish(backend, file)


def object_changed(backend: Backend, reader: FileReader, event: Event) -> None:
    """Handle `object.changed`: read what is current again where something that it is read with changed."""
    name = _changed_object(backend, event)
    stored = backend.raw.stat(name)
    if stored is not None:
        file = _file_of(backend, stored)
        _extract(backend, reader, file, upsert_version(backend, file, stored))
    key = file_id(backend.raw.bucket, name)
    if stored is None and backend.catalog.get(File, f"files/{key}") is None:
        return
    file = refresh_file(backend, key)
    if file.generation is not None and (stored is None or file.generation != stored.generation):
        # The newest version was deleted or rejected, and an earlier one is the file's again.
        version = get_version(backend, key, file.generation)
        if version is not None:
            _extract(backend, reader, file, version)
            file = refresh_file(backend, key)
    _tell_session(backend, file)


def object_gave_up(backend: Backend, event: Event, reason: str) -> None:
    """`object.finalized` or `object.changed` is parked: a version without a result gets the reason for one.

    Its file is `failed` then, and its session's record does not wait for it. A replay reads the version again. Raises
    InvalidInput (`bad_event`, `foreign_bucket`).
    """
    if event.type is Topic.OBJECT_FINALIZED:
        stored: StoredObject | None = _raw_object(backend, event)
    else:
        stored = backend.raw.stat(_changed_object(backend, event))
    if stored is None:
        # Deleted meanwhile: its own event tells.
        return
    file = _file_of(backend, stored)
    version = upsert_version(backend, file, stored)

    def give_up(current: FileVersion) -> bool:
        if current.extraction is not None:
            return False
        current.extraction = _given_up(backend, f"It could not be processed: {reason}")
        return True

    change(backend.catalog, FileVersion, version.key, give_up)
    _tell_session(backend, refresh_file(backend, file.id))


def _file_of(backend: Backend, stored: StoredObject) -> File:
    """The file of a version; what is logged from here on names its session, wherever the object stands."""
    file = get_or_create_file(backend, stored)
    learn(session=file.session)
    return file


def _raw_object(backend: Backend, event: Event) -> StoredObject:
    """The version that an object event is about. Raises InvalidInput (`bad_event`, `foreign_bucket`)."""
    try:
        stored = StoredObject.model_validate(event.data)
    except ValidationError as error:
        raise _bad_event(event, str(error.errors(include_url=False)[0]["loc"])) from None
    _check_bucket(backend, event, stored.bucket)
    return stored


def _changed_object(backend: Backend, event: Event) -> str:
    """The object that `object.changed` is about. Raises InvalidInput (`bad_event`, `foreign_bucket`)."""
    name = event.data.get("object")
    if not isinstance(name, str):
        raise _bad_event(event, "object")
    _check_bucket(backend, event, event.data.get("bucket"))
    return name


def _bad_event(event: Event, field: str) -> InvalidInput:
    return InvalidInput(
        f"Event {event.type} of {event.key} lacks a usable {field}. Expected data as in docs/adr/0001.",
        code="bad_event",
    )


def _check_bucket(backend: Backend, event: Event, bucket: object) -> None:
    if bucket != backend.raw.bucket:
        raise InvalidInput(
            f"Event {event.type} names the bucket {bucket!r}; expected {backend.raw.bucket!r}. "
            "Check which bucket sends its events here.",
            code="foreign_bucket",
        )


def _mark_deleted(backend: Backend, version: FileVersion) -> None:
    def edit(current: FileVersion) -> bool:
        if current.deleted:
            return False
        current.deleted = True
        return True

    change(backend.catalog, FileVersion, version.key, edit)


def _finish(backend: Backend, file: File) -> None:
    """What follows from a changed version: the file's state, the files read together with it, the session."""
    refreshed = refresh_file(backend, file.id)
    for name in (
        *leaders_of_object(backend.raw, file.object),
        *(c.name for c in companions_of_object(backend.raw, file.object)),
    ):
        backend.events.publish(object_changed_event(backend.raw.bucket, name, backend.clock()))
    _tell_session(backend, refreshed)


def _tell_session(backend: Backend, file: File) -> None:
    """Tell the session of a file as it stood when it was refreshed; who moves it after that tells by himself."""
    if file.session:
        tell_session(backend, file.session)


# --------------------------------------------------------------------------------------------------- extraction


def _extract(backend: Backend, reader: FileReader, file: File, version: FileVersion) -> None:
    """Read one version and store the result in its document, unless the same inputs were read before."""
    instrument = _instrument(backend, file)
    inputs = _inputs(backend, file, version, instrument)
    before = _inputs_read(version)
    if before == inputs.hash:
        return
    began = time.monotonic()
    if inputs.leaders:
        extraction = _companion_result(backend, inputs)
    else:
        try:
            extraction = _read(backend, reader, file, version, inputs, instrument)
        except NotCurrent as error:
            if version.extraction is not None or not _is_left_behind(backend, file, version):
                return
            extraction = _given_up(backend, str(error))
        except TooLargeToCopy as error:
            extraction = _given_up(backend, str(error))
        except MissingObject:
            read = [(file.object, version.generation), *((c.name, c.generation) for c in inputs.companions)]
            if all(backend.raw.stat(name, generation) for name, generation in read):
                # The store knows the versions, and their bytes are lost: no event will tell.
                raise
            # Deleted between the look and the read: its own event tells.
            return

    def put(current: FileVersion) -> bool:
        there = _inputs_read(current)
        if there == inputs.hash:
            return False
        if there != before and (
            extraction.inputs == GIVEN_UP
            or _inputs(backend, file, current, _instrument(backend, file)).hash != inputs.hash
        ):
            # Another delivery read it meanwhile, and this result is the older one, or none.
            return False
        current.extraction = extraction
        return True

    change(backend.catalog, FileVersion, version.key, put)
    reason = " ".join(["", *(extraction.reason or "").split()])
    seconds = time.monotonic() - began
    log.info("Read %s: %s, %s in %.2f s.%s", _words(file), file.path, extraction.status, seconds, reason)


def _is_left_behind(backend: Backend, file: File, version: FileVersion) -> bool:
    """Whether a version that could not be read, since it or a companion is not current, is the file's all the same.

    Otherwise there is a newer version, or the companion's newer one, or a deletion, whose own event tells.
    """
    current = backend.raw.stat(file.object)
    if current is not None and (
        current.generation == version.generation or get_version(backend, file.id, current.generation) is None
    ):
        return False
    if backend.raw.stat(file.object, version.generation) is None:
        return False
    newest = current_version(newest_versions(backend, file))
    return newest is not None and newest.generation == version.generation


def _words(file: File) -> str:
    return f"file {file.id} of session {file.session}" if file.session else f"file {file.id} of no session"


def _instrument(backend: Backend, file: File) -> Instrument:
    found = backend.catalog.get(Instrument, f"instruments/{file.instrument}")
    return found.document if found else Instrument(id=file.instrument, name=file.instrument)


def _inputs(backend: Backend, file: File, version: FileVersion, instrument: Instrument) -> Inputs:
    """What reading the version depends on now."""
    return Inputs(
        version.generation,
        companions_of_object(backend.raw, file.object),
        leaders_of_object(backend.raw, file.object),
        registry.versions_text(file.name),
        instrument.revision,
    )


def inputs_now(backend: Backend, file: File, version: FileVersion) -> Inputs:
    """What reading the version would depend on now; another hash than its result's means that it is read again."""
    return _inputs(backend, file, version, _instrument(backend, file))


def _inputs_read(version: FileVersion) -> str | None:
    """The hash of what a version was read with. Where its reader failed, it was not read: limits may be others now."""
    read = version.extraction
    return read.inputs if read and read.status is not FileStatus.FAILED else None


def _given_up(backend: Backend, reason: str) -> Extraction:
    """There is no result, for this reason."""
    return Extraction(inputs=GIVEN_UP, status=FileStatus.FAILED, reason=reason, extracted_at=backend.clock())


def _companion_result(backend: Backend, inputs: Inputs) -> Extraction:
    """A companion is no dataset of its own: the files that it belongs to are read with it."""
    return Extraction(
        inputs=inputs.hash,
        status=FileStatus.EXTRACTED,
        companion_of=inputs.leaders[0].rpartition("/")[2],
        extracted_at=backend.clock(),
    )


def _read(
    backend: Backend, reader: FileReader, file: File, version: FileVersion, inputs: Inputs, instrument: Instrument
) -> Extraction:
    refs = [ObjectRef(file.object, version.generation, file.name)]
    refs += [ObjectRef(c.name, c.generation, c.name.rpartition("/")[2]) for c in inputs.companions]
    # Pictures are drawn in a folder of the store's, too: what a process that is killed leaves, its recovery finds.
    with backend.raw.local_folder([]) as drawn:
        with backend.raw.local_folder(refs) as folder:
            request = ExtractRequest(
                folder=folder,
                file_name=file.name,
                zone=instrument.zone,
                day_first=instrument.day_first,
                mtime=version.mtime or version.stored_at,
                overrides=instrument.overrides,
                preview_dir=drawn,
            )
            extracted = reader.extract(request)
        # Only now has the store said that what was read are these versions.
        companions = {c.name: c.generation for c in inputs.companions}
        return store_result(backend, version, inputs.hash, companions, extracted, drawn)
