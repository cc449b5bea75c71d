"""Ids, object names and paths."""

from __future__ import annotations

import unicodedata
from contextlib import suppress
from datetime import UTC, datetime, timedelta, timezone
from zoneinfo import ZoneInfo

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from scopeline.domain.errors import InvalidInput
from scopeline.domain.names import (
    MAX_OBJECT_NAME_BYTES,
    check_slug,
    dataset_id,
    derived_prefix,
    digest_text,
    file_id,
    is_local_id,
    is_session_id,
    normalise_path,
    raw_object_name,
    session_id,
    unassigned_object_name,
)

DENVER = ZoneInfo("America/Denver")
AT = datetime(2026, 2, 6, 3, 30, tzinfo=UTC)
LOCAL_ID = "0d5ef1c0-0000-4000-8000-000000000001"

SEGMENTS = st.text(
    st.characters(exclude_categories=("Cs", "Cc", "Zl", "Zp"), exclude_characters="/\\"), min_size=1, max_size=60
)
PATHS = st.lists(SEGMENTS, min_size=1, max_size=6).map("/".join)


def plain(path: str) -> bool:
    segments = unicodedata.normalize("NFC", path).split("/")
    return path[1:2] != ":" and all(s not in (".", "..") and len(s.encode()) <= 255 for s in segments)


@pytest.mark.parametrize("value", ["titan", "a", "a-b", "9", "x" * 40])
def test_slugs(value: str) -> None:
    assert check_slug(value, "Instrument") == value


@pytest.mark.parametrize("value", ["", "-a", "a-", "Titan", "a_b", "a b", "x" * 41, "ü", "a\n"])
def test_what_is_no_slug_is_refused_with_its_name(value: str) -> None:
    with pytest.raises(InvalidInput, match="Instrument") as refused:
        check_slug(value, "Instrument")
    assert refused.value.code == "invalid_id"


def test_session_id_has_the_date_in_the_instruments_zone() -> None:
    assert session_id(AT, DENVER, "titan", LOCAL_ID)[:8] == "20260205"
    assert session_id(AT, ZoneInfo("UTC"), "titan", LOCAL_ID)[:8] == "20260206"


@given(
    st.datetimes(min_value=datetime(1970, 1, 1), max_value=datetime(2100, 1, 1)),
    st.integers(-14 * 60, 14 * 60),
    st.uuids(),
)
def test_session_id_is_a_function_of_the_moment_not_of_how_it_is_written(
    at: datetime, offset: int, local_id: object
) -> None:
    moment = at.replace(tzinfo=UTC)
    written = moment.astimezone(timezone(timedelta(minutes=offset)))
    identity = session_id(written, DENVER, "titan", str(local_id))
    assert identity == session_id(moment, DENVER, "titan", str(local_id))
    assert is_session_id(identity)


@pytest.mark.parametrize(
    "value", ["", "20260206-titan", "2026026-titan-7f3k2a", "20260206-titan-7f3k2A", "20260206-titan-7f3k1a"]
)
def test_what_is_no_session_id(value: str) -> None:
    assert not is_session_id(value)


@given(st.uuids())
def test_uuids_of_loggers_are_local_ids(value: object) -> None:
    assert is_local_id(str(value))
    assert not is_local_id(f"{{{value}}}")
    assert not is_session_id(str(value))


def test_file_ids_tell_bucket_and_name_apart() -> None:
    assert file_id("a", "bc") != file_id("ab", "c")
    assert dataset_id(file_id("raw", "x"), 2) == f"{file_id('raw', 'x')}.2"
    assert digest_text("a", "b", length=24) != digest_text("a\0", "b", length=24)


@given(st.text(), st.text())
def test_file_id_is_24_base32_characters(bucket: str, name: str) -> None:
    assume(not any("\ud800" <= c <= "\udfff" for c in bucket + name))
    identity = file_id(bucket, name)
    assert len(identity) == 24
    assert set(identity) <= set("abcdefghijklmnopqrstuvwxyz234567")


@given(PATHS)
def test_paths_are_normalised_once_and_for_all(path: str) -> None:
    assume(plain(path))
    normal = normalise_path(path)
    assert normal == unicodedata.normalize("NFC", path)
    assert normalise_path(normal) == normal


@given(st.text(st.characters()))
def test_a_path_is_accepted_or_refused_with_its_code(path: str) -> None:
    with suppress(InvalidInput):
        normal = normalise_path(path)
        assert ".." not in normal.split("/")
        assert not normal.startswith("/")
        assert "\\" not in normal
        assert not any(unicodedata.category(c) == "Cc" for c in normal)
        return
    with pytest.raises(InvalidInput) as refused:
        normalise_path(path)
    assert refused.value.code == "invalid_path"
    # The message can be written to any log, whatever the path held.
    str(refused.value).encode()


@pytest.mark.parametrize(
    "path",
    ["", "/etc/passwd", "../a", "a/../b", "a/./b", "a//b", "a/", "C:/x", "c:x", "a\\b", "a\nb", "a\x00b", "a\u2028b",
     "\ud800", "x" * 256, "ü" * 128],
)  # fmt: skip
def test_hostile_paths_are_refused(path: str) -> None:
    with pytest.raises(InvalidInput) as refused:
        normalise_path(path)
    assert refused.value.code == "invalid_path"


def test_decomposed_letters_are_the_same_path() -> None:
    assert normalise_path("u\u0308ber.dm3") == "über.dm3"


@given(PATHS)
def test_object_name_fits_and_ends_with_the_file_name(path: str) -> None:
    assume(plain(path))
    name = raw_object_name("titan", "20260206-titan-7f3k2a", "titan-pc", "data", path)
    assert len(name.encode()) <= MAX_OBJECT_NAME_BYTES
    assert name.startswith("titan/20260206-titan-7f3k2a/titan-pc/data/")
    assert name.rsplit("/", 1)[-1] == normalise_path(path).rsplit("/", 1)[-1]


def test_long_paths_with_one_file_name_stay_apart() -> None:
    deep = "/".join(["x" * 200] * 5)
    one = raw_object_name("titan", "s", "pc", "data", f"{deep}/a.dm3")
    other = raw_object_name("titan", "s", "pc", "data", f"{deep}y/a.dm3")
    assert one != other
    assert one.endswith("/a.dm3")


def test_equal_paths_below_two_roots_are_two_objects() -> None:
    assert raw_object_name("t", "s", "pc", "a", "x.dm3") != raw_object_name("t", "s", "pc", "b", "x.dm3")


def test_file_without_a_session_finds_its_object_again_by_its_key() -> None:
    seen = datetime(2026, 2, 6, 23, 30, tzinfo=timezone(timedelta(hours=-7)))
    name = unassigned_object_name("titan", seen, "pc", "inode 7", "a/b.dm3")
    assert name.startswith("titan/unassigned/2026-02-07/pc-")
    assert name == unassigned_object_name("titan", seen, "pc", "inode 7", "a/b.dm3")
    assert name != unassigned_object_name("titan", seen, "pc", "inode 8", "a/b.dm3")


def test_derived_objects_of_two_generations_or_inputs_are_apart() -> None:
    assert derived_prefix("f", 1, "abc") == "f/1/abc/"
