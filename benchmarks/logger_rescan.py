"""Another look of the logger at 100,000 unchanged files, and its idle share of a core: time and memory.

`python benchmarks/logger_rescan.py [FILES] [FILES PER FOLDER]`. Budget: 5 s, 1 % of a core, 60 MiB (RssAnon).
The measured process is a fresh one for each kind of look, as `sync` is after a start of the PC.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
import time
from pathlib import Path

LOGGER = Path(__file__).resolve().parent.parent / "logger"
IDLE_SECONDS = 180.0
SETTLE_SECONDS = 5.0
CONFIG = """[server]
url = http://127.0.0.1:9
token = sl_benchmark_none
[logger]
instrument = titan
[roots]
data = {root}
"""


def anonymous_mebibytes() -> float:
    """The process's RssAnon now."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("RssAnon:"):
            return int(line.split()[1]) / 1024
    return float("nan")


def make_files(root: Path, files: int, per_folder: int) -> None:
    """Write that many small files."""
    for number in range(files):
        folder = root / f"session {number // per_folder:05d}"
        if number % per_folder == 0:
            folder.mkdir(parents=True)
        (folder / f"image_{number:06d}.dm3").write_bytes(b"x")


def look(config: str) -> None:
    """Two full looks and some quick ones in this process; prints one line for each."""
    sys.path.insert(0, str(LOGGER))
    from scopeline_logger.memory import Memory
    from scopeline_logger.settings import Settings
    from scopeline_logger.watch import Watcher

    memory = Memory(Settings(config))
    watcher = Watcher(Settings(config), memory)
    for name, full in (("full look", True), ("full look again", True), ("quick look", False)):
        if not full:
            # A folder seen for the first time is read again for some seconds, because its time may be coarse.
            time.sleep(SETTLE_SECONDS)
        began, cpu = time.perf_counter(), time.process_time()
        watcher.look(full=full)
        took, used = time.perf_counter() - began, time.process_time() - cpu
        print(f"  {name:16} {took:6.2f} s, {used:6.2f} s of a core, {anonymous_mebibytes():5.1f} MiB", flush=True)
    counts = memory.seen.counts()
    print(f"  catalogue: {sum(counts.values())} files, {counts['waiting']} waiting")
    memory.close()


def idle(config: str) -> None:
    """The loop of `sync` with nothing to do, for some time: its share of a core after the first look."""
    sys.path.insert(0, str(LOGGER))
    import threading

    from scopeline_logger.memory import Memory
    from scopeline_logger.server import Server
    from scopeline_logger.settings import Settings
    from scopeline_logger.sync import Sync
    from scopeline_logger.transport import Transport

    settings = Settings(config)
    memory = Memory(settings)
    stop = threading.Event()
    server = Server(settings.url, settings.token, Transport(), 5)
    sync = Sync(settings, memory, server, stop, lambda line: None)
    sync.watcher.look()
    time.sleep(SETTLE_SECONDS)
    sync.watcher.look()
    threading.Timer(IDLE_SECONDS, stop.set).start()
    began, cpu = time.perf_counter(), time.process_time()
    sync.run()
    took, used = time.perf_counter() - began, time.process_time() - cpu
    print(
        f"  idle             {100 * used / took:6.2f} % of a core over {took:.0f} s, {anonymous_mebibytes():5.1f} MiB"
    )
    memory.close()


def main() -> None:
    """Make the files once and measure in processes of their own."""
    if sys.argv[1:2] == ["--look"]:
        look(sys.argv[2])
        return
    if sys.argv[1:2] == ["--idle"]:
        idle(sys.argv[2])
        return
    files = int(sys.argv[1]) if len(sys.argv) > 1 else 100_000
    per_folder = int(sys.argv[2]) if len(sys.argv) > 2 else 100
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder) / "instrument"
        make_files(root, files, per_folder)
        config = Path(folder) / "logger.ini"
        config.write_text(CONFIG.format(root=root))
        print(f"{files} files in {-(-files // per_folder)} folders, Python {sys.version.split()[0]}")
        for title, mode in (("first start:", "--look"), ("next start:", "--look"), ("idle:", "--idle")):
            print(title, flush=True)
            subprocess.run([sys.executable, __file__, mode, str(config)], check=True)


if __name__ == "__main__":
    main()
