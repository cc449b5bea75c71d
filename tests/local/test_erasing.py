"""A session is erased in the running local edition: the page, the bytes and what the logger hears."""

from __future__ import annotations

import json
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

from running import CALL_SECONDS, Service, wait_for

from scopeline.demo.player import Logger
from scopeline.demo.run import prepare
from scopeline.settings import load_settings

SECRET = b"Unobtainium lattice"


def status_of(address: str) -> tuple[int, str]:
    try:
        with urllib.request.urlopen(address, timeout=CALL_SECONDS) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.read().decode()


def erase(service: Service, session: str, token: str) -> dict[str, Any]:
    asked = urllib.request.Request(
        f"{service.api}/v1/sessions/{session}",
        method="DELETE",
        data=json.dumps({"reason": "asked for"}).encode(),
        headers={"Authorization": f"Bearer {token}", "Content-Type": "application/json"},
    )
    with urllib.request.urlopen(asked, timeout=CALL_SECONDS) as answer:
        return dict(json.loads(answer.read()))


def test_an_erased_session_is_gone_from_page_disk_and_logger(tmp_path: Path) -> None:
    service = Service(tmp_path, "--anonymous")
    access = prepare(load_settings(data_dir=service.data), "titan", "Titan", "UTC")
    service.start()
    try:
        site = service.ready()["site"]
        logger = Logger(tmp_path / "pc", service.api, access.client, "titan", stability=0.0)
        logger.set_up()
        logger.run("start", "--user", "Ada Lovelace", "--title", SECRET.decode())
        (logger.root / "notes.txt").write_bytes(SECRET)
        logger.run("end", "--wait")
        (session,) = service.get("/v1/sessions", access.admin)["sessions"]
        page = f"{site}/record/{session['id']}"
        wait_for("the record's page", lambda: '<article class="record">' in status_of(page)[1])

        assert erase(service, session["id"], access.admin)["erased_at"] is None
        wait_for("the end of the work", lambda: erase(service, session["id"], access.admin)["erased_at"])
        status, words = status_of(page)
        assert (status, "This session was erased" in words) == (410, True)
        assert SECRET.decode() not in status_of(site)[1]

        (logger.root / "notes.txt").write_bytes(SECRET + b", seen again")
        logger.run("sync", "--once")
        assert "It was erased on the server" in logger.run("status")
        assert (logger.root / "notes.txt").read_bytes().startswith(SECRET)
        assert service.terminate() == 0
    finally:
        service.clean_up()
    assert [path for path in service.data.rglob("*") if path.is_file() and SECRET in path.read_bytes()] == []
