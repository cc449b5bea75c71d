"""The demonstration on the Google Cloud edition: bucket, notification, topic, push, functions, Firestore, site."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import uuid
from pathlib import Path
from typing import Any

import pytest
from lxml import etree
from PIL import Image

from scopeline.records.schema import check_record

NX = {"nx": "https://data.nist.gov/od/dm/nexus/experiment/v1.0"}
FILES = ("orion-zeiss_dataZeroed.tif", "scan_001.emi", "scan_001_1.ser", "test_include.txt", "test_include.raw")
DEMO_SECONDS = 600


@pytest.mark.data
def test_a_folder_becomes_a_record_through_the_functions(tmp_path: Path, emulators: Any, titan_session: Path) -> None:
    saved, out = tmp_path / "saved", tmp_path / "out"
    saved.mkdir()
    for name in FILES:
        (saved / name).write_bytes((titan_session / name).read_bytes())
    command = [sys.executable, "-m", "scopeline", "demo", "--edition", "gcp", "--once", "--data", str(saved)]
    done = subprocess.run(
        [*command, "--data-dir", str(tmp_path / "data"), "--out", str(out), "--zone", "America/Denver"],
        capture_output=True,
        text=True,
        timeout=DEMO_SECONDS,
        env={
            **os.environ,
            **emulators.environment(),
            "SCOPELINE_PROJECT": f"demo-{uuid.uuid4().hex[:12]}",
            "TMPDIR": str(tmp_path),
        },
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    files = {each["name"]: each for each in (json.loads(path.read_text()) for path in (out / "metadata").iterdir())}
    assert set(files) == set(FILES)
    assert files["scan_001.emi"]["companion_of"]
    assert files["test_include.raw"]["reason"]
    for name, file in files.items():
        assert file["status"] == "extracted" or file["reason"], file
        if not file["companion_of"]:
            pictures = list((out / "previews").glob(f"{name}*.png"))
            assert pictures, name
            for path in pictures:
                with Image.open(path) as picture:
                    picture.verify()
    xml = (out / "record.xml").read_bytes()
    check_record(xml)
    record = etree.fromstring(xml)
    # The page was fetched before its address was printed.
    assert done.stdout.strip().splitlines()[-1].endswith("/record/" + str(record.findtext("nx:id", namespaces=NX)))
    shown = {dataset.findtext("nx:name", namespaces=NX) for dataset in record.iterfind(".//nx:dataset", NX)}
    assert shown == {name for name, file in files.items() if not file["companion_of"]}
