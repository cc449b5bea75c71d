"""Files and folders of a bucket: a kill, a refusal or a loss of power leaves what can be used again."""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from scopeline.adapters.embedded import object_files
from scopeline.adapters.embedded.recovery import StartFinding, recover
from scopeline.domain.names import file_id
from scopeline.ports import Bucket

NAME = "titan/s/pc/data/a.dm3"
DATA = b"hello"
FILE = file_id(Bucket.RAW, NAME)


def mode_of(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def spool_of(opened: Any) -> Path:
    (spool,) = (opened.folder / "raw" / "incoming").iterdir()
    assert isinstance(spool, Path)
    return spool


def version_of(opened: Any) -> Path:
    (stored,) = opened.raw.list()
    (path,) = (opened.folder / "raw").rglob(str(stored.generation))
    assert isinstance(path, Path)
    return path


def upload(opened: Any, data: bytes = DATA) -> str:
    return str(opened.raw.create_upload(NAME, size=len(data), if_generation=0))


def received(opened: Any, name: str, data: bytes) -> Path:
    """The spool of the upload of `name` when all its bytes have come."""
    with opened.database.transaction("Receiving") as transaction:
        (row,) = transaction.connection.execute(
            "UPDATE uploads SET received = ? WHERE name = ? RETURNING id", (len(data), name)
        ).fetchall()
    spool = opened.raw.files.spool(row["id"])
    spool.touch(mode=0o600)
    spool.write_bytes(data)
    assert isinstance(spool, Path)
    return spool


def send(opened: Any, url: str) -> int:
    return int(opened.put(url, f"bytes 0-{len(DATA) - 1}/{len(DATA)}", DATA)[0])


def once(fault: Exception, call: Callable[..., Any], applies: Callable[..., bool] = lambda *_: True) -> Any:
    """`call`, which fails with `fault` the first time that `applies` says so of its arguments."""
    left = [fault]

    def faulty(*arguments: Any) -> Any:
        if left and applies(*arguments):
            raise left.pop()
        return call(*arguments)

    return faulty


@pytest.fixture
def modes_in_incoming(opened: Any, monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The modes of the files in `incoming` after each change of a name or a mode: what a kill there would leave."""
    seen: list[int] = []

    def watched(call: Callable[..., Any]) -> Callable[..., Any]:
        def and_look(*arguments: Any) -> Any:
            result = call(*arguments)
            seen.extend(mode_of(path) for path in (opened.folder / "raw" / "incoming").iterdir())
            return result

        return and_look

    monkeypatch.setattr(Path, "rename", watched(Path.rename))
    monkeypatch.setattr(Path, "chmod", watched(Path.chmod))
    return seen


def test_a_version_may_only_be_read(opened: Any) -> None:
    assert send(opened, upload(opened)) == 200
    assert mode_of(version_of(opened)) == 0o400


def test_bytes_on_their_way_to_a_version_may_be_written_at_every_moment(
    opened: Any, modes_in_incoming: list[int]
) -> None:
    assert send(opened, upload(opened)) == 200
    assert set(modes_in_incoming) <= {0o600}


def test_bytes_on_their_way_back_to_an_upload_may_be_written_at_every_moment(
    opened: Any, modes_in_incoming: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    def refused(point: str) -> None:
        if point == "object.row_written":
            raise OSError(errno.EIO, "no")

    url = upload(opened)
    with monkeypatch.context() as patched:
        patched.setattr(opened.database, "fault_point", refused)
        assert send(opened, url) >= 500
    assert modes_in_incoming
    assert set(modes_in_incoming) == {0o600}
    assert send(opened, url) == 200
    assert mode_of(version_of(opened)) == 0o400


def test_an_upload_whose_rename_is_refused_goes_on(opened: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    url = upload(opened)
    full = OSError(errno.ENOSPC, "No space left on device")
    monkeypatch.setattr(Path, "rename", once(full, Path.rename))
    assert send(opened, url) == 507
    assert mode_of(spool_of(opened)) == 0o600
    assert send(opened, url) == 200


@pytest.mark.parametrize("step", ["chmod", "sync"])
def test_an_upload_goes_on_where_a_step_behind_the_rename_is_refused(
    opened: Any, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    url = upload(opened)
    fault = OSError(errno.EIO, "Input/output error")
    if step == "chmod":
        monkeypatch.setattr(Path, "chmod", once(fault, Path.chmod))
    else:
        holds_a_version = lambda folder: any(path.name.isdecimal() for path in folder.iterdir())  # noqa: E731
        faulty = once(fault, object_files.sync_folder, holds_a_version)
        monkeypatch.setattr(object_files, "sync_folder", faulty)
    assert send(opened, url) == 503
    assert mode_of(spool_of(opened)) == 0o600
    assert recover([opened.raw]) == []
    assert send(opened, url) == 200
    assert mode_of(version_of(opened)) == 0o400


@pytest.mark.parametrize("data", [DATA, b""])
def test_a_spool_that_was_left_read_only_is_opened_again(opened: Any, data: bytes) -> None:
    url = upload(opened, data)
    spool = received(opened, NAME, data)
    spool.chmod(0o400)
    with opened.raw.uploads.spool(url.rsplit("/", 1)[-1]):
        assert mode_of(spool) == 0o600


def test_a_start_lets_open_uploads_be_written_and_versions_only_be_read(opened: Any) -> None:
    assert send(opened, upload(opened)) == 200
    version = version_of(opened)
    version.chmod(0o600)
    opened.raw.create_upload("b", size=len(DATA), if_generation=0)
    spool = received(opened, "b", DATA)
    spool.chmod(0o400)
    assert recover([opened.raw]) == []
    assert (mode_of(version), mode_of(spool)) == (0o400, 0o600)


def test_a_kill_between_rename_and_mode_gives_the_bytes_back(opened: Any) -> None:
    url = upload(opened)
    spool = received(opened, NAME, DATA)
    opened.raw.files.prepare(FILE)
    spool.rename(opened.raw.files.version(FILE, 17))
    assert [found.finding for found in recover([opened.raw])] == [StartFinding.RETURNED_TO_UPLOAD]
    assert mode_of(spool) == 0o600
    assert opened.put(url, f"bytes */{len(DATA)}")[0] == 200


def test_files_of_another_user_keep_their_mode(opened: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    assert send(opened, upload(opened)) == 200
    version = version_of(opened)
    version.chmod(0o660)
    monkeypatch.setattr(os, "geteuid", lambda: version.stat().st_uid + 1)
    assert recover([opened.raw]) == []
    assert mode_of(version) == 0o660


# --------------------------------------------------------------------------------------------------------- folders


@pytest.fixture
def synced(monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    """The folders whose names were made durable, in order."""
    folders: list[Path] = []
    real = object_files.sync_folder

    def noted(folder: Path) -> None:
        folders.append(folder)
        real(folder)

    monkeypatch.setattr(object_files, "sync_folder", noted)
    return folders


def test_a_folder_that_somebody_made_and_never_synced_is_synced(opened: Any, synced: list[Path]) -> None:
    raw = opened.folder / "raw"
    (raw / FILE[:2] / FILE).mkdir(parents=True)
    opened.raw.write(NAME, DATA)
    assert synced == [raw / FILE[:2], raw, raw / FILE[:2] / FILE]


def test_another_version_costs_one_sync_of_a_folder(opened: Any, synced: list[Path]) -> None:
    opened.raw.write(NAME, DATA)
    synced.clear()
    opened.raw.write(NAME, DATA)
    assert synced == [opened.folder / "raw" / FILE[:2] / FILE]
