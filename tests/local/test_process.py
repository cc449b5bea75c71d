"""`scopeline serve` as an administrator meets it: how it starts, refuses, ends and is killed."""

from __future__ import annotations

import functools
import http.client
import json
import os
import re
import shutil
import socket
import subprocess
import threading
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from running import PATIENCE, PROXY, Service, wait_for

from scopeline.bootstrap import Embedded, embedded, reader_pool
from scopeline.demo.player import Logger
from scopeline.demo.run import ROOT, prepare
from scopeline.domain.errors import Unavailable
from scopeline.domain.events import Event, Topic
from scopeline.domain.files import File, FileStatus
from scopeline.domain.instruments import Token
from scopeline.domain.names import file_id
from scopeline.local import process
from scopeline.local.process import SITE_TOKEN
from scopeline.ports import TOKENS, find_all
from scopeline.settings import load_settings

OBJECT = "titan/unassigned/2026-02-06/titan-pc-0123456789abcdef/notes.txt"
# Too small for the database, and too small for the web site.
FULL_SIZES = {"the database": "64k", "the web site": "1m"}


@functools.cache
def mounting() -> list[str]:
    """The start of a command that may mount in a world of its own; empty where this system lets nobody but root."""
    for way in (["unshare", "--mount"], ["unshare", "--map-root-user", "--mount"]):
        if (
            shutil.which("unshare")
            and not subprocess.run(
                [*way, "mount", "-t", "tmpfs", "tmpfs", "/mnt"], capture_output=True, check=False
            ).returncode
        ):
            return way
    return []


def on_small_disk(folder: Path, size: str, *, read_only: bool = False, copied: Path | None = None) -> list[str]:
    """The start of a command whose data folder is a disk of that size, of its own, gone when it ends."""
    data = folder / "data"
    data.mkdir()
    steps = [f"mount -t tmpfs -o size={size} tmpfs {data}"]
    steps += [f"cp -a {copied}/. {data}"] if copied else []
    steps += [f"mount -o remount,ro {data}"] if read_only else []
    return [*mounting(), "sh", "-c", " && ".join([*steps, 'exec "$@"']), "sh"]


# What a full disk comes to where nothing can be mounted: no file may grow beyond 300 KiB (setrlimit(2)). It is more
# than the readers' processes need, and less than the web site's database.
SMALL_FILES = ["sh", "-c", 'ulimit -f 600 && exec "$@"', "sh"]


MakeService = Callable[..., Service]


@pytest.fixture
def make_service(tmp_path: Path) -> Iterator[MakeService]:
    made: list[Service] = []

    def make(**options: Any) -> Service:
        made.append(Service(tmp_path, **options))
        return made[-1]

    yield make
    for service in made:
        service.clean_up()


@pytest.fixture
def service(make_service: MakeService) -> Service:
    return make_service()


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """A service that runs for all tests that only meet it."""
    made = Service(tmp_path_factory.mktemp("running"), "--anonymous")
    made.start()
    try:
        made.ready()
        yield made
    finally:
        made.clean_up()


def store_file(data: Path) -> None:
    """A file that was accepted, and whose event waits for the next start."""
    with embedded(load_settings(data_dir=data)) as edition:
        edition.raw.write(OBJECT, b"Seen today: nothing.")


def status_of_file(data: Path) -> FileStatus | None:
    with embedded(load_settings(data_dir=data), exclusive=False) as edition:
        stored = edition.backend.catalog.get(File, f"files/{file_id('raw', OBJECT)}")
        return stored.document.status if stored else None


def site_tokens(data: Path) -> list[Token]:
    with embedded(load_settings(data_dir=data), exclusive=False) as edition:
        return [token for token in find_all(edition.backend.catalog, Token, TOKENS) if token.subject == SITE_TOKEN]


def assert_refused(service: Service, *words: str) -> None:
    """It ends with status 1 and one sentence for people, and leaves no process."""
    service.start()
    assert service.ended() == 1
    said = service.complaints()
    assert "Traceback" not in said
    last = said.strip().splitlines()[-1]
    assert last.startswith("scopeline: ")
    for word in words:
        assert word in last
    assert service.said() == ""
    service.assert_nothing_left()


# ---------------------------------------------------------------------------------------------------------- it starts


