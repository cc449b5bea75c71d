from __future__ import annotations

import errno
import re
import stat
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from scopeline.adapters.embedded.database import Database
from scopeline.ports import MissingObject, ObjectRef

NAME = "titan/s/pc/data/../a.dm3"


def version_files(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*") if path.is_file()]


def test_names_never_become_paths(opened: Any) -> None:
    stored = opened.raw.write(NAME, b"x")
    (path,) = version_files(opened.folder / "raw")
    place = path.relative_to(opened.folder / "raw").as_posix()
    assert re.fullmatch(rf"([a-z2-7]{{2}})/\1[a-z2-7]{{22}}/{stored.generation}", place)


def test_stored_bytes_may_only_be_read(opened: Any) -> None:
    stored = opened.raw.write(NAME, b"x")
    (path,) = version_files(opened.folder / "raw")
    assert stat.S_IMODE(path.stat().st_mode) == 0o400
    with opened.raw.local_folder([ObjectRef(NAME, stored.generation, "a.dm3")]) as folder:
        assert (folder / "a.dm3").stat().st_ino == path.stat().st_ino


@pytest.mark.parametrize("code", [errno.EPERM, errno.EOPNOTSUPP, errno.EMLINK, errno.EXDEV])
def test_without_hard_links_the_bytes_are_copied(opened: Any, monkeypatch: pytest.MonkeyPatch, code: int) -> None:
    def no_links(self: Path, target: Path) -> None:
        raise OSError(code, "no links here")

    monkeypatch.setattr(Path, "hardlink_to", no_links)
    stored = opened.raw.write(NAME, b"x")
    with opened.raw.local_folder([ObjectRef(NAME, stored.generation, "a.dm3")]) as folder:
        assert (folder / "a.dm3").read_bytes() == b"x"


def test_bytes_that_are_gone_from_the_folder_are_missing(opened: Any) -> None:
    stored = opened.raw.write(NAME, b"x")
    (path,) = version_files(opened.folder / "raw")
    path.unlink()
    with pytest.raises(MissingObject, match="gone from the data folder"):
        opened.raw.open(NAME, stored.generation)
    with (
        pytest.raises(MissingObject, match="gone from the data folder"),
        opened.raw.local_folder([ObjectRef(NAME, stored.generation, "a.dm3")]),
    ):
        pytest.fail("the folder was given")
    assert list((opened.folder / "raw" / "reading").iterdir()) == []


def test_deleted_bytes_leave_the_disk(opened: Any) -> None:
    stored = opened.raw.write(NAME, b"x")
    opened.raw.delete(NAME, stored.generation)
    assert version_files(opened.folder / "raw") == []


def test_generations_do_not_come_again_when_the_database_comes_from_a_backup(open_folder: Any, tmp_path: Path) -> None:
    opened = open_folder()
    opened.clock.advance(seconds=1)
    last = opened.raw.write(NAME, b"x").generation
    opened.database.close()
    for path in opened.folder.glob("scopeline.sqlite*"):
        path.unlink()
    opened.clock.advance(seconds=1)
    assert open_folder().raw.write(NAME, b"y").generation > last


def test_a_clock_that_goes_back_does_not_take_generations_back(opened: Any) -> None:
    first = opened.raw.write(NAME, b"x")
    opened.clock.advance(days=-30)
    assert opened.raw.write(NAME, b"y").generation > first.generation


def test_the_api_sends_the_bytes_itself(opened: Any) -> None:
    stored = opened.raw.write(NAME, b"x")
    assert opened.raw.download_url(NAME, stored.generation, "a.dm3", timedelta(minutes=5)) is None


def test_a_failure_at_any_point_of_a_write_leaves_nothing(open_folder: Any, tmp_path: Path) -> None:
    failing = {"point": ""}

    def fail(point: str) -> None:
        if point == failing["point"]:
            raise OSError(errno.EIO, "the disk failed")

    opened = open_folder(fault_point=fail)
    for failing["point"] in ("object.bytes_written", "object.renamed", "object.row_written"):
        with pytest.raises(Exception, match="the disk failed"):
            opened.raw.write(NAME, b"x")
        assert version_files(opened.folder / "raw") == []
        assert opened.raw.stat(NAME) is None
        assert opened.events.state() == []
    assert isinstance(opened.database, Database)
