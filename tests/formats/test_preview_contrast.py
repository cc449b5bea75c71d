"""Grey levels show what is in an image, whatever else is in it."""

from __future__ import annotations

from typing import Any

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst

from scopeline.formats.preview.contrast import diffraction_contrast, grey_levels, image_contrast, plain_value

ANY_FLOATS = npst.arrays(np.float64, st.tuples(st.integers(1, 12), st.integers(1, 12)))


@given(ANY_FLOATS, st.sampled_from([image_contrast, diffraction_contrast]))
def test_any_values_have_grey_levels(values: Any, contrast: Any) -> None:
    with np.errstate(all="raise", under="ignore"):
        levels = grey_levels(values, contrast(values))
    assert levels.dtype == np.uint8
    assert levels.shape == values.shape
    assert (levels[~np.isfinite(values)] == 0).all()


def test_a_gradient_uses_all_levels_evenly() -> None:
    levels = grey_levels(np.linspace(5, 9, 10_000), image_contrast(np.linspace(5, 9, 10_000)))
    assert levels.min() == 0
    assert levels.max() == 255
    assert abs(levels.mean() - 127.5) < 1


def test_hot_and_dead_pixels_do_not_count() -> None:
    image = np.random.default_rng(0).normal(1000, 10, (200, 200))
    before = image_contrast(image)
    image[::40, ::40] = 1e9
    image[20::40, ::40] = -1e9
    after = image_contrast(image)
    assert abs(after.low - before.low) < 5
    assert abs(after.high - before.high) < 5


def test_masked_pixels_do_not_count() -> None:
    image = np.random.default_rng(0).normal(1000, 10, (200, 200))
    image[:150] = 0
    contrast = image_contrast(image)
    assert contrast.low > 900
    assert grey_levels(image, contrast)[:150].max() == 0


def test_one_value_is_one_dark_grey() -> None:
    image = np.full((8, 8), 231.0)
    assert plain_value(image) == 231
    assert set(grey_levels(image, image_contrast(image)).ravel().tolist()) == {64}


def test_few_pixels_on_a_plain_ground_can_be_seen() -> None:
    image = np.zeros((100, 100))
    image[50, 50], image[60, 60] = 7, -7
    levels = grey_levels(image, image_contrast(image))
    assert plain_value(image) == 0
    assert levels[50, 50] == 255
    assert levels[60, 60] == 0
    assert levels[0, 0] == 64


def test_a_diffraction_pattern_shows_its_reflections_beside_the_beam() -> None:
    y, x = np.mgrid[-128:128, -128:128]
    pattern = 10 + 1e6 * np.exp(-(x**2 + y**2) / 8.0)
    for reflection in ((40, 0), (0, 40), (-40, 0), (0, -40)):
        pattern += 2000 * np.exp(-((y - reflection[0]) ** 2 + (x - reflection[1]) ** 2) / 8.0)
    pattern = np.random.default_rng(0).poisson(pattern)
    levels = grey_levels(pattern, diffraction_contrast(pattern))
    background = int(levels[10:40, 10:40].mean())
    assert 10 < background < 80
    assert levels[128, 168] > background + 60
