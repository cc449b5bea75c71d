"""A session with failures of every kind, and then a search for every token and upload address that was handed out."""

from __future__ import annotations

import hashlib
import hmac
import random
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, quote, urlsplit

import pytest
from played_on_google import fetch, on_google
from running import wait_for
from traces_of_secrets import (
    LOCAL_ID,
    NOW,
    PUBLISHER,
    SITE_ANSWERS,
    Played,
    all_that_is_logged,
    echoing_site,
    files_below,
    find_secrets,
    rows_of,
)
from werkzeug.middleware.dispatcher import DispatcherMiddleware
from werkzeug.test import Client as HttpClient
from werkzeug.test import TestResponse

from cdcs_connector.client import CdcsSite
from scopeline.adapters.embedded.event_worker import run_once
from scopeline.adapters.embedded.upload_endpoint import UploadEndpoint
from scopeline.api.application import create_application
from scopeline.bootstrap import UPLOADS, embedded, reader_pool
from scopeline.domain.events import Event, Topic
from scopeline.domain.instruments import Root, Token, TokenKind
from scopeline.handlers import Handler, handlers
from scopeline.ports import TOKENS, find_all
from scopeline.services import access
from scopeline.settings import load_settings


@dataclass(frozen=True)
class Edition:
    """An edition; `handed_out`: how many secrets there are when the session was played, those of tokens twice."""

    open: Callable[[Path], AbstractContextManager[Played]]
    handed_out: int


@contextmanager
def on_embedded(folder: Path) -> Iterator[Played]:
    settings = load_settings(data_dir=folder, attempts=1, readers=1)
    ahead = [timedelta()]
    with (
        reader_pool(settings) as reader,
        embedded(settings, clock=lambda: datetime.now(UTC) + ahead[0]) as edition,
        echoing_site() as answer_with,
    ):
        application = DispatcherMiddleware(create_application(edition.backend), {UPLOADS: UploadEndpoint(edition.raw)})
        http = HttpClient(application)

        def send(url: str, data: bytes) -> tuple[int, str]:
            answer = http.put(url, data=data, headers={"Content-Range": f"bytes 0-{len(data) - 1}/{len(data)}"})
            return answer.status_code, answer.text

        def deliver() -> None:
            ahead[0] += timedelta(hours=3)  # what waits for the session's END is due
            run_once(edition.events, {**handlers(edition.backend, reader, None), Topic.RECORD_BUILT: keep})
            for status in SITE_ANSWERS:
                site = CdcsSite(answer_with(status), PUBLISHER, timeout=10)
                work = handlers(edition.backend, reader, site)
                edition.events.publish(built[0])
                run_once(edition.events, work)

        def erase() -> None:
            run_once(edition.events, handlers(edition.backend, reader, CdcsSite(answer_with(200), PUBLISHER)))

        built: list[Event] = []
        keep: Handler = built.append
        places = lambda: {  # noqa: E731
            "files of the data folder": files_below(folder),
            "rows of the database": rows_of(next(folder.glob("*.sqlite*"))),
        }
        yield Played(edition.backend, http, send, deliver, erase, places)


EDITIONS = {"embedded": Edition(on_embedded, handed_out=15), "gcp": Edition(on_google, handed_out=22)}


@pytest.fixture(params=EDITIONS)
def edition(request: pytest.FixtureRequest) -> Edition:
    if request.param == "gcp":
        request.getfixturevalue("emulators")
    return EDITIONS[request.param]


@pytest.fixture
def played(edition: Edition, tmp_path: Path) -> Iterator[Played]:
    with edition.open(tmp_path / "data") as made:
        yield made


