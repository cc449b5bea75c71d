"""How long the site takes: to be made, to start, to take a record, and to show it.

    python -m benchmarks.site_page [--datasets N ...] [--rounds N]

The records are the tests' (12 shared and 5 own parameters a dataset, previews of 1,024 pixels). "page" is from the
request to the last byte on this machine, "browser" from the call to the `load` event in a headless Chromium with an
empty cache, "memory" the serving process's peak without its files.
"""

from __future__ import annotations

import argparse
import importlib.util
import os
import re
import secrets
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType
from typing import Any

from cdcs_connector.client import CdcsSite

ROOT = Path(__file__).resolve().parent.parent
PREVIEW_PIXELS = 1024


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--datasets", type=int, nargs="+", default=[60, 1000, 5000])
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    samples = shared_samples()
    with tempfile.TemporaryDirectory() as folder, samples.serving(samples.FakeApi()) as api:
        api.pictures = [samples.picture(0, PREVIEW_PIXELS)]
        token = secrets.token_hex(20)
        values = {**os.environ, **samples.environment(Path(folder), api.url, token)}
        command = [sys.executable, "-m", "cdcs_connector.site"]
        print(f"| init, empty folder | {seconds(lambda: run([*command, 'init'], values)):.2f} s |")
        print(f"| init again | {seconds(lambda: run([*command, 'init'], values)):.2f} s |")
        with serving_site(command, values) as (address, process, start):
            print(f"| start until it answers | {start:.2f} s |")
            print("\n| datasets | published | page | size | browser | memory |\n|---|---|---|---|---|---|")
            with browser() as chromium:
                for number, count in enumerate(options.datasets):
                    session = f"20181129-titanx-aaaaa{'abcdefghij'[number]}"
                    print(row(samples, CdcsSite(address, token), session, count, options.rounds, chromium, process))


def row(
    samples: Any, site: CdcsSite, session: str, count: int, rounds: int, chromium: Any, process: subprocess.Popen[str]
) -> str:
    """Publish a record of so many datasets, look at it, and write the line of the table."""
    xml = samples.record_xml(count, session=session)
    published = seconds(lambda: site.put_record(session, 1, f"{session}-{count}", xml))
    address = f"{site.url}/record/{session}"
    pages = [seconds(lambda: fetch(address)) for _ in range(rounds)]
    size = len(fetch(address)) / 1000
    loads = [load(chromium, address) for _ in range(rounds)] if chromium is not None else []
    shown = f"{statistics.median(loads):.2f} s" if loads else "no Chromium"
    return (
        f"| {count} | {published:.2f} s | {statistics.median(pages) * 1000:.0f} ms | {size:.0f} kB | {shown} "
        f"| {peak_megabytes(process.pid):.0f} MB |"
    )


def shared_samples() -> ModuleType:
    """The records and the stand-in for the API that the site's tests use."""
    spec = importlib.util.spec_from_file_location(
        "site_under_test", ROOT / "tests" / "cdcs_connector" / "site_under_test.py"
    )
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@contextmanager
def serving_site(command: list[str], values: dict[str, str]) -> Iterator[tuple[str, subprocess.Popen[str], float]]:
    """The address of the served site, its process, and how long it took to answer."""
    begin = time.perf_counter()
    arguments = [*command, "serve", "--port", "0"]
    process = subprocess.Popen(arguments, env=values, stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        address = process.stdout.readline().rpartition(" ")[2].strip().rstrip("/")
        fetch(f"{address}/readyz")
        yield address, process, time.perf_counter() - begin
    finally:
        process.terminate()
        process.communicate(timeout=20)


@contextmanager
def browser() -> Iterator[Any]:
    """A headless Chromium, or None where there is none."""
    executable = shutil.which("chromium") or shutil.which("chromium-browser")
    if executable is None:
        yield None
        return
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=executable, args=["--no-sandbox"])
        yield chromium
        chromium.close()


def load(chromium: Any, address: str) -> float:
    """Seconds until the page's `load` event, in a context of its own."""
    context = chromium.new_context(viewport={"width": 1360, "height": 900})
    try:
        page = context.new_page()
        return seconds(lambda: page.goto(address, wait_until="load"))
    finally:
        context.close()


def fetch(address: str) -> bytes:
    """The answer's body."""
    with urllib.request.urlopen(address, timeout=120) as answer:
        return bytes(answer.read())


def run(command: list[str], values: dict[str, str]) -> None:
    """Run a command that must succeed."""
    subprocess.run(command, env=values, check=True, capture_output=True)


def peak_megabytes(process: int) -> float:
    """The process's peak of resident memory less its files, in MB (Linux)."""
    status = Path(f"/proc/{process}/status").read_text()
    kilobytes = {name: int(value) for name, value in re.findall(r"^(\w+):\s+(\d+) kB", status, re.MULTILINE)}
    return (kilobytes["VmHWM"] - kilobytes["RssFile"]) * 1024 / 1e6


def seconds(work: Callable[[], object]) -> float:
    """How long `work` takes."""
    begin = time.perf_counter()
    work()
    return time.perf_counter() - begin


if __name__ == "__main__":
    main()
