"""What the site's tests and benchmark share: records as the back end writes them, and an API to fetch from."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta, timezone
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, quote, urlsplit
from xml.sax.saxutils import escape, quoteattr

SESSION = "20181129-titanx-k4m7pa"
SITE_TOKEN = "sl_site_secret-of-the-site"
ZONE = timezone(timedelta(hours=-8))
START = datetime(2018, 11, 29, 9, 14, 5, tzinfo=ZONE)
ACTIVITIES = ("STEM HAADF images", "EDS spectrum images and STEM HAADF images", "Diffraction patterns", "Spectra")
KINDS = ("Image", "SpectrumImage", "Image", "Diffraction", "Spectrum")


def file_id(number: int) -> str:
    """A file id as the back end makes them: 24 characters of base32."""
    alphabet = "abcdefghijklmnopqrstuvwxyz234567"
    return "".join(alphabet[(number // 32**i) % 32] for i in range(24))


def record_xml(
    count: int, *, session: str = SESSION, title: str | None = "EDS tomography of an interplanetary dust particle"
) -> str:
    """A record of `count` datasets in activities of at most 40, with notes, samples, warnings and unreadable files."""
    parts = [
        '<?xml version="1.0" encoding="UTF-8"?>\n'
        '<Experiment xmlns="https://data.nist.gov/od/dm/nexus/experiment/v1.0" '
        f'xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" pid="https://pid.example.org/{session}">'
    ]
    if title is not None:
        parts.append(f"<title>{escape(title)}</title>")
    parts.append(
        f"<id>{session}</id><summary><experimenter>Researcher A</experimenter><collaborator>Researcher B</collaborator>"
        '<instrument pid="titanx">FEI TitanX 80-300</instrument>'
        "<reservationStart>2018-11-29T09:00:00-08:00</reservationStart>"
        "<reservationEnd>2018-11-29T17:00:00-08:00</reservationEnd>"
        "<motivation>Three-dimensional chemistry of GEMS in a FIB section.</motivation></summary>"
        '<sample id="s1"><name>L2083-K-4-1</name><description>FIB section, 200 nm</description>'
        "<elements><O/><Mg/><Si/><Fe/></elements></sample>"
        '<sample id="s2"><name>STO reference</name></sample>'
        "<project><name>Dust</name><project_id>P-1182</project_id></project>"
    )
    size = max(1, min(40, -(-count // 4)))
    for seqno, begin in enumerate(range(0, count, size)):
        parts.append(_activity(seqno, range(begin, min(begin + size, count)), count))
    parts.append(
        '<notes source="Researcher A"><entry xsi:type="TextEntry"><p>29 November 2018, 10:52 (UTC-08:00)</p>'
        "<p>Stage drifted between +5° and +10°, re-aligned on the large Fe grain.</p></entry></notes></Experiment>"
    )
    return "".join(parts)


def _activity(seqno: int, numbers: range, count: int) -> str:
    # A session of seven hours, whatever the number of its datasets.
    step = timedelta(hours=7) / max(count, 1)
    begin = (START + step * numbers[0]).isoformat("T", "seconds")
    parts = [
        f'<acquisitionActivity seqno="{seqno}"><startTime>{begin}</startTime>'
        f"<sampleID>{'s1' if seqno < 3 else 's2'}</sampleID><setup>"
    ]
    shared = [("Activity", ACTIVITIES[seqno % len(ACTIVITIES)], ""), ("Technique", "STEM", "")]
    shared += [("Microscope", "FEI TitanX", ""), ("Accelerating Voltage", "200", "kV"), ("Imaging Mode", "STEM", "")]
    shared += [("Camera Length", "130", "mm"), ("Detector", "HAADF", ""), ("Pixel Size", "13.08", "nm")]
    shared += [("Field of View", "3.349", "µm"), ("Dwell Time", "2.7", "µs"), ("Convergence Semi-angle", "10", "mrad")]
    shared += [("Gun Lens", "3", ""), ("Objective Lens", "87.685", "%"), ("C2 Aperture", "150", "µm")]
    parts.extend(_parameter("param", *p, doubtful=p[0] == "Camera Length") for p in shared)
    parts.append("</setup>")
    parts.extend(_dataset(n, START + step * n) for n in numbers)
    parts.append("</acquisitionActivity>")
    return "".join(parts)


def _dataset(number: int, at: datetime) -> str:
    unreadable = number % 11 == 7
    name = f"dust {number:04d} é.{'bcf' if KINDS[number % 5] == 'SpectrumImage' else 'emd'}"
    kind = "Unknown" if unreadable else KINDS[number % 5]
    address = f"/files/{file_id(number)}/{number + 1}"
    parts = [f'<dataset type="{kind}" role="Experimental"><name>{escape(name)}</name>']
    parts.append(f"<location>{address}/{quote(name)}</location><format>{name.rpartition('.')[2]}</format>")
    if unreadable:
        parts.append("<description>The file ends after 58 bytes; its header promises 17 MB.</description>")
    elif number % 13 == 5:
        parts.append("<description>The acquisition time lies outside the session.</description>")
    parts.append(f"<preview>{address}/0/preview</preview>")
    parts.append(_parameter("meta", "Acquisition Time", at.isoformat("T", "seconds"), ""))
    if not unreadable:
        own = [("Stage Alpha", str(number % 100 - 50), "°"), ("Data Dimensions", "256 × 256 × 2048", "")]
        own += [("Exposure Time", "0.5", "s"), ("Magnification", "57000", ""), ("Live Time", "180", "s")]
        parts.extend(_parameter("meta", *p, doubtful=p[0] == "Magnification") for p in own)
    parts.append("</dataset>")
    return "".join(parts)


def _parameter(tag: str, name: str, value: str, unit: str, doubtful: bool = False) -> str:
    attributes = f" unit={quoteattr(unit)}" if unit else ""
    attributes += ' warning="true"' if doubtful else ""
    return f"<{tag} name={quoteattr(name)}{attributes}>{escape(value)}</{tag}>"


def picture(number: int, width: int = 256) -> bytes:
    """A PNG with a pattern of its own for each number."""
    from PIL import Image

    levels = bytes((x * (number + 3) // 7 + y * (number + 1) // 5) % 256 for y in range(width) for x in range(width))
    out = io.BytesIO()
    Image.frombytes("L", (width, width), levels).save(out, "PNG")
    return out.getvalue()


class FakeApi:
    """The calls of the API that the site makes (docs/adr/0002), answered from plain fields."""

    def __init__(self) -> None:
        self.sessions: dict[str, dict[str, Any]] = {}
        self.files: dict[str, dict[str, Any]] = {}
        self.contents: dict[str, bytes] = {}
        self.current: dict[str, int] = {}  # file -> generation, where older ones are gone
        self.now = "2026-11-21T12:00:00.000000Z"
        self.erased: set[str] = set()  # sessions
        self.erased_when: dict[str, str] = {"erased_at": "2026-11-21T12:40:31.000000Z"}
        self.down = False
        self.requests: list[tuple[str, dict[str, str]]] = []
        self.pictures: list[bytes] = [picture(n) for n in range(5)]
        self.url = ""

    def answer(self, target: str, headers: dict[str, str]) -> tuple[int, dict[str, str], bytes]:
        """Status, headers and body of a GET."""
        self.requests.append((target, headers))
        parts = urlsplit(target)
        query = {name: values[0] for name, values in parse_qs(parts.query).items()}
        if headers.get("Authorization") != f"Bearer {SITE_TOKEN}":
            return _problem(401, "unauthorised")
        if self.down:
            return _problem(503, "unavailable")
        path = parts.path.removeprefix("/v1/").split("/")
        match path:
            case ["me"]:
                return _json(
                    {"instruments": [{"id": "titanx", "name": "FEI TitanX 80-300", "zone": "America/Los_Angeles"}]}
                )
            case ["sessions"]:
                found = [s for s in self.sessions.values() if s["state"] == query.get("state", s["state"])]
                return _json({"sessions": found, "cursor": None})
            case ["sessions", session] if session in self.erased:
                return _problem(410, "session_erased", **self.erased_when)
            case ["sessions", session]:
                return _json(self.sessions[session]) if session in self.sessions else _problem(404, "not_found")
            case ["files"]:
                since = query.get("since", "")
                found = [
                    f for f in self.files.values() if f["session"] == query["session"] and f["updated_at"] >= since
                ]
                return _json({"files": found, "cursor": None, "now": self.now})
            case ["files", file]:
                return _json(self.files[file]) if file in self.files else _problem(404, "not_found")
            case ["files", file, *what]:
                return self._bytes(file, what, int(query["generation"]), headers)
        return _problem(404, "not_found")

    def _bytes(
        self, file: str, what: list[str], generation: int, headers: dict[str, str]
    ) -> tuple[int, dict[str, str], bytes]:
        current = self.current.get(file, generation)
        if generation != current:
            return _problem(410, "version_gone", current=current)
        if what == ["metadata"]:
            return _json([{"file": file, "generation": generation, "signal": signal} for signal in ("HAADF", "EDS")])
        tag = {"ETag": f'"{file}-{generation}"'}
        if headers.get("If-None-Match") == tag["ETag"]:
            return 304, tag, b""
        if what[0] == "datasets":
            return 200, {"Content-Type": "image/png", **tag}, self.pictures[generation % len(self.pictures)]
        body = self.contents.get(file, b"0123456789")
        kind = {"Content-Type": "text/html", "Accept-Ranges": "bytes", "Set-Cookie": "api=1", **tag}
        if headers.get("Range", "").startswith("bytes="):
            first, _, last = headers["Range"].removeprefix("bytes=").partition("-")
            part = body[int(first) : int(last or len(body) - 1) + 1]
            return 206, {**kind, "Content-Range": f"bytes {first}-{int(first) + len(part) - 1}/{len(body)}"}, part
        return 200, kind, body


def _json(value: Any, status: int = 200) -> tuple[int, dict[str, str], bytes]:
    return status, {"Content-Type": "application/json"}, json.dumps(value).encode()


def _problem(status: int, code: str, **more: Any) -> tuple[int, dict[str, str], bytes]:
    return (
        status,
        {"Content-Type": "application/problem+json"},
        json.dumps({"code": code, "status": status, **more}).encode(),
    )


@contextmanager
def serving(api: FakeApi) -> Iterator[FakeApi]:
    """Serve the fake API on a free port until the context ends."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            status, headers, body = api.answer(self.path, dict(self.headers))
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    api.url = f"http://127.0.0.1:{server.server_address[1]}"
    try:
        yield api
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def running_session(session: str, **changes: Any) -> dict[str, Any]:
    """A session as `GET /v1/sessions/{id}` gives it."""
    counts = dict.fromkeys(("announced", "stored", "extracted", "unreadable", "unsupported", "failed", "deleted"), 0)
    return {
        "id": session,
        "instrument": "titanx",
        "title": "Dark field of iron oxide",
        "motivation": None,
        "people": [{"person": "Researcher C", "role": "experimenter"}],
        "handling": "normal",
        "state": "open",
        "start": "2026-11-21T10:02:00.000000Z",
        "end": None,
        "project": None,
        "samples": [{"name": "Fe3O4 on STO"}],
        "events": [],
        "files": {"total": 0, **counts},
        **changes,
    }


