"""`scopeline record`: the record of a folder, as the service would build it."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from lxml import etree

from scopeline.records.schema import check_record

NX = {"nx": "https://data.nist.gov/od/dm/nexus/experiment/v1.0"}
WRITTEN = 1_542_133_800  # 2018-11-13T18:30:00Z


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with a spectrum, a note, an unreadable image and a file that is never taken."""
    made = tmp_path / "session"
    made.mkdir()
    (made / "a.msa").write_text("#FORMAT : EMSA/MAS Spectral Data File\n#NPOINTS : 2\n#DATATYPE : Y\n"
                                "#XPERCHAN : 1\n#OFFSET : 0\n#SPECTRUM : x\n1.,\n2.,\n#ENDOFDATA :\n")  # fmt: skip
    (made / "notes.txt").write_text("grain boundary at the left")
    (made / "b.dm3").write_bytes(b"no image")
    (made / "Thumbs.db").write_bytes(b"cache")
    for minute, path in enumerate(sorted(made.iterdir())):
        os.utime(path, (WRITTEN + 60 * minute, WRITTEN + 60 * minute))
    return made


def record(folder: Path, output: Path, *options: str, user: str = "Ada") -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "scopeline", "record", str(folder), "--instrument", "titan", "--user", user,
         "-o", str(output), *options],
        capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip


def test_a_folder_becomes_a_valid_record_and_what_was_not_read_is_listed(folder: Path, tmp_path: Path) -> None:
    done = record(folder, tmp_path / "r.xml", "--title", "Grains", "--zone", "Europe/Berlin")
    assert done.returncode == 1
    assert "b.dm3: un" in done.stderr
    assert "not taken: Path 'Thumbs.db'" in done.stderr
    xml = (tmp_path / "r.xml").read_bytes()
    check_record(xml)
    root = etree.fromstring(xml)
    assert root.findtext("nx:title", namespaces=NX) == "Grains"
    assert root.findtext("nx:summary/nx:experimenter", namespaces=NX) == "Ada"
    assert root.findtext("nx:summary/nx:reservationStart", namespaces=NX) == "2018-11-13T19:30:00+01:00"
    names = [name.text for name in root.iterfind(".//nx:dataset/nx:name", NX)]
    assert sorted(str(name) for name in names) == ["a.msa", "b.dm3", "notes.txt"]


def test_the_same_command_gives_the_same_bytes(folder: Path, tmp_path: Path) -> None:
    for name in ("one.xml", "two.xml"):
        record(folder, tmp_path / name)
    assert (tmp_path / "one.xml").read_bytes() == (tmp_path / "two.xml").read_bytes()


@pytest.mark.parametrize(
    ("options", "user", "words"),
    [
        (("--start", "2026-01-02T10:00", "--end", "2026-01-01"), "Ada", "after its end"),
        ((), " ", "name is empty"),
        (("--start", "soon"), "Ada", "is no time"),
    ],
)
def test_arguments_that_make_no_sense_are_wrong_use(
    folder: Path, tmp_path: Path, options: tuple[str, ...], user: str, words: str
) -> None:
    done = record(folder, tmp_path / "r.xml", *options, user=user)
    assert (done.returncode, words in done.stderr, "Traceback" in done.stderr) == (2, True, False), done.stderr


def test_the_sessions_own_files_are_never_written_over(folder: Path) -> None:
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    for output in (folder / "a.msa", folder / "r.xml"):
        assert record(folder, output).returncode == 2
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == before


def test_only_a_file_is_written_to(folder: Path, tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    for output in (pipe, tmp_path, tmp_path / "missing" / "r.xml"):
        assert record(folder, output).returncode == 2
    assert pipe.is_fifo()
    target, link = tmp_path / "target.xml", tmp_path / "link.xml"
    target.write_text("old")
    link.symlink_to(target)
    record(folder, link)
    assert link.is_symlink()
    assert target.read_bytes().startswith(b"<?xml")
