"""File closed -> preview visible, END -> record on the web site, pages served: the whole product, from outside.

    python benchmarks/flow.py [--edition embedded|gcp] [--files N] [--burst N]

A burst of files ends when all are read; one that is lost, or there twice, ends the benchmark. Its size is 2,000 times
SCOPELINE_SCALE. Google Cloud's edition runs on the emulators of the environment, else on its own.

The logger's wait for a file to rest (its `stability`) is set to 0 here and is not part of the numbers.
"""

from __future__ import annotations

import argparse
import os
import statistics
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from contextlib import ExitStack
from datetime import datetime
from pathlib import Path
from typing import Any

from scopeline.demo import run
from scopeline.demo.player import Logger, scenes_of_folder, write_as_instrument
from scopeline.demo.session import make_session
from scopeline.settings import load_settings

INSTRUMENT = "bench"
POLL_SECONDS = 0.02
GIVE_UP_SECONDS = 120.0
PAGE_ROUNDS = 5
BURST = 2000
BURST_POLL_SECONDS = 0.5


def visible_after(service: run.Service, session: str, path: str, closed: float) -> float:
    """Seconds from `closed` until the file's preview can be fetched."""
    while time.monotonic() - closed < GIVE_UP_SECONDS:
        for file in service.get(f"/v1/files?session={session}&limit=500")["files"]:
            pictures = file["datasets"] or file["placeholder"]
            if file["path"] == path and file["status"] not in ("announced", "stored") and pictures:
                service.fetch(f"/v1/files/{file['id']}/datasets/0/preview")
                return time.monotonic() - closed
        time.sleep(POLL_SECONDS)
    raise run.DemoFailed(f"{path} was not visible after {GIVE_UP_SECONDS:.0f} s.")


def quantile(values: list[float], share: float) -> float:
    return sorted(values)[min(len(values) - 1, int(share * len(values)))]


def burst(service: run.Service, logger: Logger, session: str, count: int) -> float:
    """Seconds until `count` small files that appear at once are all read; fails where one is lost or there twice."""
    began = time.monotonic()
    folder = logger.root / "burst"
    folder.mkdir()
    for number in range(count):
        (folder / f"{number:05}.txt").write_text(f"Note {number} of the burst.\n")
    while True:
        counts = service.get(f"/v1/sessions/{session}")["files"]
        if counts["total"] >= count and not counts["announced"] + counts["stored"]:
            break
        if time.monotonic() - began > GIVE_UP_SECONDS + count:
            raise run.DemoFailed(f"{count} files were not read: {counts}.")
        time.sleep(BURST_POLL_SECONDS)
    seconds = time.monotonic() - began
    read = sorted(file["path"] for file in files_of(service, session) if file["status"] == "extracted")
    assert read == [f"burst/{number:05}.txt" for number in range(count)], "a file is lost, or there twice"
    return seconds


def files_of(service: run.Service, session: str) -> Iterator[dict[str, Any]]:
    cursor: str | None = ""
    while cursor is not None:
        page = service.get(f"/v1/files?session={session}&limit=500" + (f"&cursor={cursor}" if cursor else ""))
        yield from page["files"]
        cursor = page["cursor"]


def memory() -> dict[str, float]:
    """MiB that each function's processes use alone (RssAnon), by entry point."""
    used: dict[str, float] = {}
    for entry in Path("/proc").iterdir():
        try:
            command = (entry / "cmdline").read_bytes().decode(errors="replace").split("\0")
            status = (entry / "status").read_text()
        except (OSError, NotADirectoryError):
            continue
        if "scopeline.local.functions_process" in command and "--target" in command:
            name = command[command.index("--target") + 1]
            kib = next(int(line.split()[1]) for line in status.splitlines() if line.startswith("RssAnon"))
            used[name] = used.get(name, 0.0) + kib / 1024
    return used


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    options.add_argument("--files", type=int, default=100, help="how many files at most")
    options.add_argument("--edition", choices=("embedded", "gcp"), default="embedded")
    options.add_argument("--burst", type=int, default=int(BURST * float(os.environ.get("SCOPELINE_SCALE") or 1)))
    given = options.parse_args()
    with ExitStack() as ending:
        work = Path(ending.enter_context(tempfile.TemporaryDirectory()))
        settings = ending.enter_context(run.edition_for(load_settings(edition=given.edition, data_dir=work / "data")))
        access = run.prepare(settings, INSTRUMENT, "Benchmark", "UTC")
        ports = ("--port", "0", "--site-port", "0", "--anonymous")
        began = time.monotonic()
        service = ending.enter_context(run.running_service(settings, access.admin, *ports))
        started = time.monotonic() - began
        logger = Logger(work / "pc", service.api, access.client, INSTRUMENT, stability=0, poll=0.05)
        logger.set_up()
        logger.start_sync()
        ending.callback(logger.stop_sync)
        logger.run("start", "--user", "Benchmark", "--title", "Benchmark")
        session = str(run.newest_session(service)["id"])
        make_session(work / "made", datetime.now().astimezone())
        seconds = []
        for scene in scenes_of_folder(work / "made")[: given.files]:
            target = logger.root / scene.target
            write_as_instrument(scene.source, target, pause=0)
            seconds.append(visible_after(service, session, scene.target, time.monotonic()))
        began = time.monotonic()
        logger.run("end", "--wait")
        run.wait_for_record(service, session, lambda _words: None)
        record = time.monotonic() - began
        page = f"{service.site}/record/{session}"
        pages = []
        for _ in range(PAGE_ROUNDS):
            began = time.monotonic()
            with urllib.request.urlopen(page, timeout=60) as answer:
                size = len(answer.read())
            pages.append(time.monotonic() - began)
        logger.run("start", "--user", "Benchmark", "--title", "Burst")
        all_read = burst(service, logger, str(run.newest_session(service)["id"]), given.burst)
        used = memory()
    print(f"Edition {given.edition}\n\n| what | n | min | median | p95 |\n|---|---|---|---|---|")
    print(f"| start until API and site answer, s | 1 | {started:.2f} | {started:.2f} | {started:.2f} |")
    print(
        f"| file closed -> preview visible, s | {len(seconds)} | {min(seconds):.2f} | "
        f"{statistics.median(seconds):.2f} | {quantile(seconds, 0.95):.2f} |"
    )
    print(f"| END -> record on the web site, s | 1 | {record:.2f} | {record:.2f} | {record:.2f} |")
    print(
        f"| record page served ({size / 1000:.0f} kB), s | {len(pages)} | {min(pages):.3f} | "
        f"{statistics.median(pages):.3f} | {max(pages):.3f} |"
    )
    print(f"| burst of {given.burst:,} files, all read, s | 1 | {all_read:.1f} | {all_read:.1f} | {all_read:.1f} |")
    for name, mib in sorted(used.items()):
        print(f"| memory of the function {name} (RssAnon), MiB | 1 | {mib:.0f} | {mib:.0f} | {mib:.0f} |")


if __name__ == "__main__":
    main()
