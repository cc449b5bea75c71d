"""What all catalog documents share."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from scopeline.domain.documents import utc_text
from scopeline.domain.instruments import Instrument, Root
from scopeline.domain.records import Edit, Overlay, Record

NOW = datetime(2026, 2, 6, 12, 0, tzinfo=UTC)
MOMENTS = st.datetimes(min_value=datetime(1000, 1, 2), max_value=datetime(9999, 12, 30)).flatmap(
    lambda at: st.integers(-12 * 60, 14 * 60).map(lambda m: at.replace(tzinfo=timezone(timedelta(minutes=m))))
)


@given(MOMENTS, MOMENTS)
def test_order_of_texts_is_order_of_moments(one: datetime, other: datetime) -> None:
    assert len(utc_text(one)) == len("2026-02-06T12:00:00.000000Z")
    assert (utc_text(one) < utc_text(other)) == (one < other)


def test_moments_are_read_with_any_offset_and_kept_in_utc() -> None:
    edit = Edit(target="session", field="title", value="x", who="Ned", at="2026-02-06T05:00:00-07:00")
    assert edit.at == NOW
    assert edit.at.tzinfo is UTC
    assert edit.model_dump(mode="json")["at"] == "2026-02-06T12:00:00.000000Z"


def test_moments_without_an_offset_are_refused() -> None:
    with pytest.raises(ValidationError):
        Edit(target="session", field="title", value="x", who="Ned", at="2026-02-06T05:00:00")


def test_document_survives_json_with_its_schema() -> None:
    overlay = Overlay(session="s", edits=[Edit(target="session", field="title", value={"a": [1]}, who="Ned", at=NOW)])
    stored = json.loads(json.dumps(overlay.to_json()))
    assert stored["schema"] == 1
    assert Overlay.from_json(stored) == overlay


def test_present_and_previous_schema_are_read_and_others_refused() -> None:
    stored = Overlay(session="s").to_json()
    assert Overlay.from_json({**stored, "schema": 0}).schema_version == 1
    with pytest.raises(ValueError, match=r"schema 2.*Update Scopeline"):
        Overlay.from_json({**stored, "schema": 2})


def test_fields_of_a_newer_writer_are_ignored() -> None:
    assert Overlay.from_json({**Overlay(session="s").to_json(), "mood": "good"}) == Overlay(session="s")


def test_keys() -> None:
    record = Record(session="s", version=3, inputs="x", pid="p", xml_object="o", built_at=NOW, files=1, datasets=1)
    assert (record.key, Overlay(session="s").key) == ("records/s/versions/3", "overlays/s")


def test_last_edit_of_a_field_wins_and_none_is_lost() -> None:
    edits = [
        Edit(target=target, field="title", value=value, who="Ned", at=NOW)
        for target, value in (("session", "a"), ("f.0", "b"), ("session", "c"))
    ]
    overlay = Overlay(session="s", edits=edits)
    assert overlay.values("session") == {"title": "c"}
    assert len(overlay.edits) == 3


def test_instruments_zone_must_exist() -> None:
    assert str(Instrument(id="titan", name="Titan", zone="Europe/Berlin").zone_info) == "Europe/Berlin"
    for nonsense in ("Berlin", "", "../etc/passwd", "Europe/\0"):
        with pytest.raises(ValidationError, match="IANA name"):
            Instrument(id="titan", name="Titan", zone=nonsense)


def test_assignments_are_checked_too() -> None:
    root = Root(instrument="titan")
    with pytest.raises(ValidationError):
        root.instrument = 3  # type: ignore[assignment]
