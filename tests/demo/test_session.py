from __future__ import annotations

import hashlib
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from scopeline.demo.session import FIRST_SAMPLE, LENGTH, SECOND_SAMPLE, DemoFile, make_session


def digests(files: list[DemoFile], folder: Path) -> dict[str, str]:
    return {f.path.relative_to(folder).as_posix(): hashlib.sha256(f.path.read_bytes()).hexdigest() for f in files}


def test_there_are_enough_files_in_enough_formats(demo_files: list[DemoFile]) -> None:
    assert len(demo_files) >= 12
    assert {file.path.suffix for file in demo_files} == {".dm4", ".emd", ".msa", ".tif", ".hspy", ".mrc", ".txt"}


def test_the_whole_session_is_small_enough_to_play_quickly(demo_files: list[DemoFile]) -> None:
    assert sum(file.path.stat().st_size for file in demo_files) < 25_000_000


def test_files_come_in_order_and_carry_the_time_at_which_they_were_saved(
    demo_files: list[DemoFile], demo_start: datetime
) -> None:
    offsets = [file.at for file in demo_files]
    assert offsets == sorted(offsets)
    assert timedelta() < offsets[0]
    assert offsets[-1] < LENGTH
    for file in demo_files:
        assert file.path.stat().st_mtime == pytest.approx((demo_start + file.at).timestamp(), abs=1)


def test_the_second_sample_goes_in_once_and_files_lie_in_its_folder_from_then_on(demo_files: list[DemoFile]) -> None:
    changes = [index for index, file in enumerate(demo_files) if file.sample is not None]
    assert len(changes) == 1
    assert demo_files[changes[0]].sample == SECOND_SAMPLE != FIRST_SAMPLE
    before = {file.path.parent.name for file in demo_files[: changes[0]]}
    after = {file.path.parent.name for file in demo_files[changes[0] :]}
    assert not before & after


def test_two_notes_are_typed(demo_files: list[DemoFile]) -> None:
    assert sum(file.note is not None for file in demo_files) == 2


def test_the_same_arguments_give_the_same_bytes_and_another_seed_others(
    demo_files: list[DemoFile], demo_start: datetime, tmp_path: Path
) -> None:
    folder = demo_files[-1].path.parent
    again = digests(make_session(tmp_path / "again", demo_start), tmp_path / "again")
    assert again == digests(demo_files, folder)
    other = digests(make_session(tmp_path / "other", demo_start, seed=1), tmp_path / "other")
    differing = {name for name in again if other[name] != again[name]}
    same = {"Au-TiO2/EDS/EDS map.hspy", "Au-TiO2/EDS/EDS map sum.msa", "notes.txt"}
    assert set(again) - differing <= same


def test_a_start_without_a_zone_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="no time zone"):
        make_session(tmp_path, datetime(2026, 3, 11, 9, 12))
    assert list(tmp_path.iterdir()) == []
