"""Gold on titania: a twinned nanoparticle in atomic resolution, the powder in STEM and SEM, a tilt series."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from scopeline.demo.specimen.detection import Picture, around, blur, filtered, fractal, frequencies, splat
from scopeline.demo.specimen.diffraction import wavelength

GOLD = 0.4078  # lattice parameter, nm


def decahedron(shells: int, rng: np.random.Generator, rotation: float = 0.0) -> tuple[Picture, Picture, Picture]:
    """Columns of a five-fold twinned gold particle along its axis: y and x in nm from the centre, atoms per column.

    Five crystals share the axis; each is seen along <110>, where the columns form a lattice of two vectors of
    sqrt(3/8) a at 70.5 degrees. Five of them leave a gap of 7.4 degrees, closed by strain: here each angle is 72.
    """
    step = GOLD * np.sqrt(3 / 8)
    i, j = (axis.ravel() for axis in np.meshgrid(np.arange(shells + 1), np.arange(1, shells + 1)))
    keep = i + j <= shells
    i, j = i[keep], j[keep]
    y, x, height = [np.zeros(1)], [np.zeros(1)], [np.full(1, shells + 1.0)]
    for sector in range(5):
        first, second = (np.deg2rad(rotation + 72 * (sector + turn)) for turn in (0, 1))
        y.append(step * (i * np.sin(first) + j * np.sin(second)))
        x.append(step * (i * np.cos(first) + j * np.cos(second)))
        height.append(shells + 1.0 - (i + j))
    atoms = np.concatenate(height)
    corner = (rng.random(atoms.size) < 0.45) & (atoms <= 1.0)  # real corners and edges are rounded
    wobble = rng.normal(0, 0.006, (2, atoms.size))
    kept = ~corner
    return (np.concatenate(y) + wobble[0])[kept], (np.concatenate(x) + wobble[1])[kept], atoms[kept]


def particle_dark_field(size: int, pixel: float, rng: np.random.Generator, shells: int = 13) -> Picture:
    """A decahedron on thin carbon in annular dark field; brightness 1 is the particle's thickest column."""
    y, x, atoms = decahedron(shells, rng, rotation=14)
    centre = size * pixel / 2
    points = splat((size, size), (y + centre * 1.03) / pixel, (x + centre * 0.96) / pixel, atoms / (shells + 1))
    probe = 0.05 / pixel
    peak = 2 * np.pi * probe**2
    carbon = 0.035 + 0.010 * blur(fractal((size, size), 0.5, rng), 0.09 / pixel) * 3
    stray = rng.uniform(0, size, (2, 34))  # single gold atoms and small clusters that wandered on the film
    atoms_on_film = blur(splat((size, size), stray[0], stray[1], np.full(34, 0.09)), probe) * peak
    return np.asarray(0.75 * blur(points, probe) * peak + 0.5 * blur(points, 3 * probe) * peak + carbon + atoms_on_film)


def particle_bright_field(size: int, pixel: float, voltage: float, defocus: float, rng: np.random.Generator) -> Picture:
    """The high-resolution TEM picture of decahedra on amorphous carbon, mean 1.

    A weak phase object through the phase contrast transfer function of an objective lens with Cs = 1.2 mm and a focal
    spread of 4 nm; `defocus` in nm, positive for underfocus. (Williams & Carter, Transmission Electron Microscopy, 28.)
    """
    shape = (size, size)
    phase = 0.13 * rng.standard_normal(shape) * np.sqrt(0.02 / pixel)
    mass = np.zeros(shape)
    for shells, at_y, at_x, rotation in ((20, 0.47, 0.56, 7.0), (9, 0.83, 0.15, 31.0), (7, 0.13, 0.17, 55.0)):
        y, x, atoms = decahedron(shells, rng, rotation)
        points = splat(shape, y / pixel + at_y * size, x / pixel + at_x * size, atoms)
        columns = blur(points, 0.035 / pixel) * 2 * np.pi * (0.035 / pixel) ** 2
        phase += 0.034 * columns
        mass += blur(points, 0.16 / pixel) * (0.26 / pixel) ** 2 * 0.008
    fy, fx = frequencies(shape)
    k2 = (fy**2 + fx**2) / pixel**2
    lam, spherical, spread = wavelength(voltage), 1.2e6, 4.0
    chi = np.pi * lam * k2 * (0.5 * spherical * lam**2 * k2 - defocus)
    envelope = np.exp(-0.5 * (np.pi * lam * spread * k2) ** 2) * np.exp(-k2 / 11**2)
    return 1 + filtered(phase, -2 * np.sin(chi) * envelope) - mass