def api_file(number: int, session: str, **changes: Any) -> dict[str, Any]:
    """A file with one dataset as `GET /v1/files` gives it."""
    return {
        "id": file_id(number),
        "session": session,
        "name": f"run {number}.dm3",
        "generation": number + 1,
        "status": "extracted",
        "reason": None,
        "companion_of": None,
        "mtime": "2026-11-21T11:00:00.000000Z",
        "datasets": [
            {
                "index": 0,
                "type": "Image",
                "technique": "STEM",
                "shape": [1024, 1024],
                "acquired": {"value": f"2026-11-21T11:{number % 60:02d}:00.000000Z"},
                "warnings": [],
                "preview": "x",
            }
        ],
        "placeholder": None,
        "warnings": [],
        "updated_at": "2026-11-21T11:30:00.000000Z",
        **changes,
    }


def schema() -> Path:
    """The project's schema."""
    return Path(__file__).resolve().parents[2] / "scopeline" / "records" / "nexus-experiment.xsd"


def environment(folder: Path, api_url: str, publisher_token: str, port: int = 8000) -> dict[str, str]:
    """The environment variables of a site in `folder` that anybody may read."""
    return {
        "DJANGO_SETTINGS_MODULE": "cdcs_connector.site.django_settings",
        "SCOPELINE_SITE_DATA_DIR": str(folder),
        "SCOPELINE_SITE_SERVER_URI": f"http://127.0.0.1:{port}",
        "SCOPELINE_SITE_API_URL": api_url,
        "SCOPELINE_SITE_API_TOKEN": SITE_TOKEN,
        "SCOPELINE_SITE_PUBLISHER_TOKEN": publisher_token,
        "SCOPELINE_SITE_ANONYMOUS": "1",
        "SCOPELINE_SITE_FACILITY": "Example facility",
        "SCOPELINE_SITE_ALLOWED_HOSTS": "testserver",
        "SCOPELINE_SITE_SCHEMA": os.environ.get("SCOPELINE_SITE_SCHEMA", str(schema())),
        "PYTHONPATH": str(Path(__file__).resolve().parents[2]),
    }


@contextmanager
def running_site(folder: Path, api_url: str, publisher_token: str) -> Iterator[str]:
    """Initialise a site in `folder` and serve it in a process of its own; its address."""
    values = {**os.environ, **environment(folder, api_url, publisher_token)}
    command = [sys.executable, "-m", "cdcs_connector.site"]
    subprocess.run([*command, "init"], env=values, check=True, capture_output=True, timeout=120)
    process = subprocess.Popen([*command, "serve", "--port", "0"], env=values, stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        line = process.stdout.readline()
        yield line.rpartition(" ")[2].strip().rstrip("/")
    finally:
        process.terminate()
        process.communicate(timeout=20)