def test_ready_line_names_where_api_and_site_answer(running: Service) -> None:
    addresses = running.ready()
    assert running.said().count("\n") == 1
    assert addresses == {"api": running.api, "site": f"http://127.0.0.1:{running.site_port}"}
    assert running.get("/readyz") is not None
    with urllib.request.urlopen(addresses["site"], timeout=30) as page:
        assert page.status == 200


@pytest.mark.parametrize(
    ("request_head", "status", "code"),
    [
        ("POST /v1/sessions HTTP/1.1\r\nHost: a\r\nContent-Length: 999999999\r\n\r\n", 413, "body_too_large"),
        ("GET /v1/me HTTP/1.1\r\nHost: a\r\nContent-Length: many\r\n\r\n", 400, "bad_request"),
    ],
)
def test_what_the_http_server_refuses_is_a_problem_document(
    running: Service, request_head: str, status: int, code: str
) -> None:
    running.ready()
    host, _, port = running.api.removeprefix("http://").partition(":")
    with socket.create_connection((host, int(port)), timeout=10) as connection:
        connection.sendall(request_head.encode())
        answer = connection.makefile("rb").read().decode()
    head, _, body = answer.partition("\r\n\r\n")
    assert f" {status} " in head.splitlines()[0]
    assert "application/problem+json" in head
    assert (json.loads(body)["status"], json.loads(body)["code"]) == (status, code)


def test_readers_and_site_are_its_children(running: Service) -> None:
    running.ready()
    commands = list(running.members().values())
    assert any("scopeline.formats.worker" in command for command in commands)
    assert any("cdcs_connector.site serve" in command for command in commands)


def test_second_service_on_the_folder_is_refused(running: Service, service: Service) -> None:
    running.ready()
    service.data.symlink_to(running.data)
    assert_refused(service, "is in use by process", str(running.pid))
    assert running.answers()


@pytest.mark.parametrize("whose", ["port", "site_port"])
def test_port_of_another_program_is_refused(make_service: MakeService, running: Service, whose: str) -> None:
    running.ready()
    assert_refused(make_service(**{whose: running.port}), f"port {running.port}", "Address already in use")


def test_port_that_another_program_holds_without_listening_is_refused(make_service: MakeService) -> None:
    with socket.socket() as holder:
        holder.bind(("127.0.0.1", 0))
        port = holder.getsockname()[1]
        assert_refused(make_service(port=port), f"port {port}")


def test_bad_setting_is_wrong_use(make_service: MakeService) -> None:
    service = make_service(environment={"SCOPELINE_READERS": "none"})
    service.start()
    assert service.ended() == 2
    assert "SCOPELINE_READERS" in service.complaints()
    assert "Traceback" not in service.complaints()


# ------------------------------------------------------------------------------------------- it cannot write its data


def test_data_folder_that_cannot_be_written_is_a_sentence(tmp_path: Path, make_service: MakeService) -> None:
    if mounting():
        service = make_service(before=on_small_disk(tmp_path, "1m", read_only=True))
    else:
        # Without root's rights, a folder's own are enough.
        service = make_service()
        service.data.mkdir(mode=0o500)
    assert_refused(service, str(service.data), "may not be written")


def test_data_folder_that_cannot_be_made_is_a_sentence(service: Service) -> None:
    service.data.write_text("a file")
    assert_refused(service, str(service.data))


@pytest.mark.parametrize("what", FULL_SIZES)
def test_full_disk_is_a_sentence(tmp_path: Path, make_service: MakeService, what: str) -> None:
    if mounting():
        assert_refused(make_service(before=on_small_disk(tmp_path, FULL_SIZES[what])), "full")
    else:
        assert_refused(make_service(before=SMALL_FILES), str(tmp_path))


def test_proxy_of_the_network_is_not_asked_for_servers_of_this_machine(make_service: MakeService) -> None:
    service = make_service(environment=PROXY)
    service.start()
    with urllib.request.urlopen(service.ready()["site"], timeout=30) as answer:
        assert answer.status == 200


# --------------------------------------------------------------------------------------------------------- it is ended


def test_sigterm_ends_it_with_all_its_children(service: Service) -> None:
    service.data.mkdir()
    store_file(service.data)
    service.start()
    service.ready()
    wait_for("the file's reading", lambda: status_of_file(service.data) is FileStatus.EXTRACTED)
    assert service.terminate() == 0
    service.assert_nothing_left()
    assert "Traceback" not in service.complaints()
    assert [token.revoked_at is not None for token in site_tokens(service.data)] == [True]


