"""What is put in order when the local edition starts, and reported: the disk and the index must say the same.

A process may end at any point of a write. What the index does not know was never accepted; what nobody knows at all is
moved aside and kept, since it may be of a database that a backup brought back.
"""

from __future__ import annotations

import logging
import shutil
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from scopeline.adapters.embedded.object_files import PART_SUFFIX, WRITING, allow_writing, forbid_writing
from scopeline.adapters.embedded.object_index import object_file
from scopeline.adapters.embedded.object_store import EmbeddedObjectStore
from scopeline.adapters.storage_errors import storage_problems

logger = logging.getLogger(__name__)


class StartFinding(StrEnum):
    """What was found at the start, and what was done with it."""

    ROW_WITHOUT_BYTES = "row_without_bytes"  # reported; the row stays, for the bytes may come back
    WRONG_SIZE = "wrong_size"  # reported: the bytes are not those that were stored
    RETURNED_TO_UPLOAD = "returned_to_upload"  # bytes of an upload that had all but its row: it can go on
    UNCLAIMED_BYTES = "unclaimed_bytes"  # bytes without a row: moved to `unclaimed`
    REMOVAL_FINISHED = "removal_finished"  # a deleted version's bytes were still there, and are gone now
    REMAINS_REMOVED = "remains_removed"  # temporary files of the process before
    UPLOAD_EXPIRED = "upload_expired"  # an upload of over a week ago that was never finished, with its bytes


@dataclass(frozen=True, slots=True)
class Found:
    """One finding: the bucket and what it is about (an object with generation, or a path)."""

    bucket: str
    finding: StartFinding
    subject: str


def recover(stores: list[EmbeddedObjectStore]) -> list[Found]:
    """Put each bucket in order, before anything else uses it. Every finding is logged and returned."""
    report: list[Found] = []
    for store in stores:
        with storage_problems(f"Checking the bucket {store.bucket}"):
            report += _Recovery(store).run()
    for found in report:
        logger.warning("%s: %s %s", found.bucket, found.finding, found.subject)
    return report


class _Recovery:
    def __init__(self, store: EmbeddedObjectStore) -> None:
        self._store = store
        self._files = store.files
        self._database = store.index.database
        self._report: list[Found] = []

    def run(self) -> list[Found]:
        self._finish_removals()
        for prefix in sorted(self._prefixes()):
            self._compare(prefix)
        for name in self._store.uploads.remove_expired():
            self._add(StartFinding.UPLOAD_EXPIRED, name)
        self._remove_remains()
        return self._report

    def _add(self, finding: StartFinding, subject: str) -> None:
        self._report.append(Found(self._store.bucket, finding, subject))

    def _finish_removals(self) -> None:
        with self._database.reading() as connection:
            rows = connection.execute(
                "SELECT file, generation FROM removals WHERE bucket = ?", (self._store.bucket,)
            ).fetchall()
        for row in rows:
            self._store.index.finish_removal(row["file"], row["generation"])
            self._add(StartFinding.REMOVAL_FINISHED, f"{row['file']}/{row['generation']}")

    def _prefixes(self) -> set[str]:
        """The first two characters of all file ids, on the disk or in the index: the work is done in these portions."""
        with self._database.reading() as connection:
            rows = connection.execute(
                "SELECT DISTINCT substr(file, 1, 2) AS prefix FROM objects WHERE bucket = ?", (self._store.bucket,)
            ).fetchall()
        on_disk = {entry.name for entry in self._files.folder.iterdir() if len(entry.name) == 2 and entry.is_dir()}
        return on_disk | {row["prefix"] for row in rows}

    def _compare(self, prefix: str) -> None:
        found = {
            f"{path.parent.name}/{path.name}": path.stat() for path in self._files.folder.joinpath(prefix).glob("*/*")
        }
        with self._database.reading() as connection:
            rows = connection.execute(
                "SELECT file, generation, name, size FROM objects WHERE bucket = ? AND file >= ? AND file < ?",
                (self._store.bucket, prefix, prefix + "\x7f"),
            ).fetchall()
        for row in rows:
            facts = found.pop(f"{row['file']}/{row['generation']}", None)
            subject = f"{row['name']} generation {row['generation']}"
            if facts is None:
                self._add(StartFinding.ROW_WITHOUT_BYTES, subject)
                continue
            if facts.st_size != row["size"]:
                self._add(StartFinding.WRONG_SIZE, f"{subject}: {facts.st_size} bytes instead of {row['size']}")
            if facts.st_mode & WRITING:
                # After a loss of power a mode may be older than the name.
                forbid_writing(self._files.version(row["file"], row["generation"]))
        for place, facts in sorted(found.items()):
            self._settle_unknown(self._files.folder / prefix / place, facts.st_size)

    def _settle_unknown(self, path: Path, size: int) -> None:
        """Give bytes without a row back to the upload that they came from, or move them aside."""
        file = path.parent.name
        with self._database.reading() as connection:
            rows = connection.execute(
                "SELECT id, name FROM uploads WHERE bucket = ? AND generation IS NULL AND size = ? AND received = size",
                (self._store.bucket, size),
            ).fetchall()
        for row in rows:
            spool = self._files.spool(row["id"])
            if object_file(self._store.index.bucket, row["name"]) == file and not spool.exists():
                self._files.take_back(file, int(path.name), spool)
                self._add(StartFinding.RETURNED_TO_UPLOAD, row["name"])
                return
        target = self._files.unclaimed / path.relative_to(self._files.folder)
        target.parent.mkdir(parents=True, exist_ok=True)
        path.rename(target)
        self._add(StartFinding.UNCLAIMED_BYTES, str(target))

    def _remove_remains(self) -> None:
        for folder in self._files.reading.iterdir():
            shutil.rmtree(folder)
            self._add(StartFinding.REMAINS_REMOVED, str(folder))
        with self._database.reading() as connection:
            rows = connection.execute(
                "SELECT id FROM uploads WHERE bucket = ? AND generation IS NULL", (self._store.bucket,)
            ).fetchall()
        open_uploads = {row["id"] for row in rows}
        for path in self._files.incoming.iterdir():
            if path.suffix == PART_SUFFIX or path.name not in open_uploads:
                path.unlink()
                self._add(StartFinding.REMAINS_REMOVED, str(path))
            else:
                allow_writing(path)
