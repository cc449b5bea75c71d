"""`scopeline extract`: one line per file, previews in a folder, exit status 0, 1 or 2."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

REPOSITORY = Path(__file__).resolve().parents[2]


def run(*arguments: object, cwd: Path | None = None, status: int | None = None) -> subprocess.CompletedProcess[str]:
    """The command as its own process, as people start it."""
    environment = {**os.environ, "PYTHONPATH": str(REPOSITORY)}
    command = [sys.executable, "-P", "-m", "scopeline", "extract", *map(os.fspath, map(str, arguments))]
    done = subprocess.run(command, capture_output=True, text=True, cwd=cwd, env=environment, timeout=120, check=False)
    if status is not None:
        assert done.returncode == status, done.stderr
    return done


def lines(done: subprocess.CompletedProcess[str]) -> list[dict[str, Any]]:
    return [json.loads(line) for line in done.stdout.splitlines()]


@pytest.fixture
def images(shared_data: Path) -> Path:
    return shared_data / "images"


def test_a_line_holds_the_datasets_with_their_metadata(images: Path) -> None:
    (line,) = lines(run("--json", images / "sto_haadf" / "16_STOimage_1.ser", status=0))
    assert line["file"] == "16_STOimage_1.ser"
    assert line["status"] == "extracted"
    assert line["reader"] == "tia"
    assert line["companions"] == ["16_STOimage.emi"]
    assert line["warnings"] == []
    assert line["seconds"] > 0
    (dataset,) = line["datasets"]
    assert dataset["shape"] == [1024, 1024]
    assert dataset["preview"] is None
    assert dataset["metadata"], "the original metadata"


def test_lines_come_in_the_order_of_the_files_and_failures_are_listed(images: Path, tmp_path: Path) -> None:
    broken = tmp_path / "broken.dm3"
    broken.write_bytes(b"\0\0\0\3 not a micrograph")
    files = [images / "velox" / "Acquisition_18.emd", broken, images / "carbon_film" / "08_carbon.dm3"]
    found = lines(run("--json", "--workers", 2, *files, status=1))
    assert [line["file"] for line in found] == [file.name for file in files]
    assert [line["status"] for line in found] == ["extracted", "unreadable", "extracted"]
    assert found[1]["reason"]


def test_previews_are_named_after_their_files(images: Path, tmp_path: Path) -> None:
    other = tmp_path / "copy" / "08_carbon.dm3"
    other.parent.mkdir()
    shutil.copy(images / "carbon_film" / "08_carbon.dm3", other)
    dummy = tmp_path / "dummy.xyz"
    dummy.write_text("nothing that anybody reads\0")
    folder = tmp_path / "new" / "previews"
    done = run("--json", "--preview-dir", folder, images / "carbon_film" / "08_carbon.dm3", other, dummy, status=1)
    assert sorted(path.name for path in folder.iterdir()) == [
        "08_carbon.dm3-2.0.png",
        "08_carbon.dm3.0.png",
        "dummy.xyz.placeholder.png",
    ]
    named = [line["datasets"][0]["preview"]["object"] for line in lines(done)[:2]]
    assert named == ["08_carbon.dm3.0.png", "08_carbon.dm3-2.0.png"]


def test_the_summary_for_people_names_what_was_found(images: Path, tmp_path: Path) -> None:
    done = run("--preview-dir", tmp_path, images / "carbon_film" / "08_carbon.dm3", status=0)
    assert "08_carbon.dm3: extracted" in done.stdout
    assert "Spectrum, EELS, 2048 float32" in done.stdout
    assert "preview: 08_carbon.dm3.0.png" in done.stdout
    assert done.stderr == ""


def test_zone_and_order_of_dates_are_used(images: Path) -> None:
    file = images / "eels_si" / "SI-HAADF.dm3"
    (utc,) = lines(run("--json", file, status=0))
    (berlin,) = lines(run("--json", "--zone", "Europe/Berlin", file, status=0))
    assert utc["datasets"][0]["acquired"]["value"] != berlin["datasets"][0]["acquired"]["value"]
    assert berlin["datasets"][0]["acquired"]["zone_assumed"] == "Europe/Berlin"


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ([], "Missing argument"),
        (["missing.dm3"], "There is no file missing.dm3."),
        (["."], ". is a folder. Name the files in it"),
        (["--zone", "Mars/Olympus", "a.dm3"], "--zone 'Mars/Olympus' is no known time zone"),
        (["--preview-dir", "a.dm3", "a.dm3"], "--preview-dir a.dm3 cannot be made"),
        (["--workers", "0", "a.dm3"], "--workers"),
    ],
)
def test_wrong_use_ends_with_a_sentence(tmp_path: Path, arguments: list[str], words: str) -> None:
    (tmp_path / "a.dm3").write_bytes(b"")
    done = run(*arguments, cwd=tmp_path, status=2)
    assert words in done.stderr
    assert done.stdout == ""
    assert "Traceback" not in done.stderr


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such names")
def test_hostile_names_stay_on_one_line(tmp_path: Path) -> None:
    names = [b"two\nlines.dm3", b"\x1b[31mred.dm3", b"-leading.dm3", b"x" * 251 + b".dm3", b"not-utf8-\xff.dm3"]
    for name in names:
        Path(os.fsdecode(os.fsencode(tmp_path) + b"/" + name)).write_bytes(b"")
    files = sorted(tmp_path.iterdir())
    done = run("--json", "--preview-dir", tmp_path / "previews", *files, status=1)
    found = lines(done)
    assert len(found) == len(files)
    assert all(line["status"] in ("unreadable", "unsupported") and line["reason"] for line in found)
    people = run(*files, status=1)
    assert "\x1b" not in people.stdout
    assert "two\\nlines.dm3: " in people.stdout


def test_modules_in_the_folder_of_the_data_are_not_run(images: Path, tmp_path: Path) -> None:
    for name in ("numpy", "dask", "scopeline", "json"):
        (tmp_path / f"{name}.py").write_text("open('was-run', 'w'); raise SystemExit(3)")
    shutil.copy(images / "carbon_film" / "08_carbon.dm3", tmp_path)
    run("--json", "08_carbon.dm3", cwd=tmp_path, status=0)
    assert not (tmp_path / "was-run").exists()
