from __future__ import annotations

import numpy as np
import pytest

from scopeline.demo.specimen import particles


def test_a_decahedron_has_five_like_crystals_around_one_axis() -> None:
    y, x, atoms = particles.decahedron(8, np.random.default_rng(0))
    angle = np.rad2deg(np.arctan2(y, x)) % 360
    inner = (np.hypot(y, x) > 0.3) & (np.hypot(y, x) < 1.16)
    counts, _ = np.histogram((angle[inner] - 18) % 360, bins=5, range=(0, 360))
    assert counts.max() - counts.min() == 0
    assert atoms[0] == atoms.max() == 9


def test_neighbouring_columns_of_gold_are_a_quarter_nanometre_apart() -> None:
    y, x, _ = particles.decahedron(6, np.random.default_rng(0))
    distance = np.hypot(y - y[0], x - x[0])
    assert np.sort(distance)[1:6].mean() == pytest.approx(0.2497, abs=0.02)


def test_tilting_the_powder_keeps_its_volume() -> None:
    sample = particles.powder(np.random.default_rng(1))
    volumes = [sum(part.sum() for part in particles.projected(sample, 160, 1.0, tilt)) for tilt in (0.0, 35.0, -60.0)]
    assert volumes == pytest.approx([volumes[0]] * 3, rel=0.02)
