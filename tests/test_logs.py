"""Log lines: one record is one line, says what it is about, and carries no secret."""

from __future__ import annotations

import io
import json
import logging
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from scopeline.domain.events import Event, Topic
from scopeline.logs import (
    JsonLines,
    TextLines,
    about,
    learn,
    log_as_json,
    log_as_text,
    subject,
    subject_of,
    trace_for_message,
    trace_of,
    trace_of_message,
)
from scopeline.process_log import start_log
from scopeline.redaction import LONGEST, redact
from scopeline.settings import load_settings

SECRET = "Zk3-averysecretword_oftwentycharacters"
SESSION = "20260206-titan-7f3k2a"
TRACE, SPAN = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"

# Each way in which a secret may come into a log line.
CARRIERS = (
    "sl_0123456789ab_{}",
    "SL_0123456789AB_{}",
    "GET /upload/{} failed",
    "https://lab.test/upload/{}?a=b",
    "%2Fupload%2F{}",
    "https://storage.googleapis.com/upload/storage/v1/b/raw/o?uploadType=resumable&upload_id={}",
    "Location: http://h/o?upload_id%3D{}",
    "https://storage.googleapis.com/raw/a.dm3?X-Goog-Algorithm=GOOG4-RSA-SHA256&X-Goog-Signature={}&a=b",
    "https://storage.googleapis.com/raw/a.dm3?GoogleAccessId=robot@p&Expires=1&Signature={}",
    "https://bucket.test/a?X-Amz-Signature={}",
    "X-Goog-Credential={}",
    "X-Goog-Signature: {}",
    '{{"X-Goog-Signature": "{}"}}',
    '{{\\"X-Goog-Signature\\": \\"{}\\"}}',
    "('x-goog-signature', b'{}')",
    "?X%2DGoog%2DSignature={}",
    "X%2DGoog%2DSecurity%2DToken%3D{}",
    "/raw/a.dm3?Expires=1&amp;Signature={}",
    "/raw/a.dm3?Expires=1\\u0026Signature={}",
    "upload_id: '{}'",
    "x-guploader-uploadid: {}",
    "{{'X-GUploader-UploadID': '{}'}}",
    "access_token='{}'",
    '{{"refresh_token": "{}"}}',
    "SCOPELINE_RECORDS_TOKEN={}",
    "scopeline_records_token: '{}'",
    "Authorization: Bearer {}",
    "authorization=Token {}",
    "{{'Authorization': 'Token {}'}}",
    '{{"Authorization":"Basic {}"}}',
    "('authorization', b'Bearer {}')",
    "Authorization: {}",
    "headers=[('Proxy-Authorization', 'Bearer {}')]",
    "Authorization%3A Bearer%20{}",
    "bearer {}",
    "Cookie: sessionid={}; csrftoken={}",
    "Set-Cookie: sessionid={}; HttpOnly",
    "https://user:{}@host.test/records/",
    "postgresql://{}@host.test:5432/x?y=1",
    "{{'https': 'http://user:{}@proxy:3128'}}",
    "url=https%3A%2F%2Fuser%3A{}%40host%2F",
    '"https:\\/\\/user:{}@host"',
    "redis://:p#{}@host:6379/0",
    "https://user:pa/{}@host/x",
    "postgres://user:p?{}@host/db",
    "https://user:p'{}@host/",
    'https://user:p"<{}>@host/',
    "https://user:p\\{}@host/",
    "https://user:p%2F{}@host/",
    "https://user:p@ss/{}@host/",
    "https://joe@lab.test:p/{}@host/",
    "url=https%3A%2F%2Fuser%3Ap%2F{}%40host%2F",
    "password='{}'",
    "password='two words {}'",
    'DB_PASSWORD="it\'s {}"',
    "{{'password': '{}'}}",
    '{{\\"password\\": \\"{}\\"}}',
    "login?user=a&password={}&next=/",
    '{{"password": "a\\"b {}"}}',
    "password='it\\'s {}'",
    '{{\\"password\\": \\"a\\\\\\"b {}\\", \\"x\\": 1}}',
    "password1={}",
    "new_password2={}",
    "a_very_long_name_of_the_database_of_the_laboratory_password={}",
    "password => '{}'",
    "AWS_SECRET_ACCESS_KEY={}",
    "aws-secret-access-key: {}",
    "password: the{}",
    "passphrase={}",
    "DB_PASSWD: {}",
    "secret={}",
    "client_secret: {}",
    "SECRET_KEY = '{}'",
    "csrftoken={}",
    "X-CSRFToken: {}",
    "csrfmiddlewaretoken=a-{}&x=1",
    "sessionid={}",
    "X-Api-Key: {}",
    "-----BEGIN PRIVATE KEY-----\n{}\n-----END PRIVATE KEY-----",
    "-----BEGIN RSA PRIVATE KEY-----\nProc-Type: 4,ENCRYPTED\n\nMII/a+\n{}\nend",
    '"private_key": "-----BEGIN PRIVATE KEY-----\\nMII\\n{}\\n-----END PRIVATE KEY-----\\n"',
    "ya29.{}",
    "eyJhbGciOiJSUzI1NiJ9.{}.sig",
)

