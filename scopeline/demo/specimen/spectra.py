"""Spectra: energy loss of SrTiO3 | LaAlO3, X-rays of gold on titania. Energies of edges and lines are real."""

from __future__ import annotations

import numpy as np

from scopeline.demo.specimen.detection import Picture, blur, splat
from scopeline.demo.specimen.interface import Columns

# X-ray lines in keV with weights within an element (X-ray Data Booklet, LBNL).
XRAY_LINES: dict[str, tuple[tuple[float, float], ...]] = {
    "C": ((0.277, 1.0),),
    "O": ((0.525, 1.0),),
    "Ti": ((0.452, 0.25), (4.511, 1.0), (4.932, 0.15)),
    "Cu": ((0.930, 0.35), (8.048, 1.0), (8.905, 0.17)),
    "Si": ((1.740, 1.0),),
    "Au": ((2.123, 1.0), (2.205, 0.55), (9.713, 0.85), (11.442, 0.55), (11.585, 0.12), (13.382, 0.10), (8.494, 0.05)),
}


def peak(energy: Picture, at: float, width: float) -> Picture:
    """A Gaussian of area 1 with `width` as its standard deviation."""
    return np.asarray(np.exp(-0.5 * ((energy - at) / width) ** 2) / (width * np.sqrt(2 * np.pi)))


def edge(energy: Picture, onset: float, rise: float, decay: float) -> Picture:
    """The continuum of a core-loss edge: an arctangent rise at `onset`, then a power law."""
    step = 0.5 + np.arctan((energy - onset) / rise) / np.pi
    return np.asarray(step * (np.maximum(energy, 1) / onset) ** -decay)


def titanium(energy: Picture) -> Picture:
    """Ti L2,3 of Ti4+ in an octahedron: four white lines, t2g and eg of L3 and L2."""
    lines = ((457.9, 0.55, 2.4), (460.3, 0.95, 3.6), (463.3, 0.75, 3.1), (465.6, 1.15, 3.8))
    white = sum(weight * peak(energy, at, width) for at, width, weight in lines)
    return np.asarray(white + 0.30 * edge(energy, 461.0, 1.5, 4.5) + 0.12 * edge(energy, 565.0, 4.0, 3.0))


def oxygen(energy: Picture, film: float) -> Picture:
    """O K: in SrTiO3 a sharp t2g peak at 531 eV, in LaAlO3 (`film` = 1) a blunt one at 535 eV."""
    substrate = ((531.2, 0.8, 1.5), (536.4, 1.7, 2.6), (544.0, 2.8, 4.6), (557.0, 6.0, 3.5))
    other = ((534.8, 1.5, 2.6), (541.8, 2.4, 4.6), (558.0, 6.5, 4.0))
    peaks = [(1 - film, line) for line in substrate] + [(film, line) for line in other]
    fine = sum(share * weight * peak(energy, at, width) for share, (at, width, weight) in peaks)
    return np.asarray(fine + 0.42 * edge(energy, 533.0, 1.6, 3.6))


def lanthanum(energy: Picture) -> Picture:
    """La M5 and M4: two strong white lines 16.8 eV apart."""
    lines = peak(energy, 834.2, 1.6) * 7.5 + peak(energy, 851.0, 1.8) * 6.4
    return np.asarray(lines + 0.25 * edge(energy, 838.0, 2.0, 4.0))


def energy_loss_map(
    shape: tuple[int, int], step: float, energy: Picture, atoms: Columns, rng: np.random.Generator
) -> Picture:
    """An atomically resolved map of core losses, (y, x, energy) in counts.

    `step` is the distance of pixels in nm. Titanium is bright in its columns, lanthanum in its own, oxygen about even.
    """

    def seen(weight: Picture, sigma: float) -> Picture:
        at_y, at_x = atoms.y / step + 2, atoms.x / step + 2
        padded = blur(splat((shape[0] + 4, shape[1] + 4), at_y, at_x, weight), sigma / step)
        return padded[2:-2, 2:-2]

    a, b = atoms.is_a, 1 - atoms.is_a
    unit = 1 / (0.39 / step) ** 2  # of a column's weight, spread evenly over its cell
    in_titanium = (0.5 * seen(b * (1 - atoms.film), 0.075) + 0.5 * seen(b * (1 - atoms.film), 0.19)) / unit
    in_lanthanum = (0.55 * seen(a * atoms.film, 0.065) + 0.45 * seen(a * atoms.film, 0.17)) / unit
    film = np.clip(seen(atoms.film, 0.25) / (2 * unit), 0, 1)
    channelling = 0.8 + 0.2 * seen(atoms.brightness, 0.08) / seen(atoms.brightness, 0.08).mean()
    background = (energy / 400.0) ** -3.1
    film_o, substrate_o = oxygen(energy, 1.0), oxygen(energy, 0.0)
    level = 5200.0
    cube = (
        (1.0 * channelling)[..., None] * background
        + 0.17 * in_titanium[..., None] * titanium(energy)
        + 0.11 * (film[..., None] * film_o + (1 - film)[..., None] * substrate_o)
        + 0.034 * in_lanthanum[..., None] * lanthanum(energy)
    ) * level
    return np.asarray(cube + np.sqrt(cube) * rng.standard_normal(cube.shape, dtype=np.float32))


