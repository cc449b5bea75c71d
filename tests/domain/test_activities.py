"""Which datasets belong together."""

from __future__ import annotations

import random
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from statistics import mean
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from benchmarks.activities import adjusted_rand_index, score, session
from scopeline.domain.activities import Acquisition, cluster

START = datetime(2026, 2, 6, 8, 0, tzinfo=UTC)
TEM = {"Operation Mode": "TEM", "Accelerating Voltage": 300}
STEM = {"Operation Mode": "STEM", "Accelerating Voltage": 300}


def taken(name: str, minutes: float | None, parameters: dict[str, Any] | None = None, **fields: Any) -> Acquisition:
    at = None if minutes is None else START + timedelta(minutes=minutes)
    return Acquisition(
        id=name, file=fields.pop("file", name), name=name, time=at, parameters=parameters or TEM,
        type=fields.pop("type", "Image"), technique=fields.pop("technique", "TEM"), **fields,
    )  # fmt: skip


def run(
    minutes: list[float], prefix: str = "a", parameters: dict[str, Any] | None = None, **fields: Any
) -> list[Acquisition]:
    return [taken(f"{prefix}{n:03}", m, parameters, **fields) for n, m in enumerate(minutes)]


def sizes(acquisitions: list[Acquisition]) -> list[int]:
    return [len(ids) for ids in cluster(acquisitions)]


def test_no_datasets_no_activities() -> None:
    assert cluster([]) == []


def test_one_dataset_is_one_activity() -> None:
    assert cluster([taken("a", 1)]) == [["a"]]


def test_two_datasets_at_once_are_one_activity_and_hours_apart_two() -> None:
    assert sizes([taken("a", 1), taken("b", 1.5)]) == [2]
    assert sizes([taken("a", 1), taken("b", 121)]) == [1, 1]


def test_long_pause_under_one_setup_starts_an_activity() -> None:
    assert sizes(run([0, 1, 2, 3, 4, 40, 41, 42])) == [5, 3]


def test_pause_of_minutes_does_not() -> None:
    assert sizes(run([0, 1, 2, 3, 4, 6.5, 7, 8])) == [8]


def test_tilt_series_of_hours_is_one_activity_whatever_its_rhythm() -> None:
    for step in (0.5, 4, 15):
        assert sizes(run([n * step for n in range(141)])) == [141]


def test_quick_pictures_before_and_after_a_slow_series_are_apart_from_it() -> None:
    quick, slow = [0.3 * n for n in range(10)], [3 + 8.0 * n for n in range(1, 12)]
    after = [slow[-1] + 8 + 0.3 * n for n in range(10)]
    assert sizes(run(quick, "a") + run(slow, "b") + run(after, "c")) == [10, 11, 10]


def test_change_of_mode_starts_an_activity_without_any_pause() -> None:
    assert sizes(run([0, 1, 2, 3, 4, 5], "a") + run([6, 7, 8, 9, 10, 11], "b", STEM)) == [6, 6]


def test_stage_focus_and_exposure_are_no_change_of_setup() -> None:
    pictures = [
        taken(f"{n}", n, {**TEM, "Stage X": n * 50.0, "Defocus": -n * 100.0, "Exposure Time": n + 1}) for n in range(9)
    ]
    assert sizes(pictures) == [9]


def test_magnification_may_double_from_picture_to_picture() -> None:
    assert sizes([taken(f"{n}", n, {**TEM, "Magnification": 2000 * 2**n}) for n in range(8)]) == [8]


def test_jitter_of_a_number_is_no_change() -> None:
    chance = random.Random(1)
    voltages = [chance.uniform(299.5, 300.5) for _ in range(40)]
    assert sizes([taken(f"{n:02}", n, {**TEM, "Accelerating Voltage": v}) for n, v in enumerate(voltages)]) == [40]


def test_alternating_modes_are_one_activity() -> None:
    pairs = [
        shot
        for n in range(20)
        for shot in (
            taken(f"{n:02}a", 5 * n, STEM, technique="STEM"),
            taken(f"{n:02}b", 5 * n + 0.5, STEM, technique="EDS", type="SpectrumImage"),
        )
    ]
    assert sizes(pairs) == [40]


def test_one_picture_in_another_mode_is_no_alternation() -> None:
    pictures = [taken(f"{n}", n, STEM if n == 5 else TEM) for n in range(11)]
    assert sizes(pictures) == [5, 1, 5]


def test_end_of_the_maps_counts_beside_a_long_pause() -> None:
    # As in a real tilt series: Bruker files with picture and map, and much later one picture alone.
    maps = [
        taken(f"{n}.{index}", 8.2 * n, STEM, file=f"{n}", index=index, technique=technique, type=kind)
        for n in range(3)
        for index, technique, kind in ((0, "STEM", "Image"), (1, "EDS", "SpectrumImage"))
    ]
    picture = taken("after", 16.4 + 35, STEM, technique="STEM")
    assert sizes([*maps, picture]) == [6, 1]
    one_more = [
        replace(dataset, id=f"3.{dataset.index}", file="3", time=picture.time)
        for dataset in maps
        if dataset.file == "2"
    ]
    assert sizes([*maps, *one_more]) == [8]