def test_sigterm_during_the_start_ends_it(service: Service) -> None:
    service.start()
    wait_for("an answer of the API", service.answers)
    assert service.terminate() == 0
    service.assert_nothing_left()
    assert "Traceback" not in service.complaints()


@pytest.mark.parametrize("name", ["session.ended 0", "api"])
def test_signal_between_two_steps_of_the_start_leaves_no_thread(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    start = threading.Thread.start

    def start_and_meet_signal(thread: threading.Thread) -> None:
        start(thread)
        if thread.name == name:
            raise SystemExit

    def start_both(stack: ExitStack, edition: Embedded) -> None:
        reader = stack.enter_context(reader_pool(edition.backend.settings))
        process.deliver(stack, edition, {Topic.SESSION_ENDED: lambda _event: None}, reader)
        process._serve_api(stack, edition, stack.enter_context(process._listen("127.0.0.1", 0)))

    monkeypatch.setattr(threading.Thread, "start", start_and_meet_signal)
    with embedded(load_settings(data_dir=tmp_path)) as edition, pytest.raises(SystemExit), ExitStack() as stack:
        start_both(stack, edition)
    assert not {thread.name for thread in threading.enumerate()} & {"session.ended 0", "api"}


def test_connection_that_a_client_keeps_does_not_hold_up_the_end(tmp_path: Path) -> None:
    with embedded(load_settings(data_dir=tmp_path)) as edition:
        listening = process._listen("127.0.0.1", 0)
        kept = http.client.HTTPConnection("127.0.0.1", listening.getsockname()[1], timeout=30)
        with ExitStack() as stack:
            stack.callback(listening.close)
            process._serve_api(stack, edition, listening)
            kept.request("GET", "/healthz")
            assert kept.getresponse().read()
        # Its thread has ended, and the connection with it.
        assert not [thread for thread in threading.enumerate() if thread.name == "api"]
        assert kept.sock is not None
        assert kept.sock.recv(1) == b""
        kept.close()


def test_sigterm_while_the_site_is_prepared_ends_it_before_it_is_ready(service: Service) -> None:
    service.start()
    wait_for("the preparation of the site", lambda: any("site init" in c for c in service.members().values()))
    assert service.terminate() == 0
    assert service.said() == ""
    service.assert_nothing_left()
    (line,) = service.complaints().splitlines()
    assert line.endswith("INFO scopeline.local: Stopping.")


def test_log_tells_in_words_what_happened_and_no_secret(tmp_path: Path, service: Service) -> None:
    access = prepare(load_settings(data_dir=service.data), "titan", "Titan", "UTC")
    service.start()
    service.ready()
    logger = Logger(tmp_path / "pc", service.api, access.client, "titan", stability=0.0)
    logger.set_up()
    logger.run("start", "--user", "Ada Lovelace")
    (logger.root / "notes.txt").write_text("Seen today: nothing.")
    (logger.root / "bad.dm3").write_text("no microscope wrote this")
    logger.run("end", "--wait")
    (session,) = service.get("/v1/sessions", access.admin)["sessions"]
    name = session["id"]
    wait_for(
        "the published record",
        lambda: (service.get(f"/v1/sessions/{name}", access.admin)["record"] or {}).get("published_at"),
    )
    asked = urllib.request.Request(f"{service.api}/upload/averysecretaddress?upload=hidden", data=b"x", method="PUT")
    with pytest.raises(urllib.error.HTTPError) as raised:
        urllib.request.urlopen(asked, timeout=30)
    raised.value.close()
    with pytest.raises(AssertionError, match="401"):
        service.fetch("/v1/me?word=hidden", access.client + "x")
    assert service.terminate() == 0
    said = service.complaints()
    for pattern in (
        f"START of session {name} on titan, people: 1\\.",
        f"END of session {name} on titan, 2 files announced\\.",
        f"Stored file \\w+ of session {name}: notes\\.txt, 20 bytes\\.",
        f"Read file \\w+ of session {name}: bad\\.dm3, unreadable in \\d+\\.\\d\\d s\\. .+",
        f"Built record {name} version 1 of 2 files\\.",
        f"Published record {name} version 1\\.",
        r"Refused PUT of bytes: 4\d\d .+\.",
        r"Refused GET /v1/me: 401 token_invalid, token [0-9a-f]{12}, \d+\.\d{3} s\.",
        r"Stopping\.",
    ):
        assert len(re.findall(f"INFO scopeline[.\\w]*: {pattern}( \\[.+\\])?$", said, re.MULTILINE)) == 1, (
            pattern,
            said,
        )
    for secret in (
        *(token.split("_", 2)[2] for token in (access.client, access.admin)),
        "averysecret",
        "hidden",
        "Ada",
    ):
        assert secret not in said


def test_reading_that_takes_long_does_not_hold_up_the_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(process, "STOP_SECONDS", 0.2)
    begun, closed = threading.Event(), threading.Event()

    class Reader:
        def close(self) -> None:
            closed.set()

    def read_for_long(event: Event) -> None:
        begun.set()
        assert closed.wait(PATIENCE)
        raise Unavailable("The readers are closed.")

    with embedded(load_settings(data_dir=tmp_path)) as edition:
        edition.raw.write(OBJECT, b"text")
        with ExitStack() as stack:
            process.deliver(stack, edition, {Topic.OBJECT_FINALIZED: read_for_long}, Reader())
            assert begun.wait(PATIENCE)
        # It is delivered again, with the next start.
        assert [(state.waiting, state.running) for state in edition.events.state()] == [(1, 0)]


@pytest.mark.parametrize("group", [False, True], ids=["alone", "with its group"])
def test_nothing_outlives_a_service_that_is_killed(service: Service, group: bool) -> None:
    service.data.mkdir()
    store_file(service.data)
    service.start()
    service.ready()
    wait_for("the file's reading", lambda: status_of_file(service.data) is FileStatus.EXTRACTED)
    # The service, its site, the fork server and a reader.
    assert len(service.members()) >= 4
    service.kill(group=group)


def test_token_of_the_site_of_a_killed_service_is_revoked_at_the_next_start(service: Service) -> None:
    service.start()
    wait_for("the site's token", lambda: service.answers() and site_tokens(service.data))
    service.kill(group=True)
    assert [token.revoked_at for token in site_tokens(service.data)] == [None]
    service.start()
    wait_for("another token of the site", lambda: len(site_tokens(service.data)) == 2)
    assert sorted(token.revoked_at is None for token in site_tokens(service.data)) == [False, True]
    service.kill(group=True)


def test_nothing_outlives_a_service_that_is_killed_during_its_start(service: Service) -> None:
    service.start()
    wait_for("the preparation of the site", lambda: any("site init" in c for c in service.members().values()))
    service.kill(group=False)


# ------------------------------------------------------------------------------------------- the disk fills meanwhile


def test_disk_that_fills_refuses_files_and_takes_them_when_there_is_room(
    tmp_path: Path, make_service: MakeService
) -> None:
    if not mounting():
        (pytest.fail if os.environ.get("CI") == "true" else pytest.skip)(
            "nothing can be mounted here, so there is no small disk to fill"
        )
    prepared = tmp_path / "prepared"
    token = prepare(load_settings(data_dir=prepared), "titan", "Titan", "UTC").client
    service = make_service(before=on_small_disk(tmp_path, "40m", copied=prepared))
    service.start()
    service.ready()
    # The disk is of the service's own world, which this is the way into.
    filler = Path(f"/proc/{service.pid}/root{service.data}/filler")
    fill(filler)
    status, problem = ask_upload(service, token)
    assert (status, problem["code"]) == (507, "disk_full")
    assert service.answers()
    filler.unlink()
    assert ask_upload(service, token)[0] == 201
    assert service.terminate() == 0
    assert "Traceback" not in service.complaints()


def fill(filler: Path) -> None:
    """Write until the disk is full."""
    with filler.open("wb", buffering=0) as file:
        try:
            while True:
                file.write(bytes(4096))
        except OSError:
            os.fsync(file.fileno())


def ask_upload(service: Service, token: str) -> tuple[int, dict[str, object]]:
    body = {
        "session": None,
        "root": ROOT,
        "path": "a.dm3",
        "size": 10,
        "mtime": "2026-02-06T12:00:00Z",
        "first_seen": "2026-02-06T12:00:00Z",
        "key": "a",
    }
    asked = urllib.request.Request(
        f"{service.api}/v1/uploads",
        data=json.dumps(body).encode(),
        headers={"Authorization": f"Bearer {token}", "Content-Type": "application/json"},
    )
    try:
        with urllib.request.urlopen(asked, timeout=30) as answer:
            return answer.status, json.loads(answer.read())
    except urllib.error.HTTPError as error:
        with error:
            return error.code, json.loads(error.read())
