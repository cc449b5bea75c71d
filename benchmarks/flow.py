"""File closed -> preview visible, END -> record on the web site, pages served: the whole product, from outside.

    python benchmarks/flow.py [--files N]

The logger's wait for a file to rest (its `stability`) is set to 0 here and is not part of the numbers.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
import urllib.request
from datetime import datetime
from pathlib import Path

from scopeline.demo import run
from scopeline.demo.player import Logger, scenes_of_folder, write_as_instrument
from scopeline.demo.session import make_session
from scopeline.settings import load_settings

INSTRUMENT = "bench"
POLL_SECONDS = 0.02
GIVE_UP_SECONDS = 120.0
PAGE_ROUNDS = 5


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


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    options.add_argument("--files", type=int, default=100, help="how many files at most")
    wanted = options.parse_args().files
    with tempfile.TemporaryDirectory() as work_name:
        work = Path(work_name)
        access = run.prepare(load_settings(data_dir=work / "data"), INSTRUMENT, "Benchmark", "UTC")
        ports = ("--port", "0", "--site-port", "0", "--anonymous")
        with run.running_service(work / "data", access.admin, *ports) as service:
            logger = Logger(work / "pc", service.api, access.client, INSTRUMENT, stability=0, poll=0.05)
            logger.set_up()
            logger.start_sync()
            logger.run("start", "--user", "Benchmark", "--title", "Benchmark")
            session = str(run.newest_session(service)["id"])
            make_session(work / "made", datetime.now().astimezone())
            seconds = []
            for scene in scenes_of_folder(work / "made")[:wanted]:
                target = logger.root / scene.target
                write_as_instrument(scene.source, target, pause=0)
                seconds.append(visible_after(service, session, scene.target, time.monotonic()))
            began = time.monotonic()
            logger.run("end", "--wait")
            run.wait_for_record(service, session, lambda _words: None)
            record = time.monotonic() - began
            logger.stop_sync()
            page = f"{service.site}/record/{session}"
            pages = []
            for _ in range(PAGE_ROUNDS):
                began = time.monotonic()
                with urllib.request.urlopen(page, timeout=60) as answer:
                    size = len(answer.read())
                pages.append(time.monotonic() - began)
    print("| what | n | min | median | p95 |\n|---|---|---|---|---|")
    print(
        f"| file closed -> preview visible, s | {len(seconds)} | {min(seconds):.2f} | "
        f"{statistics.median(seconds):.2f} | {quantile(seconds, 0.95):.2f} |"
    )
    print(f"| END -> record on the web site, s | 1 | {record:.2f} | {record:.2f} | {record:.2f} |")
    print(
        f"| record page served ({size / 1000:.0f} kB), s | {len(pages)} | {min(pages):.3f} | "
        f"{statistics.median(pages):.3f} | {max(pages):.3f} |"
    )


if __name__ == "__main__":
    main()
