"""The web site's process: it comes back when it ends, and says why it cannot start."""

from __future__ import annotations

import os
import signal
import urllib.request
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from running import free_port, wait_for

from scopeline.local import site_process
from scopeline.local.site_process import SiteFailed, SiteOptions, SiteProcess

pytestmark = pytest.mark.filterwarnings("ignore:subprocess .* is still running:ResourceWarning")


@pytest.fixture
def options(tmp_path: Path) -> SiteOptions:
    port = free_port()
    (tmp_path / "site").mkdir()
    return SiteOptions(
        data_dir=tmp_path / "site",
        host="127.0.0.1",
        port=port,
        url=f"http://127.0.0.1:{port}",
        api_url="http://127.0.0.1:9",
        api_token="sl_none_none",
        facility="Test facility",
        anonymous=True,
    )


@pytest.fixture
def site(options: SiteOptions, monkeypatch: pytest.MonkeyPatch) -> Iterator[SiteProcess]:
    monkeypatch.setattr(site_process, "RESTART_PAUSE_SECONDS", 0.1)
    made = SiteProcess(options, options.data_dir / "site.log")
    yield made
    made.stop()


def answers(site: SiteProcess) -> bool:
    try:
        with urllib.request.urlopen(f"{site.options.local_url}/readyz", timeout=5) as answer:
            return bool(answer.status == 200)
    except OSError:
        return False


def process_id(site: SiteProcess) -> int:
    child = site._child
    return child.pid if child is not None else 0


def test_site_comes_back_when_it_is_killed_and_stays_away_when_it_is_stopped(site: SiteProcess) -> None:
    site.initialise()
    assert len(site.publisher_token()) >= 20
    site.start()
    assert answers(site)
    first = process_id(site)
    os.kill(first, signal.SIGKILL)
    wait_for("another process of the site", lambda: process_id(site) != first)
    wait_for("an answer of the site", lambda: answers(site))
    second = process_id(site)
    site.stop()
    assert not answers(site)
    site._watcher.join(timeout=30)
    assert not site._watcher.is_alive()
    assert process_id(site) == second


def test_site_that_cannot_be_prepared_is_told_in_one_sentence(options: SiteOptions) -> None:
    (options.data_dir / "blocked").write_text("no folder")
    site = SiteProcess(replace(options, data_dir=options.data_dir / "blocked"), options.data_dir / "site.log")
    with pytest.raises(SiteFailed) as raised:
        site.initialise()
    words = str(raised.value)
    assert str(options.data_dir / "blocked") in words
    assert "Traceback" not in words
    assert "\n" not in words
    assert site.log.read_text().strip()


def test_site_that_ends_at_once_is_told_with_its_log(site: SiteProcess) -> None:
    # It was never prepared, and its settings are nonsense.
    site.options = replace(site.options, url="nonsense")
    with pytest.raises(SiteFailed, match=r"ended with status \d+\. See .*site\.log"):
        site.start()


def test_site_that_takes_too_long_to_prepare_is_told(site: SiteProcess, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(site_process, "START_SECONDS", 0.01)
    with pytest.raises(SiteFailed, match="was not prepared"):
        site.initialise()


@pytest.mark.parametrize(
    ("host", "expected"), [("127.0.0.1", "http://127.0.0.1:80"), ("::1", "http://[::1]:80"), ("pc", "http://pc:80")]
)
def test_addresses_of_hosts_with_colons_have_brackets(host: str, expected: str) -> None:
    assert site_process.address(host, 80) == expected
