"""MRC: what FEI's extended header and the labels say of a stack."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from scopeline.demo.writers import mrc
from scopeline.domain.files import Dataset
from scopeline.formats.extract import extract_file
from scopeline.formats.results import ExtractRequest

WHEN = datetime(2026, 11, 20, 11, 39)


def exposure(alpha: float, **other: Any) -> mrc.Exposure:
    plain = {
        "beta": 0.5, "stage_x": 412.7e-6, "stage_y": -305.1e-6, "stage_z": -44.8e-6, "shift_x": 0, "shift_y": 0,
        "defocus": -120e-9, "exposure": 6, "mean": 1900, "tilt_axis": -88.6, "pixel": 0.522e-9, "magnification": 792e3,
    }  # fmt: skip
    return mrc.Exposure(alpha=alpha, **{**plain, **other})


def read(folder: Path, exposures: list[mrc.Exposure], label: str = "Tomography 4") -> Dataset:
    stack = np.random.default_rng(0).integers(0, 1000, (len(exposures), 32, 32)).astype("int16")
    mrc.write(folder / "a.mrc", stack, exposures, label, WHEN)
    request = ExtractRequest(folder=folder, file_name="a.mrc", zone="Europe/Berlin", preview_dir=folder)
    return extract_file(request).datasets[0]


def test_a_tilt_series_tells_its_range_its_axis_and_how_it_was_taken(tmp_path: Path) -> None:
    dataset = read(tmp_path, [exposure(float(tilt)) for tilt in range(-60, 61, 4)])
    axis = dataset.axes[0]
    assert (axis.name, axis.size, axis.scale, axis.offset, axis.unit) == ("tilt", 31, 4.0, -60.0, "°")
    assert {name: (p.value, p.unit) for name, p in dataset.parameters.items()} == {
        "Tilt Range": ("-60° to 60°, 31 tilts", None), "Tilt Axis": (-88.6, "°"), "Stage Beta": (0.5, "°"),
        "Stage X": (412.7, "µm"), "Stage Y": (-305.1, "µm"), "Stage Z": (-44.8, "µm"), "Defocus": (-120, "nm"),
        "Exposure Time": (6, "s"), "Magnification": (792000, None), "Pixel Size": (0.522, "nm"),
        "Field of View": (16.704, "nm"),
    }  # fmt: skip


def test_uneven_tilts_have_no_scale(tmp_path: Path) -> None:
    axis = read(tmp_path, [exposure(tilt) for tilt in (-60, -50, -20, 0, 60)]).axes[0]
    assert (axis.name, axis.scale, axis.unit) == ("tilt", None, None)


def test_a_movie_at_one_tilt_has_that_tilt(tmp_path: Path) -> None:
    dataset = read(tmp_path, [exposure(12.0)] * 5)
    assert dataset.parameters["Stage Alpha"].value == 12
    assert "Tilt Range" not in dataset.parameters
    assert dataset.axes[0].name == "z"


def test_older_files_have_their_stage_in_micrometres(tmp_path: Path) -> None:
    dataset = read(tmp_path, [exposure(0.0, stage_x=412.7, stage_y=-305.1, stage_z=-44.8, defocus=-0.12)] * 2)
    assert (dataset.parameters["Stage X"].value, dataset.parameters["Defocus"].value) == (412.7, -120)


def test_a_header_without_values_says_nothing(tmp_path: Path) -> None:
    names = ("beta", "stage_x", "stage_y", "stage_z", "defocus", "exposure", "tilt_axis", "magnification")
    dataset = read(tmp_path, [exposure(0.0, **dict.fromkeys(names, 0.0), pixel=1e-9)] * 3, label="")
    assert set(dataset.parameters) == {"Pixel Size", "Field of View"}


def test_the_time_is_that_of_the_first_label(tmp_path: Path) -> None:
    acquired = read(tmp_path, [exposure(0.0)]).acquired
    assert acquired is not None
    assert (acquired.source, acquired.zone_assumed) == ("local", "Europe/Berlin")
    assert f"{acquired.value:%Y-%m-%d %H:%M}" == "2026-11-20 10:39"


@pytest.mark.parametrize(
    ("label", "technique"),
    [("Tomography 4: Au-TiO2, STEM HAADF", "STEM"), ("TEM bright field", "TEM"), ("SYSTEM 5", None)],
)
def test_the_technique_needs_evidence(label: str, technique: str | None, tmp_path: Path) -> None:
    assert read(tmp_path, [exposure(0.0)], label).technique == technique
