from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from scopeline.domain.files import File
from scopeline.ports import FILES_OF_SESSION, find_all
from scopeline.services import uploads
from scopeline.services.build import current_record
from scopeline.services.files import get_file
from scopeline.services.membership import claim_files, join_session, leave_session
from scopeline.services.uploads import UploadRequest

LOCAL_ID = "7d9f1f54-9d5a-4d0f-8f55-0d9ad0b7d3f1"
OTHER_ID = "0a9f1f54-9d5a-4d0f-8f55-0d9ad0b7d3f1"


def send(desk: Any, key: str = "1", *, seen_ago: float = 0) -> str:
    first_seen = desk.now - timedelta(minutes=seen_ago)
    request = UploadRequest(None, "data", f"{key}.dm3", 5, desk.now, first_seen, key=key)
    return uploads.request_upload(desk.backend, desk.caller, request).file


def test_a_start_that_comes_while_a_file_is_made_takes_it_once(desk: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    catalog = desk.edition.backend.catalog
    create = catalog.create

    def create_and_start(document: Any) -> bool:
        made: bool = create(document)
        if isinstance(document, File):
            monkeypatch.undo()
            desk.start(at=desk.now - timedelta(minutes=1))
        return made

    monkeypatch.setattr(catalog, "create", create_and_start)
    file = get_file(desk.backend, send(desk))
    assert file.session is not None
    assert [member.session for member in file.membership] == [file.session]


def test_a_file_belongs_to_the_session_of_the_time_at_which_it_was_first_seen(desk: Any) -> None:
    first = desk.start()
    desk.forward(hours=1)
    desk.end()
    desk.forward(hours=1)
    second = desk.start(OTHER_ID)
    desk.forward(minutes=30)
    assert get_file(desk.backend, send(desk, "now")).session == second.id
    assert get_file(desk.backend, send(desk, "between", seen_ago=60)).session is None
    assert get_file(desk.backend, send(desk, "before", seen_ago=120)).session == first.id


def test_a_late_file_of_an_ended_session_changes_its_record(desk: Any) -> None:
    session = desk.start()
    desk.forward(hours=1)
    desk.end()
    send(desk, seen_ago=30)
    assert ("session.changed", session.id) in [(topic, key) for topic, key, _ in desk.waiting()]


def test_more_files_than_a_page_holds_are_claimed(desk: Any) -> None:
    template = get_file(desk.backend, send(desk))
    for n in range(520):
        desk.backend.catalog.create(template.model_copy(update={"object": f"titan/unassigned/2026-02-06/x/{n}"}))
    session = desk.start()
    found = list(find_all(desk.backend.catalog, File, FILES_OF_SESSION, where={"session": session.id}))
    assert len(found) == 521
    assert claim_files(desk.backend, session) == 0


def test_a_file_moves_only_from_where_it_is(desk: Any) -> None:
    session = desk.start()
    file = send(desk)
    assert not join_session(desk.backend, file, "20260206-titan-aaaaaa", who="ada", why="mine")
    leave_session(desk.backend, file, "20260206-titan-aaaaaa")
    assert get_file(desk.backend, file).session == session.id


def test_a_record_follows_a_file_that_only_a_repeated_start_takes(desk: Any, work: Any) -> None:
    """The call that announced the file was killed before it looked for a session, and nobody repeats it."""
    session = desk.start()
    desk.forward(hours=1)
    desk.end()
    work.deliver()
    desk.forward(hours=3)
    work.deliver()
    request = UploadRequest(None, "data", "lost.dm3", 5, desk.now, desk.now - timedelta(hours=3.5), key="lost")
    assert desk.cut_at(lambda backend: uploads.request_upload(backend, desk.caller, request), 1, after=True)
    desk.start(at=session.start.at)
    desk.forward(hours=1)
    work.deliver()
    assert b"lost.dm3" in current_record(desk.backend, session.id).xml


def test_a_record_follows_what_a_late_start_gives_back(desk: Any, work: Any) -> None:
    """START and END reach the server together, hours later; a file of the time after END was taken by START."""
    begun = desk.now
    desk.forward(hours=2)
    file = send(desk)
    session = desk.start(at=begun, sent=desk.now)
    assert get_file(desk.backend, file).session == session.id
    desk.end(at=begun + timedelta(hours=1), sent=desk.now)
    desk.forward(hours=3)
    work.deliver()
    assert get_file(desk.backend, file).session is None
    assert b"1.dm3" not in current_record(desk.backend, session.id).xml
