"""Resumable uploads into one bucket: sessions in the database, their bytes in one spool file each.

The secret of an upload's URL is never stored, only its SHA-256.
"""

from __future__ import annotations

import base64
import hashlib
import json
import os
import secrets
import shutil
import sqlite3
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from datetime import timedelta
from typing import Any

from scopeline_logger.resumable import Spool

from scopeline.adapters.embedded.database import Transaction
from scopeline.adapters.embedded.object_files import PIECE, RunningHashes, allow_writing
from scopeline.adapters.embedded.object_index import Draft, ObjectIndex, object_file
from scopeline.adapters.storage_errors import disk_full, storage_problems
from scopeline.domain.errors import NotFound, Unavailable
from scopeline.domain.events import StoredObject
from scopeline.ports import PreconditionFailed

LIFETIME = timedelta(days=7)


class UnknownUpload(NotFound):
    """No upload has this secret."""

    code = "unknown_upload"


class UploadOver(NotFound):
    """The upload cannot go on."""

    code = "upload_over"
    status = 410


class UploadBusy(Unavailable):
    """Another request sends bytes to the same upload."""

    code = "upload_busy"


class UploadSessions:
    """The open and finished uploads of a bucket. One request at a time may use a session's spool."""

    def __init__(self, index: ObjectIndex) -> None:
        self.index = index
        self.database = index.database
        self.files = index.files
        self._busy: set[str] = set()
        self._busy_lock = threading.Lock()
        # Hashes of what arrived in this process. After a restart they are made again from the spool.
        self.hashes: dict[str, RunningHashes] = {}

    def open(self, name: str, *, size: int, if_generation: int, content_type: str, metadata: Mapping[str, str]) -> str:
        """Open a session for `size` bytes and return its secret. Raises Unavailable (`disk_full`)."""
        object_file(self.index.bucket, name)
        what = f"Opening an upload of {self.index.bucket}/{name}"
        self.remove_expired()
        with storage_problems(what):
            free = shutil.disk_usage(self.files.folder).free
        if free < size:
            raise disk_full(f"{what} ({size} bytes, {free} are free)")
        secret = secrets.token_urlsafe(32)
        with self.database.transaction(what) as transaction:
            transaction.connection.execute(
                "INSERT INTO uploads (id, bucket, name, size, if_generation, content_type, metadata, expires) "
                "VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
                (
                    _upload_id(secret),
                    self.index.bucket,
                    name,
                    size,
                    if_generation,
                    content_type,
                    json.dumps(dict(metadata)),
                    self.database.now() + LIFETIME // timedelta(microseconds=1),
                ),
            )
        return secret

    @contextmanager
    def spool(self, secret: str) -> Iterator[UploadSpool]:
        """The spool of one session, for one request. Raises UnknownUpload, UploadOver, UploadBusy."""
        upload = _upload_id(secret)
        with self._alone(upload):
            with self.database.reading("Looking for an upload") as connection:
                row = connection.execute(
                    "SELECT * FROM uploads WHERE id = ? AND bucket = ?", (upload, self.index.bucket)
                ).fetchone()
            if row is None:
                raise UnknownUpload("There is no upload of this address. Ask for a new one.")
            if row["expires"] <= self.database.now():
                self.drop(upload)
                raise UploadOver("The upload is older than a week. Ask for a new one.")
            with UploadSpool(self, row) as spool:
                yield spool

    def drop(self, upload: str) -> None:
        """Forget a session and its bytes."""
        with self.database.transaction("Dropping an upload") as transaction:
            transaction.connection.execute("DELETE FROM uploads WHERE id = ?", (upload,))
            self.files.spool(upload).unlink(missing_ok=True)
        self.hashes.pop(upload, None)

    def remove_expired(self) -> list[str]:
        """Drop the sessions of over a week ago; the names of those that were never finished."""
        with self.database.reading("Looking for old uploads") as connection:
            rows = connection.execute(
                "SELECT id, name, generation FROM uploads WHERE bucket = ? AND expires <= ?",
                (self.index.bucket, self.database.now()),
            ).fetchall()
        unfinished: list[str] = []
        for row in rows:
            try:
                with self._alone(row["id"]):
                    self.drop(row["id"])
            except UploadBusy:
                # A request has just found it expired and drops it itself.
                continue
            if row["generation"] is None:
                unfinished.append(row["name"])
        return unfinished

    @contextmanager
    def _alone(self, upload: str) -> Iterator[None]:
        with self._busy_lock:
            if upload in self._busy:
                raise UploadBusy(
                    "Another request sends bytes to this upload. Wait for its end, then ask for the status."
                )
            self._busy.add(upload)
        try:
            yield
        finally:
            with self._busy_lock:
                self._busy.discard(upload)


