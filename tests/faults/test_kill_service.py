"""The service is killed at ten moments of a session; its record is that of a session without trouble."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from running import Service, wait_for

from scopeline.adapters.embedded.recovery import recover
from scopeline.bootstrap import embedded
from scopeline.demo.player import Logger, Scene, play
from scopeline.demo.run import Access, Part, prepare, realistic_part
from scopeline.domain.events import Topic
from scopeline.services.files import list_versions
from scopeline.settings import load_settings

INSTRUMENT = "titan"
# Small pieces, so that an upload is open for a while.
PIECES = {"SCOPELINE_UPLOAD_CHUNK": str(256 * 1024)}


@dataclass
class Day:
    """A session at the instrument and the service behind it."""

    folder: Path
    part: Part
    began: datetime
    service: Service = field(init=False)
    access: Access = field(init=False)
    logger: Logger = field(init=False)
    session: str = ""

    def __post_init__(self) -> None:
        self.folder.mkdir()
        self.service = Service(self.folder, "--anonymous", environment=PIECES)
        self.access = prepare(load_settings(data_dir=self.service.data), INSTRUMENT, "Titan", "UTC")
        self.logger = Logger(self.folder / "pc", self.service.api, self.access.client, INSTRUMENT)

    def begin(self) -> None:
        self.logger.set_up()
        self.service.start()
        wait_for("an answer of the API", self.service.answers)
        self.logger.start_sync()
        said = ["start", "--user", "Ada", "--title", self.part.title, "--sample", str(self.part.sample)]
        self.logger.run(*said, "--at", self.began.isoformat(timespec="seconds"))
        found = wait_for("the session that START made", lambda: self.get("/v1/sessions?limit=1"))
        self.session = found["sessions"][0]["id"]

    def end(self) -> None:
        self.logger.run("end")

    def get(self, path: str) -> Any:
        return self.service.get(path, self.access.admin)

    def state(self) -> dict[str, Any]:
        """The session now; empty where the service does not answer."""
        return self.get(f"/v1/sessions/{self.session}") or {}

    def count(self, *statuses: str) -> int:
        counts = self.state().get("files", {})
        return sum(counts.get(status, 0) for status in statuses)

    def files(self) -> list[dict[str, Any]]:
        page = self.get(f"/v1/files?session={self.session}&limit=500")
        assert page is not None
        assert page["cursor"] is None
        return sorted(page["files"], key=lambda file: str(file["path"]))

    # ------------------------------------------------------------------------------------------------- moments

    def upload_is_open(self) -> bool:
        return any(each.stat().st_size for each in self._entries("raw/incoming"))

    def reader_is_at_work(self) -> bool:
        return bool(self._entries("raw/reading"))

    def all_is_settled(self) -> bool:
        files = self.state().get("files")
        return files is not None and files["announced"] + files["stored"] == 0

    def record_is_built(self) -> bool:
        return bool(self.state().get("record"))

    def record_is_published(self) -> bool:
        return bool((self.state().get("record") or {}).get("published_at"))

    def _entries(self, folder: str) -> list[Path]:
        try:
            return [each for each in (self.service.data / folder).iterdir() if each.exists()]
        except FileNotFoundError:
            return []


@dataclass
class Killer:
    """Kills the service at a moment and starts it again, in turn alone and with its whole group."""

    day: Day
    moments: list[str] = field(default_factory=list)

    def kill(self, moment: str) -> None:
        self.day.service.kill(group=len(self.moments) % 2 == 1)
        self.moments.append(moment)
        self.day.service.start()

    def kill_when(self, moment: str, seen: Callable[[], Any], pause: float = 0.005) -> None:
        wait_for(f"the moment {moment!r}", seen, pause=pause)
        self.kill(moment)


class DuringPlay:
    """The moments while files come. A short one that was missed is waited for with the next file."""

    def __init__(self, killer: Killer) -> None:
        day = killer.day
        self._killer = killer
        # From which scene on the moment is waited for; for how long, before the next file is needed; what it is.
        self._wanted: list[tuple[int, float, str, Callable[[], Any]]] = [
            (2, 8.0, "an upload open with some bytes", day.upload_is_open),
            (4, 60.0, "first file stored", lambda: day.count("stored", "extracted") >= 1),
            (9, 8.0, "a reader at work", day.reader_is_at_work),
            (13, 60.0, "half of the files extracted", lambda: day.count("extracted") >= len(day.part.scenes) // 2),
        ]

    def __call__(self, number: int, scene: Scene) -> None:
        if not self._wanted or number < self._wanted[0][0]:
            return
        _, patience, moment, seen = self._wanted[0]
        try:
            wait_for(moment, seen, seconds=patience, pause=0.001)
        except AssertionError:
            if number == len(self._killer.day.part.scenes):
                raise
            return
        self._killer.kill(moment)
        self._wanted.pop(0)

    def assert_all_came(self) -> None:
        assert self._wanted == []


def undisturbed(day: Day) -> None:
    day.begin()
    play(day.logger, day.part.scenes, pause=0)
    day.end()
    wait_for("the published record", day.record_is_published)


def killed_ten_times(day: Day) -> list[str]:
    day.begin()
    killer = Killer(day)
    killer.kill("START accepted")
    during = DuringPlay(killer)
    play(day.logger, day.part.scenes, pause=0, on_scene=during)
    during.assert_all_came()
    day.end()
    killer.kill("just after END")
    # The record is being built then, or was just now.
    killer.kill_when("all files settled", day.all_is_settled)
    # Records wait for the site, which takes a while to start.
    killer.kill_when("record built but not published", lambda: day.record_is_built() and not day.record_is_published())
    killer.kill_when("during a restart", day.service.answers)
    killer.kill_when("record published", day.record_is_published)
    day.service.ready()
    wait_for("the published record after the last restart", day.record_is_published)
    return killer.moments


# -------------------------------------------------------------------------------------------------- what is compared


def same_record(xml: bytes, day: Day) -> str:
    """The record without ids, generations and the clock's times (START and END; what files tell stays)."""
    text = xml.decode()
    text = re.sub(r"/files/[a-z2-7]{24}/\d+/", "/files/FILE/GENERATION/", text)
    text = text.replace(day.session, "SESSION")
    return re.sub(r"<(reservation(?:Start|End))>[^<]*</", r"<\1>CLOCK</", text)


