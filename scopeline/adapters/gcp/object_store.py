"""The object store of the Google Cloud edition: one bucket with versions."""

from __future__ import annotations

import io
import secrets
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from datetime import timedelta
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from google.api_core import exceptions as google_errors
from google.cloud.storage.exceptions import DataCorruption

from scopeline.adapters.gcp.calls import Patience, TimedStream, google_problems
from scopeline.adapters.gcp.reading import ReadingFolders, missing, open_version
from scopeline.adapters.gcp.signing import Sign, signed_download
from scopeline.adapters.gcp.stored_objects import WRITE, is_retained, stored_object
from scopeline.adapters.object_names import check_object_name, is_object_name
from scopeline.domain.errors import Unavailable
from scopeline.domain.events import StoredObject
from scopeline.ports import ObjectRef, PreconditionFailed, Retained

if TYPE_CHECKING:
    from google.cloud.storage import Blob, Client

LIST_PAGE = 1000
# Larger data are sent in pieces of this size, of which one is in memory.
PIECE_BYTES = 8 * 1024 * 1024
_GENERATIONS = range(1, 2**63)


class GoogleObjectStore:
    """`ports.ObjectStore` on a bucket of Cloud Storage whose versioning is on."""

    def __init__(
        self,
        client: Client,
        bucket: str,
        *,
        sign: Sign | None,
        copied_bytes: int,
        mount: Path | None,
        patience: Patience | None = None,
    ) -> None:
        """`copied_bytes`: the largest object that is copied for reading; `mount`: where the bucket is mounted."""
        self.bucket = bucket
        self._client = client
        self._bucket = client.bucket(bucket)
        self._sign = sign
        self._patience = patience or Patience()
        self._folders = ReadingFolders(self._bucket, self.stat, self._patience, copied_bytes=copied_bytes, mount=mount)

    def stat(self, name: str, generation: int | None = None) -> StoredObject | None:
        """See the port."""
        blob = self._load(name, generation)
        return None if blob is None else stored_object(blob)

    def write(
        self,
        name: str,
        data: bytes | Path,
        *,
        if_generation: int | None = None,
        content_type: str = "application/octet-stream",
        metadata: Mapping[str, str] | None = None,
    ) -> StoredObject:
        """See the port. A conditional write carries an id of its own; Cloud Storage compares the checksum."""
        check_object_name(name)
        size = len(data) if isinstance(data, bytes) else data.stat().st_size
        until = time.monotonic() + self._patience.total_with(size)
        write = None if if_generation is None else secrets.token_hex(8)

        def call() -> Blob:
            blob = self._bucket.blob(name, chunk_size=PIECE_BYTES)
            blob.metadata = {**(metadata or {}), **({WRITE: write} if write else {})}
            with io.BytesIO(data) if isinstance(data, bytes) else data.open("rb") as source:
                blob.upload_from_file(
                    TimedStream(source, until),
                    size=size,
                    content_type=content_type,
                    if_generation_match=if_generation,
                    timeout=self._patience.call,
                    checksum="auto",
                    retry=None,
                )
            return blob

        what = f"Storing {self.bucket}/{name}"
        with self._problems(what):
            try:
                return stored_object(self._patience.repeat(call, size))
            except google_errors.PreconditionFailed:
                pass
            except DataCorruption as error:
                raise Unavailable(
                    f"{what}: the bytes did not arrive as they were sent. It is tried again by itself.",
                    code="bytes_differ",
                ) from error
        current = self._load(name, None)
        if current is not None and write and (current.metadata or {}).get(WRITE) == write:
            # An earlier try was stored, and its answer was lost.
            return stored_object(current)
        raise self._precondition_failed(name, if_generation, current)

    def create_upload(
        self,
        name: str,
        *,
        size: int,
        if_generation: int,
        content_type: str = "application/octet-stream",
        metadata: Mapping[str, str] | None = None,
    ) -> str:
        """See the port. Raises PreconditionFailed, InvalidInput (`invalid_object_name`)."""
        check_object_name(name)

        def call() -> str:
            blob = self._bucket.blob(name)
            blob.metadata = dict(metadata or {})
            url: str = blob.create_resumable_upload_session(
                content_type=content_type,
                size=size,
                if_generation_match=if_generation,
                timeout=self._patience.call,
                checksum=None,
                retry=None,
            )
            return url

        with self._problems(f"Opening an upload of {self.bucket}/{name}"):
            try:
                return self._patience.repeat(call)
            except google_errors.PreconditionFailed:
                pass
        raise self._precondition_failed(name, if_generation, self._load(name, None))

    def open(self, name: str, generation: int) -> BinaryIO:
        """See the port. Where the version is deleted meanwhile, reading raises MissingObject."""
        stored = self.stat(name, generation)
        if stored is None:
            raise missing(self.bucket, name, generation)
        return open_version(self._bucket, stored, self._patience)

    def local_folder(self, objects: Sequence[ObjectRef]) -> AbstractContextManager[Path]:
        """See the port. Raises Unavailable (`disk_full`) where scratch has no room."""
        return self._folders.show(objects)

    def delete(self, name: str, generation: int) -> bool:
        """See the port."""
        if not _may_exist(name, generation):
            return False
        tries = 0

        def call() -> None:
            nonlocal tries
            tries += 1
            self._bucket.blob(name, generation=generation).delete(timeout=self._patience.call, retry=None)

        with google_problems(f"Deleting {self.bucket}/{name}"):
            try:
                self._patience.repeat(call)
                return True
            except google_errors.NotFound:
                # A try before this one deleted it, and its answer was lost.
                return tries > 1
            except google_errors.Forbidden as error:
                if not is_retained(error):
                    raise
                refusal = error
        raise self._retained(name, generation) from refusal

    def list(self, prefix: str = "", *, after: str = "") -> Iterator[StoredObject]:
        """See the port."""
        with self._problems(f"Listing {self.bucket}/{prefix}"):
            for blob in self._client.list_blobs(
                self._bucket,
                prefix=prefix or None,
                start_offset=after if after > prefix else None,
                page_size=LIST_PAGE,
                timeout=self._patience.call,
                retry=self._patience.retry(),
            ):
                if blob.name > after:
                    yield stored_object(blob)

    def versions(self, prefix: str) -> Iterator[StoredObject]:
        """See the port."""
        with self._problems(f"Listing all versions of {self.bucket}/{prefix}"):
            blobs = self._client.list_blobs(
                self._bucket,
                prefix=prefix or None,
                versions=True,
                page_size=LIST_PAGE,
                timeout=self._patience.call,
                retry=self._patience.retry(),
            )
            for _, of_name in groupby(blobs, key=lambda blob: blob.name):
                yield from map(stored_object, sorted(of_name, key=lambda blob: blob.generation))

    def check_writable(self) -> None:
        """A bucket is never known to be full."""

    def download_url(self, name: str, generation: int, file_name: str, expires: timedelta) -> str | None:
        """See the port: a V4 signed URL."""
        # Browsers shorten paths with such parts, and the signature does not fit then.
        if self._sign is None or any(part in (".", "..") for part in name.split("/")):
            return None
        return signed_download(self._bucket.blob(name), self._sign, generation, file_name, expires)

    @contextmanager
    def _problems(self, what: str) -> Iterator[None]:
        """As `google_problems`; that there is no bucket is Unavailable (`no_bucket`): Terraform may still make it."""
        try:
            with google_problems(what):
                yield
        except google_errors.NotFound as error:
            raise Unavailable(
                f"{what} failed: Cloud Storage knows no bucket {self.bucket}, or forgot this upload. Check "
                "SCOPELINE_RAW_BUCKET and SCOPELINE_DERIVED_BUCKET, and that Terraform was applied.",
                code="no_bucket",
            ) from error

    def _load(self, name: str, generation: int | None) -> Blob | None:
        if not _may_exist(name, generation):
            return None
        blob = self._bucket.blob(name, generation=generation)
        with google_problems(f"Looking for {self.bucket}/{name}"):
            try:
                blob.reload(timeout=self._patience.call, retry=self._patience.retry())
            except google_errors.NotFound:
                return None
        return blob

    def _precondition_failed(self, name: str, if_generation: int | None, current: Blob | None) -> PreconditionFailed:
        found = 0 if current is None else current.generation
        return PreconditionFailed(
            f"Object {self.bucket}/{name} is at generation {found}; the write expects {if_generation} "
            "(0: no such object). Look at the present version, then write again."
        )

    def _retained(self, name: str, generation: int) -> Retained:
        stored = self.stat(name, generation)
        until = stored.retained_until if stored else None
        end = "a hold on it is lifted" if until is None or until.year == 9999 else f"{until:%Y-%m-%d %H:%M} UTC"
        return Retained(
            f"Generation {generation} of {self.bucket}/{name} may not be deleted until {end}: the bucket's retention "
            "or a hold forbids it. Delete it after that."
        )


def _may_exist(name: str, generation: int | None) -> bool:
    return is_object_name(name) and (generation is None or generation in _GENERATIONS)
