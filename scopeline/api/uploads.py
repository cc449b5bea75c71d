"""Announcements, uploads and their confirmation."""

from __future__ import annotations

from scopeline.api.answers import (
    AcceptedFile,
    AnnouncedAnswer,
    ConfirmAnswer,
    RefusedFile,
    StoredAnswer,
    UploadAnswer,
)
from scopeline.api.calls import Ask, Reply, call
from scopeline.api.requests import AnnounceBody, ConfirmBody, UploadBody
from scopeline.services import announcements, uploads
from scopeline.services.announcements import Announced, Announcement
from scopeline.services.uploads import UploadRequest


@call("POST", "/v1/sessions/{session}/files", {200: AnnouncedAnswer})
def announce(ask: Ask, session: str, body: AnnounceBody) -> Reply:
    """Tell which files are going to be sent, or no longer can be."""
    told = [Announcement(file.root, file.path, file.size, file.mtime, file.withdrawn) for file in body.files]
    answers = announcements.announce_files(ask.backend, ask.caller, session, told)
    return Reply(AnnouncedAnswer(files=[_announced(answer) for answer in answers]))


@call("POST", "/v1/uploads", {200: StoredAnswer, 201: UploadAnswer}, problems=(404, 409, 410, 507))
def upload(ask: Ask, body: UploadBody) -> Reply:
    """Ask where to send a file's bytes."""
    granted = uploads.request_upload(
        ask.backend,
        ask.caller,
        UploadRequest(
            session=body.session,
            root=body.root,
            path=body.path,
            size=body.size,
            mtime=body.mtime,
            first_seen=body.first_seen,
            key=body.key,
            md5=body.md5,
        ),
    )
    if granted.url is None:
        return Reply(StoredAnswer(object=granted.object, file=granted.file, generation=granted.generation))
    return Reply(
        UploadAnswer(
            upload_url=granted.url,
            object=granted.object,
            file=granted.file,
            replaces=granted.generation,
            chunk=ask.backend.settings.upload_chunk,
        ),
        201,
    )


@call("POST", "/v1/uploads/confirm", {200: ConfirmAnswer}, problems=(404, 409))
def confirm(ask: Ask, body: ConfirmBody) -> Reply:
    """Have a version compared with what was sent."""
    file, verified = uploads.confirm_upload(
        ask.backend, ask.caller, name=body.object, generation=body.generation, size=body.size, md5=body.md5
    )
    return Reply(ConfirmAnswer(file=file, generation=body.generation, verified=verified))


def _announced(answer: Announced) -> AcceptedFile | RefusedFile:
    said = answer.announcement
    if answer.refused is not None or answer.object is None or answer.file is None or answer.status is None:
        # The path is shown as it came, but for what is no Unicode text.
        shown = said.path.encode("utf-8", "replace").decode()
        code = answer.refused.code if answer.refused else "error"
        return RefusedFile(root=said.root, path=shown, code=code, detail=str(answer.refused))
    return AcceptedFile(root=said.root, path=said.path, object=answer.object, file=answer.file, status=answer.status)


CALLS = (announce, upload, confirm)
