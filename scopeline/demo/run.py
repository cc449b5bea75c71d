"""The demonstration: starts an edition on this machine, plays a session with the real logger, waits for its page."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from scopeline.adapters.data_folder import make_private_folder
from scopeline.bootstrap import embedded, google
from scopeline.demo.player import Logger, Scene, play, scenes_of_folder
from scopeline.domain.errors import Conflict, ScopelineError
from scopeline.domain.instruments import Root, TokenKind
from scopeline.local.child import bound_command, end_child
from scopeline.local.functions_process import settings_environment
from scopeline.services.access import add_instrument, change_instrument, make_token, set_client
from scopeline.services.backend import Backend
from scopeline.settings import Settings

CLIENT = "demo-pc"
ROOT = "data"
TOKEN_LIFE = timedelta(days=1)
CALL_SECONDS = 30.0
STOP_SECONDS = 30.0
SETTLE_SECONDS = 600.0
# A sample goes in, and a note is typed, before the picture is taken.
SAID_BEFORE = timedelta(minutes=1)

Say = Callable[[str], None]


class DemoFailed(ScopelineError):
    """The demonstration did not come to its end."""

    code = "demo_failed"


@dataclass(frozen=True, slots=True)
class Access:
    """The tokens of one demonstration: the logger's, and one to look at everything."""

    client: str
    admin: str


def prepare(settings: Settings, instrument: str, name: str, zone: str | None) -> Access:
    """Add the instrument and its client to the edition's catalog, and make tokens for a day.

    An instrument of an earlier demonstration keeps its time zone, unless one is given. Raises DataFolderInUse,
    InvalidInput.
    """
    with _stopped_edition(settings) as backend:
        try:
            add_instrument(backend, {"id": instrument, "name": name, "zone": zone or "UTC"})
        except Conflict:
            if zone is not None:
                change_instrument(backend, instrument, {"zone": zone})
        set_client(backend, CLIENT, {ROOT: Root(instrument=instrument)})
        return Access(_token(backend, TokenKind.CLIENT, CLIENT), _token(backend, TokenKind.ADMIN, "demo"))


def keeps_its_data(settings: Settings) -> bool:
    """Whether what is stored outlives the demonstration; emulators of its own keep nothing."""
    if settings.edition != "gcp":
        return True
    from scopeline.local.emulators import running_emulators

    return running_emulators() is not None


@contextmanager
def edition_for(settings: Settings) -> Iterator[Settings]:
    """The settings with all that the edition needs to be started; Google Cloud's emulators run meanwhile."""
    if settings.edition == "gcp":
        from scopeline.local.cloud_settings import on_emulators

        with on_emulators(settings) as (named, _found):
            yield named
    else:
        yield settings


@contextmanager
def _stopped_edition(settings: Settings) -> Iterator[Backend]:
    """The back end of an edition that does not run yet. Raises DataFolderInUse."""
    if settings.edition == "gcp":
        with google(settings) as cloud:
            yield cloud.backend
    else:
        with embedded(settings) as local:
            yield local.backend


def _token(backend: Backend, kind: TokenKind, subject: str) -> str:
    return make_token(backend, kind, subject, expires_at=backend.clock() + TOKEN_LIFE)[1]


@dataclass(frozen=True, slots=True)
class Service:
    """The running edition, seen from outside."""

    api: str
    site: str
    token: str

    def get(self, path: str) -> Any:
        """The JSON answer of an API call. Raises DemoFailed."""
        return json.loads(self.fetch(path))

    def fetch(self, path: str) -> bytes:
        """The bytes of an API call. Raises DemoFailed."""
        asked = urllib.request.Request(self.api + path)
        # A redirect to a store's signed address goes without it.
        asked.add_unredirected_header("Authorization", f"Bearer {self.token}")
        return _read(asked)

    def page(self, address: str) -> bytes:
        """A page of the web site, as anybody sees it. Raises DemoFailed."""
        return _read(urllib.request.Request(address))


def _read(asked: urllib.request.Request) -> bytes:
    try:
        with urllib.request.urlopen(asked, timeout=CALL_SECONDS) as answer:
            return bytes(answer.read())
    except urllib.error.HTTPError as error:
        words = error.read().decode(errors="replace")[:500]
        raise DemoFailed(f"{asked.full_url} answered {error.code}: {words}") from None
    except OSError as error:
        raise DemoFailed(f"{asked.full_url} cannot be reached: {error}") from None


@contextmanager
def running_service(settings: Settings, token: str, *options: str) -> Iterator[Service]:
    """`scopeline serve` with these settings as a child process, for as long as the context lasts. Raises DemoFailed."""
    make_private_folder(settings.data_dir)
    log_path = settings.data_dir / "service.log"
    command = [sys.executable, "-m", "scopeline", "serve", "--json", *options]
    with log_path.open("ab") as log:
        child = subprocess.Popen(
            bound_command(*command),
            env={**os.environ, **settings_environment(settings)},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=log,
            text=True,
        )
    assert child.stdout is not None
    try:
        line = child.stdout.readline()
        if not line:
            child.wait()
            words = log_path.read_text(errors="replace").strip()[-1500:]
            raise DemoFailed(f"Scopeline did not start. The end of {log_path}:\n{words}")
        addresses = json.loads(line)
        yield Service(addresses["api"], addresses["site"], token)
    finally:
        end_child(child, STOP_SECONDS)
        child.stdout.close()


