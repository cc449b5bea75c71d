"""A browser, and a site for it to look at."""

from __future__ import annotations

import importlib.util
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

SHARED = Path(__file__).resolve().parents[1] / "cdcs_connector" / "site_under_test.py"
PUBLISHER_TOKEN = "0123456789abcdef0123456789abcdef01234567"
CHROMIUM = ("chromium", "chromium-browser", "google-chrome")


@pytest.fixture(scope="session")
def samples() -> ModuleType:
    """Records, sessions and files as the back end makes them."""
    spec = importlib.util.spec_from_file_location("site_under_test", SHARED)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["site_under_test"] = module
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="session")
def api(samples: Any) -> Iterator[Any]:
    """The stand-in for the API."""
    with samples.serving(samples.FakeApi()) as fake:
        yield fake


@pytest.fixture(scope="session")
def site(samples: Any, api: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a site that anybody may read."""
    with samples.running_site(tmp_path_factory.mktemp("site"), api.url, PUBLISHER_TOKEN) as address:
        yield address


@pytest.fixture(scope="session")
def publish(site: str, samples: Any) -> Any:
    """Publish a record of so many datasets under a session's id; its address."""
    from cdcs_connector.client import CdcsSite

    def put(session: str, count: int) -> str:
        xml = samples.record_xml(count, session=session)
        CdcsSite(site, PUBLISHER_TOKEN).put_record(session, 1, f"{session}-{count}", xml)
        return f"{site}/record/{session}"

    return put


@pytest.fixture(scope="module")
def chromium() -> Iterator[Any]:
    """A headless Chromium of the system; its tests are left out with a reason where there is none.

    Its event loop lives in this thread, where Django's database could not be used: so it ends with the module.
    """
    executable = next((found for name in CHROMIUM if (found := shutil.which(name))), None)
    if executable is None:
        _leave_out("There is no Chromium on this machine.")
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=executable, args=["--no-sandbox"])
        yield browser
        browser.close()


def _leave_out(reason: str) -> None:
    import os

    if os.environ.get("CI") == "true":
        pytest.fail(reason)
    pytest.skip(reason)


class Window:
    """One page and what went wrong in it."""

    def __init__(self, page: Any, home: str) -> None:
        self.page = page
        self.complaints: list[str] = []
        page.on("console", lambda message: self.complaints.append(message.text) if message.type == "error" else None)
        page.on("pageerror", lambda error: self.complaints.append(str(error)))
        page.on("request", lambda request: self._check(request.url, home))

    def _check(self, url: str, home: str) -> None:
        if not url.startswith((home, "data:")):
            self.complaints.append(f"request to another host: {url}")


@pytest.fixture
def window(chromium: Any, site: str) -> Iterator[Any]:
    """Open a page of the given width and colours; every page must have been without errors and foreign requests."""
    opened: list[Window] = []

    def open_page(address: str, width: int = 1360, colours: str = "light", script: bool = True) -> Any:
        context = chromium.new_context(
            viewport={"width": width, "height": 900}, color_scheme=colours, java_script_enabled=script
        )
        opened.append(Window(context.new_page(), site))
        opened[-1].page.goto(address, wait_until="load")
        return opened[-1].page

    yield open_page
    complaints = [complaint for each in opened for complaint in each.complaints]
    for each in opened:
        each.page.context.close()
    assert complaints == []
