"""A reader that crashes, hangs or eats memory costs its file its metadata, and nothing else."""

from __future__ import annotations

from pathlib import Path

import pytest
from test_embedded_faults import embedded_laboratory

from scopeline.domain.files import FileStatus
from scopeline.formats.pool import ReaderPool
from scopeline.formats.worker import Limits

# Stands in for the readers in the worker process: what the file's text says, happens.
READER = """
import ctypes, time
import scopeline.formats.extract
from scopeline.domain.files import Dataset, DatasetType, FileStatus, Preview
from scopeline.formats.results import Extracted

def extract_file(request):
    text = (request.folder / request.file_name).read_text()
    if text == "segfault":
        ctypes.string_at(0)
    elif text == "hang":
        time.sleep(600)
    elif text == "memory":
        blocks = [bytearray(64 << 20) for _ in range(1000)]
    (request.preview_dir / "0.png").write_bytes(b"picture of " + text.encode())
    dataset = Dataset(index=0, type=DatasetType.IMAGE, title=text, preview=Preview(object="0.png", width=1, height=1))
    return Extracted(file=request.file_name, status=FileStatus.EXTRACTED, datasets=[dataset], metadata=[{"text": text}])

scopeline.formats.extract.extract_file = extract_file
"""


def test_readers_that_crash_hang_or_eat_memory_cost_no_session_its_record(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    modules = tmp_path / "modules"
    modules.mkdir()
    (modules / "troubled_reader.py").write_text(READER)
    monkeypatch.setenv("PYTHONPATH", str(modules))
    limits = Limits(memory_bytes=1 << 30, cpu_seconds=20, wall_seconds=12)
    with (
        ReaderPool(2, preload=["troubled_reader"], limits=limits) as pool,
        embedded_laboratory(tmp_path / "data") as lab,
    ):
        lab.reader = pool
        session = lab.start()
        troubled = {text: lab.send(session, f"{text}.txt", text) for text in ("segfault", "hang", "memory")}
        fine = lab.send(session, "fine.txt", "fine")
        lab.end(session)
        lab.settle()
        lab.check_file(fine.name)
        lab.check_record(session)
        assert lab.parked() == []
        for text, words in (("segfault", "segmentation"), ("hang", "12 s"), ("memory", "MiB")):
            file = lab.file(troubled[text].name)
            assert file.status is FileStatus.FAILED
            assert words in str(file.reason)
            assert file.placeholder is not None
            assert lab.derived(file.placeholder.object).startswith(b"\x89PNG")