def test_sample_change_always_starts_an_activity() -> None:
    assert sizes([taken("a", 1, sample="s1"), taken("b", 1, sample="s2"), taken("c", 1.1, sample="s2")]) == [1, 2]


def test_datasets_of_one_file_stay_together_in_their_order() -> None:
    signals = [
        taken("x.1", 500, STEM, file="x", index=1, type="SpectrumImage", technique="EDS"),
        taken("x.0", 1, STEM, file="x", index=0),
    ]
    assert cluster([*signals, taken("b", 2, STEM)]) == [["x.0", "x.1", "b"]]


def test_thousands_at_one_moment_are_one_activity() -> None:
    assert sizes([taken(f"{n:05}", 1, {"Magnification": n}) for n in range(3000)]) == [3000]


def test_datasets_without_a_time_come_last() -> None:
    assert cluster([taken("b", None), taken("a", None), taken("z", 5)]) == [["z"], ["a", "b"]]


def test_unknown_parameters_are_no_change() -> None:
    assert sizes([taken("a", 1), taken("b", 2, {"x": 1}, technique=None, type=None), taken("c", 3)]) == [3]


VALUES = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=3)


@settings(max_examples=100, deadline=None)
@given(
    st.lists(
        st.builds(
            lambda minutes, file, sample, technique, mode, size: Acquisition(
                id="", file=f"f{file}", time=None if minutes is None else START + timedelta(minutes=minutes),
                sample=sample, technique=technique,
                parameters={k: v for k, v in (("Operation Mode", mode), ("Magnification", size)) if v is not None},
            ),
            st.none() | st.integers(0, 600), st.integers(0, 30), st.sampled_from([None, "s1"]),
            st.sampled_from([None, "TEM", "EDS"]), VALUES, VALUES,
        ),
        max_size=40,
    ),
    st.randoms(),
)  # fmt: skip
def test_any_input_is_grouped_completely_and_the_same_in_any_order(
    found: list[Acquisition], chance: random.Random
) -> None:
    numbered = [
        Acquisition(f"{a.file}.{n}", a.file, n, a.file, a.time, a.sample, a.type, a.technique, a.parameters)
        for n, a in enumerate(found)
    ]
    expected = cluster(numbered)
    assert sorted(i for ids in expected for i in ids) == sorted(a.id for a in numbered)
    assert all(expected)
    shuffled = list(numbered)
    chance.shuffle(shuffled)
    assert cluster(shuffled) == expected


def test_made_sessions_are_grouped_as_their_makers_meant() -> None:
    assert mean(score(seed) for seed in range(20_000, 20_060)) >= 0.95


def test_made_sessions_have_labels_for_all_their_datasets() -> None:
    datasets, labels = session(3)
    assert {dataset.id for dataset in datasets} == set(labels)


@pytest.mark.parametrize(
    ("truth", "found", "expected"),
    [
        ([1, 1, 2, 2], ["a", "a", "b", "b"], 1.0),
        # The worked example of scikit-learn's documentation of the same measure.
        ([0, 0, 1, 2], [0, 0, 1, 1], 4 / 7),
        ([0, 0, 1, 1], [0, 1, 0, 1], -0.5),
    ],
)
def test_measure_of_agreement(truth: list[int], found: list[Any], expected: float) -> None:
    assert adjusted_rand_index(truth, found) == pytest.approx(expected)


def test_notes_and_unread_files_join_the_nearest_in_time() -> None:
    pictures = run([0, 1, 2], "a") + run([60, 61, 62], "b", STEM)
    note = taken("note", 58, {"Lines": 12}, type="Notes", technique=None)
    unread = taken("unread", 10, {"x": 1}, type=None, technique=None)
    assert cluster([*pictures, note, unread]) == [
        ["a000", "a001", "a002", "unread"], ["note", "b000", "b001", "b002"],
    ]  # fmt: skip


def test_notes_stay_with_their_sample() -> None:
    pictures = [taken("a", 0, sample="s1"), taken("b", 10, sample="s2")]
    note = taken("note", 9, {"Lines": 12}, type="Notes", technique=None, sample="s1")
    assert cluster([*pictures, note]) == [["a", "note"], ["b"]]


def test_notes_alone_are_an_activity() -> None:
    assert cluster([taken("note", 9, {"Lines": 12}, type="Notes", technique=None)]) == [["note"]]


def survey_map_and_spectrum(minutes: float, **changed: Any) -> list[Acquisition]:
    state = {**STEM, "Camera Length": 91, "Stage X": -214.9}
    return [
        taken("survey", 0, {**state, "Detector": "DigiScan"}, technique="STEM"),
        taken("map", minutes, {**state, "Detector": "GIF", **changed}, technique="EELS", type="SpectrumImage"),
        taken("spectrum", 2 * minutes, {**state, "Detector": "GIF", **changed}, technique="EELS", type="Spectrum"),
    ]


def test_a_survey_its_map_and_the_spectrum_after_it_are_one_activity() -> None:
    assert sizes(survey_map_and_spectrum(1.1)) == [3]


def test_a_map_elsewhere_or_much_later_is_an_activity_of_its_own() -> None:
    assert sizes(survey_map_and_spectrum(1.1, **{"Stage X": -100.0})) == [1, 2]
    assert sizes(survey_map_and_spectrum(4)) != [3]
