from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from scopeline.adapters.data_folder import make_private_folder
from scopeline.bootstrap import embedded
from scopeline.settings import load_settings


@pytest.fixture(params=[0o000, 0o022, 0o377], ids=["open", "usual", "closed"])
def umask(request: pytest.FixtureRequest) -> Iterator[int]:
    before = os.umask(request.param)
    yield request.param
    os.umask(before)


def mode(path: Path) -> str:
    return f"{path.stat().st_mode & 0o777:o}"


def test_a_folder_is_its_owners_whatever_the_umask(tmp_path: Path, umask: int) -> None:
    make_private_folder(tmp_path / "data")
    assert mode(tmp_path / "data") == "700"


def test_a_folder_that_is_there_keeps_its_mode(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "data").chmod(0o750)
    make_private_folder(tmp_path / "data")
    assert mode(tmp_path / "data") == "750"


def test_a_file_in_its_place_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "data").write_text("a file")
    with pytest.raises(FileExistsError):
        make_private_folder(tmp_path / "data")


def test_everything_that_is_kept_is_its_owners(tmp_path: Path) -> None:
    before = os.umask(0)
    try:
        with embedded(load_settings(data_dir=tmp_path / "data")) as edition:
            edition.raw.write("a.txt", b"text")
            data = edition.database.folder
            modes = {path.name: mode(path) for path in (data, data / "raw", data / "derived")}
            assert modes == {"data": "700", "raw": "700", "derived": "700"}
            assert {mode(path) for path in data.glob("scopeline.sqlite*")} == {"600"}
    finally:
        os.umask(before)
