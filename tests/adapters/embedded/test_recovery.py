from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from scopeline.adapters.embedded.recovery import Found, StartFinding, recover
from scopeline.ports import MissingObject

NAME = "titan/s/pc/data/a.dm3"
UNIT = 256 * 1024


def check(opened: Any) -> list[Found]:
    return recover([opened.raw, opened.derived])


def path_of(opened: Any, generation: int) -> Path:
    (path,) = (opened.folder / "raw").rglob(str(generation))
    assert isinstance(path, Path)
    return path


def test_a_sound_folder_has_no_findings_and_stays_as_it_is(opened: Any) -> None:
    stored = opened.raw.write(NAME, b"x")
    opened.derived.write("p.png", b"x")
    url = opened.raw.create_upload("b", size=2 * UNIT, if_generation=0)
    opened.put(url, f"bytes 0-{UNIT - 1}/{2 * UNIT}", b"a" * UNIT)
    before = sorted(opened.folder.rglob("*"))
    assert check(opened) == []
    assert sorted(opened.folder.rglob("*")) == before
    assert opened.raw.stat(NAME) == stored


def test_a_row_without_bytes_is_reported_each_time_and_kept(opened: Any) -> None:
    stored = opened.raw.write(NAME, b"x")
    path_of(opened, stored.generation).unlink()
    for _ in range(2):
        (found,) = check(opened)
        assert found == Found("raw", StartFinding.ROW_WITHOUT_BYTES, f"{NAME} generation {stored.generation}")
    assert opened.raw.stat(NAME) == stored
    with pytest.raises(MissingObject):
        opened.raw.open(NAME, stored.generation)


def test_rows_whose_whole_folder_is_gone_are_reported(opened: Any) -> None:
    stored = opened.raw.write(NAME, b"x")
    path = path_of(opened, stored.generation)
    path.unlink()
    path.parent.rmdir()
    path.parent.parent.rmdir()
    assert [found.finding for found in check(opened)] == [StartFinding.ROW_WITHOUT_BYTES]


def test_bytes_of_another_size_are_reported(opened: Any) -> None:
    stored = opened.raw.write(NAME, b"12345")
    path = path_of(opened, stored.generation)
    path.chmod(0o600)
    path.write_bytes(b"123")
    (found,) = check(opened)
    assert found.finding is StartFinding.WRONG_SIZE
    assert found.subject.endswith("3 bytes instead of 5")


@pytest.mark.parametrize("name", ["17", "not a generation"])
def test_bytes_that_nobody_knows_are_moved_aside_and_kept(opened: Any, name: str) -> None:
    stored = opened.raw.write(NAME, b"x")
    path = path_of(opened, stored.generation).with_name(name)
    path.write_bytes(b"somebody's data")
    (found,) = check(opened)
    assert found.finding is StartFinding.UNCLAIMED_BYTES
    assert not path.exists()
    assert Path(found.subject).read_bytes() == b"somebody's data"
    assert Path(found.subject).is_relative_to(opened.folder / "raw" / "unclaimed")
    assert check(opened) == []
    assert opened.raw.stat(NAME) == stored


def test_what_the_process_before_left_behind_is_removed(opened: Any) -> None:
    incoming, reading = opened.folder / "raw" / "incoming", opened.folder / "raw" / "reading"
    (incoming / "half.part").write_bytes(b"x")
    (incoming / ("0" * 64)).write_bytes(b"bytes of an upload that is not in the database")
    (reading / "folder").mkdir()
    (reading / "folder" / "a.dm3").write_bytes(b"x")
    assert {found.finding for found in check(opened)} == {StartFinding.REMAINS_REMOVED}
    assert list(incoming.iterdir()) == list(reading.iterdir()) == []


def test_uploads_of_over_a_week_ago_go_with_their_bytes(opened: Any) -> None:
    old = opened.raw.create_upload("old", size=2 * UNIT, if_generation=0)
    opened.put(old, f"bytes 0-{UNIT - 1}/{2 * UNIT}", b"a" * UNIT)
    opened.clock.advance(days=6)
    new = opened.raw.create_upload("new", size=2 * UNIT, if_generation=0)
    opened.put(new, f"bytes 0-{UNIT - 1}/{2 * UNIT}", b"a" * UNIT)
    opened.clock.advance(days=1, seconds=1)
    assert check(opened) == [Found("raw", StartFinding.UPLOAD_EXPIRED, "old")]
    assert len(list((opened.folder / "raw" / "incoming").iterdir())) == 1
    assert opened.put(old, f"bytes */{2 * UNIT}")[0] == 404
    assert opened.put(new, f"bytes */{2 * UNIT}")[0] == 308
