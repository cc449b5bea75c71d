"""The Google Cloud edition with its functions as processes and its web site, and all that it keeps and says."""

from __future__ import annotations

import http.client
import json
import os
import subprocess
import sys
import uuid
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from unittest.mock import patch
from urllib.parse import urlsplit

from running import wait_for
from traces_of_secrets import LOCAL_ID, NOW, PUBLISHER, SITE_ANSWERS, Places, Played, echoing_site
from werkzeug.test import Client as HttpClient

from scopeline.adapters.gcp.messages import PushedMessage, to_event
from scopeline.adapters.gcp.topics import PUBLISH
from scopeline.bootstrap import Google, google
from scopeline.domain.events import Event, Topic
from scopeline.domain.sessions import Session
from scopeline.local import process
from scopeline.local.cloud_edition import cloud_edition
from scopeline.local.cloud_settings import with_names
from scopeline.local.functions_process import FunctionProcess, function_environment
from scopeline.local.process import Addresses, free_port
from scopeline.services.changes import change
from scopeline.settings import Settings, load_settings

SECONDS = 60.0
# Of nobody: what Pub/Sub's looks like.
PUSH_TOKEN = "eyJhbGciOiJSUzI1NiJ9.eyJhdWQiOiJzY29wZWxpbmUifQ.c2lnbmF0dXJlMDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODk"
# Functions that check who calls ask a proxy for Google's certificates that is not there.
CHECKING = {
    "K_SERVICE": "extract",
    "SCOPELINE_PUSH_AUDIENCE": "https://scopeline.example",
    "SCOPELINE_PUSH_SERVICE_ACCOUNT": "push@scopeline.example",
    "HTTPS_PROXY": "http://127.0.0.1:9",
    "https_proxy": "http://127.0.0.1:9",
}
WATCH = "watch-"


# --------------------------------------------------------------------------------------------------------- HTTP calls


def ask(method: str, url: str, body: bytes = b"", headers: Mapping[str, str] | None = None) -> tuple[int, Any, bytes]:
    """Status, headers and body of an answer. Nothing is logged by this: other clients log addresses."""
    parts = urlsplit(url)
    with closing(http.client.HTTPConnection(parts.netloc, timeout=SECONDS)) as connection:
        connection.request(method, f"{parts.path}?{parts.query}" if parts.query else parts.path, body, headers or {})
        answer = connection.getresponse()
        return answer.status, answer.headers, answer.read()


def fetch(url: str) -> bytes:
    """The bytes at a signed address."""
    status, _headers, body = ask("GET", url)
    assert status == 200, body
    return body


