"""Scale bars are as long as they say, in round numbers, and stand where they can be read."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from scopeline.domain.files import Axis
from scopeline.formats.preview.scalebar import draw_scale_bar, nice, scale_bar
from scopeline.formats.preview.text import unit_label

UNITS = {"nm": 1e-9, "µm": 1e-6, "um": 1e-6, "Å": 1e-10, "mm": 1e-3, "pm": 1e-12, "1/nm": 1e9, "mrad": 1e-3, "m": 1.0}
SIZE = {**UNITS, "rad": 1.0, "µrad": 1e-6}


@given(
    scale=st.floats(1e-4, 1e4),
    sign=st.sampled_from([1, -1]),
    size=st.integers(1, 20_000),
    unit=st.sampled_from(sorted(UNITS)),
    pixels=st.integers(80, 1024),
)
def test_a_bar_is_as_long_as_it_says(scale: float, sign: int, size: int, unit: str, pixels: int) -> None:
    axis = Axis(name="x", size=size, scale=scale * sign, unit=unit)
    bar = scale_bar(axis, pixels)
    if bar is None:
        assert not 1e-6 < scale * size * 0.2 < 1e9, "only absurd calibrations have no bar"
        return
    assert math.isclose(bar.length * SIZE[bar.unit], bar.pixels / pixels * size * scale * UNITS[unit], rel_tol=1e-9)
    assert float(f"{bar.length:.0e}"[0]) in (1, 2, 5)
    assert pixels * 0.1 < bar.pixels < pixels * 0.4


@given(st.floats(1e-9, 1e9))
def test_nice_numbers_are_near(wanted: float) -> None:
    assert 0.6 < nice(wanted) / wanted < 1.6


@pytest.mark.parametrize(
    ("unit", "label"),
    [
        ("um", "µm"),
        ("μm", "µm"),
        ("nm^-1", "1/nm"),
        ("nm⁻¹", "1/nm"),
        ("1 / nm", "1/nm"),
        ("1/um", "1/µm"),
        ("Angstrom", "Å"),
        ("px", None),
        ("", None),
        (None, None),
        ("<undefined>", None),
        ("counts", "counts"),
    ],
)
def test_units_are_written_as_people_do(unit: str | None, label: str | None) -> None:
    assert unit_label(unit) == label


@pytest.mark.parametrize(
    "axis",
    [
        Axis(name="x", size=100),
        Axis(name="x", size=100, scale=1.0),
        Axis(name="x", size=100, scale=1.0, unit="px"),
        Axis(name="x", size=100, scale=0.0, unit="nm"),
        Axis(name="x", size=100, scale=math.nan, unit="nm"),
        Axis(name="x", size=100, scale=math.inf, unit="nm"),
        Axis(name="x", size=100, scale=1.0, unit="eV"),
    ],
)
def test_uncalibrated_images_have_no_bar(axis: Axis) -> None:
    assert scale_bar(axis, 512) is None


@pytest.mark.parametrize("ground", [0, 128, 255])
def test_the_bar_is_drawn_in_its_length_and_can_be_read_on_any_ground(ground: int) -> None:
    image = Image.new("L", (600, 400), ground)
    bar = scale_bar(Axis(name="x", size=600, scale=1.0, unit="nm"), 600)
    assert bar is not None
    assert bar.label == "100 nm"
    draw_scale_bar(image, bar)
    drawn = np.asarray(image).astype(int)
    ink = drawn > 220 if ground < 200 else (drawn > 220) & (drawn < 240)
    rows = [row for row in range(400) if ink[row].sum() == 100]
    assert rows, "one row of the picture holds exactly the bar"
    row = ink[rows[0]]
    across = np.flatnonzero(row)
    assert across[-1] - across[0] == 99
    around = drawn[rows[0], across[0] - 3]
    assert drawn[rows[0], across[0]] - around > 100, "the plate under it is dark"


def test_a_bar_without_room_is_left_out() -> None:
    image = Image.new("L", (600, 20), 100)
    bar = scale_bar(Axis(name="x", size=600, scale=1.0, unit="nm"), 600)
    assert bar is not None
    draw_scale_bar(image, bar)
    assert set(np.asarray(image).ravel().tolist()) == {100}