def play_a_session(played: Played) -> None:
    """START, files that arrive, fail, are refused and sent again, END, and a record that no site takes."""
    backend = played.backend
    access.add_instrument(backend, {"id": "titan", "name": "Titan", "zone": "UTC"})
    access.set_client(backend, "titan-pc", {"data": Root(instrument="titan")})
    for kind, subject, clients in (
        (TokenKind.CLIENT, "titan-pc", ()),
        (TokenKind.HUB, "hub", ("titan-pc",)),
        (TokenKind.ADMIN, "admin", ()),
        (TokenKind.SITE, "site", ()),
        (TokenKind.ADMIN, "gone", ()),
    ):
        token, played.secrets[kind.value if subject != "gone" else "gone"] = access.make_token(
            backend, kind, subject, clients=clients
        )
    access.revoke_token(backend, token.id)
    moments = {"at": NOW, "sent": NOW}
    played.call("POST", "/v1/sessions", "client", {"local_id": LOCAL_ID, "instrument": "titan", **moments})

    notes = b"Seen today: nothing."
    grant = played.ask_upload("notes.txt", len(notes), "upload")
    overtaken = played.ask_upload("notes.txt", len(notes), "upload that was overtaken")
    damaged = played.ask_upload("damaged.dm3", 4, "upload of a damaged file")
    unfinished = played.ask_upload("never.dm3", 10**6, "upload that is never finished")
    for url, data in (
        (grant["upload_url"], notes),
        (grant["upload_url"], notes),
        (overtaken["upload_url"], notes),
        (damaged["upload_url"], b"\0\0\0\3"),
        (unfinished["upload_url"], b"x"),
        (unfinished["upload_url"] + "wrong", b"x"),
    ):
        played.answers.append(str(played.send(url, data)))
    stored = backend.raw.stat(grant["object"])
    assert stored is not None
    for md5 in (hashlib.md5(notes).hexdigest(), "0" * 32):
        told = {"object": stored.name, "generation": stored.generation, "size": len(notes), "md5": md5}
        played.call("POST", "/v1/uploads/confirm", "client", told)

    content = played.call("GET", f"/v1/files/{grant['file']}/content", "site")
    assert read(played, content) == notes

    for name, token in list(played.secrets.items()):
        played.call("GET", "/v1/failures", token)
        played.call("GET", "/v1/me", None, headers={"Authorization": f"Basic {token}"})
        if len(token) < 40:
            # An upload's id of Cloud Storage's emulator has the form of an MD5, which stays readable. The cloud's are
            # four times as long.
            continue
        sent = quote(token, safe="")
        played.call("GET", f"/v1/files/{sent}", "admin" if name == "client" else "client")
        played.call("GET", f"/v1/sessions?cursor={sent}&limit=x{sent}", "client")
        played.call("GET", f"/v1/sessions?cursor={sent}", "client")
        played.call("POST", f"/v1/failures/{sent}/replay", "admin")
        played.call("POST", "/v1/heartbeat", "hub", {"at": token}, headers={"X-Scopeline-Client": token})
        played.call("POST", "/v1/sessions", "client", {"local_id": token, **moments})
    played.own_troubles(played)
    played.call("POST", f"/v1/sessions/{LOCAL_ID}/end", "client", {**moments})
    played.deliver()
    for path in ("/v1/failures", "/v1/status", "/metrics", f"/v1/sessions/{LOCAL_ID}/record.xml"):
        assert played.call("GET", path, "admin").status_code == 200
    played.call("GET", f"/v1/files?session={LOCAL_ID}", "client")


def read(played: Played, content: TestResponse) -> bytes:
    """A file's bytes, which the answer has or gives the signed address of."""
    if content.status_code == 200:
        return content.data
    assert content.status_code == 302
    address = content.headers["Location"]
    played.secrets["signed address"] = address
    (played.secrets["signature"],) = parse_qs(urlsplit(address).query)["X-Goog-Signature"]
    return fetch(address)


def erase_it(played: Played) -> None:
    """The session goes; what asks for it then is told so."""
    path = f"/v1/sessions/{LOCAL_ID}"
    assert played.call("DELETE", path, "client", {"reason": "Asked for."}).status_code == 403
    assert played.call("DELETE", path, "admin", {"reason": "Asked for."}).status_code == 202
    played.erase()
    done = lambda: played.call("DELETE", path, "admin", {"reason": "Asked for."}).status_code == 200  # noqa: E731
    wait_for("the end of the erasure", done, pause=0.3)
    for token in ("client", "hub", "admin", "site"):
        assert played.call("GET", path, token, headers={"X-Scopeline-Client": "titan-pc"}).status_code == 410


