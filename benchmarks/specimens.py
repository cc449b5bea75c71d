"""Make the large files that benchmarks read: real formats, real-looking content, written block by block.

    python -m benchmarks.specimens FOLDER [--scale S] [--only NAME...]

`image.dm4` 1 GiB (16384 x 16384 float32), `stack.mrc` 4 GiB (2048 sections), `scan.dm4` 4 GiB (4-D), `eels.dm4` 1 GiB
(spectrum image). `--scale` changes the files' bytes by about that factor. A file that is there in full size is kept.
"""

from __future__ import annotations

import argparse
import math
import os
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from scopeline.demo import gatan, titan
from scopeline.demo.specimen import diffraction, interface, particles, spectra
from scopeline.demo.writers import dm4, mrc

WHEN = datetime(2026, 2, 6, 12, 0, tzinfo=UTC)
STAGE = titan.Stage(x=12.0, y=-8.0, z=3.0)
BLOCK_BYTES = 32 * 1024 * 1024

Writer = Callable[[Path, float], None]


def image(path: Path, scale: float) -> None:
    """Atomic columns, 11 pixels apart, under a brightness that varies slowly: every careless reduction shows moire."""
    side = max(64, round(16384 * math.sqrt(scale)))
    rng = np.random.default_rng(1)
    atoms = interface.columns(36.0, 36.0, 18.0, rng, rotation=1.2)
    tile = interface.atomic_picture(1024, 0.0355, atoms, rng).astype(np.float32) * 8000
    tile += rng.normal(0, 90, tile.shape).astype(np.float32)
    across = np.tile(tile, (1, -(-side // 1024)))[:, :side]
    slow = (1 + 0.3 * np.sin(np.linspace(0, 9, side))).astype(np.float32)

    def blocks() -> Iterator[NDArray[np.generic]]:
        for top in range(0, side, 256):
            rows = min(256, side - top)
            part = across[top % 1024 : top % 1024 + rows]
            yield part * slow * slow[top : top + rows, None]

    axes = [dm4.Dimension(side, 0.0355, "nm")] * 2
    tags = gatan.stem(_acquisition(), (side, side), 0.0355, 2.0, "HAADF")
    _write_dm(path, axes, dm4.Pixels("float32", side * side, blocks), tags)


def stack(path: Path, scale: float) -> None:
    """A tilting agglomerate, 31 pictures over and over with fresh noise."""
    side = max(32, min(1024, round(1024 * scale**0.25)))
    sections = max(2, round(4 * 2**30 * scale / (side * side * 2)))
    rng = np.random.default_rng(2)
    sample = particles.powder(rng)
    ideal = particles.tilt_series(sample, np.linspace(-60, 60, 31), side, 100 / side, rng) * 3000 + 900
    pictures = ideal.astype(np.int16)
    noise = rng.normal(0, 120, side * side * 2).astype(np.int16)
    exposures = [_exposure(float(tilt), 100 / side) for tilt in np.resize(np.linspace(-60, 60, 31), sections)]
    low, high = float(pictures.min()), float(pictures.max())
    statistics = mrc.Statistics(low, high, float(pictures.mean()), float(pictures.astype(np.float32).std()))
    shape = (sections, side, side)
    with path.open("wb") as file:
        file.write(mrc.headers(shape, "int16", statistics, exposures, "FEI Tomography 4: benchmark", WHEN))
        for number in range(sections):
            start = int(rng.integers(side * side))
            file.write((pictures[number % 31] + noise[start : start + side * side].reshape(side, side)).data)


def scan(path: Path, scale: float) -> None:
    """Nanobeam patterns over three grains, 256 x 256 pixels each."""
    side = max(16, round(256 * scale**0.25))
    height, width = max(2, round(128 * scale**0.25)), max(2, round(256 * scale**0.25))
    rng = np.random.default_rng(3)
    patterns = diffraction.scan_of_grains(16, side, rng).astype(np.uint16).reshape(256, side, side) * 12

    def blocks() -> Iterator[NDArray[np.generic]]:
        for row in range(height):
            which = (row * 16 // height) * 16 + np.arange(width) * 16 // width
            yield patterns[which] + np.uint16(row % 7)

    reciprocal = dm4.Dimension(side, diffraction.SPAN / side, "1/nm", origin=(side - 1) / 2)
    axes = [reciprocal, reciprocal, dm4.Dimension(width, 0.4, "nm"), dm4.Dimension(height, 0.4, "nm")]
    tags = gatan.nanobeam(_acquisition(), width, 0.4, 0.001, camera_length=185.0)
    _write_dm(path, axes, dm4.Pixels("uint16", side * side * height * width, blocks), tags)


def eels(path: Path, scale: float) -> None:
    """Core losses of an interface: X, Y, energy, in planes of one energy each, as DigitalMicrograph stores them."""
    height, width = max(4, round(256 * scale ** (1 / 3))), max(4, round(512 * scale ** (1 / 3)))
    channels = max(64, round(2048 * scale ** (1 / 3)))
    rng = np.random.default_rng(4)
    energy = 400 + 512 * np.arange(channels) / channels
    y = np.linspace(-1, 1, height)[:, None]
    film = (1 / (1 + np.exp(y * 12))) * np.ones((1, width))
    wedge = 1 + 0.3 * np.linspace(-1, 1, width)[None, :] + 0.05 * rng.standard_normal((height, width))
    maps = [wedge, (1 - film) * wedge, film * wedge]
    shapes = [(energy / 400) ** -3.1 + 0.1 * spectra.oxygen(energy, 0.5), 0.2 * spectra.titanium(energy)]
    shapes.append(0.04 * spectra.lanthanum(energy))
    noise = rng.standard_normal(2 * height * width).astype(np.float32)
    planes = [plane.astype(np.float32).ravel() * 5000 for plane in maps]

    def blocks() -> Iterator[NDArray[np.generic]]:
        count = max(1, BLOCK_BYTES // (4 * height * width))
        for first in range(0, channels, count):
            part = np.stack(shapes)[:, first : first + count].astype(np.float32)
            block = part.T @ np.stack(planes)
            for plane in block:
                start = int(rng.integers(height * width))
                plane += np.sqrt(plane.mean()) * noise[start : start + height * width]
            yield block

    axes = [
        dm4.Dimension(width, 0.066, "nm"),
        dm4.Dimension(height, 0.066, "nm"),
        dm4.Dimension(channels, 512 / channels, "eV", origin=-400 * channels / 512),
    ]
    tags = gatan.energy_loss(_acquisition(), WHEN, (height, width), 0.066, 0.01, loss=400.0)
    _write_dm(path, axes, dm4.Pixels("float32", channels * height * width, blocks), tags)


SPECIMENS: dict[str, tuple[Writer, int]] = {
    "image.dm4": (image, 2**30),
    "stack.mrc": (stack, 4 * 2**30),
    "scan.dm4": (scan, 4 * 2**30),
    "eels.dm4": (eels, 2**30),
}


def make_specimens(folder: Path, scale: float = 1.0, names: tuple[str, ...] = tuple(SPECIMENS)) -> dict[str, Path]:
    """Make the named files in `folder`, where they are not there yet, and return their paths."""
    folder.mkdir(parents=True, exist_ok=True)
    made = {}
    for name in names:
        write, nominal = SPECIMENS[name]
        path = folder / name
        if not path.exists() or not math.isclose(path.stat().st_size, nominal * scale, rel_tol=0.2):
            unfinished = folder / f"{name}.part"
            write(unfinished, scale)
            with unfinished.open("rb") as file:
                os.fsync(file.fileno())
            unfinished.replace(path)
        made[name] = path
    return made


def _acquisition() -> titan.Acquisition:
    return titan.Acquisition(WHEN, STAGE, "benchmark", 1)


def _exposure(tilt: float, pixel: float) -> mrc.Exposure:
    return mrc.Exposure(
        *(tilt, 0.0, 12e-6, -8e-6, 3e-6, 0.0, 0.0),
        *(-1.2e-7, 1.0, 1500.0, -88.6, pixel * 1e-9, titan.stem_magnification(100.0)),
    )


def _write_dm(path: Path, axes: list[dm4.Dimension], pixels: dm4.Pixels, tags: dict[str, dm4.Tag]) -> None:
    dm4.write(path, dm4.image_document(path.name.partition(".")[0], axes, pixels, tags))


def main() -> None:
    """The command."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--scale", type=float, default=1.0)
    parser.add_argument("--only", nargs="+", choices=sorted(SPECIMENS), default=list(SPECIMENS), metavar="NAME")
    arguments = parser.parse_args()
    for name in arguments.only:
        began = time.perf_counter()
        path = make_specimens(arguments.folder, arguments.scale, (name,))[name]
        print(f"{path}  {path.stat().st_size / 2**20:,.0f} MiB  {time.perf_counter() - began:.1f} s", flush=True)


if __name__ == "__main__":
    main()
