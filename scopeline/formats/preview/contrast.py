"""From values to grey levels."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from scopeline.formats.preview.arrays import Array

_HUGE = 1e300  # larger values count as this one, so that differences stay finite
_PLAIN = 0.25  # where the one value of a flat image stands between black and white
_LOW, _HIGH = 0.3, 99.7  # per cent of an image's pixels that are shown darkest and brightest, at most
_MASKED = 0.1  # more zeros than this share are no measurement, where all other values lie on one side of zero
_DIFFRACTION_HIGH = 99.95  # reflections are few pixels, and are the point
_DIFFRACTION_MEDIAN = 0.14  # where the background of a diffraction pattern should stand between black and white


@dataclass(frozen=True, slots=True)
class Contrast:
    """The values shown black and white, and the exponent between them (1: linear)."""

    low: float
    high: float
    gamma: float = 1.0

    @property
    def flat(self) -> bool:
        """Whether there is nothing to tell apart."""
        return not self.high > self.low


def image_contrast(values: Array) -> Contrast:
    """Contrast by percentiles of the finite values.

    A few hot or dead pixels do not count. Where more than a tenth of the pixels are exactly zero and all others lie on
    one side of it, the zeros are what was not scanned or was masked, and the percentiles are those of the rest. Where
    nearly all pixels have one value, it is dark grey, and the others keep their contrast to it.
    """
    finite = _finite(values)
    low, high = _limits(finite, _LOW, _HIGH)
    if low == high:
        return _around(low, finite)
    measured = _without_masked(finite)
    inner = _limits(measured, _LOW, _HIGH)
    return Contrast(*inner) if inner[0] < inner[1] else Contrast(low, high)


def plain_value(values: Array) -> float | None:
    """The value that practically all finite pixels have, if there is one."""
    finite = _finite(values)
    low, high = _limits(finite, _LOW, _HIGH)
    return low if low == high and finite.size else None


def diffraction_contrast(values: Array) -> Contrast:
    """Contrast for values that span decades: a power law that lifts the background out of the black.

    The beam (a few saturated pixels) and a beam stop (values below the background) take no part of the scale.
    """
    finite = _finite(values)
    low, high = _limits(finite, 1.0, _DIFFRACTION_HIGH)
    if low == high:
        return _around(low, finite)
    measured = _without_masked(finite)
    inner = _limits(measured, 1.0, _DIFFRACTION_HIGH)
    if inner[0] < inner[1]:
        low, high = inner
    middle = (float(np.median(measured)) - low) / (high - low)
    if not 0 < middle < 1:
        return Contrast(low, high, 0.5)
    return Contrast(low, high, min(1.0, max(0.15, math.log(_DIFFRACTION_MEDIAN) / math.log(middle))))


def grey_levels(values: Array, contrast: Contrast) -> Array:
    """The values as uint8; not finite ones are black, a flat image is one dark grey."""
    known = np.isfinite(values)
    if contrast.flat:
        return np.where(known, round(_PLAIN * 255), 0).astype(np.uint8)
    inside = np.clip(np.where(known, values, contrast.low), contrast.low, contrast.high)
    shares = (inside - contrast.low) / (contrast.high - contrast.low)
    if contrast.gamma != 1:
        shares **= contrast.gamma
    return np.where(known, np.rint(shares * 255), 0).astype(np.uint8)


def _finite(values: Array) -> Array:
    flat = np.asarray(values, dtype=np.float64).ravel()
    known = np.isfinite(flat)
    return np.clip(flat if known.all() else flat[known], -_HUGE, _HUGE)


def _without_masked(finite: Array) -> Array:
    """The values without those that are exactly zero, where these are many and at one end."""
    zeros = finite.size - np.count_nonzero(finite)
    if zeros < _MASKED * finite.size or (finite.min() < 0 < finite.max()):
        return finite
    others: Array = finite[finite != 0]
    return others


def _around(plain: float, finite: Array) -> Contrast:
    """The contrast of an image in which nearly all is `plain`."""
    if finite.size == 0:
        return Contrast(plain, plain)
    span = max(float(finite.max()) - plain, plain - float(finite.min()))
    return Contrast(plain - _PLAIN * span, plain + (1 - _PLAIN) * span)


def _limits(values: Array, low: float, high: float) -> tuple[float, float]:
    """The two percentiles, 0 and 0 of no values."""
    if values.size == 0:
        return 0.0, 0.0
    found = np.percentile(values, [low, high], method="nearest")
    return float(found[0]), float(found[1])
