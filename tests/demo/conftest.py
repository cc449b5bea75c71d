"""One made session for all tests of the demonstration."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from scopeline.demo.session import DemoFile, make_session

START = datetime(2026, 3, 11, 9, 12, tzinfo=ZoneInfo("Europe/Berlin"))


@pytest.fixture(scope="session")
def demo_start() -> datetime:
    return START


@pytest.fixture(scope="session")
def demo_files(tmp_path_factory: pytest.TempPathFactory) -> list[DemoFile]:
    """The files of a session that starts at `demo_start`; tests do not write to them."""
    return make_session(tmp_path_factory.mktemp("demo"), START)


@pytest.fixture(scope="session")
def demo_paths(demo_files: list[DemoFile]) -> dict[str, Path]:
    return {file.path.name: file.path for file in demo_files}