secrets = st.text("abcdefghijkmnopqrstuvwxyzABCDEFGHJKLMNPQRSTUVWXYZ0123456789-_", min_size=20, max_size=60)
texts = st.text(max_size=200)


def record(message: str, *arguments: object, error: BaseException | None = None) -> logging.LogRecord:
    fault = (type(error), error, error.__traceback__) if error else None
    return logging.LogRecord("scopeline.somewhere", 40, "/x/scopeline/logs.py", 7, message, arguments, fault, "work")  # type: ignore[arg-type]


def raised(words: str) -> BaseException:
    try:
        raise RuntimeError(words)
    except RuntimeError as error:
        return error


@pytest.fixture(params=["text", "json"])
def form(request: pytest.FixtureRequest) -> logging.Formatter:
    return TextLines() if request.param == "text" else JsonLines("lab")


@pytest.fixture
def caught() -> Iterator[io.StringIO]:
    """What the process logs, with the loggers as they were put back afterwards."""
    root, own = logging.getLogger(), logging.getLogger("scopeline")
    before = root.handlers, root.level, own.level
    try:
        yield io.StringIO()
    finally:
        root.handlers, own.level = before[0], before[2]
        root.setLevel(before[1])


# ---------------------------------------------------------------------------------------------------------- secrets


@pytest.mark.parametrize("carrier", CARRIERS)
@given(secret=secrets, before=texts, after=texts)
def test_a_secret_is_masked_wherever_it_stands(carrier: str, secret: str, before: str, after: str) -> None:
    carried = carrier.replace("{{", "{").replace("}}", "}").replace("{}", secret)
    assume(secret not in before + after + carrier)
    assert secret not in redact(f"{before} {carried} {after}")


@pytest.mark.parametrize("carrier", CARRIERS)
def test_a_secret_is_in_no_part_of_a_line(carrier: str, form: logging.Formatter) -> None:
    carried = carrier.replace("{{", "{").replace("}}", "}").replace("{}", SECRET)
    for made in (
        record(carried),
        record("It says %s.", carried),
        record("It says %r.", {"headers": [carried]}),
        record("It failed", error=raised(carried)),
        record("too few %s %s", carried),
        record("no number %d", carried),
    ):
        assert SECRET not in form.format(made)
    with about(session=carried, trace=carried):
        assert SECRET not in form.format(record("It says it in its subject."))


