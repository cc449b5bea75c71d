"""The site as a process of its own."""

from __future__ import annotations

import os
import subprocess
import sys
import urllib.request
from pathlib import Path
from typing import Any

from cdcs_connector.client import CdcsSite

TOKEN = "fedcba9876543210fedcba9876543210fedcba98"


def test_it_publishes_serves_and_stops(tmp_path: Path, samples: Any) -> None:
    with samples.running_site(tmp_path, "http://127.0.0.1:9", TOKEN) as address:
        site = CdcsSite(address, TOKEN)
        done = site.put_record(samples.SESSION, 1, "a", samples.record_xml(12))
        assert (done.created, done.unchanged) == (True, False)
        assert site.put_record(samples.SESSION, 1, "a", samples.record_xml(12)).unchanged
        with urllib.request.urlopen(f"{address}/record/{samples.SESSION}", timeout=20) as page:
            assert b"interplanetary dust" in page.read()
        with urllib.request.urlopen(f"{address}/static/scopeline/style.css", timeout=20) as style:
            assert style.headers["Content-Type"].startswith("text/css")
        assert site.delete_record(samples.SESSION)


def test_without_a_secret_key_it_does_not_start(tmp_path: Path, samples: Any) -> None:
    values = {**os.environ, **samples.environment(tmp_path, "http://127.0.0.1:9", TOKEN)}
    done = subprocess.run(
        [sys.executable, "-m", "cdcs_connector.site", "serve"], env=values, capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 2
    assert "No secret key" in done.stderr
    assert "Traceback" not in done.stderr
