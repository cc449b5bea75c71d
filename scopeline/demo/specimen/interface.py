"""A cross-section of a LaAlO3 film on SrTiO3, looked at along [100]: overview, atomic columns, diffraction.

Both are perovskites (ABO3): A columns at the corners of a square cell, B-O columns at its centre. Lattice parameters
of SrTiO3 0.3905 nm and pseudocubic LaAlO3 0.379 nm; the film is strained to the substrate in the plane.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from scopeline.demo.specimen.detection import Picture, blur, fractal, splat

STO = 0.3905
LAO_OUT_OF_PLANE = 0.3747  # Poisson's ratio makes the strained film thinner

# Brightness of a column in a dark-field picture: about Z^1.7 (Pennycook), of the whole column.
_Z = {"Sr": 38**1.7, "La": 57**1.7, "TiO": 22**1.7 + 8**1.7, "AlO": 13**1.7 + 8**1.7}
_BRIGHT = _Z["La"]


@dataclass(frozen=True, slots=True)
class Columns:
    """Atomic columns: positions in nm from the upper left corner, brightness, and the share of the film's element."""

    y: Picture
    x: Picture
    brightness: Picture
    film: Picture  # 0 substrate (Sr, Ti), 1 film (La, Al)
    is_a: Picture  # 1 for A columns (Sr, La), 0 for B columns (Ti, Al)


def columns(height: float, width: float, interface: float, rng: np.random.Generator, rotation: float = 0.0) -> Columns:
    """Columns of a field of `height` x `width` nm; the interface lies `interface` nm below the upper edge.

    The film is above. The two layers next to the interface are mixed, some columns have vacancies, and all stand some
    pm off their place. `rotation` turns the crystal, in degrees.
    """
    reach = 0.75 * max(height, width) + 2
    in_plane = np.arange(-reach, reach, STO)
    below = np.arange(0, reach + height, STO)
    above = -np.arange(1, (reach + height) / LAO_OUT_OF_PLANE) * LAO_OUT_OF_PLANE
    parts = []
    for rows, thickness in ((below, STO), (above, LAO_OUT_OF_PLANE)):
        for is_a, dy, dx in ((1.0, 0.0, 0.0), (0.0, thickness / 2, STO / 2)):
            y, x = np.meshgrid(rows + dy, in_plane + dx, indexing="ij")
            parts.append(np.stack([y.ravel(), x.ravel(), np.full(y.size, is_a)]))
    depth, along, is_a = np.concatenate(parts, axis=1)
    film = np.clip(1 / (1 + np.exp(depth / 0.16)) + rng.normal(0, 0.06, depth.size), 0, 1)
    substrate_light = np.where(is_a > 0, _Z["Sr"], _Z["TiO"])
    film_light = np.where(is_a > 0, _Z["La"], _Z["AlO"])
    brightness = ((1 - film) * substrate_light + film * film_light) / _BRIGHT
    brightness *= rng.normal(1, 0.025, depth.size)
    brightness *= np.where(rng.random(depth.size) < 0.004, 0.55, 1.0)
    depth = depth + rng.normal(0, 0.004, depth.size)
    along = along + rng.normal(0, 0.004, depth.size)
    angle = np.deg2rad(rotation)
    y = interface + depth * np.cos(angle) + along * np.sin(angle)
    x = width / 2 + along * np.cos(angle) - depth * np.sin(angle)
    near = (y > -0.5) & (x > -0.5) & (y < height + 0.5) & (x < width + 0.5)
    return Columns(y[near], x[near], brightness[near], film[near], is_a[near])


def atomic_picture(size: int, pixel: float, atoms: Columns, rng: np.random.Generator, probe: float = 0.042) -> Picture:
    """The dark-field picture of `atoms`: `size` x `size` pixels of `pixel` nm, a probe of `probe` nm (sigma).

    Brightness 1 is the peak of a lanthanum column of full thickness. The beam's tails give each column a halo, and the
    amorphous skin that ion milling leaves a soft mottle.
    """
    margin = 16  # columns just outside shine in
    size += 2 * margin
    shape = (size, size)
    points = splat(shape, atoms.y / pixel + margin, atoms.x / pixel + margin, atoms.brightness)
    peak = 2 * np.pi * (probe / pixel) ** 2
    sharp = blur(points, probe / pixel) * peak
    halo = blur(points, 3.2 * probe / pixel) * peak
    thickness = 1 + 0.12 * np.linspace(-1, 1, size)[:, None] + 0.05 * np.linspace(-1, 1, size)[None, :]
    mottle = blur(fractal(shape, 0.6, rng), 0.06 / pixel)
    picture = thickness * (0.82 * sharp + 0.55 * halo) + 0.05 + 0.018 * mottle / mottle.std()
    return np.asarray(picture[margin:-margin, margin:-margin])


def overview(size: int, pixel: float, rng: np.random.Generator) -> tuple[Picture, Picture]:
    """Dark field and bright field of the lamella: vacuum, platinum cap, carbon, film, substrate, from above.

    The milling beam came from above: it left curtains, and the lamella is thicker at its foot.
    """
    y, x = np.mgrid[0:size, 0:size] * pixel
    span = size * pixel
    slope = 0.035 * x + 1.5 * np.sin(x / 90)
    carbon, film, substrate = 0.30 * span, 0.365 * span, 0.365 * span + 42
    wavy = 10 * fractal((1, size), 1.5, rng)
    depth = y + slope
    cap_edge = 0.07 * span + wavy
    grains = blur(fractal((size, size), 0.35, rng), 1.6)
    grains /= grains.std()

    def below(edge: Picture | float) -> Picture:
        return np.asarray(1 / (1 + np.exp(np.clip((edge - depth) / (0.35 * pixel), -50, 50))))

    layers = np.zeros((size, size))
    for edge, mass_of_layer in ((cap_edge, 1.0 + 0.16 * grains), (carbon, 0.16), (film, 0.66), (substrate, 0.42)):
        share = below(edge)
        layers = layers * (1 - share) + mass_of_layer * share
    wedge = 0.55 + 0.75 * y / span + 0.1 * x / span
    curtain = 1 + 0.035 * blur(np.repeat(fractal((1, size), 0.7, rng), size, axis=0), 0.8)
    mass = blur(layers, 0.7) * wedge * curtain
    # The foil bends: where a set of planes is in Bragg position, bright field goes dark along a contour.
    bend = (x - 0.58 * span) / span + 0.16 * ((y - 0.45 * span) / span) ** 2 + 0.012 * fractal((size, size), 2.6, rng)
    contours = sum(depth_ * np.exp(-(((bend - at) / width) ** 2)) for at, depth_, width in _CONTOURS)
    crystal = below(film)
    dark_field = mass * (1 + 0.10 * crystal * contours) + 0.02
    bright_field = np.exp(-1.15 * mass) * (1 - 0.62 * crystal * contours) * 0.9 + 0.03
    return np.asarray(dark_field / 1.6), np.asarray(bright_field)


_CONTOURS = (
    (-0.19, 0.55, 0.012),
    (-0.085, 0.8, 0.016),
    (-0.03, 0.6, 0.010),
    (0.03, 0.6, 0.010),
    (0.085, 0.8, 0.016),
    (0.19, 0.55, 0.012),
)