@dataclass(frozen=True, slots=True)
class Powder:
    """Crystals of anatase with balls of gold on them: centres (x, y, z) and radii in nm."""

    centre: Picture  # (n, 3)
    radius: Picture
    gold: Picture  # 1 gold, 0 titania
    turn: Picture  # (n, 3, 3): how each crystal lies


def powder(rng: np.random.Generator, grains: int = 26, gold: int = 30, spread: float = 34.0) -> Powder:
    """An agglomerate about `spread` nm in radius: each grain touches an earlier one; gold sits on grains' surfaces."""
    centres, radii = [np.zeros(3)], [15.0]
    while len(centres) < grains:
        radius = float(rng.uniform(8, 15))
        host = int(rng.integers(len(centres)))
        place = centres[host] + _direction(rng) * 0.82 * (radii[host] + radius)
        if np.hypot(*place[:2]) < spread and abs(place[2]) < 0.75 * spread:
            centres.append(place)
            radii.append(radius)
    for _ in range(gold):
        host = int(rng.integers(grains))
        radius = float(rng.lognormal(np.log(2.1), 0.3))
        centres.append(centres[host] + _direction(rng) * (radii[host] + 0.3 * radius))
        radii.append(radius)
    turns = np.stack([np.linalg.qr(rng.standard_normal((3, 3)))[0] for _ in centres])
    return Powder(np.array(centres), np.array(radii), np.repeat([0.0, 1.0], [grains, gold]), turns)


def _direction(rng: np.random.Generator) -> Picture:
    vector = rng.standard_normal(3)
    return vector / np.linalg.norm(vector)


def projected(sample: Powder, size: int, pixel: float, tilt: float = 0.0) -> tuple[Picture, Picture]:
    """Thickness of titania and of gold in nm, `size` x `size` pixels of `pixel` nm, after a tilt about y."""
    angle = np.deg2rad(tilt)
    tilted = np.array([[np.cos(angle), 0, np.sin(angle)], [0, 1, 0], [-np.sin(angle), 0, np.cos(angle)]])
    titania, gold = np.zeros((size, size)), np.zeros((size, size))
    grid = (np.arange(size) - size / 2) * pixel
    for centre, radius, is_gold, turn in zip(sample.centre, sample.radius, sample.gold, sample.turn, strict=True):
        x, y, _ = tilted @ centre
        part = around((size, size), y / pixel + size / 2, x / pixel + size / 2, 1.5 * radius / pixel)
        down, across = grid[part[0], None] - y, grid[None, part[1]] - x
        if is_gold:
            gold[part] += 2 * np.sqrt(np.clip(radius**2 - down**2 - across**2, 0, None))
        else:
            titania[part] += _crystal_thickness(across, down, (tilted @ turn @ _ANATASE.T).T, radius)
    return titania, gold


# Faces of anatase: {101}, 68.3 degrees from the c axis, and {001} across its ends; distance from the centre in radii.
_STEEP, _FLAT = np.sin(np.deg2rad(68.3)), np.cos(np.deg2rad(68.3))
_ANATASE = np.array(
    [(a * _STEEP, b * _STEEP, c * _FLAT) for a, b in ((1, 0), (-1, 0), (0, 1), (0, -1)) for c in (1, -1)]
    + [(0, 0, 1), (0, 0, -1)]
)
_FACE_DISTANCE = np.array([0.80] * 8 + [1.25] * 2)