def newest_session(service: Service) -> dict[str, Any]:
    """The session that was started last. Raises DemoFailed where there is none."""
    sessions = service.get("/v1/sessions?limit=1")["sessions"]
    if not sessions:
        raise DemoFailed("The service has no session, though the logger started one. See the logger's log.")
    return dict(sessions[0])


def wait_for_record(service: Service, session: str, say: Say) -> dict[str, Any]:
    """The session when its record is on the web site. Raises DemoFailed after ten minutes."""
    deadline = time.monotonic() + SETTLE_SECONDS
    told = ""
    while time.monotonic() < deadline:
        state: dict[str, Any] = service.get(f"/v1/sessions/{session}")
        record = state["record"]
        if record and record["published_at"]:
            return state
        counts = state["files"]
        waiting = counts["announced"] + counts["stored"]
        words = f"{counts['total'] - waiting} of {counts['total']} files read" if waiting else "building the record"
        if words != told:
            say(words)
            told = words
        time.sleep(0.2)
    raise DemoFailed(f"The record of {session} was not published within {SETTLE_SECONDS:.0f} s: {state['files']}.")


def save_results(service: Service, session: str, folder: Path) -> None:
    """Write `record.xml`, `metadata/*.json` and `previews/` of the session to `folder`."""
    for part in ("metadata", "previews"):
        (folder / part).mkdir(parents=True, exist_ok=True)
    (folder / "record.xml").write_bytes(service.fetch(f"/v1/sessions/{session}/record.xml"))
    cursor = ""
    while cursor is not None:
        page = service.get(f"/v1/files?session={session}&limit=100" + (f"&cursor={cursor}" if cursor else ""))
        for file in page["files"]:
            _save_file(service, file, folder)
        cursor = page["cursor"]


def _save_file(service: Service, file: dict[str, Any], folder: Path) -> None:
    name = file["path"].replace("/", "__")
    (folder / "metadata" / f"{name}.json").write_text(
        json.dumps(file, indent=2, ensure_ascii=False) + "\n", encoding="utf-8"
    )
    pictures = len(file["datasets"]) or int(file["placeholder"] is not None)
    for index in range(pictures):
        suffix = f".{index}" if pictures > 1 else ""
        picture = service.fetch(f"/v1/files/{file['id']}/datasets/{index}/preview")
        (folder / "previews" / f"{name}{suffix}.png").write_bytes(picture)


# ------------------------------------------------------------------------------------------------------- the play


@dataclass(frozen=True, slots=True)
class Part:
    """What is played: what is typed at START, and the scenes."""

    title: str
    scenes: list[Scene]
    motivation: str | None = None
    sample: str | None = None
    age: timedelta = timedelta()  # how long ago the session began


def realistic_part(work: Path) -> Part:
    """A made-up session of a morning, which ends about now; its files are written below `work`."""
    from scopeline.demo import session

    began = datetime.now().astimezone() - session.LENGTH
    files = session.make_session(work / "made", began)
    scenes = [
        Scene(
            file.path,
            file.path.relative_to(work / "made").as_posix(),
            note=file.note,
            sample=file.sample.name if file.sample else None,
            at=began + file.at - SAID_BEFORE,
        )
        for file in files
    ]
    return Part(session.TITLE, scenes, session.MOTIVATION, session.FIRST_SAMPLE.name, session.LENGTH)


def folder_part(folder: Path) -> Part:
    """The files of any folder. Raises LoggerFailed where there are none."""
    return Part(f"Files of {folder.resolve().name}", scenes_of_folder(folder))


def play_session(service: Service, token: str, work: Path, part: Part, *, user: str, instrument: str, say: Say) -> str:
    """Play a session with the real logger and return its id when its record is on the web site.

    Raises DemoFailed, LoggerFailed.
    """
    logger = Logger(work / "pc", service.api, token, instrument)
    logger.set_up()
    start = ["start", "--user", user, "--title", part.title]
    start += ["--motivation", part.motivation] if part.motivation else []
    start += ["--sample", part.sample] if part.sample else []
    if part.age:
        start += ["--at", (datetime.now().astimezone() - part.age).isoformat(timespec="seconds")]
    logger.start_sync()
    try:
        logger.run(*start)
        session = str(newest_session(service)["id"])
        say(f"START: {user}, {part.title}")
        say(f"Follow the running session at {service.site}/record/{session}")
        play(logger, part.scenes, on_scene=lambda number, scene: _tell(say, number, len(part.scenes), scene))
        logger.run("end", "--wait")
        say("END")
        wait_for_record(service, session, say)
    finally:
        logger.stop_sync()
    return session


def _tell(say: Say, number: int, total: int, scene: Scene) -> None:
    if scene.sample:
        say(f"next sample: {scene.sample}")
    if scene.note:
        say(f"note: {scene.note}")
    say(f"{number:3d} of {total}  {scene.target}  {scene.source.stat().st_size / 1e6:.1f} MB")
