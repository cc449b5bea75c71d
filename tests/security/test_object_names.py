"""Whatever a path says, bytes go below the prefix of the session, the client and the root, and nowhere else."""

from __future__ import annotations

import re
import unicodedata
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st
from played_on_google import ask, send

from scopeline.domain.errors import InvalidInput

# What attackers and accidents put into paths: ways up, ways to the root, encodings of both, and what looks alike.
PIECES = (
    "..", ".", "/", "//", "\\", "%2e%2e", "%2E", "%2f", "%5c", "%00", "\0", "\n", "\r\n", "\x85", "\u2028",
    "\x7f", "\t", "~", "~root", "C:", "c:\\", "\\\\host\\share", "file://", "http://h/", "__x__", "__proto__",
    "CON", "nul.txt", "a.", "a ", " ", "．．", "‥", "…", "∕", "⁄", "／", "＼", "․", "\u202e", "\u200b",
    "\ufeff", "e\u0301", "é", "İ", "ﬁ", "\ud800", "a" * 260, "日" * 90, "x" * 254 + "/", "raw", "titan",
    "unassigned", "?x=1", "#a", "*", "$(id)", "`id`", "';--", "😀",
)  # fmt: skip
hostile = st.lists(st.sampled_from(PIECES) | st.text(max_size=6), min_size=1, max_size=12).map("".join)
keys = st.text(min_size=1, max_size=200).filter(lambda key: key.isprintable())


def check_name(name: str, prefix: str) -> None:
    assert name.startswith(prefix)
    rest = name.removeprefix(prefix)
    assert rest
    assert not {"", ".", ".."} & set(rest.split("/"))
    assert "\\" not in rest
    assert not any(unicodedata.category(c) in ("Cc", "Cs", "Zl", "Zp") for c in rest)
    assert unicodedata.is_normalized("NFC", rest)
    assert len(name.encode()) <= 1024


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(path=hostile, key=keys, in_session=st.booleans())
def test_an_upload_goes_below_its_prefix_or_is_refused(lab: Any, path: str, key: str, in_session: bool) -> None:
    ask_upload(lab, path, key, in_session)


def ask_upload(lab: Any, path: str, key: str, in_session: bool) -> dict[str, Any] | None:
    """The answer to a request for an upload, whose object's name is checked; None where it is refused."""
    session = lab.start().get_json()["id"]
    body = lab.upload_body(path, session=session if in_session else None, key=key)
    answer = lab.call("POST", "/v1/uploads", body)
    told = answer.get_json()
    if answer.status_code == 422:
        assert told["code"] in ("invalid_path", "ignored", "invalid_body")
        return None
    assert answer.status_code == 201
    if in_session:
        check_name(told["object"], f"titan/{session}/titan-pc/data/")
    else:
        prefix = re.match(r"titan/unassigned/2026-02-06/titan-pc-[a-z2-7]{16}/", told["object"])
        assert prefix is not None
        check_name(told["object"], prefix[0])
    return dict(told)


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(path=hostile, key=keys, in_session=st.booleans())
def test_bytes_that_are_sent_to_the_bucket_are_where_the_answer_says(
    google_lab: Any, path: str, key: str, in_session: bool
) -> None:
    raw = google_lab.backend.raw
    before = {stored.name for stored in raw.list("")}
    told = ask_upload(google_lab, path, key, in_session)
    if told is None:
        assert {stored.name for stored in raw.list("")} == before
        return
    assert send(told["upload_url"], b"hello")[0] == 200
    assert {stored.name for stored in raw.list("")} == before | {told["object"]}
    stored = raw.stat(told["object"])
    with raw.open(stored.name, stored.generation) as body:
        assert body.read() == b"hello"
    # Whoever signs an address of it names this object and no other one.
    signed = raw.download_url(stored.name, stored.generation, "x", timedelta(minutes=5))
    assert ask("GET", signed)[2] == b"hello"


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(path=hostile)
def test_the_bucket_has_an_object_under_its_whole_name_or_refuses_it(google_lab: Any, path: str) -> None:
    raw, name = google_lab.backend.raw, f"titan/{path}"
    assume(len(path.encode("utf-8", "surrogatepass")) < 900)
    before = {stored.name for stored in raw.list("")}
    try:
        stored = raw.write(name, b"hello")
    except InvalidInput as refusal:
        stored, refused = None, refusal.code
    else:
        refused = None
        with raw.open(name, stored.generation) as body:
            assert body.read() == b"hello"
    assert refused == (None if stored else "invalid_object_name")
    assert {other.name for other in raw.list("")} == (before | {name} if stored else before)


@pytest.mark.parametrize("path", ["../x", "a/../../b", "/etc/passwd", "a//b", "..\\x", "a\nb", "a\0", "./a", "C:/a"])
def test_a_path_that_leads_elsewhere_is_refused(lab: Any, path: str) -> None:
    lab.start()
    answer = lab.call("POST", "/v1/uploads", lab.upload_body(path))
    assert (answer.status_code, answer.get_json()["code"]) == (422, "invalid_path")


@pytest.mark.parametrize("path", ["%2e%2e/%2e%2e/x", "．．/x", "__x__/__proto__", "～/x", "a%00b"])
def test_what_only_looks_like_a_way_out_is_a_plain_name(lab: Any, path: str) -> None:
    session = lab.start().get_json()["id"]
    name = lab.call("POST", "/v1/uploads", lab.upload_body(path)).get_json()["object"]
    assert name == f"titan/{session}/titan-pc/data/{path}"


@pytest.mark.parametrize("field", ["root", "session"])
@pytest.mark.parametrize("value", ["..", "../..", "a/b", "", "Titan", "data/../other", "%2e%2e", "\n"])
def test_no_other_field_leads_out(lab: Any, field: str, value: str) -> None:
    lab.start()
    answer = lab.call("POST", "/v1/uploads", lab.upload_body(**{field: value}))
    assert answer.status_code in (409, 422)
    assert list(lab.backend.raw.list("")) == []


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(path=hostile)
def test_bytes_stay_in_the_data_folder(lab: Any, path: str) -> None:
    """Even where a name came by another way than an upload, as the bucket's events do."""
    assume(len(path.encode("utf-8", "surrogatepass")) < 900)
    folder = Path(lab.backend.settings.data_dir)
    around, inside = set(folder.parent.iterdir()), {part.name for part in folder.iterdir()}
    try:
        stored = lab.backend.raw.write(f"titan/{path}", b"hello")
    except InvalidInput as refusal:
        refused = refusal.code
    else:
        refused = None
        with lab.backend.raw.open(stored.name, stored.generation) as body:
            assert body.read() == b"hello"
    assert refused in (None, "invalid_object_name")
    assert set(folder.parent.iterdir()) == around
    assert {part.name for part in folder.iterdir()} == inside
