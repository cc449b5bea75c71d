"""Download URLs: signed by a key or by IAM, of one version, and safe to open in a browser."""

from __future__ import annotations

import base64
import json
import os
import threading
from collections.abc import Iterator
from datetime import timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import google.auth.iam
import google.oauth2.credentials
import pytest
import requests
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from google.auth.credentials import AnonymousCredentials
from google.cloud import storage
from storage_bucket import TestBucket, storage_bucket

from scopeline.adapters.gcp.object_store import GoogleObjectStore
from scopeline.adapters.gcp.signing import make_signer
from scopeline.domain.errors import Unavailable

ACCOUNT = "functions@lab.iam.gserviceaccount.com"
FIVE_MINUTES = timedelta(minutes=5)


@pytest.fixture
def bucket(emulators: Any) -> Iterator[TestBucket]:
    with storage_bucket(emulators.storage) as made:
        yield made


@pytest.fixture
def in_the_cloud(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> pytest.MonkeyPatch:
    """No emulator, and no credentials but those of the test."""
    for name in ("STORAGE_EMULATOR_HOST", "GOOGLE_APPLICATION_CREDENTIALS", "GOOGLE_CLOUD_PROJECT"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("CLOUDSDK_CONFIG", str(tmp_path))
    monkeypatch.setenv("NO_GCE_CHECK", "true")
    # Only google.auth asks gcloud for a project, which takes seconds.
    monkeypatch.setenv("PATH", str(tmp_path))
    return monkeypatch


def signed(sign: Any, name: str = "folder/µ.dm3") -> str | None:
    client = storage.Client(project="lab", credentials=AnonymousCredentials())
    store = GoogleObjectStore(client, "raw", sign=sign, copied_bytes=0, mount=None)
    return store.download_url(name, 17, "µ 1.dm3", FIVE_MINUTES)


def test_the_emulators_url_gives_the_version_that_it_names(bucket: TestBucket) -> None:
    store = bucket.store(sign=make_signer(""))
    first = store.write("folder/µ 1.dm3", b"first")
    store.write("folder/µ 1.dm3", b"second")
    url = store.download_url(first.name, first.generation, "µ 1.dm3", FIVE_MINUTES)
    assert url is not None
    answer = requests.get(url, timeout=10)
    assert (answer.status_code, answer.content) == (200, b"first")


def test_a_key_of_ones_own_signs_the_version_its_name_type_and_end(
    in_the_cloud: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    file = tmp_path / "key.json"
    file.write_text(
        json.dumps(
            {
                "type": "service_account",
                "client_email": ACCOUNT,
                "token_uri": "https://oauth2.googleapis.com/token",
                "private_key": key.private_bytes(
                    Encoding.PEM, PrivateFormat.TraditionalOpenSSL, NoEncryption()
                ).decode(),
            }
        )
    )
    in_the_cloud.setenv("GOOGLE_APPLICATION_CREDENTIALS", str(file))
    url = signed(make_signer("another@lab.iam.gserviceaccount.com"))
    parts = urlsplit(url or "")
    asked = {name: values[0] for name, values in parse_qs(parts.query).items()}
    assert (parts.scheme, parts.netloc, parts.path) == ("https", "storage.googleapis.com", "/raw/folder/%C2%B5.dm3")
    assert asked["X-Goog-Credential"].startswith(ACCOUNT)
    assert asked["X-Goog-Algorithm"] == "GOOG4-RSA-SHA256"
    assert (asked["X-Goog-Expires"], asked["generation"]) == ("300", "17")
    assert asked["response-content-type"] == "application/octet-stream"
    assert asked["response-content-disposition"].startswith("attachment; ")
    assert len(bytes.fromhex(asked["X-Goog-Signature"])) == 256


class _Iam(BaseHTTPRequestHandler):
    """Google's token endpoint and signBlob."""

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.server.asked.append((self.path, self.headers.get("Authorization"), body))  # type: ignore[attr-defined]
        if self.path == "/token":
            answer: dict[str, Any] = {"access_token": "secret", "expires_in": 3600, "token_type": "Bearer"}
        else:
            answer = {"keyId": "1", "signedBlob": base64.b64encode(b"signature").decode()}
        text = json.dumps(answer).encode()
        self.send_response(self.server.status)  # type: ignore[attr-defined]
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)

    def log_message(self, *args: Any) -> None:
        pass


@pytest.fixture
def iam(in_the_cloud: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Any]:
    """IAM on this machine, and a person's credentials, which have no key."""
    server: Any = ThreadingHTTPServer(("127.0.0.1", 0), _Iam)
    server.asked, server.status = [], 200
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    address = f"http://127.0.0.1:{server.server_port}"
    in_the_cloud.setattr(google.oauth2.credentials, "_GOOGLE_OAUTH2_TOKEN_ENDPOINT", f"{address}/token")
    in_the_cloud.setattr(google.auth.iam, "_IAM_SIGN_ENDPOINT", address + "/sign/{}")
    file = tmp_path / "person.json"
    file.write_text(
        json.dumps({"type": "authorized_user", "client_id": "a", "client_secret": "b", "refresh_token": "c"})
    )
    in_the_cloud.setenv("GOOGLE_APPLICATION_CREDENTIALS", str(file))
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


def test_without_a_key_iam_signs_as_the_service_account(iam: Any) -> None:
    url = signed(make_signer(ACCOUNT))
    assert url is not None
    assert parse_qs(urlsplit(url).query)["X-Goog-Signature"] == [b"signature".hex()]
    path, authorization, body = iam.asked[-1]
    assert (path, authorization) == (f"/sign/{ACCOUNT}", "Bearer secret")
    assert base64.b64decode(json.loads(body)["payload"]).startswith(b"GOOG4-RSA-SHA256\n")


def test_iam_that_refuses_is_unavailable(iam: Any) -> None:
    sign = make_signer(ACCOUNT)
    signed(sign)
    iam.status = 403
    with pytest.raises(Unavailable, match="Signing an address of raw/folder"):
        signed(sign)


def test_nobody_signs_without_key_and_service_account(iam: Any) -> None:
    assert make_signer("") is None
    assert signed(None) is None


def test_missing_credentials_are_said(in_the_cloud: pytest.MonkeyPatch) -> None:
    with pytest.raises(Unavailable) as failed:
        make_signer(ACCOUNT)
    assert failed.value.code == "not_permitted"


@pytest.mark.parametrize(
    "environment", [{"STORAGE_EMULATOR_HOST": " "}, {"K_SERVICE": "api"}, {"K_SERVICE": ""}], ids=str
)
def test_no_key_of_its_own_signs_in_the_cloud(in_the_cloud: pytest.MonkeyPatch, environment: dict[str, str]) -> None:
    for name, value in {"STORAGE_EMULATOR_HOST": "http://127.0.0.1:1", **environment}.items():
        in_the_cloud.setenv(name, value)
    with pytest.raises(Unavailable):
        make_signer(ACCOUNT)


@pytest.mark.parametrize("name", ["a/../b", "./a", "a/..", "a/."])
def test_names_that_browsers_shorten_have_no_url(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.setenv("STORAGE_EMULATOR_HOST", os.environ.get("STORAGE_EMULATOR_HOST", "http://127.0.0.1:1"))
    assert signed(make_signer(""), name) is None
    assert signed(make_signer(""), "a/.../b") is not None
