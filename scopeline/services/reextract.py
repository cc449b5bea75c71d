"""Old files are read again where what they were read with is another now: readers, vocabulary, the instrument's fields.

Nothing is forced: a file is read again because the hash of its inputs differs, or because its reader failed, and its
session's record is built again only where something else came out.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

from scopeline.domain.errors import InvalidInput, ScopelineError, Unavailable
from scopeline.domain.events import object_changed_event
from scopeline.domain.files import Extraction, File, FileStatus
from scopeline.formats import registry
from scopeline.ports import FILES, find_all
from scopeline.services.backend import Backend
from scopeline.services.files import get_version
from scopeline.services.ingest import Inputs, inputs_now

VOCABULARY = "vocabulary:"
# How many earlier states of an instrument or of the vocabulary are tried to name what changed.
EARLIER_TRIED = 100


@dataclass(frozen=True, slots=True)
class Examined:
    """One file that was read before. `why` it is to be read again, None where nothing changed; or what went `wrong`."""

    file: File
    why: str | None = None
    wrong: ScopelineError | None = None


def check_reader(reader: str | None) -> None:
    """Raise InvalidInput (`unknown_reader`) where the registry has no such reader."""
    known = [row.id for row in registry.FORMATS]
    if reader is not None and reader not in known:
        raise InvalidInput(
            f"There is no reader {reader[:60]!r}. Expected one of: {', '.join(known)}.", code="unknown_reader"
        )


def examine(backend: Backend, reader: str | None = None) -> Iterator[Examined]:
    """All files that have a result, or those that `reader` read or may read now.

    Raises InvalidInput (`unknown_reader`), Unavailable.
    """
    check_reader(reader)
    for file in find_all(backend.catalog, File, FILES):
        if file.generation is None or not _concerns(file, reader):
            continue
        try:
            version = get_version(backend, file.id, file.generation)
            if version is None or version.extraction is None:
                # It was not read yet, and will be with what there is now.
                continue
            now = inputs_now(backend, file, version)
            before = version.extraction
            is_read = before.inputs == now.hash and before.status is not FileStatus.FAILED
            yield Examined(file, why=None if is_read else _why(file, before, now))
        except Unavailable:
            raise
        except ScopelineError as error:
            yield Examined(file, wrong=error)


def read_again(
    backend: Backend, examined: Iterator[Examined], *, rate: float, sleep: Callable[[float], None] = time.sleep
) -> Iterator[Examined]:
    """Publish `object.changed` for what is to be read again, at most `rate` files a second; all of `examined`.

    It may be ended at any time and begun again: what was read meanwhile is found unchanged.
    """
    for each in examined:
        if each.why is not None:
            backend.events.publish(object_changed_event(each.file.bucket, each.file.object, backend.clock()))
            yield each
            sleep(1 / rate)
        else:
            yield each


def _concerns(file: File, reader: str | None) -> bool:
    """Whether the reader read the file or may read it: by its extension, or anything that nobody could read."""
    if reader is None or file.reader == reader:
        return True
    by_name = [row.id for row in registry.by_extension(file.name)]
    return reader in by_name or (not by_name and file.reader is None)


def _why(file: File, before: Extraction, now: Inputs) -> str:
    """What changed, as far as it can be told: of the inputs before, only their hash is known."""
    if before.status is FileStatus.FAILED:
        return f"it failed: {before.reason}"
    row = next((row for row in registry.FORMATS if row.id == before.reader), None)
    if row is not None and before.reader_version not in (None, row.version):
        return f"reader {row.id} {before.reader_version} -> {row.version}"
    companions = {companion.name: companion.generation for companion in now.companions}
    if before.companions != companions:
        return "files beside it changed"
    for revision in range(now.instrument_revision - 1, max(0, now.instrument_revision - EARLIER_TRIED), -1):
        if replace(now, instrument_revision=revision).hash == before.inputs:
            return f"zone, day order or overrides of instrument {file.instrument} changed"
    versions = now.reader_versions
    for earlier in range(registry.VOCABULARY_VERSION - 1, max(0, registry.VOCABULARY_VERSION - EARLIER_TRIED), -1):
        words = versions.replace(f"{VOCABULARY}{registry.VOCABULARY_VERSION} ", f"{VOCABULARY}{earlier} ", 1)
        if replace(now, reader_versions=words).hash == before.inputs:
            return f"vocabulary {earlier} -> {registry.VOCABULARY_VERSION}"
    return "what it is read with changed: readers, vocabulary, files beside it, or its instrument"
