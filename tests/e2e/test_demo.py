"""The demonstration as a user starts it: real logger, real service, real site."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from lxml import etree
from PIL import Image

NX = {"nx": "https://data.nist.gov/od/dm/nexus/experiment/v1.0"}
DEMO_SECONDS = 600


def run_demo(tmp_path: Path, *options: str) -> tuple[str, Path]:
    """The demonstration's output and its results folder."""
    out = tmp_path / "out"
    command = [sys.executable, "-m", "scopeline", "demo", "--once", "--out", str(out)]
    done = subprocess.run(
        [*command, "--data-dir", str(tmp_path / "data"), *options],
        capture_output=True,
        text=True,
        timeout=DEMO_SECONDS,
        env={**os.environ, "TMPDIR": str(tmp_path)},
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout, out


def files_of(out: Path) -> list[dict[str, object]]:
    return [json.loads(path.read_text()) for path in sorted((out / "metadata").glob("*.json"))]


def assert_complete(out: Path) -> etree._Element:
    """Every file is settled, explained where it is unreadable, and has a picture; the record is valid."""
    from scopeline.records.schema import check_record

    pictures = {path.name for path in (out / "previews").glob("*.png")}
    for file in files_of(out):
        assert file["status"] in {"extracted", "unreadable", "unsupported"}, file
        assert file["status"] == "extracted" or file["reason"], file
        if not file["companion_of"]:
            assert any(name.startswith(str(file["path"]).replace("/", "__")) for name in pictures), file["path"]
    for path in (out / "previews").glob("*.png"):
        with Image.open(path) as picture:
            assert max(picture.size) <= 1024
    xml = (out / "record.xml").read_bytes()
    check_record(xml)
    return etree.fromstring(xml)


def test_the_realistic_session_becomes_a_record(tmp_path: Path) -> None:
    output, out = run_demo(tmp_path)
    record = assert_complete(out)
    files = files_of(out)
    assert len(files) >= 12
    assert len({file["reader"] for file in files}) >= 4
    assert all(file["status"] == "extracted" for file in files)
    assert len(record.findall("nx:acquisitionActivity", NX)) >= 4
    assert len(record.findall("nx:sample", NX)) == 2
    assert output.strip().splitlines()[-1].endswith("/record/" + record.findtext("nx:id", namespaces=NX))


@pytest.mark.data
def test_the_titan_session_becomes_a_record(tmp_path: Path, titan_session: Path) -> None:
    _, out = run_demo(tmp_path, "--data", str(titan_session), "--zone", "America/Denver")
    record = assert_complete(out)
    files = {file["name"]: file for file in files_of(out)}
    assert "test_ignore.db" not in files
    assert len(files) == len(list(titan_session.iterdir())) - 1
    assert {name for name, file in files.items() if file["companion_of"]} == {
        "scan_001.emi",
        "tescan-pfib_dataZeroed.hdr",
    }
    dummies = [files[f"test_include.{extension}"] for extension in ("jpg", "jpeg", "raw")]
    assert all(file["reason"] for file in dummies)
    names = [dataset.findtext("nx:name", namespaces=NX) for dataset in record.iterfind(".//nx:dataset", NX)]
    assert sorted(names) == sorted(name for name, file in files.items() if not file["companion_of"])


@pytest.mark.data
def test_a_folder_of_pictures_becomes_a_record(tmp_path: Path, shared_data: Path) -> None:
    _, out = run_demo(tmp_path, "--data", str(shared_data / "images"))
    record = assert_complete(out)
    assert len(record.findall(".//nx:dataset", NX)) >= 16