def _crystal_thickness(x: Picture, y: Picture, normals: Picture, radius: float) -> Picture:
    """Thickness along z of a crystal with faces of these normals: between its lowest upper and highest lower face."""
    top, bottom = np.full(np.broadcast(x, y).shape, np.inf), np.full(np.broadcast(x, y).shape, -np.inf)
    for (nx, ny, nz), distance in zip(normals, _FACE_DISTANCE * radius, strict=True):
        if abs(nz) < 1e-6:
            continue
        face = (distance - nx * x - ny * y) / nz
        if nz > 0:
            np.minimum(top, face, out=top)
        else:
            np.maximum(bottom, face, out=bottom)
    return np.asarray(np.clip(top - bottom, 0, None))


def dark_field(titania: Picture, gold: Picture, pixel: float, rng: np.random.Generator) -> Picture:
    """Annular dark field of the powder on a carbon film; titania's grains show facets as a soft mottle."""
    shape = (titania.shape[0], titania.shape[1])
    mottle = 1 + 0.06 * blur(fractal(shape, 0.9, rng), 1.2)
    return np.asarray(blur(titania * mottle / 60 * 0.5 + gold / 60 * 8.0 + 0.05, 0.35 / pixel + 0.4))


def tilt_series(sample: Powder, tilts: Picture, size: int, pixel: float, rng: np.random.Generator) -> Picture:
    """Dark-field pictures (tilt, y, x) of the powder; tracking leaves each some pixels off."""
    pictures = []
    grain = 0.05 + 0.006 * blur(fractal((size, size), 0.5, rng), 1.0)
    for tilt in tilts:
        titania, gold = projected(sample, size, pixel, float(tilt))
        carbon = grain / np.cos(np.deg2rad(tilt))
        picture = blur(titania / 60 * 0.5 + gold / 60 * 8.0 + carbon, 0.7)
        pictures.append(np.roll(picture, tuple(rng.integers(-1, 2, 2)), axis=(0, 1)))
    return np.stack(pictures)


def secondary_electrons(shape: tuple[int, int], pixel: float, rng: np.random.Generator) -> Picture:
    """The powder in an SEM: heaped round grains, brighter where the surface is steep and toward the detector, 0 to 1.

    `pixel` is in nm. Yield grows about as 1/cos of the surface's inclination (Goldstein, Scanning Electron Microscopy).
    """
    margin = 12  # filters wrap
    wanted, shape = shape, (shape[0] + 2 * margin, shape[1] + 2 * margin)
    span = np.array(shape) * pixel
    count = 420
    radius = np.sort(rng.lognormal(np.log(300), 0.42, count))[::-1]
    y, x = rng.uniform(-0.05, 1.05, (2, count)) * span[:, None]
    pile = blur(fractal((64, 64), 1.6, rng), 1.0)
    level = pile[(y / span[0] * 60 % 64).astype(int), (x / span[1] * 60 % 64).astype(int)]
    height = 500 * level + rng.uniform(0, 500, count) - 0.4 * radius
    floor = height.min() - 3 * radius.max()
    top = np.zeros(shape)
    for cy, cx, r, h in zip(y / pixel, x / pixel, radius / pixel, (height - floor) / pixel, strict=True):
        part = around(shape, cy, cx, r)
        rows, columns = np.ogrid[part]
        cap = np.sqrt(np.clip(r**2 - (rows - cy) ** 2 - (columns - cx) ** 2, 0, None))
        np.maximum(top[part], np.where(cap > 0, h + cap, 0), out=top[part])
    rough = 1.1 * blur(fractal(shape, 1.15, rng), 0.8)
    surface = blur(top, 0.7) + rough
    slope_y, slope_x = np.gradient(surface)
    steep = np.sqrt(1 + slope_y**2 + slope_x**2)
    toward = (0.55 * -slope_x + 0.35 * slope_y + 0.75) / steep
    depth = surface - blur(surface, 14)  # hollows: fewer electrons get out
    signal = 0.20 + 0.20 * np.clip(toward, -0.4, 1) + 0.13 * np.minimum(steep - 1, 3) + 0.010 * np.clip(depth, -22, 12)
    inner = blur(signal, 0.6)[margin : margin + wanted[0], margin : margin + wanted[1]]
    return np.clip(inner, 0.02, 1)
