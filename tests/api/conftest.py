"""The API on a real embedded edition with a clock that tests set."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from scopeline.api.application import create_application
from scopeline.bootstrap import embedded
from scopeline.domain.documents import utc_text
from scopeline.domain.files import (
    Acquired,
    Axis,
    Dataset,
    DatasetType,
    Extraction,
    FileStatus,
    FileVersion,
    Parameter,
    Preview,
)
from scopeline.domain.instruments import Root, TokenKind
from scopeline.services import access
from scopeline.services.backend import Backend
from scopeline.services.files import get_or_create_file, refresh_file, upsert_version
from scopeline.settings import load_settings

PNG = b"\x89PNG\r\n\x1a\n"
LOCAL_ID = "7d9f1f54-9d5a-4d0f-8f55-0d9ad0b7d3f1"


class Clock:
    """A clock that stands until it is moved."""

    def __init__(self) -> None:
        self.now = datetime(2026, 2, 6, 12, 0, tzinfo=UTC)

    def __call__(self) -> datetime:
        return self.now

    def forward(self, **duration: float) -> None:
        self.now += timedelta(**duration)


@dataclass
class Lab:
    """A laboratory: `titan` served by `titan-pc` and `second-pc`, `jeol` by `jeol-pc`; one token of each kind."""

    backend: Backend
    clock: Clock
    http: FlaskClient
    tokens: dict[str, str] = field(default_factory=dict)

    def call(
        self, method: str, path: str, body: Any = None, *, token: str | None = "titan-pc", **headers: str
    ) -> TestResponse:
        """One call with the named token; header names are given with `_` for `-`."""
        sent = {name.replace("_", "-"): value for name, value in headers.items()}
        if token is not None:
            sent["Authorization"] = f"Bearer {self.tokens.get(token, token)}"
        return self.http.open(path, method=method, json=body, headers=sent, buffered=True)

    def moment(self, **ago: float) -> str:
        """The text of now, or of some time ago."""
        return utc_text(self.clock.now - timedelta(**ago))

    def start(self, local_id: str = LOCAL_ID, instrument: str = "titan", **more: Any) -> TestResponse:
        now = self.moment()
        body = {"local_id": local_id, "instrument": instrument, "at": now, "sent": now, **more}
        return self.call("POST", "/v1/sessions", body, token=more.pop("token", f"{instrument}-pc"))

    def upload_body(
        self, path: str = "a b/image_001.dm3", session: str | None = LOCAL_ID, **more: Any
    ) -> dict[str, Any]:
        now = self.moment()
        return {
            "session": session,
            "root": "data",
            "path": path,
            "size": 5,
            "mtime": now,
            "first_seen": now,
            "key": "key-1",
            **more,
        }

    def store(self, name: str, data: bytes = b"hello") -> int:
        """Put bytes under an object's name, as a finished upload does; their generation."""
        return self.backend.raw.write(name, data).generation

    def read(self, name: str, data: bytes = b"hello") -> int:
        """Put bytes under an object's name and give the file the result of reading them; their generation."""
        stored = self.backend.raw.write(name, data)
        file = get_or_create_file(self.backend, stored)
        version = self.backend.catalog.get(FileVersion, upsert_version(self.backend, file, stored).key)
        assert version is not None
        picture = self.backend.derived.write(f"{file.id}/{stored.generation}/0.png", PNG, content_type="image/png")
        metadata = self.backend.derived.write(f"{file.id}/{stored.generation}/metadata.json", b'[{"voltage": 300}]')
        version.document.extraction = Extraction(
            inputs="1",
            status=FileStatus.EXTRACTED,
            reader="digital_micrograph",
            datasets=[
                Dataset(
                    index=0,
                    type=DatasetType.IMAGE,
                    axes=[Axis(name="x", size=4, scale=0.1, unit="nm")],
                    acquired=Acquired(value=self.clock.now, source="utc"),
                    parameters={"Voltage": Parameter(value=300, unit="kV")},
                    preview=Preview(object=picture.name, width=1, height=1),
                )
            ],
            metadata_object=metadata.name,
        )
        self.backend.catalog.update(version.document, version.revision)
        refresh_file(self.backend, file.id)
        return stored.generation


@contextmanager
def open_lab(folder: Path) -> Iterator[Lab]:
    clock = Clock()
    settings = load_settings(data_dir=folder, site_url="http://site.test", max_file_size=10_000)
    with embedded(settings, clock=clock) as edition:
        yield make_lab(edition.backend, clock)


def make_lab(backend: Backend, clock: Clock) -> Lab:
    access.add_instrument(backend, {"id": "titan", "name": "Titan", "zone": "Europe/Berlin"})
    access.add_instrument(backend, {"id": "jeol", "name": "JEOL", "zone": "UTC", "ignore": ["*.bak"]})
    access.set_client(backend, "titan-pc", {"data": Root(instrument="titan")})
    access.set_client(backend, "second-pc", {"data": Root(instrument="titan", detector="eds")})
    access.set_client(backend, "jeol-pc", {"data": Root(instrument="jeol")})
    application = create_application(backend)
    lab = Lab(backend, clock, application.test_client())
    for kind, subject, clients in (
        (TokenKind.CLIENT, "titan-pc", ()),
        (TokenKind.CLIENT, "second-pc", ()),
        (TokenKind.CLIENT, "jeol-pc", ()),
        (TokenKind.HUB, "hub", ("titan-pc",)),
        (TokenKind.ADMIN, "admin", ()),
        (TokenKind.SITE, "site", ()),
    ):
        lab.tokens[subject] = access.make_token(backend, kind, subject, clients=clients)[1]
    return lab


@pytest.fixture
def lab(tmp_path: Path) -> Iterator[Lab]:
    with open_lab(tmp_path) as made:
        yield made


@pytest.fixture(scope="module")
def module_lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    """A laboratory for all tests of a module."""
    with open_lab(tmp_path_factory.mktemp("lab")) as made:
        yield made
