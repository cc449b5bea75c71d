from __future__ import annotations

import hashlib
from typing import Any

import pytest

from scopeline.domain.errors import Conflict
from scopeline.domain.events import StoredObject
from scopeline.domain.files import File, FileStatus, Verified
from scopeline.services import uploads
from scopeline.services.announcements import Announcement, announce_files
from scopeline.services.files import get_file, get_version, refresh_file, upsert_version
from scopeline.services.uploads import Upload, UploadRequest

LOCAL_ID = "7d9f1f54-9d5a-4d0f-8f55-0d9ad0b7d3f1"
MD5 = hashlib.md5(b"hello").hexdigest()


def request(desk: Any, **more: Any) -> Upload:
    given: dict[str, Any] = {
        "session": LOCAL_ID,
        "root": "data",
        "path": "a.dm3",
        "size": 5,
        "mtime": desk.now,
        "first_seen": desk.now,
        "key": "1",
    }
    return uploads.request_upload(desk.backend, desk.caller, UploadRequest(**{**given, **more}))


def store(desk: Any, upload: Upload, data: bytes = b"hello") -> StoredObject:
    stored: StoredObject = desk.backend.raw.write(upload.object, data)
    return stored


def confirm(desk: Any, stored: StoredObject, md5: str = MD5, backend: Any = None) -> Verified:
    return uploads.confirm_upload(
        backend or desk.backend,
        desk.caller,
        name=stored.name,
        generation=stored.generation,
        size=stored.size,
        md5=md5,
    )[1]


def test_the_object_carries_what_its_file_can_be_made_of_again(desk: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    desk.start()
    told: dict[str, str] = {}
    monkeypatch.setattr(
        desk.edition.raw, "create_upload", lambda name, **more: told.update(more["metadata"]) or "http://u"
    )
    long_path = "/".join(["n" * 200] * 6)
    upload = request(desk, path=long_path, md5=MD5)
    file = get_file(desk.backend, upload.file)
    assert told == {
        "session": file.session,
        "root": "data",
        "mtime": "2026-02-06T12:00:00.000000Z",
        "first_seen": "2026-02-06T12:00:00.000000Z",
        "md5": MD5,
        "path": long_path,
    }
    stored = desk.backend.raw.write(upload.object, b"hello", metadata=told)
    desk.backend.catalog.delete(file.key)
    from scopeline.services.files import get_or_create_file

    again = get_or_create_file(desk.backend, stored)
    same = ("session", "instrument", "client", "root", "path", "first_seen", "mtime", "bucket", "object")
    assert {name: getattr(again, name) for name in same} == {name: getattr(file, name) for name in same}


@pytest.mark.parametrize("ingest_first", [True, False])
def test_confirm_and_ingest_may_come_in_any_order(desk: Any, ingest_first: bool) -> None:
    desk.start()
    upload = request(desk)
    stored = store(desk, upload)

    def ingest() -> None:
        upsert_version(desk.backend, get_file(desk.backend, upload.file), stored)
        refresh_file(desk.backend, upload.file)

    steps = [ingest, lambda: confirm(desk, stored)]
    for step in steps if ingest_first else reversed(steps):
        step()
    version = get_version(desk.backend, upload.file, stored.generation)
    assert version is not None
    assert version.verified is Verified.YES
    assert get_file(desk.backend, upload.file).status is FileStatus.STORED


def test_a_rejected_version_of_an_ended_session_tells_file_and_session(desk: Any) -> None:
    session = desk.start()
    upload = request(desk)
    stored = store(desk, upload)
    desk.end()
    with pytest.raises(Conflict, match="Send the file again") as refusal:
        confirm(desk, stored, "0" * 32)
    assert refusal.value.code == "md5_mismatch"
    assert get_file(desk.backend, upload.file).status is FileStatus.ANNOUNCED
    told = [(topic, key) for topic, key, _ in desk.waiting()]
    assert ("object.changed", upload.file) in told
    assert ("session.changed", session.id) in told


def test_a_rejection_cut_at_any_write_is_complete_when_it_is_sent_again(desk: Any) -> None:
    desk.start()
    upload = request(desk)
    desk.end()
    current = [store(desk, upload)]

    def again() -> None:
        with pytest.raises(Conflict):
            confirm(desk, current[0], "0" * 32)
        version = get_version(desk.backend, upload.file, current[0].generation)
        assert version is not None
        assert version.verified is Verified.NO
        assert get_file(desk.backend, upload.file).generation is None
        assert ("object.changed", upload.file) in [(topic, key) for topic, key, _ in desk.waiting()]
        current[0] = store(desk, upload)

    def rejected(backend: Any) -> None:
        with pytest.raises(Conflict):
            confirm(desk, current[0], "0" * 32, backend)

    assert desk.cut_at_each_write(rejected, again) >= 4


def test_a_file_without_its_document_is_found_after_a_cut_upload_request(desk: Any) -> None:
    desk.start()

    def ask(backend: Any) -> None:
        uploads.request_upload(
            backend,
            desk.caller,
            UploadRequest(None, "data", "a.dm3", 5, desk.now, desk.now, key=str(desk.now)),
        )

    def again() -> None:
        upload = request(desk, session=None, key=str(desk.now))
        assert get_file(desk.backend, upload.file).session is not None
        desk.forward(seconds=1)

    assert desk.cut_at_each_write(ask, again) >= 2


def test_a_known_clock_offset_moves_the_time_at_which_a_file_was_first_seen(desk: Any) -> None:
    from dataclasses import replace
    from datetime import timedelta

    client = desk.caller.client.model_copy(update={"clock_offset": 3600.0})
    desk.callers["titan-pc"] = replace(desk.caller, client=client)
    upload = request(desk, session=None, first_seen=desk.now - timedelta(hours=3))
    assert get_file(desk.backend, upload.file).first_seen == desk.now - timedelta(hours=2)
    future = request(desk, session=None, key="2", first_seen=desk.now + timedelta(hours=3))
    assert get_file(desk.backend, future.file).first_seen == desk.now


def test_withdrawing_the_last_missing_file_of_an_ended_session_tells_it(desk: Any) -> None:
    session = desk.start()
    said = Announcement("data", "a.dm3", 5, desk.now)
    announce_files(desk.backend, desk.caller, LOCAL_ID, [said])
    desk.end(announced=1)
    gone = Announcement("data", "a.dm3", 5, desk.now, withdrawn=True)
    (answer,) = announce_files(desk.backend, desk.caller, LOCAL_ID, [gone])
    assert answer.status is FileStatus.DELETED
    assert ("session.changed", session.id) in [(topic, key) for topic, key, _ in desk.waiting()]


def test_a_withdrawn_file_that_was_stored_meanwhile_stays(desk: Any) -> None:
    desk.start()
    upload = request(desk)
    confirm(desk, store(desk, upload))
    gone = Announcement("data", "a.dm3", 5, desk.now, withdrawn=True)
    (answer,) = announce_files(desk.backend, desk.caller, LOCAL_ID, [gone])
    assert answer.status is FileStatus.STORED
    stored = desk.backend.catalog.get(File, f"files/{upload.file}")
    assert stored is not None
    assert stored.document.generation is not None
