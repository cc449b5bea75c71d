from __future__ import annotations

import importlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from benchmarks.specimens import SPECIMENS, make_specimens

pytestmark = pytest.mark.filterwarnings("ignore::ResourceWarning", "ignore::pytest.PytestUnraisableExceptionWarning")

SCALE = 1 / 512


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    return make_specimens(tmp_path_factory.mktemp("specimens"), SCALE)


def read(path: Path) -> dict[str, Any]:
    module = {".dm4": "digitalmicrograph", ".mrc": "mrc"}[path.suffix]
    (signal,) = importlib.import_module(f"rsciio.{module}").file_reader(str(path))
    found: dict[str, Any] = signal
    return found


@pytest.mark.parametrize("name", sorted(SPECIMENS))
def test_a_specimen_is_as_large_as_asked_for_and_not_empty(small: dict[str, Path], name: str) -> None:
    assert small[name].stat().st_size == pytest.approx(SPECIMENS[name][1] * SCALE, rel=0.2)
    data = np.asarray(read(small[name])["data"], dtype=float)
    assert data.std() > 0
    assert np.all(np.isfinite(data))


@pytest.mark.parametrize(("name", "units"), [("image.dm4", ["nm", "nm"]), ("scan.dm4", ["nm", "nm", "1/nm", "1/nm"])])
def test_its_axes_are_calibrated(small: dict[str, Path], name: str, units: list[str]) -> None:
    assert [axis["units"] for axis in read(small[name])["axes"]] == units


def test_a_file_that_is_there_is_kept_and_one_of_another_size_made_anew(tmp_path: Path) -> None:
    (path,) = make_specimens(tmp_path, 1 / 4096, ("eels.dm4",)).values()
    first = path.stat()
    make_specimens(tmp_path, 1 / 4096, ("eels.dm4",))
    assert path.stat().st_ino == first.st_ino
    make_specimens(tmp_path, 1 / 1024, ("eels.dm4",))
    assert path.stat().st_size > 3 * first.st_size
    assert [entry.name for entry in tmp_path.iterdir()] == ["eels.dm4"]
