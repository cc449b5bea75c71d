"""Time and memory of reading one file: metadata and preview, in a warm worker.

    python benchmarks/extract.py [--scale 1.0] [--rounds 5] [--folder FOLDER]

Prints a Markdown table: the minimum and the median time of some rounds as the caller sees them, and the worker's peak
of anonymous memory (RssAnon, looked at every 2 ms). The large files are made in FOLDER (default: the system's folder
for temporary files) and removed again; `--scale` makes them smaller, and the budgets with them.
"""

from __future__ import annotations

import argparse
import os
import statistics
import struct
import subprocess
import sys
import tarfile
import tempfile
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from scopeline.formats.pool import ReaderPool
from scopeline.formats.results import ExtractRequest

REPOSITORY = Path(__file__).resolve().parent.parent
DATA = Path(os.environ.get("SCOPELINE_TEST_DATA") or REPOSITORY.parent / "shared" / "data")
MAKE_DM4 = DATA.parent / "tools" / "make_dm4.py"
MEMORY_BUDGET_MIB = 300


@dataclass(frozen=True)
class Case:
    """A file to read, and its budget in seconds where there is one."""

    path: Path
    budget: float | None = None


def titan_session(folder: Path) -> Iterator[Case]:
    with tarfile.open(DATA / "session" / "nexuslims-test-data.tar.gz") as archive:
        archive.extractall(folder, filter="data")
    for path in sorted((folder / "nx-instrument-data").rglob("*")):
        if path.is_file() and path.suffix != ".db":
            yield Case(path, 0.1 if path.suffix == ".dm3" else None)


def large_files(folder: Path, scale: float) -> Iterator[Case]:
    """The files of the budgets; each is made when it is asked for and removed after its use."""
    side = 16 * round(1024 * scale**0.5)
    area = max(16, round(512 * scale**0.5))
    scan = max(16, round(256 * scale**0.5))
    frames = max(16, round(128 * scale))
    yield from dm4(folder / f"image_{side}.dm4", (side, side), "image", 2.0)
    yield from mrc(folder / f"stack_{frames}x4096x4096.mrc", frames, 4096, 1.0)
    yield from dm4(folder / f"4d_{scan}x{scan}x128x128.dm4", (128, 128, scan, scan), "4d", 3.0)
    yield from dm4(folder / f"eels_{area}x{area}x1024.dm4", (area, area, 1024), "eels", 3.0)


def dm4(path: Path, sizes: tuple[int, ...], kind: str, budget: float) -> Iterator[Case]:
    command = [sys.executable, str(MAKE_DM4), str(path), "--dims", ",".join(map(str, sizes)), "--kind", kind]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    yield Case(path, budget)
    path.unlink()


def mrc(path: Path, frames: int, side: int, budget: float) -> Iterator[Case]:
    """A stack of 16-bit images (MRC2014: mode 1, 1,024 bytes of header, cell sizes in Å)."""
    header = struct.pack("<10i", side, side, frames, 1, 0, 0, 0, side, side, frames)
    header += struct.pack("<6f", side, side, frames, 90, 90, 90) + struct.pack("<3i", 1, 2, 3)
    header = header.ljust(208, b"\0") + b"MAP " + bytes([0x44, 0x44, 0, 0])
    frame = np.random.default_rng(0).poisson(200, (side, side)).astype("<i2")
    with path.open("wb") as file:
        file.write(header.ljust(1024, b"\0"))
        for index in range(frames):
            file.write(np.roll(frame, index * 997).tobytes())
    yield Case(path, budget)
    path.unlink()


class Watch:
    """The peak of a process's anonymous memory while the block runs."""

    def __init__(self, pid: int) -> None:
        self.peak_kib = 0
        self._status = Path(f"/proc/{pid}/status")
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._look)

    def _look(self) -> None:
        while not self._done.wait(0.002):
            try:
                status = self._status.read_text()
            except (FileNotFoundError, ProcessLookupError):
                return  # the process ended
            for line in status.splitlines():
                if line.startswith("RssAnon:"):
                    self.peak_kib = max(self.peak_kib, int(line.split()[1]))

    def __enter__(self) -> Watch:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._done.set()
        self._thread.join()


def worker_of(pool: ReaderPool) -> int:
    """The process id of the pool's one worker: the only process that the fork server has."""
    own = Path(f"/proc/{os.getpid()}/task")
    servers = [pid for task in own.iterdir() for pid in (task / "children").read_text().split()]
    for server in servers:
        children = Path(f"/proc/{server}/task/{server}/children").read_text().split()
        if children:
            return int(children[0])
    raise SystemExit(f"{pool} has no worker")


def measure(pool: ReaderPool, case: Case, rounds: int, previews: Path) -> str:
    request = ExtractRequest(folder=case.path.parent, file_name=case.path.name, preview_dir=previews)
    times = []
    with Watch(worker_of(pool)) as watch:
        for _ in range(rounds):
            started = time.perf_counter()
            result = pool.extract(request)
            times.append(time.perf_counter() - started)
    peak = watch.peak_kib / 1024
    over = case.budget is not None and (statistics.median(times) > case.budget or peak > MEMORY_BUDGET_MIB)
    budget = "" if case.budget is None else f"{case.budget:g} s, {MEMORY_BUDGET_MIB} MiB{' (over)' if over else ''}"
    size = case.path.stat().st_size / 2**20
    return (
        f"| {case.path.name} | {size:,.1f} | {result.status} | {min(times) * 1000:,.0f} | "
        f"{statistics.median(times) * 1000:,.0f} | {peak:,.0f} | {budget} |"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--scale", type=float, default=float(os.environ.get("SCOPELINE_SCALE") or 1))
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--folder", type=Path)
    arguments = parser.parse_args()
    print("| file | MiB | status | min ms | median ms | RssAnon peak MiB | budget |")
    print("|---|---|---|---|---|---|---|")
    with tempfile.TemporaryDirectory(dir=arguments.folder) as temporary, ReaderPool(1) as pool:
        folder, previews = Path(temporary), Path(temporary) / "previews"
        previews.mkdir()
        warm_up = folder / "warm-up.dm3"
        warm_up.write_bytes(b"")
        pool.extract(ExtractRequest(folder=folder, file_name=warm_up.name, preview_dir=previews))
        for case in titan_session(folder):
            print(measure(pool, case, arguments.rounds, previews), flush=True)
        if not MAKE_DM4.is_file():
            print(f"\nLarge files left out: {MAKE_DM4} is not there.")
            return
        for case in large_files(folder, arguments.scale):
            print(measure(pool, case, arguments.rounds, previews), flush=True)


if __name__ == "__main__":
    main()
