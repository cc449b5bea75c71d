from __future__ import annotations

import numpy as np
import pytest

from scopeline.demo.specimen.detection import as_counts, blur, counted, scanned, splat


@pytest.fixture
def rng() -> np.random.Generator:
    return np.random.default_rng(3)


def test_a_blurred_point_keeps_its_weight_and_spreads_by_sigma() -> None:
    point = np.zeros((64, 64))
    point[32, 32] = 2.0
    picture = blur(point, 3.0)
    assert picture.sum() == pytest.approx(2.0)
    y = np.arange(64) - 32
    assert np.sqrt((picture.sum(axis=1) * y**2).sum() / picture.sum()) == pytest.approx(3.0, rel=0.01)


def test_a_point_between_pixels_is_shared_by_its_neighbours() -> None:
    picture = splat((4, 4), np.array([1.25]), np.array([2.5]), np.array([8.0]))
    assert picture[1, 2:4].tolist() == [3.0, 3.0]
    assert picture[2, 2:4].tolist() == [1.0, 1.0]


@pytest.mark.parametrize("dose", [5.0, 400.0])
def test_shot_noise_grows_with_the_root_of_the_dose(rng: np.random.Generator, dose: float) -> None:
    picture = counted(np.ones((200, 200)), rng, dose)
    assert picture.mean() == pytest.approx(dose, rel=0.02)
    assert picture.std() == pytest.approx(np.sqrt(dose + 0.25), rel=0.05)


def test_scanning_moves_lines_but_keeps_size_and_brightness(rng: np.random.Generator) -> None:
    picture = blur(rng.random((80, 90)), 2) + 5
    moved = scanned(picture, rng, jitter=0.5, drift=4.0)
    assert moved.shape == picture.shape
    assert moved.mean() == pytest.approx(picture.mean(), rel=0.02)
    assert not np.allclose(moved, picture, rtol=0.02)


def test_counts_are_limited_to_what_the_type_holds() -> None:
    assert as_counts(np.array([[-5.0, 70000.0, 2.6]])).tolist() == [[0, 65535, 3]]
