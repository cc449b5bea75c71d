"""The object store of the local edition: one bucket in a folder of files, indexed by the database."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import BinaryIO

from scopeline.adapters.embedded.database import Database
from scopeline.adapters.embedded.object_files import ObjectFiles
from scopeline.adapters.embedded.object_index import Draft, ObjectIndex, object_file
from scopeline.adapters.embedded.upload_sessions import UploadSessions
from scopeline.adapters.storage_errors import check_writable, storage_problems
from scopeline.domain.events import StoredObject
from scopeline.ports import Bucket, MissingObject, ObjectRef


class EmbeddedObjectStore:
    """`ports.ObjectStore` on a folder. Uploads go to `{upload_base_url}/{secret}`."""

    def __init__(self, database: Database, bucket: Bucket, folder: Path, upload_base_url: str) -> None:
        self.bucket: str = bucket
        self.upload_base_url = upload_base_url.rstrip("/")
        with storage_problems(f"Opening the bucket {bucket} in {folder}"):
            self.files = ObjectFiles(folder)
        self.index = ObjectIndex(database, bucket, self.files)
        self.uploads = UploadSessions(self.index)
        self._fault_point = database.fault_point

    def stat(self, name: str, generation: int | None = None) -> StoredObject | None:
        """See the port."""
        return self.index.find(name, generation)

    def write(
        self,
        name: str,
        data: bytes | Path,
        *,
        if_generation: int | None = None,
        content_type: str = "application/octet-stream",
        metadata: Mapping[str, str] | None = None,
    ) -> StoredObject:
        """See the port. Raises PreconditionFailed, InvalidInput (`invalid_object_name`), Unavailable."""
        file = object_file(self.index.bucket, name)
        self.index.check_precondition(name, if_generation)
        with storage_problems(f"Storing {self.bucket}/{name}"), self.files.copied(data) as (part, hashes):
            self._fault_point("object.bytes_written")
            draft = Draft(name, file, hashes.position, hashes.md5, hashes.crc32c, content_type, dict(metadata or {}))
            return self.index.add(draft, part, if_generation)

    def create_upload(
        self,
        name: str,
        *,
        size: int,
        if_generation: int,
        content_type: str = "application/octet-stream",
        metadata: Mapping[str, str] | None = None,
    ) -> str:
        """See the port. Raises InvalidInput (`invalid_object_name`), Unavailable (`disk_full`)."""
        secret = self.uploads.open(
            name, size=size, if_generation=if_generation, content_type=content_type, metadata=metadata or {}
        )
        return f"{self.upload_base_url}/{secret}"

    def open(self, name: str, generation: int) -> BinaryIO:
        """See the port."""
        path = self._path(name, generation)
        with storage_problems(f"Reading {self.bucket}/{name}"):
            try:
                return path.open("rb")
            except FileNotFoundError:
                raise self._bytes_gone(name, generation) from None

    @contextmanager
    def local_folder(self, objects: Sequence[ObjectRef]) -> Iterator[Path]:
        """See the port. Raises InvalidInput where a file name is no plain name or is there twice."""
        versions = [(ref, self._path(ref.name, ref.generation)) for ref in objects]
        with storage_problems(f"Preparing files of {self.bucket} for reading"):
            folder = self.files.make_reading_folder()
        try:
            for ref, path in versions:
                with storage_problems(f"Preparing {self.bucket}/{ref.name} for reading"):
                    try:
                        self.files.link(path, folder, ref.file_name)
                    except FileNotFoundError:
                        raise self._bytes_gone(ref.name, ref.generation) from None
            yield folder
        finally:
            self.files.remove_reading_folder(folder)

    def delete(self, name: str, generation: int) -> bool:
        """See the port."""
        return self.index.remove(name, generation)

    def list(self, prefix: str = "", *, after: str = "") -> Iterator[StoredObject]:
        """See the port."""
        return self.index.current(prefix, after)

    def versions(self, prefix: str) -> Iterator[StoredObject]:
        """See the port."""
        return self.index.versions(prefix)

    def check_writable(self) -> None:
        """See the port."""
        check_writable(f"Writing the bucket {self.bucket}", self.files.folder)

    def download_url(self, name: str, generation: int, file_name: str, expires: timedelta) -> str | None:
        """None: the API sends the bytes itself."""
        return None

    def _path(self, name: str, generation: int) -> Path:
        if self.index.find(name, generation) is None:
            raise MissingObject(f"There is no generation {generation} of {self.bucket}/{name}.")
        return self.files.version(object_file(self.index.bucket, name), generation)

    def _bytes_gone(self, name: str, generation: int) -> MissingObject:
        return MissingObject(
            f"The bytes of generation {generation} of {self.bucket}/{name} are gone from the data folder. "
            "Restore them from a backup, or send the file again."
        )