def test_a_secret_at_the_end_of_what_is_looked_at_is_masked() -> None:
    padded = "x " * (LONGEST // 2 - 20) + f"sl_0123456789ab_{SECRET}" * 2
    assert SECRET[:20] not in redact(padded)


@pytest.mark.parametrize(
    "text",
    [
        "POST /v1/uploads: 201, token 0123456789ab of client titan-pc, 0.012 s.",
        "Token 0123456789ab was revoked. Ask for a new one.",
        "object.finalized of abcdefghijkl2345 (b.dm3) is parked as 17 after 8 attempts: disk_full: The disk is full.",
        "Published record 20260206-titan-7f3k2a version 3.",
        "a b/image_001.dm3 of uploads/slides.tif",
        "The upload URL is a secret; a signature was asked for.",
        "Settings: SCOPELINE_RECORDS_TOKEN, which is a secret, is empty.",
        "X-Goog-Signature, the last part of the address, is missing.",
        "The password is missing; a secret was expected.",
        "password='' is empty, csrftoken too",
        "/data/secret/password/a.dm3 and C:\\Secret\\a.dm3",
        "PWD=/home/titan, session_id=20260206-titan-7f3k2a",
        "https://lab.test:8080/records/@me?by=a@b.test#c@d",
        "Write to lab@host.test, or see https://host.test/ and http://[::1]:80.",
        "url=https%3A%2F%2Fhost%2Fa%40b",
        "-----BEGIN PUBLIC KEY-----\nMII\n-----END PUBLIC KEY-----",
        "{'secret': None, 'password': null}",
        '{"secret":null,"password":false}',
        '{\\"password\\": \\"\\", \\"user\\": \\"ada\\"}',
        "x(password=, secret=None, passphrase=(None))",
        "https://lab.test:8080?x=y@z",
        "url=https%3A%2F%2Fhost%3A8080%2Fa%40b",
        "http:\\/\\/host:8080\\/a@b",
        "http://[::1]:8080/records/@me",
        '{\\"url\\":\\"http://host:port\\",\\"user\\":\\"ada@lab.test\\"}',
        "<a href='http://host:port'>ada@lab.test</a> <url>http://host:port</url><mail>ada@lab.test</mail>",
        '{"url":"http://host:8080","user":"ada@lab.test"}',
        "['http://host:port','ada@lab.test']",
    ],
)
def test_what_is_no_secret_stays(text: str) -> None:
    assert redact(text) == text


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("GET https://user:pw@host.test/a failed", "GET https://***@host.test/a failed"),
        ("https://a:p@ss@host/b", "https://***@host/b"),
        ("http://u:p@h,http://v:q@i", "http://***@h,http://***@i"),
        ('{"a":"http://u:p@h","b":"ada@lab.test"}', '{"a":"http://***@h","b":"ada@lab.test"}'),
        ('{"password": "a\\"b", "n": 1}', '{"password": "***", "n": 1}'),
        ('{\\"password\\": \\"a\\\\\\"b\\", \\"n\\": 1}', '{\\"password\\": \\"***\\", \\"n\\": 1}'),
        ("x(password='a b', n=1)", "x(password='***', n=1)"),
        ("password=a&b=c", "password=***&b=c"),
        (
            "-----BEGIN EC PRIVATE KEY-----\nMII\n-----END EC PRIVATE KEY----- was read",
            "-----BEGIN EC PRIVATE KEY-----***-----END EC PRIVATE KEY----- was read",
        ),
    ],
)
def test_what_stands_around_a_secret_stays(text: str, told: str) -> None:
    assert redact(text) == told


def test_whose_token_it_was_can_still_be_told() -> None:
    assert redact(f"sl_0123456789ab_{SECRET} was sent") == "sl_0123456789ab_*** was sent"


# ------------------------------------------------------------------------------------------------------------ lines


@given(words=st.text(), value=st.text())
def test_a_json_line_is_one_line_whatever_it_says(words: str, value: str) -> None:
    with about(file=value):
        line = JsonLines("lab").format(record("%s", words, error=raised(words)))
    assert line.isascii()
    assert len(line.splitlines()) == 1
    assert json.loads(line)["severity"] == "ERROR"


@given(words=st.text(), value=st.text())
def test_a_text_line_is_one_line_whatever_it_says(words: str, value: str) -> None:
    with about(file=value):
        line = TextLines().format(record("%s", words))
    assert len(line.splitlines()) == 1
    assert line.isprintable()


@given(words=st.text())
def test_no_line_of_a_traceback_looks_like_another_entry(words: str) -> None:
    first, *others = TextLines().format(record("broken", error=raised(words))).splitlines()
    assert first.endswith("scopeline.somewhere: broken")
    assert others
    assert all(line.startswith("    ") for line in others)


