"""Lines in EDS spectra are named by the elements that the metadata lists, where they stand out."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest

from scopeline.formats.preview.xraylines import line_energies, seen_lines

ENERGIES = np.arange(2000) * 10.0

# The strongest lines, in eV, as tabulated (X-Ray Data Booklet, table 1-2).
TABULATED = [
    ("C", 277), ("O", 525), ("Na", 1041), ("Al", 1487), ("Si", 1740), ("S", 2307), ("Ca", 3691), ("Ti", 4510),
    ("Fe", 6404), ("Cu", 8048), ("Ga", 9252), ("Cu", 930), ("Sr", 1807), ("Ag", 2984), ("Pt", 9442), ("Au", 9713),
    ("Pt", 2051), ("Au", 2123), ("Pb", 2346),
]  # fmt: skip


def spectrum(*lines: tuple[float, float]) -> Any:
    """A spectrum with lines at these energies (eV) of these heights, as wide as a detector makes them."""
    counts = 5 + 20 * np.exp(-ENERGIES / 5000)
    for energy, height in lines:
        counts += height * np.exp(-(((ENERGIES - energy) / 55) ** 2))
    return counts


def named(counts: Any, elements: Sequence[str]) -> dict[float, str]:
    return {float(ENERGIES[line.channel]): line.element for line in seen_lines(counts, ENERGIES, elements, lowest=120)}


@pytest.mark.parametrize(("symbol", "energy"), TABULATED)
def test_energies_are_near_the_tabulated_ones(symbol: str, energy: float) -> None:
    assert min(abs(found - energy) for found in line_energies(symbol).values()) < 0.025 * energy + 15


def test_lines_are_named_at_their_maxima() -> None:
    counts = spectrum((1740, 3000), (6404, 800), (525, 1500))
    assert named(counts, ["O", "Si", "Fe"]) == {1740: "Si", 520: "O", 6400: "Fe"}


def test_lines_have_the_names_that_microscopists_use() -> None:
    counts = spectrum((6404, 800), (2051, 600))
    assert [line.name for line in seen_lines(counts, ENERGIES, ["Pt", "Fe"], lowest=120)] == ["Fe Kα", "Pt Mα"]


def test_elements_that_are_not_listed_are_not_named() -> None:
    assert named(spectrum((6404, 800)), ["Cu"]) == {}


def test_elements_that_are_listed_but_not_seen_are_not_named() -> None:
    assert named(spectrum((1740, 3000)), ["Si", "Fe", "Al", "Cu"]) == {1740: "Si"}


def test_a_maximum_near_two_elements_goes_to_the_nearer() -> None:
    assert named(spectrum((2307, 1000)), ["S", "Pb"]) == {2310: "S"}


def test_no_names_in_an_empty_spectrum_and_of_no_elements() -> None:
    assert named(np.zeros(2000), ["Fe"]) == {}
    assert named(spectrum((6404, 800)), ["?", "", "Unobtainium"]) == {}
