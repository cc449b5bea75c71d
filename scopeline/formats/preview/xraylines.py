"""Where the X-ray lines of elements stand in a spectrum."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from scopeline.formats.preview.arrays import Array

_SYMBOLS = (
    "H He Li Be B C N O F Ne Na Mg Al Si P S Cl Ar K Ca Sc Ti V Cr Mn Fe Co Ni Cu Zn Ga Ge As Se Br Kr Rb Sr Y Zr Nb",
    "Mo Tc Ru Rh Pd Ag Cd In Sn Sb Te I Xe Cs Ba La Ce Pr Nd Pm Sm Eu Gd Tb Dy Ho Er Tm Yb Lu Hf Ta W Re Os Ir Pt Au",
    "Hg Tl Pb Bi Po At Rn Fr Ra Ac Th Pa U",
)
_NUMBER = {symbol: number for number, symbol in enumerate(" ".join(_SYMBOLS).split(), start=1)}

# Moseley's law, energy = a (Z - b)^2 + c in eV, for the strongest line of each shell, from the element on where it is
# seen. a and b of K are those of hydrogen (3/4 of 13.606 eV, one electron screens); the others and c are fits that meet
# the tabulated energies to about 2 per cent.
_SHELLS = (("K", 10.204, 1.0, 22.0, 5), ("L", 1.89, 7.4, 45.0, 21), ("M", 0.619, 20.47, 0.0, 70))

_NEAR = 0.025  # of the energy, and
_NEAR_EV = 15.0  # so many eV: how far from the law a line's maximum may stand
_WIDTH_EV = 60.0  # about half the width of a line in an EDS detector
_LEAST = 0.015  # of the highest line: smaller maxima are not named


@dataclass(frozen=True, slots=True)
class Line:
    """A line that is seen in a spectrum: the channel of its maximum, the element, and the shell (K, L or M)."""

    channel: int
    element: str
    shell: str

    @property
    def name(self) -> str:
        """As microscopists write it: `Fe Kα`."""
        return f"{self.element} {self.shell}α"


def line_energies(symbol: str) -> dict[str, float]:
    """The energies in eV of the element's K-alpha, L-alpha and M-alpha lines by shell, as far as it has them."""
    number = _NUMBER.get(symbol)
    if number is None:
        return {}
    return {shell: a * (number - b) ** 2 + c for shell, a, b, c, first in _SHELLS if number >= first}


def seen_lines(counts: Array, energies: Array, elements: Sequence[str], lowest: float) -> list[Line]:
    """The spectrum's maxima that belong to lines of `elements`, highest first.

    `energies` are in eV, rising; maxima below `lowest` eV are not looked at. A maximum near the lines of several
    elements is given to the nearest.
    """
    seen = energies >= lowest
    if not seen.any():
        return []
    least = _LEAST * float(np.max(counts[seen]))
    nearest: dict[int, tuple[float, Line]] = {}
    for symbol in elements:
        for shell, energy in line_energies(symbol).items():
            reach = _NEAR * energy + _NEAR_EV
            window = np.flatnonzero(seen & (np.abs(energies - energy) <= reach))
            if window.size == 0:
                continue
            top = int(window[np.argmax(counts[window])])
            if counts[top] < least or not _stands_out(counts, energies, top):
                continue
            off = abs(float(energies[top]) - energy) / energy
            if top not in nearest or off < nearest[top][0]:
                nearest[top] = (off, Line(top, symbol, shell))
    return [nearest[top][1] for top in sorted(nearest, key=lambda top: -float(counts[top]))]


def _stands_out(counts: Array, energies: Array, top: int) -> bool:
    """Whether the channel is the maximum of its surroundings and clearly above them."""
    away = np.abs(energies - energies[top])
    highest, lowest = float(np.max(counts[away <= _WIDTH_EV])), float(np.min(counts[away <= 3 * _WIDTH_EV]))
    return float(counts[top]) >= highest and float(counts[top]) > 2 * lowest
