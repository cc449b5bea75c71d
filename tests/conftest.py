"""What all tests share: where the real microscope files are."""

from __future__ import annotations

import contextlib
import os
import tarfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from scopeline.local import emulators as local
from scopeline.local.storage_emulator import EmulatorsMissing
from scopeline.proxies import bypass_proxies_on_this_machine

# Their assertions say what was compared, as those of tests do (pyproject.toml tells where they are).
pytest.register_assert_rewrite(
    "catalog_contract",
    "events_contract",
    "object_store_contract",
    "google_deliveries",
    "running",
    "laboratory",
    "fault_cases",
    "traces_of_secrets",
    "played_on_google",
)

REPOSITORY = Path(__file__).resolve().parent.parent


def pytest_configure() -> None:
    """Tests ask servers of this machine, too."""
    bypass_proxies_on_this_machine(os.environ)


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The folder of real microscope files; its tests are left out with a reason where it is missing."""
    folder = Path(os.environ.get("SCOPELINE_TEST_DATA") or REPOSITORY.parent / "shared" / "data")
    if not (folder / "formats").is_dir():
        reason = f"No microscope files in {folder}: set SCOPELINE_TEST_DATA."
        if os.environ.get("CI") == "true":
            pytest.fail(reason)
        pytest.skip(reason)
    return folder


@pytest.fixture(scope="session")
def titan_session(shared_data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The unpacked folder that the Titan wrote on 2018-11-13. Tests do not write to it."""
    folder = tmp_path_factory.mktemp("titan")
    with tarfile.open(shared_data / "session" / "nexuslims-test-data.tar.gz") as archive:
        archive.extractall(folder, filter="data")
    return folder / "nx-instrument-data" / "Titan_TEM" / "researcher_a" / "project_alpha" / "20181113"


@pytest.fixture(scope="session")
def titan_example_record(titan_session: Path) -> Path:
    """The record that another system made of the same session."""
    return titan_session.parents[4] / "example_record.xml"


@pytest.fixture(scope="session")
def emulators() -> Iterator[local.Emulators]:
    """The emulators of Google Cloud, which the environment names to Google's clients, too.

    Those of the environment (scripts/test starts one set for all its processes), else a set for this process. They
    are shared: a test takes its own random names of projects and buckets, and starts its own set to break one.
    """
    if running := local.running_emulators():
        yield running
        return
    with pytest.MonkeyPatch.context() as patch, contextlib.ExitStack() as ending:
        try:
            started = ending.enter_context(local.emulators())
        except EmulatorsMissing as missing:
            if os.environ.get("CI") == "true":
                raise
            pytest.skip(str(missing))
        for name, value in started.environment().items():
            patch.setenv(name, value)
        yield started
