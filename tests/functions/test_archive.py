"""What Cloud Run builds the functions from: complete, without anything else, and every function runs from it."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import threading
import time
import urllib.request
import uuid
import zipfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from scopeline.adapters.gcp.topics import FLOWS
from scopeline.bootstrap import google
from scopeline.demo import run
from scopeline.domain.instruments import Root, TokenKind
from scopeline.local.child import bound_command, end_child
from scopeline.local.functions_process import function_environment
from scopeline.local.resources import make_resources, remove_subscriptions
from scopeline.local.unused_ports import unused_port
from scopeline.services.access import add_instrument, make_token, set_client
from scopeline.settings import Settings

REPOSITORY = Path(__file__).resolve().parents[2]
TARGETS = ("api", *(flow.function for flow in FLOWS), "sweep")
SECONDS = 600
TOKEN = "a-publishers-token"
PID_PREFIX = "https://hdl.example/20.500/"


def build(out: Path) -> Path:
    subprocess.run([sys.executable, REPOSITORY / "scripts" / "functions-archive", out], check=True, timeout=60)
    return out


@pytest.fixture(scope="module")
def archive(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build(tmp_path_factory.mktemp("archive") / "functions.zip")


def test_the_same_files_give_the_same_bytes(archive: Path, tmp_path: Path) -> None:
    assert build(tmp_path / "again.zip").read_bytes() == archive.read_bytes()


def test_it_has_what_the_functions_need_and_nothing_else(archive: Path) -> None:
    with zipfile.ZipFile(archive) as packed:
        names = set(packed.namelist())
        assert packed.read("requirements.txt") == (REPOSITORY / "requirements" / "functions.lock").read_bytes()
    package = [path for path in (REPOSITORY / "scopeline").rglob("*") if path.is_file()]
    # Whatever is added to the package, data files above all, is in the archive.
    assert {p.relative_to(REPOSITORY).as_posix() for p in package if "__pycache__" not in p.parts} == {
        name for name in names if name.startswith("scopeline/")
    }
    assert {name for name in names if not name.startswith("scopeline/")} == {
        "main.py",
        "requirements.txt",
        "cdcs_connector/__init__.py",
        "cdcs_connector/client.py",
        "scopeline_logger/__init__.py",
        "scopeline_logger/ignore.py",
        "scopeline_logger/resumable.py",
    }


def test_a_pattern_that_matches_nothing_is_a_mistake(tmp_path: Path) -> None:
    (tmp_path / "scripts").mkdir()
    script = tmp_path / "scripts" / "functions-archive"
    script.write_bytes((REPOSITORY / "scripts" / "functions-archive").read_bytes())
    (tmp_path / "functions").mkdir()
    listed = {"files": [{"folder": "functions", "globs": ["*.py"]}], "requirements": "lock"}
    (tmp_path / "functions" / "archive.json").write_text(json.dumps(listed))
    done = subprocess.run([sys.executable, script, tmp_path / "out.zip"], capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "*.py" in done.stderr
    assert not (tmp_path / "out.zip").exists()


# ------------------------------------------------------------------------------------------ a clean machine's functions


@pytest.fixture
def unpacked(archive: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("unpacked")
    with zipfile.ZipFile(archive) as packed:
        packed.extractall(folder)
    return folder


@pytest.fixture
def programs(unpacked: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of programs of a virtual environment with the archive's requirements and nothing else."""
    folder = tmp_path_factory.mktemp("environment") / "venv"
    uv = Path(sys.executable).parent / "uv"
    environment = {
        **os.environ,
        "UV_SYSTEM_CERTS": "1",
        "UV_BUILD_CONSTRAINT": str(REPOSITORY / "requirements" / "build.lock"),
    }
    if mirror := package_mirror():
        environment["UV_DEFAULT_INDEX"] = mirror
    python = folder / "bin" / "python"
    for command in (
        ("venv", "-q", "--python", sys.executable, folder),
        ("pip", "sync", "-q", "--python", python, "--require-hashes", unpacked / "requirements.txt"),
    ):
        subprocess.run([uv, *command], env=environment, check=True, timeout=SECONDS)
    return python.parent


def package_mirror() -> str:
    """Where pip installs from, which uv does not know by itself."""
    if named := os.environ.get("PIP_INDEX_URL"):
        return named
    asked = [sys.executable, "-m", "pip", "config", "get", "global.index-url"]
    return subprocess.run(asked, capture_output=True, text=True, timeout=60, check=False).stdout.strip()


def strangers(programs: Path) -> str:
    """What of Django, of the local edition's server and of the checkout can be imported there."""
    code = "import importlib.util as u; print([n for n in ('django', 'waitress', 'scopeline') if u.find_spec(n)])"
    done = subprocess.run(
        [programs / "python", "-c", code], cwd=programs, capture_output=True, text=True, timeout=60, check=True
    )
    return done.stdout.strip()


class RecordSite(ThreadingHTTPServer):
    """Takes records as the web site does, and keeps them."""

    def __init__(self) -> None:
        self.taken: dict[str, dict[str, Any]] = {}
        super().__init__(("127.0.0.1", 0), RecordTaker)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"


