"""Lets tests of the security use the laboratory of the API's tests; tests are no package."""

from __future__ import annotations

import importlib.util
import sys
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

HERE = Path(__file__).parent


def _laboratory() -> Any:
    """The module `tests/api/conftest.py`: two files of that name cannot be imported by it."""
    name = "laboratory_of_the_api"
    if name not in sys.modules:
        place = importlib.util.spec_from_file_location(name, HERE.parent / "api" / "conftest.py")
        assert place is not None
        assert place.loader is not None
        sys.modules[name] = importlib.util.module_from_spec(place)
        place.loader.exec_module(sys.modules[name])
    return sys.modules[name]


@pytest.fixture
def lab(tmp_path: Path) -> Iterator[Any]:
    """The API on a real embedded edition: `titan` served by two PCs, `jeol` by another one."""
    with _laboratory().open_lab(tmp_path / "data") as made:
        yield made


@pytest.fixture
def google_lab(emulators: object, tmp_path: Path) -> Iterator[Any]:
    """The same on Cloud Storage, Firestore and Pub/Sub, in a project of the test's own."""
    from scopeline.bootstrap import google
    from scopeline.local.cloud_settings import with_names
    from scopeline.local.resources import make_buckets, make_topics
    from scopeline.settings import load_settings

    laboratory = _laboratory()
    given: dict[str, Any] = {"project": f"names-{uuid.uuid4().hex[:12]}", "max_file_size": 10_000}
    settings, clock = with_names(load_settings(data_dir=tmp_path, **given)), laboratory.Clock()
    with google(settings, clock=clock) as edition:
        make_topics(settings, edition.clients)
        make_buckets(settings, edition.clients)
        yield laboratory.make_lab(edition.backend, clock)
