"""What optics and detectors do to an ideal picture: blur, drift, scan noise, shot noise."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

Picture = NDArray[np.floating[Any]]


def frequencies(shape: tuple[int, int]) -> tuple[Picture, Picture]:
    """The spatial frequencies (cycles per pixel) along y and x of a real Fourier transform of `shape`."""
    return np.fft.fftfreq(shape[0])[:, None], np.fft.rfftfreq(shape[1])[None, :]


def filtered(picture: Picture, transfer: Picture) -> Picture:
    """`picture` with its Fourier coefficients multiplied by `transfer` (of the half plane that rfft2 has)."""
    return np.fft.irfft2(np.fft.rfft2(picture) * transfer, s=picture.shape)


def blur(picture: Picture, sigma: float) -> Picture:
    """Convolve with a Gaussian of `sigma` pixels; the picture wraps at its edges."""
    fy, fx = frequencies((picture.shape[0], picture.shape[1]))
    return filtered(picture, np.exp(-2 * (np.pi * sigma) ** 2 * (fy**2 + fx**2)))


def fractal(shape: tuple[int, int], exponent: float, rng: np.random.Generator) -> Picture:
    """A random field of mean 0 and standard deviation 1 whose amplitude falls as frequency^-exponent."""
    fy, fx = frequencies(shape)
    radius = np.hypot(fy, fx)
    radius[0, 0] = 1.0
    falling = radius**-exponent
    falling[0, 0] = 0.0
    field = filtered(rng.standard_normal(shape), falling)
    return np.asarray(field / field.std())


def scanned(picture: Picture, rng: np.random.Generator, jitter: float = 0.3, drift: float = 0.0) -> Picture:
    """Shift each line sideways: by `drift` pixels over the frame, and at random by about `jitter` pixels.

    The random part is partly slow, as mains and floor vibrations are, and the brightness of lines flickers by 1 %.
    """
    margin = 24  # shifting wraps: what comes in at one side must look like that side
    picture = np.pad(picture, ((0, 0), (margin, margin)), mode="reflect")
    lines, width = picture.shape
    wander = np.cumsum(rng.normal(0, jitter / 6, lines))
    hum = jitter * np.sin(2 * np.pi * np.arange(lines) / 11.3 + rng.uniform(0, 6.3))
    shake = rng.normal(0, jitter / 2, lines) + hum / 2 + wander - wander.mean()
    shift: Picture = np.asarray(drift * np.linspace(0, 1, lines) + shake)
    turn = np.exp(-2j * np.pi * np.fft.rfftfreq(width)[None, :] * shift[:, None])
    moved = np.fft.irfft(np.fft.rfft(picture, axis=1) * turn, n=width, axis=1)
    return np.asarray(moved[:, margin:-margin] * (1 + rng.normal(0, 0.01, (lines, 1))))


def counted(picture: Picture, rng: np.random.Generator, dose: float, gain: float = 1.0, dark: float = 0.0) -> Picture:
    """Shot noise for `dose` quanta in a pixel of brightness 1, times `gain` counts, over a dark level with read noise.

    Above some tens of quanta a Poisson distribution is a normal one for the eye; it is drawn as such, for speed.
    """
    quanta = np.clip(picture, 0, None) * dose
    noise = np.sqrt(quanta) * rng.standard_normal(picture.shape) if dose > 30 else rng.poisson(quanta) - quanta
    return (quanta + noise) * gain + dark + rng.normal(0, gain / 2, picture.shape)


def as_counts(picture: Picture, dtype: str = "uint16") -> NDArray[np.generic]:
    """The picture in whole numbers, limited to what `dtype` holds."""
    limits = np.iinfo(dtype)
    return np.clip(np.rint(picture), limits.min, limits.max).astype(dtype)


def splat(shape: tuple[int, int], y: Picture, x: Picture, weight: Picture) -> Picture:
    """Points of `weight` at fractional pixels, each shared among its four neighbours; those outside are left out."""
    row, column = np.floor(y).astype(int), np.floor(x).astype(int)
    inside = (row >= 0) & (column >= 0) & (row < shape[0] - 1) & (column < shape[1] - 1)
    row, column, weight = row[inside], column[inside], weight[inside]
    down, right = y[inside] - row, x[inside] - column
    picture = np.zeros(shape)
    for dy, dx, share in (
        (0, 0, (1 - down) * (1 - right)),
        (0, 1, (1 - down) * right),
        (1, 0, down * (1 - right)),
        (1, 1, down * right),
    ):
        np.add.at(picture, (row + dy, column + dx), weight * share)
    return picture


def around(shape: tuple[int, int], y: float, x: float, reach: float) -> tuple[slice, slice]:
    """The part of a picture within `reach` pixels of a point, cut at the picture's edges (maybe empty)."""
    rows = slice(max(int(y - reach), 0), max(min(int(y + reach) + 2, shape[0]), 0))
    columns = slice(max(int(x - reach), 0), max(min(int(x + reach) + 2, shape[1]), 0))
    return rows, columns