def test_no_token_and_no_upload_address_is_left_anywhere(played: Played, edition: Edition) -> None:
    with all_that_is_logged() as heard:
        play_a_session(played)
        kept = played.searched()
        # A sweep that finds nothing says nothing.
        assert {place for place, contents in kept.items() if not any(contents)} <= {"log of functions sweep"}
        parked = [f"{each}" for each in played.backend.events.parked()]
        erase_it(played)
        kept |= {f"{place} after the erasure": contents for place, contents in played.searched().items()}
    secrets = {**played.secrets, "publisher": PUBLISHER}
    secrets |= {f"secret of {name}": text.split("_", 2)[2] for name, text in secrets.items() if text.startswith("sl_")}
    assert len(secrets) == edition.handed_out
    assert any("site_unavailable" in each for each in parked)
    kept |= {"answers": played.answers, "parked deliveries": parked}
    kept |= {name: [text.getvalue()] for name, text in heard.items()}
    assert any("is parked" in f"{each!r}" for name, all_of_it in kept.items() for each in all_of_it if "log" in name)
    assert find_secrets(kept, secrets) == []


def test_the_search_finds_what_is_there() -> None:
    secret = "sl_0123456789ab_" + "".join(random.Random(1).choices("abcdefgh0123", k=40))
    import base64

    for shift in range(3):
        coded = base64.b64encode(b"x" * shift + f"Basic:{secret}!".encode()).decode()
        assert len(find_secrets({"place": [f"before {coded} after"]}, {"token": secret})) == 1
    assert find_secrets({"place": [b"\xff" + secret.encode()]}, {"token": secret})
    assert find_secrets({"place": [secret[:-1]]}, {"token": secret}) == []


def test_of_a_token_only_the_hash_of_its_secret_is_kept(lab: Any) -> None:
    stored = {token.id: token for token in find_all(lab.backend.catalog, Token, TOKENS)}
    assert len(stored) == len(lab.tokens)
    for text in lab.tokens.values():
        _, token_id, secret = text.split("_", 2)
        document = stored[token_id].to_json()
        assert document["secret_sha256"] == hashlib.sha256(secret.encode()).hexdigest()
        assert len(secret) >= 43  # 256 bits
        assert secret not in str(document)


@pytest.mark.parametrize("shown", ["right", "wrong secret", "unknown", "no token at all"])
def test_secrets_are_compared_in_constant_time_and_by_their_hashes(
    lab: Any, monkeypatch: pytest.MonkeyPatch, shown: str
) -> None:
    right = lab.tokens["admin"]
    text = {"right": right, "wrong secret": right[:-2] + "zz", "unknown": f"sl_{'0' * 12}_{'x' * 43}"}.get(shown, "x")
    compared = []
    compare = hmac.compare_digest

    def watched(one: Any, other: Any) -> bool:
        compared.append((one, other))
        return compare(one, other)

    monkeypatch.setattr("scopeline.services.access.hmac.compare_digest", watched)
    lab.call("GET", "/v1/me", token=text)
    ((one, other),) = compared  # once, whatever was shown, so that time tells nothing of which ids there are
    assert len(one) == len(other) == 64


def test_an_upload_address_is_good_for_one_object_only(lab: Any) -> None:
    lab.start()
    grants = [lab.call("POST", "/v1/uploads", lab.upload_body(f"{name}.dm3")).get_json() for name in "ab"]
    grants.append(lab.call("POST", "/v1/uploads", lab.upload_body("a.dm3")).get_json())
    secrets = {grant["upload_url"].rsplit("/", 1)[-1] for grant in grants}
    assert len(secrets) == 3
    assert all(len(secret) >= 43 for secret in secrets)
    first, second = grants[:2]
    http = HttpClient(DispatcherMiddleware(lab.http.application, {UPLOADS: UploadEndpoint(lab.backend.raw)}))
    length = {"Content-Range": "bytes 0-4/5"}
    for path in (
        first["upload_url"] + "/" + second["object"],
        first["upload_url"] + "?name=" + second["object"],
        f"/upload/{second['object']}",
        "/upload/",
    ):
        http.put(path, data=b"hello", headers={**length, "X-Upload-Name": second["object"]})
    assert {stored.name for stored in lab.backend.raw.list("")} <= {first["object"]}
    assert http.put(first["upload_url"], data=b"hello", headers=length).status_code == 200
    again = http.put(first["upload_url"], data=b"other", headers=length)
    stored = lab.backend.raw.stat(first["object"])
    with lab.backend.raw.open(stored.name, stored.generation) as body:
        assert body.read() == b"hello"
    assert again.status_code in (200, 410, 412)