def same_files(day: Day) -> dict[str, Any]:
    """What was read from each file, with the bytes of its previews."""
    found = {}
    for file in day.files():
        pictures = []
        for dataset in file["datasets"]:
            picture = day.service.fetch(f"/v1/files/{file['id']}/datasets/{dataset['index']}/preview", day.access.admin)
            assert picture is not None
            pictures.append(hashlib.sha256(picture).hexdigest())
        kept = {name: file[name] for name in ("status", "reason", "reader", "companion_of", "warnings", "size", "md5")}
        datasets = [
            {name: value for name, value in dataset.items() if name not in ("id", "preview")}
            for dataset in file["datasets"]
        ]
        assert file["path"] not in found, f"{file['path']} is there twice"
        found[file["path"]] = {**kept, "datasets": datasets, "pictures": pictures}
    return found


def assert_nothing_is_left(day: Day, file_ids: list[str]) -> None:
    """After the service's end: each file once, nothing in the queue, nothing that a start would have to repair."""
    with embedded(load_settings(data_dir=day.service.data)) as edition:
        assert [(found.finding, found.subject) for found in recover([edition.raw, edition.derived])] == []
        names = [stored.name for stored in edition.raw.list()]
        assert len(names) == len(set(names)) == len(day.part.scenes)
        sent = {file_id: len(list_versions(edition.backend, file_id)) for file_id in file_ids}
        assert sent == dict.fromkeys(file_ids, 1), "a file was sent more than once"
        assert list(edition.events.parked()) == []
        now = datetime.now(UTC)
        # The look at the session two hours after END is all that may wait.
        waiting = [(state.topic, state.oldest_due) for state in edition.events.state() if state.oldest_due]
        assert [(topic, due > now) for topic, due in waiting] == [(Topic.SESSION_ENDED, True)]


def assert_no_secret_is_told(day: Day, status: str) -> None:
    """No token and no upload URL in what service, site and logger say or keep, but for the logger's own secrets."""
    secret = re.compile(rb"sl_[a-z0-9]{6,40}_[A-Za-z0-9_-]{20,}|/upload/[A-Za-z0-9_-]{16,}")
    own = (day.logger.config.name, "logger.sqlite3")
    assert secret.search(day.logger.config.read_bytes())
    files = [path for path in day.folder.rglob("*") if path.is_file() and not path.name.startswith(own)]
    assert {day.service.log, day.service.data / "scopeline.sqlite", day.service.data / "site" / "site.log"} <= set(
        files
    )
    said = {str(path): path.read_bytes() for path in files}
    said["status"] = status.encode()
    assert {name: secret.findall(words) for name, words in said.items() if secret.search(words)} == {}


@dataclass(frozen=True)
class Outcome:
    """What a session ended in."""

    record: str
    files: dict[str, Any]


@pytest.fixture(scope="module")
def part(tmp_path_factory: pytest.TempPathFactory) -> tuple[Part, datetime]:
    part = realistic_part(tmp_path_factory.mktemp("made"))
    # The record tells minutes: what a call takes on its way must not change them.
    scenes = [replace(scene, at=scene.at and scene.at.replace(second=30)) for scene in part.scenes]
    return replace(part, scenes=scenes), datetime.now().astimezone() - part.age


def finish(day: Day, play_day: Callable[[Day], Any]) -> Outcome:
    """Play the session, look at what became of it, end the service and look at what it left."""
    try:
        play_day(day)
        day.service.ready()
        xml = day.service.fetch(f"/v1/sessions/{day.session}/record.xml", day.access.admin)
        assert xml is not None
        outcome = Outcome(same_record(xml, day), same_files(day))
        file_ids = [file["id"] for file in day.files()]
        status = day.logger.run("status", "--json")
        assert day.service.terminate() == 0, day.service.complaints()[-3000:]
        day.service.assert_nothing_left()
        assert_nothing_is_left(day, file_ids)
        assert_no_secret_is_told(day, status)
        return outcome
    finally:
        day.logger.stop_sync()
        day.service.clean_up()


def test_service_killed_at_ten_moments_leaves_the_record_of_an_undisturbed_one(
    tmp_path: Path, part: tuple[Part, datetime]
) -> None:
    killed: list[str] = []
    calm = finish(Day(tmp_path / "undisturbed", *part), undisturbed)
    assert len(calm.files) == len(part[0].scenes)
    assert {file["status"] for file in calm.files.values()} == {"extracted"}
    troubled = finish(Day(tmp_path / "killed", *part), lambda day: killed.extend(killed_ten_times(day)))
    assert len(set(killed)) == 10, killed
    assert troubled.files == calm.files
    assert troubled.record.splitlines() == calm.record.splitlines()
