"""Large records show runs of like files as series; others show every file."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from lxml import etree

from scopeline.domain.records import Edit, Overlay
from scopeline.records import series
from scopeline.records.as_json import record_as_json
from scopeline.records.builder import build_xml
from scopeline.records.schema import check_record

NX = {"n": "https://data.nist.gov/od/dm/nexus/experiment/v1.0"}
Make = Callable[..., Any]


@pytest.fixture
def small_records_are_large(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(series, "LARGE_RECORD", 30)


def names(inputs: Any) -> list[str]:
    xml = build_xml(inputs)
    check_record(xml)
    return [element.text for element in etree.fromstring(xml).findall(".//n:dataset/n:name", NX)]


def tilt_series(make_file: Make, count: int) -> list[Any]:
    return [
        make_file(f"tilt 2/img_{n:03}.dm3", n, {"Stage Alpha": (n - 60.0, "°"), "Comment": (f"no {n}", None)})
        for n in range(count)
    ]


def test_record_of_some_thousand_files_shows_each(make_record: Make, make_file: Make) -> None:
    assert len(names(make_record(tilt_series(make_file, 200)))) == 200


@pytest.mark.usefixtures("small_records_are_large")
def test_run_of_like_files_is_one_dataset_with_the_range_of_its_parameters(make_record: Make, make_file: Make) -> None:
    files = tilt_series(make_file, 121)
    root = etree.fromstring(build_xml(make_record([*files, make_file("map.dm3", 60.5)])))
    found = root.findall(".//n:dataset", NX)
    assert [d.findtext("n:name", None, NX) for d in found] == ["img_000.dm3 to img_120.dm3 (121 files)", "map.dm3"]
    assert found[0].findtext("n:location", None, NX) == f"/files/{files[0].id}/17/img_000.dm3"
    meta = {m.get("name"): (m.text, m.get("unit")) for m in found[0].findall("n:meta", NX)}
    assert meta == {
        "Acquisition Time": ("2018-11-13T10:00:00-07:00", None),
        "Files": ("121", None),
        "Last Acquisition Time": ("2018-11-13T12:00:00-07:00", None),
        "Stage Alpha": ("-60 to 60", "°"),
    }


@pytest.mark.usefixtures("small_records_are_large")
def test_file_that_people_or_a_warning_single_out_stays_itself(make_record: Make, make_file: Make) -> None:
    files = tilt_series(make_file, 40)
    files[3].warnings = ["odd"]
    rated = Edit(target=f"{files[7].id}.0", field="rating", value=5, who="Ned", at=files[0].updated_at)
    shown = names(make_record(files, Overlay(session="s", edits=[rated])))
    assert shown == ["img_000.dm3 to img_039.dm3 (38 files)", "img_003.dm3", "img_007.dm3"]


@pytest.mark.usefixtures("small_records_are_large")
def test_json_lists_every_file(make_record: Make, make_file: Make) -> None:
    assert len(record_as_json(make_record(tilt_series(make_file, 50)), None)["files"]) == 50