class RecordTaker(BaseHTTPRequestHandler):
    server: RecordSite

    def do_PUT(self) -> None:
        assert self.headers["Authorization"] == f"Token {TOKEN}"
        session = self.path.rpartition("/")[2]
        record = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.server.taken[session] = record
        answer = json.dumps({"session": session, "version": record["version"], "page": f"/record/{session}"}).encode()
        self.send_response(201)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

    def log_message(self, *_arguments: object) -> None:
        return


@pytest.fixture
def record_site() -> Iterator[RecordSite]:
    with RecordSite() as site:
        thread = threading.Thread(target=site.serve_forever)
        thread.start()
        yield site
        site.shutdown()
        thread.join()


@contextmanager
def served(
    programs: Path, unpacked: Path, environment: dict[str, str], settings: Settings, logs: Path
) -> Iterator[dict[str, str]]:
    """Every function, as Cloud Run starts it, with the settings that it reads; their addresses."""
    with ExitStack() as ending:
        urls = {}
        for target in TARGETS:
            port = unused_port("127.0.0.1")
            command = [str(programs / "functions-framework"), "--target", target, "--host", "127.0.0.1"]
            with (logs / f"{target}.log").open("wb") as log:
                child = subprocess.Popen(
                    bound_command(*command, "--port", str(port)),
                    cwd=unpacked,
                    env={**environment, **function_environment(settings, target), "THREADS": "16"},
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=subprocess.STDOUT,
                )
            ending.callback(end_child, child, 10)
            urls[target] = f"http://127.0.0.1:{port}"
        for target, url in urls.items():
            wait_until_listening(int(url.rpartition(":")[2]), logs / f"{target}.log")
        yield urls


def wait_until_listening(port: int, log: Path) -> None:
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=5).close()
        except OSError:
            time.sleep(0.05)
        else:
            return
    raise AssertionError(f"Nothing listens on {port}:\n{log.read_text()}")


def post(url: str) -> dict[str, Any]:
    with urllib.request.urlopen(urllib.request.Request(url, data=b"", method="POST"), timeout=120) as answer:
        assert answer.status == 200
        return dict(json.loads(answer.read()))


# One test, so that the environment is made once.
@pytest.mark.data
def test_every_function_works_from_the_archive_without_django(
    programs: Path,
    unpacked: Path,
    record_site: RecordSite,
    emulators: Any,
    titan_session: Path,
    tmp_path: Path,
) -> None:
    assert strangers(programs) == "[]"
    project = f"archive-{uuid.uuid4().hex[:12]}"
    settings = Settings(
        edition="gcp",
        project=project,
        raw_bucket=f"{project}-raw",
        derived_bucket=f"{project}-derived",
        records_url=record_site.url,
        records_token=TOKEN,
        pid_prefix=PID_PREFIX,
        data_dir=tmp_path / "unused",
    )
    plain = {name: value for name, value in os.environ.items() if not name.startswith(("SCOPELINE_", "PYTHON"))}
    environment = {**plain, **emulators.environment()}
    pc = tmp_path / "saved"
    pc.mkdir()
    (pc / "orion.tif").write_bytes((titan_session / "orion-zeiss_dataZeroed.tif").read_bytes())
    with google(settings) as edition, served(programs, unpacked, environment, settings, tmp_path) as urls:
        make_resources(settings, edition.clients, urls)
        backend = edition.backend
        add_instrument(backend, {"id": "titan", "name": "Titan", "zone": "UTC"})
        set_client(backend, run.CLIENT, {run.ROOT: Root(instrument="titan")})
        client = make_token(backend, TokenKind.CLIENT, run.CLIENT)[1]
        service = run.Service(urls["api"], record_site.url, make_token(backend, TokenKind.ADMIN, "test")[1])
        try:
            assert service.get("/healthz")
            session = run.play_session(
                service,
                client,
                tmp_path / "work",
                run.folder_part(pc),
                user="Ada Test",
                instrument="titan",
                say=lambda _words: None,
            )
            (file,) = service.get(f"/v1/files?session={session}")["files"]
            record = service.get(f"/v1/sessions/{session}/record.json")
            picture = service.fetch(f"/v1/files/{file['id']}/datasets/0/preview")
            swept = post(urls["sweep"])
        finally:
            remove_subscriptions(settings, edition.clients)
    assert (file["status"], file["path"]) == ("extracted", "orion.tif")
    assert picture.startswith(b"\x89PNG")
    assert record_site.taken[session]["version"] == 1
    assert f"{PID_PREFIX}{session}" in record_site.taken[session]["xml"]
    # The API and the build read the same settings: else the one would say of the other's record that it is not current.
    assert record["version"] == 1
    assert "orion.tif" in record_site.taken[session]["xml"]
    assert swept["tasks"]
    assert not [name for name, task in swept["tasks"].items() if task["stopped_by"]], swept
    # The check of the tokens is off, and nothing else was told: no function met an error.
    for target in TARGETS:
        assert "Traceback" not in (tmp_path / f"{target}.log").read_text(), target
