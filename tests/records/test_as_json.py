"""The record for programs."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from scopeline.records.as_json import record_as_json

Make = Callable[..., Any]


def test_json_has_the_activities_and_files_of_the_record(make_record: Make, make_file: Make) -> None:
    a, b = make_file("a.dm3", 1), make_file("b.dm3", 2, {"Exposure Time": (2.0, "s")})
    record = record_as_json(make_record([b, a]), version=3)
    assert json.loads(json.dumps(record)) == record
    assert (record["version"], record["pid"]) == (3, "hdl:20.500/20181113-titan-abcdef")
    (activity,) = record["activities"]
    assert (activity["number"], activity["title"], activity["sample"]) == (1, "TEM images", "sample-1")
    assert activity["start"] == "2018-11-13T10:01:00-07:00"
    assert [dataset["id"] for dataset in activity["datasets"]] == [f"{a.id}.0", f"{b.id}.0"]
    assert activity["datasets"][1]["parameters"] == {"Exposure Time": {"value": 2.0, "unit": "s", "warning": None}}
    assert [file["path"] for file in record["files"]] == ["a.dm3", "b.dm3"]
    assert record["notes"][0]["source"] == "Ned Land"


def test_running_session_has_no_version_and_no_end(make_record: Make) -> None:
    record = record_as_json(make_record([], end=None), version=None)
    assert (record["version"], record["end"], record["activities"]) == (None, None, [])
