"""Electron diffraction of perovskites near a [100] zone axis, as a camera sees it."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from scopeline.demo.specimen.detection import Picture, blur, fractal
from scopeline.demo.specimen.interface import STO

# h, e, m and c in SI units (CODATA 2018)
_PLANCK, _CHARGE, _MASS, _LIGHT = 6.62607015e-34, 1.602176634e-19, 9.1093837015e-31, 299792458.0


def wavelength(voltage: float) -> float:
    """The relativistic wavelength in nm of electrons accelerated by `voltage` V."""
    energy = _CHARGE * voltage
    return 1e9 * _PLANCK / math.sqrt(2 * _MASS * energy * (1 + energy / (2 * _MASS * _LIGHT**2)))


def _structure_factors(order: int) -> tuple[Picture, Picture, Picture]:
    """Indices h, k and |F(hk0)| of SrTiO3 up to `order`, with Gaussian scattering factors of about the right fall."""
    h, k = (axis.ravel() for axis in np.meshgrid(np.arange(-order, order + 1), np.arange(-order, order + 1)))
    s2 = (h**2 + k**2) / (2 * STO * 10) ** 2  # (sin theta / lambda)^2 in 1/angstrom^2

    def scattering(z: float, fall: float) -> Picture:
        return np.asarray(z**0.75 * np.exp(-fall * s2))

    sign = (-1.0) ** (h + k)
    oxygen = (-1.0) ** h + (-1.0) ** k + sign
    # Sr at 000, Ti at the centre (seen along the axis: h+k), O at the face centres.
    amplitude = scattering(38, 5.5) + sign * scattering(22, 4.6) + oxygen * scattering(8, 6.5)
    return h.astype(float), k.astype(float), np.abs(amplitude)


def zone_axis(size: int, pixel: float, tilt: tuple[float, float], rotation: float, beam_stop: bool = True) -> Picture:
    """The pattern on `size` x `size` pixels of `pixel` 1/nm; brightness 1 is a strong spot's peak.

    `tilt` is the centre of Laue's circle in 1/nm along x and y (how far the crystal is off the axis), `rotation` turns
    the pattern in degrees. Spots, thermal diffuse background with streaks, Kikuchi bands, and the beam stop's shadow.
    """
    centre = (size - 1) / 2
    y, x = (np.mgrid[0:size, 0:size] - centre) * pixel
    h, k, factor = _structure_factors(7)
    angle = np.deg2rad(rotation)
    gx = (h * np.cos(angle) - k * np.sin(angle)) / STO
    gy = (h * np.sin(angle) + k * np.cos(angle)) / STO
    # Off Ewald's sphere a reflection fades; the sphere meets the plane on a circle through the origin.
    off = np.hypot(gx - tilt[0], gy - tilt[1]) ** 2 - np.hypot(*tilt) ** 2
    intensity = (factor / factor.max()) ** 0.9 * np.exp(-((off / 75) ** 2))
    radius = np.hypot(x, y)
    picture = 0.030 / (1 + (radius / 1.2) ** 2) + 0.022 * np.exp(-radius / 5.5) + 0.002
    picture *= 1 + _bands(x, y, gx, gy, h, k, tilt)
    points = np.zeros((size, size))
    for px, py, bright in zip(gx / pixel + centre, gy / pixel + centre, intensity, strict=True):
        reach = 26
        left, top = int(px) - reach, int(py) - reach
        if bright < 1e-4 or left < 0 or top < 0 or left + 2 * reach >= size or top + 2 * reach >= size:
            continue
        rows, columns = np.ogrid[top : top + 2 * reach, left : left + 2 * reach]
        distance = np.hypot(columns - px, rows - py)
        disc = 1 / (1 + np.exp((distance - 3.6) / 0.7))
        points[top : top + 2 * reach, left : left + 2 * reach] += bright * (disc + 0.05 * np.exp(-distance / 5.5))
    picture = picture + points + 30 * np.exp(-((radius / (4.2 * pixel)) ** 2)) + 0.30 * np.exp(-radius / (11 * pixel))
    if beam_stop:
        picture *= 0.004 + 0.996 * _clear_of_stop(size)
    return np.asarray(picture)


def _bands(
    x: Picture, y: Picture, gx: Picture, gy: Picture, h: Picture, k: Picture, tilt: tuple[float, float]
) -> Picture:
    """Kikuchi bands: a little brighter between the two lines of a reflection, with a fine edge at each."""
    total = np.zeros_like(x)
    for band in ((0, 1), (1, 0), (1, 1), (1, -1), (0, 2), (2, 0), (2, 2), (2, -2), (1, 2), (2, 1), (1, -2), (2, -1)):
        (at,) = np.nonzero((h == band[0]) & (k == band[1]))
        vector = np.array([gx[at[0]], gy[at[0]]])
        length = float(np.hypot(*vector))
        across = ((x - tilt[0]) * vector[0] + (y - tilt[1]) * vector[1]) / length
        strength = 0.30 / (band[0] ** 2 + band[1] ** 2) ** 0.75
        inside = 1 / (1 + np.exp((np.abs(across) - length / 2) / 0.07))
        edge = np.exp(-(((np.abs(across) - length / 2) / 0.075) ** 2)) * np.sign(across * (length / 2))
        total += strength * (inside - 0.35) + 0.30 * strength * edge
    return total


def _clear_of_stop(size: int) -> Picture:
    """1 where the beam stop, a needle with a round tip from the upper left, does not shade the camera."""
    y, x = np.mgrid[0:size, 0:size] / size
    direction = np.array([0.52, 0.854])  # of the needle, from its tip outward: up and left
    along = -(y - 0.5) * direction[0] - (x - 0.5) * direction[1]
    across = (y - 0.5) * direction[1] - (x - 0.5) * direction[0]
    tip = np.hypot(y - 0.5, x - 0.5) < 0.022
    shadow = tip | ((along > 0) & (np.abs(across) < 0.011 + 0.018 * np.clip(along, 0, None)))
    return blur(1.0 - shadow, 0.0014 * size)


SPAN = 24.0  # 1/nm: the width of a nanobeam pattern


def scan_of_grains(scan: int, size: int, rng: np.random.Generator) -> NDArray[np.uint8]:
    """Precession patterns (y, x, ky, kx) of a scan over three anatase grains on carbon: spots, and the film's halo.

    A pattern is `SPAN` wide. Anatase: a = 0.3785 nm, c = 0.9514 nm.
    """
    k = (np.arange(size) - (size - 1) / 2) * SPAN / size
    radius = np.hypot(k[:, None], k[None, :])
    halo = 0.05 / (1 + (radius / 1.2) ** 2) + 0.02 * np.exp(-(((radius - 4.9) / 0.9) ** 2))
    direct = 5 * np.exp(-((radius / 0.28) ** 2))
    patterns = []
    for first, second, turn in ((1 / 0.3785, 1 / 0.9514, 12.0), (1 / 0.3785, 1 / 0.3785, 51.0), (1.88, 2.85, 80.0)):
        angle = np.deg2rad(turn)
        spots = np.zeros((size, size))
        for i, j in np.ndindex(17, 17):
            u, v = (i - 8) * first, (j - 8) * second
            if (i + j) % 2 or (i, j) == (8, 8):
                continue  # a body-centred lattice: odd sums are absent
            x, y = u * np.cos(angle) - v * np.sin(angle), u * np.sin(angle) + v * np.cos(angle)
            strength = rng.uniform(0.25, 1) * np.exp(-(u**2 + v**2) / 30)
            spots += strength * np.exp(-((k[:, None] - y) ** 2 + (k[None, :] - x) ** 2) / 0.055)
        patterns.append(spots)
    seeds = rng.uniform(0.1, 0.9, (3, 2)) * scan
    y, x = np.mgrid[0:scan, 0:scan]
    distance = np.stack([np.hypot(y - sy, x - sx) for sy, sx in seeds]) + 0.8 * fractal((scan, scan), 1.2, rng)
    share = np.exp(-(distance - distance.min(axis=0)) / 0.5)
    share /= share.sum(axis=0)
    outline = 1 / (1 + np.exp((np.hypot(y - scan / 2, x - scan / 2) - 0.46 * scan) / 0.9))
    ideal = np.tensordot(share * outline, np.stack(patterns), axes=(0, 0)) + halo + direct
    return np.asarray(np.clip(rng.poisson(ideal * 120), 0, 255), dtype=np.uint8)
