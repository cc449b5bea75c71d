"""Whether a stored version is what the catalog says of it, and what is noted where it is not."""

from __future__ import annotations

import logging
import re

from scopeline.domain.events import StoredObject
from scopeline.domain.files import FileVersion
from scopeline.domain.findings import Finding
from scopeline.services.backend import Backend
from scopeline.services.changes import change
from scopeline.services.files import get_version

log = logging.getLogger(__name__)

# Bytes or checksums are others than those that were accepted.
BYTES_DIFFER = "bytes_differ"
# The catalog says that the version was deleted.
DELETED_BUT_STORED = "deleted_but_stored"

_ID = re.compile(r"([a-z2-7]{24})\.([0-9]{1,19})")


def compare(backend: Backend, stored: StoredObject, version: FileVersion) -> bool:
    """Note what is wrong with a stored version; whether it is as the catalog says. What was dismissed stays so."""
    wrong = _difference(backend, stored, version)
    if wrong is None:
        return True
    code, reason = wrong
    finding = Finding(
        file=version.file,
        generation=version.generation,
        object=stored.name,
        code=code,
        reason=reason,
        since=backend.clock(),
    )
    if not backend.catalog.create(finding):
        noted = backend.catalog.get(Finding, finding.key)
        if noted is not None and noted.document.dismissed_at is not None:
            if noted.document.reason == reason:
                return False
            # Something else is wrong now than what was dismissed.
            backend.catalog.update(finding, noted.revision)
    log.error("Object %s, generation %d: %s", stored.name, stored.generation, reason)
    return False


def look_again(backend: Backend, finding_id: str) -> bool:
    """Compare again what a finding is about; False where there is no finding of that id."""
    found = get_finding(backend, finding_id)
    if found is not None:
        settle(backend, found)
    return found is not None


def dismiss(backend: Backend, finding_id: str, who: str) -> bool:
    """Say that nobody will put this right; False where there is no finding of that id, or it was dismissed before."""
    found = get_finding(backend, finding_id)
    if found is None:
        return False

    def edit(finding: Finding) -> bool:
        finding.dismissed_at, finding.dismissed_by = backend.clock(), who
        return True

    change(backend.catalog, Finding, found.key, edit)
    return True


def get_finding(backend: Backend, finding_id: str) -> Finding | None:
    """The finding of that id; None where there is none, or where it was dismissed."""
    found = backend.catalog.get(Finding, f"findings/{finding_id}") if _ID.fullmatch(finding_id) else None
    return None if found is None or found.document.dismissed_at is not None else found.document


def settle(backend: Backend, finding: Finding) -> bool:
    """Compare again; whether the finding goes: its version is as it should be, or is not the current one any more."""
    current = backend.raw.stat(finding.object)
    version = get_version(backend, finding.file, finding.generation)
    if current is None or current.generation != finding.generation or version is None:
        in_order = True
    else:
        in_order = compare(backend, current, version)
    if not in_order:
        return False
    backend.catalog.delete(finding.key)
    log.info("Object %s, generation %d, is in order again.", finding.object, finding.generation)
    return True


def _difference(backend: Backend, stored: StoredObject, version: FileVersion) -> tuple[str, str] | None:
    """Code and words of what is wrong."""
    differs = [
        f"{name} {found!r} instead of {expected!r}"
        for name, found, expected in (
            ("size", stored.size, version.size),
            ("md5", stored.md5, version.md5),
            ("crc32c", stored.crc32c, version.crc32c),
        )
        # Some ways of storing know no md5.
        if found != expected and found != "" and expected != ""
    ]
    if differs:
        return BYTES_DIFFER, (
            f"The store has {', '.join(differs)}, which is what was accepted. "
            "Restore the bytes from a backup, or send the file again; then replay this."
        )
    if version.deleted and backend.raw.stat(stored.name, stored.generation) is not None:
        return DELETED_BUT_STORED, (
            "The catalog says that the version was deleted, and it is still stored. "
            "Delete it in the store, or send the file again; then replay this."
        )
    return None
