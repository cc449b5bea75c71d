"""Works on a data folder and kills itself at a named point: `killed_process.py FOLDER WORK POINT OCCURRENCE`."""

from __future__ import annotations

import io
import os
import signal
import sys
from pathlib import Path

from scopeline.adapters.embedded.database import Database
from scopeline.adapters.embedded.event_worker import EventWorker, run_once
from scopeline.adapters.embedded.events import EmbeddedEvents
from scopeline.adapters.embedded.object_store import EmbeddedObjectStore
from scopeline.adapters.embedded.upload_endpoint import UploadEndpoint
from scopeline.domain.events import Event, Topic
from scopeline.ports import Bucket

UNIT = 256 * 1024
NAME = "a.dm3"
UPLOADED = b"first" * UNIT + b"second"
CHUNK = 3 * UNIT


def main(folder: Path, work: str, point: str, occurrence: int) -> None:
    reached = 0

    def die(here: str) -> None:
        nonlocal reached
        if here == point:
            reached += 1
            if reached == occurrence:
                os.kill(os.getpid(), signal.SIGKILL)

    database = Database(folder, fault_point=die)
    raw = EmbeddedObjectStore(database, Bucket.RAW, folder / "raw", "http://localhost/upload")
    if work == "write":
        raw.write(NAME, b"bytes")
    elif work == "delete":
        stored = raw.stat(NAME)
        assert stored is not None
        raw.delete(NAME, stored.generation)
    elif work == "upload":
        url = raw.create_upload(NAME, size=len(UPLOADED), if_generation=0)
        (folder / "url").write_text(url)
        send(UploadEndpoint(raw), url)
    elif work == "deliver":

        def handle(event: Event) -> None:
            with (folder / "handled").open("a") as handled:
                handled.write(event.key + "\n")
            die("handling")

        run_once(EmbeddedEvents(database), {Topic.SESSION_ENDED: handle})
    elif work == "work":
        # Prints each key that it handles, and works until it is killed from outside.
        worker = EventWorker(
            EmbeddedEvents(database),
            {Topic.SESSION_ENDED: lambda event: write_line(event.key)},
            {Topic.SESSION_ENDED: 3},
        )
        worker.start()
        sys.stdin.read()


def write_line(text: str) -> None:
    # One system call, so that neither other threads nor the kill leave half a line.
    os.write(1, f"{text}\n".encode())


def send(endpoint: UploadEndpoint, url: str) -> None:
    for start in range(0, len(UPLOADED), CHUNK):
        part = UPLOADED[start : start + CHUNK]
        environ = {
            "REQUEST_METHOD": "PUT",
            "PATH_INFO": url,
            "CONTENT_LENGTH": str(len(part)),
            "HTTP_CONTENT_RANGE": f"bytes {start}-{start + len(part) - 1}/{len(UPLOADED)}",
            "wsgi.input": io.BytesIO(part),
        }
        endpoint(environ, lambda status, headers: lambda data: None)  # type: ignore[arg-type,return-value]


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2], sys.argv[3], int(sys.argv[4]))
