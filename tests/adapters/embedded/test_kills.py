"""The process is killed at each point of its work; what was accepted is there, and nothing is there by half."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from scopeline.adapters.embedded.event_worker import run_once
from scopeline.adapters.embedded.recovery import StartFinding, recover
from scopeline.domain.events import Event, Topic

UNIT = 256 * 1024
NAME = "a.dm3"
UPLOADED = b"first" * UNIT + b"second"


def kill_at(folder: Path, work: str, point: str, occurrence: int = 1) -> None:
    script = Path(__file__).with_name("killed_process.py")
    ended = subprocess.run([sys.executable, script, folder, work, point, str(occurrence)], check=False)
    assert ended.returncode == -signal.SIGKILL


def events_of(opened: Any) -> list[Event]:
    opened.clock.advance(days=10_000)  # the killed process had the system's clock
    seen: list[Event] = []
    run_once(opened.events, dict.fromkeys(Topic, seen.append))
    return seen


def is_clean(opened: Any) -> bool:
    """Nothing but current versions and open uploads is on the disk, and a second look finds nothing to do."""
    return recover([opened.raw, opened.derived]) == []


@pytest.mark.parametrize(
    ("point", "accepted"),
    [
        ("object.bytes_written", False),
        ("object.renamed", False),
        ("object.row_written", False),
        ("object.committed", True),
    ],
)
def test_a_write_is_there_with_its_event_or_not_at_all(
    open_folder: Any, tmp_path: Path, point: str, accepted: bool
) -> None:
    kill_at(tmp_path, "write", point)
    opened = open_folder()
    recover([opened.raw, opened.derived])
    assert is_clean(opened)
    stored = opened.raw.stat(NAME)
    assert (stored is not None) == accepted
    assert [event.type for event in events_of(opened)] == [Topic.OBJECT_FINALIZED] * accepted
    again = opened.raw.write(NAME, b"bytes")
    assert stored is None or again.generation > stored.generation


@pytest.mark.parametrize(
    ("point", "occurrence"),
    [
        ("upload.synced", 1),
        ("upload.received", 1),
        ("upload.synced", 2),
        ("upload.received", 2),
        ("object.renamed", 1),
        ("object.row_written", 1),
        ("object.committed", 1),
    ],
)
def test_an_upload_goes_on_where_range_says_and_becomes_one_version(
    open_folder: Any, tmp_path: Path, point: str, occurrence: int
) -> None:
    kill_at(tmp_path, "upload", point, occurrence)
    url = (tmp_path / "url").read_text()
    opened = open_folder()
    found = recover([opened.raw, opened.derived])
    assert [one.finding for one in found] == (
        [StartFinding.RETURNED_TO_UPLOAD] if point in ("object.renamed", "object.row_written") else []
    )
    size = len(UPLOADED)
    status, headers, _ = opened.put(url, f"bytes */{size}")
    while status == 308:
        stored = int(headers["Range"].removeprefix("bytes=0-")) + 1 if "Range" in headers else 0
        part = UPLOADED[stored : stored + 2 * UNIT]
        status, headers, body = opened.put(url, f"bytes {stored}-{stored + len(part) - 1}/{size}", part)
    assert status == 200
    (stored_object,) = opened.raw.list()
    with opened.raw.open(NAME, stored_object.generation) as source:
        assert source.read() == UPLOADED
    _, _, body = opened.put(url, f"bytes */{size}")
    assert body["generation"] == str(stored_object.generation)
    assert is_clean(opened)
    assert [event.data["generation"] for event in events_of(opened)] == [stored_object.generation]


@pytest.mark.parametrize("point", ["object.row_deleted"])
def test_a_deletion_is_finished_at_the_next_start(open_folder: Any, tmp_path: Path, point: str) -> None:
    opened = open_folder()
    opened.raw.write(NAME, b"bytes")
    opened.database.close()
    kill_at(tmp_path, "delete", point)
    opened = open_folder()
    assert opened.raw.stat(NAME) is None
    assert [one.finding for one in recover([opened.raw])] == [StartFinding.REMOVAL_FINISHED]
    assert [path for path in (tmp_path / "raw").rglob("*") if path.is_file()] == []
    assert [event.type for event in events_of(opened)] == [Topic.OBJECT_FINALIZED, Topic.OBJECT_DELETED]
    assert is_clean(opened)


@pytest.mark.parametrize(
    ("point", "handled_before", "left"),
    [
        ("delivery.claimed", [], ["a", "b"]),
        ("handling", ["a"], ["a", "b"]),
        ("delivery.handled", ["a"], ["a", "b"]),
        ("delivery.acknowledged", ["a"], ["b"]),
    ],
)
def test_an_interrupted_delivery_comes_again_at_once(
    open_folder: Any, tmp_path: Path, point: str, handled_before: list[str], left: list[str]
) -> None:
    opened = open_folder()
    for key in ("a", "b"):
        opened.events.publish(Event(type=Topic.SESSION_ENDED, key=key, at=opened.clock()))
    opened.database.close()
    kill_at(tmp_path, "deliver", point)
    handled = tmp_path / "handled"
    assert (handled.read_text().split() if handled.exists() else []) == handled_before
    opened = open_folder()
    assert [event.key for event in events_of(opened)] == left


def test_a_worker_that_is_killed_again_and_again_loses_nothing(open_folder: Any, tmp_path: Path) -> None:
    keys = {f"{n}" for n in range(120)}
    opened = open_folder()
    for key in keys:
        opened.events.publish(Event(type=Topic.SESSION_ENDED, key=key, at=opened.clock()))
    opened.database.close()
    handled: list[str] = []
    for deliveries_before_kill in (1, 7, 20, 33):
        handled += work_and_kill(tmp_path, deliveries_before_kill)
    opened = open_folder()
    rest = [event.key for event in events_of(opened)]
    assert set(handled) | set(rest) == keys
    assert len(rest) >= len(keys) - len(handled)
    assert opened.events.state() == []


def work_and_kill(folder: Path, deliveries: int) -> list[str]:
    """Let a process with three threads handle that many deliveries, and kill it in the middle; the handled keys."""
    script = Path(__file__).with_name("killed_process.py")
    with subprocess.Popen(
        [sys.executable, script, folder, "work", "-", "0"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        handled = [process.stdout.readline().strip() for _ in range(deliveries)]
        process.kill()
        handled += process.stdout.read().split()
    return handled
