"""The state of files, their previews, metadata and bytes."""

from __future__ import annotations

from flask import Response

from scopeline.api.answers import DatasetAnswer, FileAnswer, FilesAnswer, PictureAnswer, VersionAnswer
from scopeline.api.calls import Ask, Media, Reply, call
from scopeline.api.content import send_version
from scopeline.api.requests import FilesQuery, VersionQuery
from scopeline.domain.errors import Forbidden, NotFound
from scopeline.domain.files import Dataset, File, FileStatus, FileVersion, Preview
from scopeline.domain.names import dataset_id
from scopeline.ports import MissingObject
from scopeline.services.access import sees_file, sees_preview
from scopeline.services.files import get_file as find_file
from scopeline.services.files import list_versions
from scopeline.services.lookup import list_session_files
from scopeline.services.versions import picture_of, version_to_read

_BYTES = Media("application/octet-stream")


@call("GET", "/v1/files", {200: FilesAnswer}, problems=(404, 410))
def list_files(ask: Ask, query: FilesQuery) -> Reply:
    """The files of a session, by their last change."""
    listed = list_session_files(
        ask.backend, ask.caller, query.session, since=query.since, limit=query.limit, cursor=query.cursor
    )
    return Reply(FilesAnswer(files=[file_answer(f) for f in listed.files], cursor=listed.cursor, now=listed.now))


@call("GET", "/v1/files/{file}", {200: FileAnswer})
def get_file(ask: Ask, file: str) -> Reply:
    """One file with its versions."""
    found = _seen(ask, file)
    return Reply(file_answer(found, list_versions(ask.backend, found.id)))


@call(
    "GET",
    "/v1/files/{file}/datasets/{dataset}/preview",
    {200: Media("image/png"), 206: Media("image/png"), 302: None, 304: None},
    problems=(410, 416),
)
def preview(ask: Ask, file: str, dataset: str, query: VersionQuery) -> Response:
    """The picture of a dataset; 0 is the placeholder of a file without datasets."""
    found = find_file(ask.backend, file)
    if not sees_preview(ask.backend, ask.caller, found):
        raise Forbidden(
            f"File {found.id} is of a session that is not open on an instrument of this client.",
            code="not_your_session",
        )
    version = version_to_read(ask.backend, found, query.generation)
    index = int(dataset) if dataset.isascii() and dataset.isdigit() and len(dataset) < 7 else -1
    picture = picture_of(version, index)
    return _derived(ask, picture.object, f"{found.name}.{index}.png", "image/png", inline=True)


@call(
    "GET",
    "/v1/files/{file}/metadata",
    {200: Media("application/json"), 206: Media("application/json"), 302: None, 304: None},
    problems=(410, 416),
)
def metadata(ask: Ask, file: str, query: VersionQuery) -> Response:
    """The complete original metadata, a list with one entry for each dataset."""
    found = find_file(ask.backend, file)
    version = version_to_read(ask.backend, found, query.generation)
    name = version.extraction.metadata_object if version.extraction else None
    if name is None:
        raise NotFound(
            f"Generation {version.generation} of file {found.id} ({found.path}) has no metadata.", code="no_metadata"
        )
    return _derived(ask, name, f"{found.name}.json", "application/json", inline=True)


@call("GET", "/v1/files/{file}/content", {200: _BYTES, 206: _BYTES, 302: None, 304: None}, problems=(410, 416))
def content(ask: Ask, file: str, query: VersionQuery) -> Response:
    """The bytes of a file."""
    found = find_file(ask.backend, file)
    version = version_to_read(ask.backend, found, query.generation)
    stored = ask.backend.raw.stat(found.object, version.generation)
    if stored is None:
        raise MissingObject(f"The bytes of file {found.id} ({found.path}), generation {version.generation}, are gone.")
    return send_version(ask.request, ask.backend.raw, stored, found.name)


def file_answer(file: File, versions: list[FileVersion] | None = None) -> FileAnswer:
    """The file as the API shows it."""
    return FileAnswer(
        id=file.id,
        session=file.session,
        instrument=file.instrument,
        client=file.client,
        root=file.root,
        path=file.path,
        name=file.name,
        size=file.size,
        mtime=file.mtime,
        md5=file.md5,
        generation=file.generation,
        status=file.status,
        reason=file.reason,
        reader=file.reader,
        companion_of=file.companion_of,
        datasets=[_dataset(file, dataset) for dataset in file.datasets],
        placeholder=_picture(file, 0, file.placeholder),
        warnings=file.warnings,
        versions=[_version(version) for version in versions] if versions is not None else None,
        updated_at=file.updated_at,
    )


def _seen(ask: Ask, file_id: str) -> File:
    file = find_file(ask.backend, file_id)
    if not sees_file(ask.caller, file):
        raise NotFound(f"There is no file {file.id!r} among the uploads of this client.")
    return file


def _derived(ask: Ask, name: str, file_name: str, media: str, *, inline: bool) -> Response:
    stored = ask.backend.derived.stat(name)
    if stored is None:
        raise MissingObject(f"Derived object {name} is missing. Have the file read again.")
    return send_version(ask.request, ask.backend.derived, stored, file_name, media=media, inline=inline)


def _dataset(file: File, dataset: Dataset) -> DatasetAnswer:
    return DatasetAnswer(
        id=dataset_id(file.id, dataset.index),
        index=dataset.index,
        type=dataset.type,
        title=dataset.title,
        technique=dataset.technique,
        shape=dataset.shape,
        dtype=dataset.dtype,
        axes=dataset.axes,
        acquired=dataset.acquired,
        parameters=dataset.parameters,
        warnings=dataset.warnings,
        preview=_picture(file, dataset.index, dataset.preview),
    )


def _picture(file: File, index: int, picture: Preview | None) -> PictureAnswer | None:
    if picture is None:
        return None
    url = f"/v1/files/{file.id}/datasets/{index}/preview?generation={file.generation}"
    return PictureAnswer(url=url, width=picture.width, height=picture.height, caption=picture.caption)


def _version(version: FileVersion) -> VersionAnswer:
    return VersionAnswer(
        generation=version.generation,
        size=version.size,
        md5=version.md5,
        stored_at=version.stored_at,
        verified=version.verified,
        deleted=version.deleted,
        status=version.extraction.status if version.extraction else FileStatus.STORED,
    )


CALLS = (list_files, get_file, preview, metadata, content)
