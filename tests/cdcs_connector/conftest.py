"""The site in this process, on a database of its own, in front of an API that the tests fill."""

from __future__ import annotations

import importlib
import importlib.util
import sys
import warnings
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

HERE = Path(__file__).resolve().parent
PUBLISHER_TOKEN = "0123456789abcdef0123456789abcdef01234567"


def _load(name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(name, HERE / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module


sut = _load("site_under_test")


@pytest.fixture(scope="session")
def samples() -> ModuleType:
    """Records, sessions and files as the back end makes them."""
    return sut


@pytest.fixture(scope="session")
def site_environment(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[dict[str, str], Any]]:
    """The environment of a site, and the API that it asks."""
    with sut.serving(sut.FakeApi()) as api:
        yield sut.environment(tmp_path_factory.mktemp("site"), api.url, PUBLISHER_TOKEN), api


@pytest.fixture(scope="session")
def site(site_environment: tuple[dict[str, str], Any]) -> Iterator[Any]:
    """The initialised site's API stand-in; Django is set up in this process."""
    environment, api = site_environment
    with pytest.MonkeyPatch.context() as patch, warnings.catch_warnings():
        for name, value in environment.items():
            patch.setenv(name, value)
        # CDCS core imports names that its own dependencies have moved.
        warnings.simplefilter("ignore")
        _set_up_django()
    yield api
    from django.db import connections

    connections.close_all()


def _set_up_django() -> None:
    import django

    from cdcs_connector.site.initialise import initialise, prepare_data_folder
    from cdcs_connector.site.settings import SiteSettings

    settings = SiteSettings.from_environment()
    prepare_data_folder(settings)
    django.setup()
    importlib.import_module("cdcs_connector.site.urls")
    django.template.engines.all()
    initialise(settings)


@pytest.fixture
def api(site: Any) -> Any:
    """The API stand-in, emptied."""
    url = site.url
    site.__init__()
    site.url = url
    return site


@pytest.fixture
def browser(api: Any) -> Any:
    """Somebody who has not signed in."""
    from django.test import Client

    return Client()


@pytest.fixture
def publisher(api: Any) -> Any:
    """The back end, which publishes by token."""
    from django.test import Client

    return Client(headers={"Authorization": f"Token {PUBLISHER_TOKEN}"})


@pytest.fixture
def closed_to_strangers(site: Any) -> Iterator[None]:
    """Only people who have signed in may read."""
    from django.test import override_settings

    with override_settings(CAN_ANONYMOUS_ACCESS_PUBLIC_DOCUMENT=False):
        yield


_numbers = iter(range(10**6))


@pytest.fixture
def session_id() -> str:
    """The id of a session that no other test uses."""
    number = next(_numbers)
    return "20181129-titanx-" + "".join("abcdefghijklmnopqrstuvwxyz234567"[(number // 32**i) % 32] for i in range(6))


@pytest.fixture
def put(publisher: Any) -> Any:
    """Publish XML as a session's record; the answer."""

    def publish(session: str, xml: str, version: int = 1, input_hash: str = "first") -> Any:
        body = {"version": version, "input_hash": input_hash, "xml": xml}
        return publisher.put(f"/rest/scopeline/records/{session}", body, content_type="application/json")

    return publish
