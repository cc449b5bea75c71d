"""EDS spectrum images are shown as colour maps of the lines that differ most over the picture."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from scopeline.domain.files import Axis, DatasetType, Parameter
from scopeline.formats.preview import draw
from scopeline.formats.preview.elementmap import blurred
from scopeline.formats.results import Signal

ENERGIES = np.arange(1000) * 10.0
LINES = {"Fe": 6404.0, "Si": 1740.0, "O": 525.0, "Mg": 1254.0, "Cu": 8048.0}
SIDE = 48
EVERYWHERE = np.ones((SIDE, SIDE))


def square(top: int, left: int) -> Any:
    place = np.zeros((SIDE, SIDE))
    place[top : top + 16, left : left + 16] = 1
    return place


IRON, SILICON, OXYGEN = square(4, 28), square(28, 4), square(28, 28)


def cube(places: dict[str, Any], counts: float = 40.0) -> Any:
    """Counts of lines where their elements are, over a continuum that is everywhere."""
    total = np.full((SIDE, SIDE, 1), 1.0) * (0.002 + 0.02 * np.exp(-ENERGIES / 4000))
    for element, place in places.items():
        line = np.exp(-(((ENERGIES - LINES[element]) / 55) ** 2))
        total = total + counts * place[..., None] * line / line.sum()
    return np.random.default_rng(1).poisson(total).astype("uint8")


def signal(data: Any, elements: str | None = "Cu Fe O Si", technique: str = "EDS") -> Signal:
    axes = [
        Axis(name=name, size=SIDE, scale=2.0, offset=0.0, unit="nm", navigation=True) for name in ("y", "x")
    ] + [Axis(name="Energy", size=1000, scale=10.0, offset=0.0, unit="eV")]  # fmt: skip
    parameters = {"Elements": Parameter(value=elements)} if elements else {}
    return Signal(data, axes, DatasetType.SPECTRUM_IMAGE, technique=technique, parameters=parameters)


def mean_colour(picture: Any, place: Any) -> tuple[float, float, float]:
    """The colour of the map's part of the picture over the pixels of `place`, well inside it."""
    factor = 480 // SIDE
    shown = np.asarray(picture.image, dtype=float)[: SIDE * factor, : SIDE * factor]
    inside = np.kron(place, np.ones((factor, factor))) > 0
    red, green, blue = shown[inside].mean(axis=0)
    return float(red), float(green), float(blue)


def test_each_element_has_its_colour_where_it_is() -> None:
    picture = draw(signal(cube({"Fe": IRON, "Si": SILICON, "O": OXYGEN, "Cu": 0.3 * EVERYWHERE})))
    assert picture.caption is not None
    assert picture.caption.startswith("Map: Fe Kα, Si Kα, O Kα (red, green, blue)")
    for place, colour in ((IRON, 0), (SILICON, 1), (OXYGEN, 2)):
        levels = mean_colour(picture, place)
        assert np.argmax(levels) == colour
        assert levels[colour] > 1.5 * sorted(levels)[1]
    assert max(mean_colour(picture, square(6, 6))) < 40, "nothing but continuum and copper, which is everywhere"


def test_a_line_that_shows_the_same_as_another_is_left_out() -> None:
    picture = draw(signal(cube({"Fe": IRON, "Si": SILICON, "Mg": SILICON}, counts=400), "Fe Mg Si"))
    assert picture.caption is not None
    assert picture.caption.split(". ")[0] in ("Map: Fe Kα, Si Kα (red, green)", "Map: Fe Kα, Mg Kα (red, green)")


def test_sparse_counts_are_smoothed_and_the_caption_says_so() -> None:
    few = draw(signal(cube({"Fe": IRON, "O": OXYGEN}, counts=3)))
    assert few.caption is not None
    assert "smoothed by a Gaussian of" in few.caption
    many = draw(signal(cube({"Fe": IRON, "O": OXYGEN}, counts=400)))
    assert "smoothed" not in str(many.caption)


@pytest.mark.parametrize(
    ("elements", "technique"), [(None, "EDS"), ("Au Ag", "EDS"), ("Fe Si O", "EELS")],
)  # fmt: skip
def test_without_known_lines_the_map_is_the_sum_over_the_channels(elements: str | None, technique: str) -> None:
    picture = draw(signal(cube({"Fe": IRON}), elements, technique))
    assert picture.caption is not None
    assert picture.caption.startswith("Map: sum over 1,000 channels")


def test_an_even_specimen_is_not_shown_as_noise_in_colours() -> None:
    picture = draw(signal(cube({"Fe": EVERYWHERE, "O": EVERYWHERE})))
    assert str(picture.caption).startswith("Map: sum over 1,000 channels")


def test_the_same_spectrum_image_gives_the_same_bytes() -> None:
    data = cube({"Fe": IRON, "Si": SILICON, "O": OXYGEN})
    assert draw(signal(data)).png() == draw(signal(np.asfortranarray(data))).png()


def test_values_that_are_not_finite_do_not_count() -> None:
    data = cube({"Fe": IRON, "O": OXYGEN}).astype("float32")
    data[0, 0, :] = np.nan
    assert str(draw(signal(data)).caption).startswith("Map: Fe Kα, O Kα (red, green)")


def test_smoothing_keeps_the_sum_inside_and_the_level_at_the_edges() -> None:
    point = np.zeros((21, 21))
    point[10, 10] = 1
    spread = blurred(point, 1.5)
    assert spread.sum() == pytest.approx(1)
    assert spread[10, 10] == pytest.approx(1 / (2 * np.pi * 1.5**2), rel=0.02)
    assert blurred(np.ones((5, 7)), 2.0) == pytest.approx(np.ones((5, 7)))
