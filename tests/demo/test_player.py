"""The player: files of a folder as scenes, written as an instrument writes them."""

from __future__ import annotations

import os
import time
from datetime import UTC, datetime
from pathlib import Path

import pytest

from scopeline.demo import player
from scopeline.demo.player import Logger, LoggerFailed, Scene, play, scenes_of_folder, write_as_instrument


def make(path: Path, text: str, modified: float) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    os.utime(path, (modified, modified))
    return path


# ------------------------------------------------------------------------------------------------------------ scenes


def test_files_of_a_folder_come_in_the_order_in_which_they_were_written(tmp_path: Path) -> None:
    make(tmp_path / "b.dm3", "2", 200)
    make(tmp_path / "deeper" / "still" / "a.dm3", "3", 300)
    make(tmp_path / "z.dm3", "1", 100)
    make(tmp_path / "c.dm3", "2", 200)
    scenes = scenes_of_folder(tmp_path)
    assert [scene.target for scene in scenes] == ["z.dm3", "b.dm3", "c.dm3", "deeper/still/a.dm3"]
    assert [scene.source for scene in scenes] == [tmp_path / scene.target for scene in scenes]
    assert all(scene.note is None and scene.sample is None and scene.at is None for scene in scenes)


def test_links_and_folders_are_no_files(tmp_path: Path) -> None:
    outside = make(tmp_path / "outside.dm3", "x", 100)
    folder = tmp_path / "session"
    make(folder / "a.dm3", "x", 100)
    (folder / "link.dm3").symlink_to(outside)
    (folder / "dangling.dm3").symlink_to(tmp_path / "nothing")
    (folder / "empty").mkdir()
    assert [scene.target for scene in scenes_of_folder(folder)] == ["a.dm3"]


def test_folder_without_files_is_told(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(LoggerFailed) as raised:
        scenes_of_folder(tmp_path)
    assert raised.value.code == "no_files"
    assert str(tmp_path) in str(raised.value)


# ----------------------------------------------------------------------------------------------------------- writing


def test_file_grows_piece_by_piece_and_ends_with_the_time_of_its_source(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = make(tmp_path / "source.dm3", "abcdefgh" * 1000, 1_500_000_000)
    target = tmp_path / "instrument" / "folder" / "target.dm3"
    seen: list[tuple[int, float]] = []
    monkeypatch.setattr(player.time, "sleep", lambda pause: seen.append((target.stat().st_size, pause)))
    write_as_instrument(source, target, 0.5)
    sizes = [size for size, _ in seen]
    assert len(sizes) == player.PIECES - 1
    assert 0 < sizes[0] < sizes[1] < source.stat().st_size
    assert {pause for _, pause in seen} == {0.5}
    assert target.read_bytes() == source.read_bytes()
    assert target.stat().st_mtime == 1_500_000_000


@pytest.mark.parametrize("size", [0, 1, 2, 3, 4, 1000])
def test_file_of_any_size_is_written_whole(tmp_path: Path, size: int) -> None:
    source = make(tmp_path / "source", "x" * size, 100)
    write_as_instrument(source, tmp_path / "target", 0)
    assert (tmp_path / "target").read_bytes() == source.read_bytes()


def test_file_that_is_there_is_written_anew(tmp_path: Path) -> None:
    make(tmp_path / "target", "longer than before", time.time())
    write_as_instrument(make(tmp_path / "source", "new", 100), tmp_path / "target", 0)
    assert (tmp_path / "target").read_text() == "new"


# ------------------------------------------------------------------------------------------------------------- the play


class Heard(Logger):
    """A logger that only writes down what it is told, and which files were there."""

    __slots__ = ("heard",)

    def run(self, *arguments: str) -> str:
        files = sorted(path.name for path in self.root.rglob("*") if path.is_file())
        self.heard.append((arguments, files))  # type: ignore[has-type]
        return ""


def test_sample_and_note_are_said_before_their_file_is_saved(tmp_path: Path) -> None:
    logger = Heard(tmp_path / "pc", "http://127.0.0.1:9", "sl_a_b", "titan")
    logger.heard = []  # type: ignore[attr-defined]
    logger.set_up()
    at = datetime(2026, 2, 6, 12, 30, 15, 999, tzinfo=UTC)
    scenes = [
        Scene(make(tmp_path / "1", "one", 100), "1.dm3", note="hello"),
        Scene(make(tmp_path / "2", "two", 100), "sub/2.dm3", note="new", sample="Gold", at=at),
    ]
    numbers = []
    play(logger, scenes, pause=0, on_scene=lambda number, scene: numbers.append((number, scene.target)))
    when = ("--at", "2026-02-06T12:30:15+00:00")
    assert logger.heard == [  # type: ignore[attr-defined]
        (("note", "hello"), []),
        (("note", "--sample", "Gold", *when), ["1.dm3"]),
        (("note", "new", *when), ["1.dm3"]),
    ]
    assert numbers == [(1, "1.dm3"), (2, "sub/2.dm3")]
    assert (logger.root / "sub" / "2.dm3").read_text() == "two"


def test_logger_that_fails_is_told_in_its_own_words(tmp_path: Path) -> None:
    logger = Logger(tmp_path / "pc", "http://127.0.0.1:9", "sl_a_b", "titan")
    logger.set_up()
    with pytest.raises(LoggerFailed, match="scopeline-logger end ended with status 2: No session is running"):
        logger.run("end")


def test_settings_of_the_logger_are_for_its_user_only(tmp_path: Path) -> None:
    logger = Logger(tmp_path / "pc", "http://127.0.0.1:9", "sl_a_b", "titan")
    logger.set_up()
    assert logger.config.stat().st_mode & 0o077 == 0
    assert "sl_a_b" in logger.config.read_text()


def test_watching_process_ends_when_it_is_stopped(tmp_path: Path) -> None:
    logger = Logger(tmp_path / "pc", "http://127.0.0.1:9", "sl_a_b", "titan")
    logger.set_up()
    logger.start_sync()
    process = logger._sync
    assert process is not None
    logger.stop_sync()
    assert process.poll() is not None
    logger.stop_sync()