def forward(api: str) -> Callable[[dict[str, Any], Any], Iterable[bytes]]:
    """A WSGI application that asks the function `api` the same."""

    def application(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        headers = {name[5:].replace("_", "-"): v for name, v in environ.items() if name.startswith("HTTP_")}
        if environ.get("CONTENT_TYPE"):
            headers["Content-Type"] = environ["CONTENT_TYPE"]
        body = environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
        status, told, answer = ask(environ["REQUEST_METHOD"], api + environ["REQUEST_URI"], body, headers)
        hop_by_hop = ("connection", "transfer-encoding")
        start_response(f"{status} Told", [(n, v) for n, v in told.items() if n.lower() not in hop_by_hop])
        return [answer]

    return application


def send(url: str, data: bytes) -> tuple[int, str]:
    """Put bytes to a resumable upload. What Storage says of it is for the sender only, and not ours."""
    told = {"Content-Range": f"bytes 0-{len(data) - 1}/{len(data)}", "Content-Type": "application/octet-stream"}
    status, _headers, _body = ask("PUT", url, data, told)
    return status, ""


@contextmanager
def fault(storage: str, **wanted: Any) -> Iterator[None]:
    """Storage answers so for as long as the context lasts."""
    made = json.dumps({"count": 1000, **wanted}).encode()
    status, _headers, body = ask("POST", f"{storage}/_faults", made, {"Content-Type": "application/json"})
    assert status == 200, body
    address = f"{storage}/_faults/{json.loads(body)['id']}"
    yield
    hits = json.loads(ask("DELETE", address)[2])["hits"]
    assert hits > 0, f"no request met {wanted}"


# ---------------------------------------------------------------------------------------------------------- the play


@dataclass
class OnGoogle:
    """The running edition; `answer_with` makes the site beside it answer all with its own request."""

    edition: Google
    settings: Settings
    addresses: Addresses
    answer_with: Callable[[int], str]
    publisher: FunctionProcess
    checking: FunctionProcess
    messages: list[PushedMessage] = field(default_factory=list)

    def watch(self) -> None:
        """From now on, keep a copy of every message."""
        clients, project = self.edition.clients, self.settings.project
        for topic in self._topics():
            clients.subscriber.create_subscription(
                name=clients.subscriber.subscription_path(project, WATCH + topic),
                topic=clients.publisher.topic_path(project, topic),
                ack_deadline_seconds=600,
                timeout=SECONDS,
                retry=None,
            )

    def pull(self) -> list[PushedMessage]:
        """All messages so far."""
        clients, project = self.edition.clients, self.settings.project
        for topic in self._topics():
            path = clients.subscriber.subscription_path(project, WATCH + topic)
            while found := clients.subscriber.pull(
                subscription=path, max_messages=1000, return_immediately=True, timeout=SECONDS
            ).received_messages:
                clients.subscriber.acknowledge(
                    subscription=path, ack_ids=[each.ack_id for each in found], timeout=SECONDS
                )
                for each in found:
                    one = each.message
                    self.messages.append(
                        PushedMessage(one.message_id, one.data, dict(one.attributes), one.publish_time)
                    )
        return self.messages

    def stop_watching(self) -> None:
        clients = self.edition.clients
        for topic in self._topics():
            path = clients.subscriber.subscription_path(self.settings.project, WATCH + topic)
            clients.subscriber.delete_subscription(subscription=path, timeout=SECONDS)

    def _topics(self) -> list[str]:
        """Every topic of the project."""
        publisher, project = self.edition.clients.publisher, f"projects/{self.settings.project}"
        return sorted(
            found.name.rpartition("/")[2] for found in publisher.list_topics(project=project, timeout=SECONDS)
        )

    def _records(self) -> str:
        """The topic of records, and its subscription."""
        (topic,) = (name for name in self._topics() if name.endswith(PUBLISH.topic("")))
        return topic

    def troubles(self, played: Played) -> None:
        """Storage that refuses to open an upload, or to be read; pushes of strangers and of nonsense."""
        storage, raw = self.addresses.environment["STORAGE_EMULATOR_HOST"], self.settings.raw_bucket
        asked = {"session": LOCAL_ID, "root": "data", "path": "refused.dm3", "size": 4, "mtime": NOW}
        asked |= {"first_seen": NOW, "key": "refused.dm3"}
        with fault(storage, method="POST", path=f"/upload/.*/b/{raw}/o", status=403):
            assert played.call("POST", "/v1/uploads", "client", asked).status_code == 503
        with fault(storage, method="POST", path=f"/upload/.*/b/{raw}/o", status=503, count=1):
            grant = played.ask_upload("late.txt", 4, "upload that was opened twice")
        with fault(storage, method="GET", path=f"/b/{raw}/o/.*late", status=403):
            assert send(grant["upload_url"], b"late")[0] == 200
            self._wait_for_parked("not_permitted")
        played.secrets["push token"] = PUSH_TOKEN
        self.checking.wait_until_ready()
        for authorization in (f"Bearer {PUSH_TOKEN}", f"Basic {PUSH_TOKEN}", PUSH_TOKEN):
            body = json.dumps({"message": PUSH_TOKEN}).encode()
            status, headers, answer = ask("POST", self.checking.url, body, {"Authorization": authorization})
            assert status in (401, 503)
            played.answers.append(f"{headers} {answer!r}")
        self.edition.clients.publisher.publish(
            self.edition.clients.publisher.topic_path(self.settings.project, self._records()),
            b"nonsense",
        ).result(timeout=SECONDS)
        self._wait_for_parked("bad_message")

    def deliver(self) -> None:
        """The record gets to the site; from then on another site is asked, which takes none."""
        built = wait_for("a built record", self._built, pause=0.2)
        page = f"{self.addresses.site}/record/{built.key}"
        wait_for("the record's page", lambda: ask("GET", page)[0] == 200, pause=0.2)
        self.publisher.wait_until_ready()
        self.edition.clients.subscriber.modify_push_config(
            subscription=self.edition.clients.subscriber.subscription_path(self.settings.project, self._records()),
            push_config={"push_endpoint": self.publisher.url},
            timeout=SECONDS,
        )
        for status in SITE_ANSWERS:
            self.answer_with(status)
            self._publish_again(built)
            self._wait_for_parked(f"answered {status}", unless_published=built)

    def erase(self) -> None:
        """The erasure's event is being delivered."""
        self.answer_with(200)

    def _built(self) -> Event | None:
        events = [to_event(each) for each in self.pull() if each.attributes.get("type") == Topic.RECORD_BUILT]
        return next((event for event in events if event), None)

    def _publish_again(self, built: Event) -> None:
        change(self.edition.backend.catalog, Session, f"sessions/{built.key}", forget_publication)
        self.edition.events.publish(built)

    def _wait_for_parked(self, words: str, unless_published: Event | None = None) -> None:
        """A delivery from before may note only now that it has published the record: then it is published again."""

        def parked() -> bool:
            if unless_published and self._is_published(unless_published.key):
                self._publish_again(unless_published)
            return any(words in f"{each.code}: {each.reason}" for each in self.edition.events.parked())

        wait_for(f"a delivery that is parked for {words!r}", parked)

    def _is_published(self, session_id: str) -> bool:
        stored = self.edition.backend.catalog.get(Session, f"sessions/{session_id}")
        assert stored is not None
        return stored.document.record is not None and stored.document.record.published_version is not None

    # ------------------------------------------------------------------------------------------------ what is left

    def places(self) -> Places:
        folder = self.settings.data_dir
        logs = sorted([*folder.glob("functions/*.log"), folder / "site" / "site.log"])
        return {
            **{f"log of {path.parent.name} {path.stem}": [path.read_bytes()] for path in logs},
            "documents": documents(self.edition.clients.firestore),
            "raw objects": objects(self.edition.clients.storage, self.settings.raw_bucket),
            "derived objects": objects(self.edition.clients.storage, self.settings.derived_bucket),
            "messages": [f"{each.attributes} ".encode() + each.data for each in self.pull()],
            "what `scopeline replay` prints": self._replay_prints(),
        }

    def _replay_prints(self) -> Iterator[bytes]:
        for options in (["--json"], []):
            done = subprocess.run(
                [sys.executable, "-m", "scopeline", "replay", *options],
                env={**os.environ, **self.addresses.environment},
                capture_output=True,
                timeout=SECONDS,
                check=True,
            )
            yield done.stdout + done.stderr


def forget_publication(session: Session) -> bool:
    """The record is to be published again."""
    assert session.record is not None
    session.record.published_version = None
    return True


def documents(client: Any) -> Iterator[str]:
    """Every document of every collection."""
    waiting = list(client.collections(timeout=SECONDS))
    while waiting:
        for found in waiting.pop().list_documents(timeout=SECONDS):
            yield f"{found.path} {found.get(timeout=SECONDS).to_dict()}"
            waiting += found.collections(timeout=SECONDS)


def objects(client: Any, bucket: str) -> Iterator[bytes]:
    """Every version of every object: what is said of it, and its bytes."""
    for blob in client.list_blobs(bucket, versions=True, timeout=SECONDS):
        said = json.dumps(blob._properties, default=str).encode()
        yield said + client.bucket(bucket).blob(blob.name, generation=blob.generation).download_as_bytes(
            timeout=SECONDS
        )


@contextmanager
def on_google(folder: Path) -> Iterator[Played]:
    """The edition in a project of its own, with the emulators that the environment names."""
    names = {"project": f"secrets-{uuid.uuid4().hex[:12]}", "anonymous": True, "attempts": 1, "settle_seconds": 0}
    settings = with_names(load_settings(data_dir=folder, port=0, site_port=0, readers=1, **names))
    handed_out: dict[str, str] = {}

    def noted(*given: Any, **more: Any) -> Any:
        token, text = process_makes(*given, **more)
        handed_out["token of the web site"] = text
        return token, text

    process_makes = process.make_token
    with ExitStack() as ending:
        with patch.object(process, "make_token", noted):
            addresses = ending.enter_context(cloud_edition(settings))
        answer_with = ending.enter_context(echoing_site())
        edition = ending.enter_context(google(settings))
        echoed = {"SCOPELINE_RECORDS_URL": answer_with(500), "SCOPELINE_RECORDS_TOKEN": PUBLISHER}
        others = {"publish_record": echoed, "extract": CHECKING}
        started = {}
        for target, more in others.items():
            environment = {**function_environment(settings, target), **more}
            log = folder / "functions" / f"other_{target}.log"
            started[target] = FunctionProcess(target, "127.0.0.1", free_port("127.0.0.1", 0), environment, log)
            ending.callback(started[target].stop)
            started[target].start()
        running = OnGoogle(edition, settings, addresses, answer_with, started["publish_record"], started["extract"])
        running.watch()
        ending.callback(running.stop_watching)
        handed_out["token of the record site"] = (folder / "site" / "publisher_token").read_text().strip()
        api = HttpClient(forward(addresses.api))
        played = Played(edition.backend, api, send, running.deliver, running.erase, running.places, running.troubles)
        played.secrets |= handed_out
        yield played