def test_a_line_has_cloud_loggings_fields() -> None:
    with about(session="20260206-titan-7f3k2a", file="abc", topic="object.finalized", trace=TRACE, span=SPAN):
        entry = json.loads(JsonLines("lab").format(record("It failed: %s", "no space", error=raised("broken"))))
    assert entry.pop("time").endswith("Z")
    assert entry.pop("stack_trace").startswith("Traceback (most recent call last):\n")
    assert entry == {
        "severity": "ERROR",
        "message": "It failed: no space",
        "logger": "scopeline.somewhere",
        "logging.googleapis.com/labels": {
            "session": "20260206-titan-7f3k2a",
            "file": "abc",
            "topic": "object.finalized",
        },
        "logging.googleapis.com/trace": f"projects/lab/traces/{TRACE}",
        "logging.googleapis.com/spanId": SPAN,
        "logging.googleapis.com/sourceLocation": {"file": "scopeline/logs.py", "line": "7", "function": "work"},
    }


def test_a_line_without_a_subject_has_none() -> None:
    assert set(json.loads(JsonLines().format(record("Ready.")))) == {
        "severity",
        "message",
        "time",
        "logger",
        "logging.googleapis.com/sourceLocation",
    }


def test_a_text_line_says_what_it_is_about_at_its_end() -> None:
    with about(session="s", topic=None), about(file="f", trace=TRACE):
        line = TextLines().format(record("Read."))
    assert line.endswith(f"ERROR scopeline.somewhere: Read. [session=s file=f trace={TRACE}]")
    assert subject() == {}


def test_a_long_message_fits_an_entry_and_keeps_its_end() -> None:
    entry = JsonLines("lab").format(record("ö" * 10**6 + " the end", error=raised("ö" * 10**6 + " the very end")))
    assert len(entry) < 256 * 1024 * 2
    assert json.loads(entry)["stack_trace"].startswith("Traceback")


@pytest.mark.parametrize(
    ("topic", "data", "told"),
    [
        ("record.built", {}, {"session": "k"}),
        ("object.changed", {"object": f"titan/{SESSION}/titan-pc/data/a.dm3"}, {"file": "k", "session": SESSION}),
        ("object.finalized", {"name": f"titan/{SESSION}/titan-pc/data/a.dm3"}, {"file": "k", "session": SESSION}),
        ("object.finalized", {"name": "titan/unassigned/2026-02-06/titan-pc-x/a.dm3"}, {"file": "k"}),
        ("object.finalized", {"name": 5}, {"file": "k"}),
        ("object.deleted", {}, {"file": "k"}),
    ],
)
def test_an_event_is_about_a_session_or_about_a_file_and_the_session_it_stands_in(
    topic: str, data: dict[str, Any], told: dict[str, str]
) -> None:
    event = Event(type=Topic(topic), key="k", at=datetime(2026, 2, 6, tzinfo=UTC), data=data)
    assert subject_of(event) == {"topic": topic, **told}


def test_what_is_learned_on_the_way_is_said_to_the_end_of_the_work() -> None:
    with about(file="f"):
        with about(task="t"):
            learn(session="s", topic=None)
            assert subject() == {"file": "f", "task": "t", "session": "s"}
        assert subject() == {"file": "f"}
    learn(session="nobody's work")
    assert subject() == {}


def test_the_log_goes_where_it_is_sent(caught: io.StringIO) -> None:
    log_as_text(stream=caught)
    logging.getLogger("scopeline.x").info("told")
    logging.getLogger("other").info("not told")
    log_as_json("lab", logging.WARNING, caught)
    logging.getLogger("scopeline.x").info("not told")
    logging.getLogger("other").warning("told as JSON")
    first, second = caught.getvalue().splitlines()
    assert first.endswith("INFO scopeline.x: told")
    assert json.loads(second)["message"] == "told as JSON"


@pytest.mark.parametrize(
    ("given", "is_json"),
    [
        ({}, False),
        ({"edition": "gcp"}, True),
        ({"log_format": "json"}, True),
        ({"edition": "gcp", "log_format": "text"}, False),
    ],
)
def test_an_edition_has_its_form_unless_the_settings_name_one(
    given: dict[str, str], is_json: bool, caught: io.StringIO
) -> None:
    start_log(load_settings(**given))
    (handler,) = logging.getLogger().handlers
    assert isinstance(handler.formatter, JsonLines if is_json else TextLines)