class UploadSpool(Spool):
    """The bytes of one session during one request."""

    def __init__(self, sessions: UploadSessions, row: sqlite3.Row) -> None:
        self.size: int = row["size"]
        self.stored: int = row["received"]
        self._end = self.stored  # where the next byte goes
        self.result: dict[str, Any] | None = None
        self._sessions = sessions
        self._row = row
        self._upload: str = row["id"]
        self._descriptor: int | None = None
        self._what = f"Receiving {row['bucket']}/{row['name']}"

    def __enter__(self) -> UploadSpool:
        row = self._row
        if row["generation"] is not None:
            found = self._sessions.index.find(row["name"], row["generation"])
            if found is None:
                raise UploadOver("The uploaded version was deleted since. Ask for a new upload.")
            self.result = upload_result(found)
            return self
        path = self._sessions.files.spool(self._upload)
        # A session without bytes has no spool yet; one with bytes must have it.
        create = 0 if self.stored else os.O_CREAT
        with storage_problems(self._what):
            try:
                with suppress(FileNotFoundError):
                    allow_writing(path)
                self._descriptor = os.open(path, os.O_RDWR | os.O_CLOEXEC | create, 0o600)
            except FileNotFoundError:
                raise self._lost() from None
            if os.fstat(self._descriptor).st_size < self.stored:
                self._close()
                raise self._lost()
        return self

    def __exit__(self, *_: object) -> None:
        self._close()

    def read(self, start: int, length: int) -> bytes:
        """Stored bytes."""
        with storage_problems(self._what):
            return os.pread(self._open_file(), length, start)

    def append(self, data: bytes) -> None:
        """Write behind what was written."""
        hashes = self._hashes()
        with storage_problems(self._what):
            view = memoryview(data)
            while view:
                written = os.pwrite(self._open_file(), view, self._end + len(data) - len(view))
                view = view[written:]
        hashes.update(data)
        self._end += len(data)

    def keep(self, end: int) -> None:
        """Cut to `end` and make it durable, first the bytes, then the number."""
        descriptor = self._open_file()
        with storage_problems(self._what):
            # On a full disk, what is cut off gives back its room.
            os.ftruncate(descriptor, end)
            os.fsync(descriptor)
        self._sessions.database.fault_point("upload.synced")
        with self._sessions.database.transaction(self._what) as transaction:
            transaction.connection.execute("UPDATE uploads SET received = ? WHERE id = ?", (end, self._upload))
        self.stored = self._end = end
        self._sessions.database.fault_point("upload.received")

    def finish(self) -> None:
        """Make the object. Where another version came first, the session is over, unless it has the same bytes."""
        row, sessions = self._row, self._sessions
        hashes = self._hashes()
        bucket = sessions.index.bucket
        draft = Draft(
            name=row["name"],
            file=object_file(bucket, row["name"]),
            size=self.size,
            md5=hashes.md5,
            crc32c=hashes.crc32c,
            content_type=row["content_type"],
            metadata=json.loads(row["metadata"]),
        )
        try:
            stored = sessions.index.add(
                draft, sessions.files.spool(self._upload), row["if_generation"], self._mark_finished
            )
        except PreconditionFailed:
            present = sessions.index.find(draft.name, None)
            if present is None or (present.size, present.md5) != (draft.size, draft.md5):
                self.drop()
                raise
            stored = present
            self._finish_as(present)
        sessions.hashes.pop(self._upload, None)
        self.result = upload_result(stored)

    def drop(self) -> None:
        """Forget the session."""
        self._sessions.drop(self._upload)

    def _finish_as(self, present: StoredObject) -> None:
        """Another upload of the same bytes was quicker: its version is the result, and the bytes here can go."""
        with self._sessions.database.transaction(self._what) as transaction:
            self._mark_finished(transaction, present.generation)
        with storage_problems(self._what):
            self._sessions.files.spool(self._upload).unlink(missing_ok=True)

    def _mark_finished(self, transaction: Transaction, generation: int) -> None:
        transaction.connection.execute("UPDATE uploads SET generation = ? WHERE id = ?", (generation, self._upload))

    def _close(self) -> None:
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None

    def _open_file(self) -> int:
        if self._descriptor is None:
            raise RuntimeError("the upload is finished and has no spool")
        return self._descriptor

    def _hashes(self) -> RunningHashes:
        """The hashes of all bytes written so far, made again where this process does not have them."""
        known = self._sessions.hashes.get(self._upload)
        if known is None or known.position > self._end:
            known = self._sessions.hashes[self._upload] = RunningHashes()
        while known.position < self._end:
            known.update(self.read(known.position, min(PIECE, self._end - known.position)))
        return known

    def _lost(self) -> UploadOver:
        self.drop()
        return UploadOver("The bytes sent so far are gone from the disk. Ask for a new upload.")


def _upload_id(secret: str) -> str:
    return hashlib.sha256(secret.encode(errors="replace")).hexdigest()


def upload_result(stored: StoredObject) -> dict[str, Any]:
    """The object as Google Cloud Storage's JSON API writes it: numbers as text, MD5 in base64."""
    return {
        "kind": "storage#object",
        "bucket": stored.bucket,
        "name": stored.name,
        "generation": str(stored.generation),
        "size": str(stored.size),
        "md5Hash": base64.b64encode(bytes.fromhex(stored.md5)).decode(),
        "crc32c": stored.crc32c,
        "contentType": stored.content_type,
        "metadata": dict(stored.metadata),
    }
