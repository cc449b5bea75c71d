"""Which version of a file a reader means, and whether it can still be had."""

from __future__ import annotations

from scopeline.domain.errors import NotFound
from scopeline.domain.files import Dataset, File, FileStatus, FileVersion, Preview, Verified
from scopeline.services.backend import Backend
from scopeline.services.files import get_version


class VersionGone(NotFound):
    """A version was deleted or rejected; `current` is the generation that there is (None: none)."""

    code = "version_gone"
    status = 410

    def __init__(self, message: str, current: int | None) -> None:
        super().__init__(message)
        self.current = current


def version_to_read(backend: Backend, file: File, generation: int | None) -> FileVersion:
    """The version `generation` of a file, or its current one.

    Raises VersionGone where it is deleted or rejected, NotFound (`not_stored`) where it never was.
    """
    wanted = generation if generation is not None else file.generation
    version = get_version(backend, file.id, wanted) if wanted is not None else None
    if version is not None and not version.deleted and version.verified is not Verified.NO:
        return version
    if version is not None or (wanted is None and file.status is FileStatus.DELETED):
        current = f"generation {file.generation}" if file.generation else "none"
        raise VersionGone(
            f"Generation {wanted or 'any'} of file {file.id} ({file.path}) is gone. Current: {current}.",
            file.generation,
        )
    raise NotFound(
        f"File {file.id} ({file.path}) has no stored version {wanted or ''}. Its status is {file.status}.",
        code="not_stored",
    )


def picture_of(version: FileVersion, index: int) -> Preview:
    """The preview of the dataset `index`; the placeholder is picture 0 of a version without datasets.

    Raises NotFound (`no_preview`).
    """
    read = version.extraction
    datasets: list[Dataset] = read.datasets if read else []
    picture = next((d.preview for d in datasets if d.index == index), None)
    if picture is None and read is not None and not datasets and index == 0:
        picture = read.placeholder
    if picture is None:
        raise NotFound(
            f"Generation {version.generation} of file {version.file} has no preview {index}"
            f"{'' if read else ': it was not read yet'}.",
            code="no_preview",
        )
    return picture