def test_arguments_that_do_not_fit_are_no_second_error(caught: io.StringIO, capsys: pytest.CaptureFixture[str]) -> None:
    log_as_text(stream=caught)
    logging.getLogger("scopeline.x").warning("%d files", SECRET)
    assert "%d files (its arguments do not fit: TypeError)" in caught.getvalue()
    assert capsys.readouterr().err == ""


class Unsayable:
    """Something that fails when it is to be shown."""

    def __str__(self) -> str:
        raise RuntimeError(SECRET)


def test_what_cannot_be_shown_costs_no_line_and_shows_nothing_else(
    form: logging.Formatter, caught: io.StringIO, capsys: pytest.CaptureFixture[str]
) -> None:
    handler = logging.StreamHandler(caught)
    handler.setFormatter(form)
    log = logging.getLogger("scopeline.x")
    logging.getLogger().handlers = [handler]
    log.warning(Unsayable())
    log.warning("It says %s.", Unsayable())
    log.warning("No error", exc_info=(SECRET, SECRET, SECRET))  # type: ignore[arg-type]
    with about(session=123, file=Unsayable()):
        log.warning("It is about them.")
        assert subject()["session"] == "123"
    lines = caught.getvalue().splitlines()
    assert len(lines) == 4
    for line, told in zip(
        lines, ("a Unsayable that cannot be shown", "It says %s.", "could not be written", "It is about"), strict=True
    ):
        assert told in line
    assert SECRET not in caught.getvalue()
    assert capsys.readouterr().err == ""


# ------------------------------------------------------------------------------------------------------------ traces


@pytest.mark.parametrize(
    ("headers", "expected"),
    [
        ({"traceparent": f"00-{TRACE}-{SPAN}-01"}, {"trace": TRACE, "span": SPAN}),
        ({"X-Cloud-Trace-Context": f"{TRACE}/255;o=1"}, {"trace": TRACE, "span": "00000000000000ff"}),
        ({"X-Cloud-Trace-Context": f"{TRACE.upper()}"}, {"trace": TRACE}),
        ({"X-Cloud-Trace-Context": f"{TRACE}/0"}, {"trace": TRACE}),
        ({"X-Cloud-Trace-Context": f"{TRACE}/{10**20 - 1}"}, {"trace": TRACE}),
        (
            {"traceparent": "nonsense", "X-Cloud-Trace-Context": f"{TRACE}/1"},
            {"trace": TRACE, "span": "0000000000000001"},
        ),
        ({"traceparent": f"00-{'0' * 32}-{SPAN}-01"}, {}),
        ({"traceparent": f"00-{TRACE}-{'0' * 16}-01"}, {}),
        ({}, {}),
    ],
)
def test_a_requests_trace_is_found(headers: dict[str, str], expected: dict[str, str]) -> None:
    assert trace_of(headers) == expected


@given(st.dictionaries(st.sampled_from(["traceparent", "X-Cloud-Trace-Context"]), st.text()))
def test_any_header_is_a_trace_or_none(headers: dict[str, Any]) -> None:
    found = trace_of(headers)
    assert found == {} or len(found["trace"]) == 32


def test_a_message_carries_the_trace_of_the_call_that_published_it() -> None:
    assert trace_for_message() == {}
    with about(trace=TRACE, span=SPAN):
        told = trace_for_message()
    assert told == {"trace": TRACE}
    with about(trace="ab" * 16, span=SPAN, file="f"), about(**trace_of_message({**told, "type": "x"})):
        # The span is one of the other trace.
        assert subject() == {"trace": TRACE, "file": "f"}


@pytest.mark.parametrize(
    "attributes", [{}, {"trace": ""}, {"trace": "0" * 32}, {"trace": "x" * 32}, {"trace": TRACE * 2}]
)
def test_what_is_no_trace_is_not_taken_from_a_message(attributes: dict[str, str]) -> None:
    assert trace_of_message(attributes) == {}