def low_loss(energy: Picture, thickness: float, rng: np.random.Generator) -> Picture:
    """Zero loss, plasmons and shallow edges of SrTiO3 in counts; `thickness` in inelastic mean free paths.

    Each further scattering is the single one convolved with itself (Poisson statistics, Egerton, EELS, 4.1).
    """
    zero = 0.86 * peak(energy, 0.0, 0.42) + 0.14 * 0.55 / (np.pi * (energy**2 + 0.55**2))
    loss = np.clip(energy, 0.01, None)
    plasmon = loss * 30.2 * 12 / ((loss**2 - 30.2**2) ** 2 + (loss * 12) ** 2)
    single = (
        plasmon * 30 + 0.5 * peak(energy, 13.4, 2.1) + 0.45 * peak(energy, 19.5, 2.2) + 0.35 * peak(energy, 23.8, 1.5)
    )
    single = (
        single + 0.45 * peak(energy, 40.5, 1.7) + 0.6 * peak(energy, 47.5, 2.6) + 0.004 * edge(energy, 37.0, 1.0, 1.5)
    )
    single *= 1 / (1 + np.exp(-(energy - 5.0) / 0.9))  # nothing within the band gap
    step = float(energy[1] - energy[0])
    single /= single.sum() * step
    origin = int(np.argmin(np.abs(energy)))
    double = np.convolve(single, single)[origin : origin + energy.size] * step
    total = (zero + thickness * single + thickness**2 / 2 * double) * np.exp(-thickness) * 2.2e6 * step
    return np.asarray(np.rint(rng.poisson(total) + rng.normal(0, 2.0, energy.size)))


def xray_spectrum(energy: Picture, amounts: dict[str, float], continuum: float) -> Picture:
    """Counts per channel for `amounts` counts in each element's main line, over bremsstrahlung.

    `energy` in keV. A silicon drift detector of 129 eV at Mn K alpha: width^2 grows linearly with energy; soft
    X-rays are lost in the dead layer and window.
    """
    step = float(energy[1] - energy[0])
    positive = np.clip(energy, 0.02, None)
    window = np.exp(-0.10 * positive**-2.2)
    spectrum = continuum * (1 / (positive + 0.6)) * window * np.exp(-positive / 24)
    for element, counts in amounts.items():
        for at, weight in XRAY_LINES[element]:
            width = np.sqrt(0.042**2 + (0.129**2 - 0.042**2 * 2.355**2) / 2.355**2 * at / 5.895)
            spectrum += counts * weight * peak(energy, at, width) * step
    # the electronics' noise peak at zero
    return np.asarray(np.where(energy < 0.12, 0, spectrum) + 0.6 * continuum * peak(energy, 0.0, 0.022) * step)


def xray_map(energy: Picture, titania: Picture, gold: Picture, rng: np.random.Generator) -> Picture:
    """Counts (y, x, energy) of a spectrum image, from the thickness in nm of titania and gold in each pixel."""
    basis = np.stack(
        [
            xray_spectrum(energy, {"Ti": 26.0, "O": 14.0}, 0.30),
            xray_spectrum(energy, {"Au": 110.0}, 3.0),
            xray_spectrum(energy, {"C": 5.0, "Cu": 7.0, "Si": 0.8}, 0.06),
        ]
    )
    amounts = np.stack([titania / 20, gold / 5, np.ones_like(titania)], axis=-1)
    return np.asarray(rng.poisson((amounts @ basis).astype(np.float32)))
