"""The first sample: a cross-section of a LaAlO3 film on SrTiO3."""

from __future__ import annotations

from datetime import timedelta

import numpy as np

from scopeline.demo import gatan, thermo, titan
from scopeline.demo.acquisitions.shot import Shot, save_dm
from scopeline.demo.specimen import diffraction, interface, spectra
from scopeline.demo.specimen.detection import as_counts, counted, scanned
from scopeline.demo.writers import dm4, rosetta, velox

SPECIMEN = "LAO/STO lamella 7B"

_ZONE = titan.Stage(x=-214.6, y=88.3, z=31.2, alpha=-3.42, beta=1.87)


def zone_axis(shot: Shot) -> None:
    """A selected-area diffraction pattern of the substrate, nearly on its zone axis."""
    camera_length, binning = 520.0, 2
    pixel = titan.diffraction_pixel(camera_length, binning)
    picture = diffraction.zone_axis(1024, pixel, tilt=(0.55, -0.3), rotation=17.0)
    picture = counted(picture, shot.rng, dose=3000, gain=4.0, dark=40.0)
    tags = gatan.camera(shot.of(SPECIMEN, _ZONE, 3.0), 1.0, binning, None, camera_length)
    save_dm(shot, picture, pixel, "1/nm", tags, "e-")


def overview(shot: Shot) -> None:
    """An overview of the lamella, dark field and bright field of one scan."""
    size, pixel, dwell = 512, 2.42, 8.0
    dark, bright = interface.overview(size, pixel, shot.rng)
    acquisition = shot.of(SPECIMEN, _ZONE, 4.0)
    used = ("HAADF", "BF")
    images = [
        velox.VeloxImage(
            detector,
            as_counts(counted(scanned(picture, shot.rng, 0.2), shot.rng, 900, gain=24, dark=4000)),
            thermo.metadata(acquisition, detector, used, size, pixel, dwell),
        )
        for detector, picture in zip(used, (dark, bright), strict=True)
    ]
    velox.write(shot.path, images)


def columns(shot: Shot, pixel: float, drift: float, stage: titan.Stage) -> None:
    """Atomic columns at the film's interface, `pixel` nm per pixel."""
    size, dwell = 768, 10.0
    field = size * pixel
    atoms = interface.columns(field, field, 0.44 * field, shot.rng, rotation=1.2)
    picture = interface.atomic_picture(size, pixel, atoms, shot.rng)
    picture = counted(scanned(picture, shot.rng, 0.005 / pixel, drift), shot.rng, dose=150, gain=55, dark=1200)
    tags = gatan.stem(shot.of(SPECIMEN, stage, 8.0), (size, size), pixel, dwell, "HAADF")
    save_dm(shot, picture, pixel, "nm", tags)


def columns_coarse(shot: Shot) -> None:
    """The interface at a lower magnification."""
    columns(shot, 0.0252, 2.0, _ZONE)


def columns_fine(shot: Shot) -> None:
    """The interface at a high magnification, while the stage still drifts."""
    columns(shot, 0.0137, 9.0, _ZONE)


def columns_settled(shot: Shot) -> None:
    """The same place after the drift has settled."""
    columns(shot, 0.0137, 1.0, _ZONE)


def frame_series(shot: Shot) -> None:
    """Fast frames of the interface, to be aligned and summed."""
    size, pixel, frames, dwell = 320, 0.0171, 10, 2.0
    margin = 12
    wide = size + 2 * margin
    atoms = interface.columns(wide * pixel, wide * pixel, 0.5 * wide * pixel, shot.rng, rotation=1.2)
    picture = interface.atomic_picture(wide, pixel, atoms, shot.rng)
    path = np.cumsum(shot.rng.normal(0.3, 0.8, (frames, 2)), axis=0).round().astype(int).clip(-margin, margin)
    series = [
        as_counts(counted(scanned(np.roll(picture, tuple(move), axis=(0, 1)), shot.rng, 0.25), shot.rng, 22, 160, 1200))
        for move in path
    ]
    stack = np.stack(series)[:, margin:-margin, margin:-margin]
    acquisition = shot.of(SPECIMEN, _ZONE, 6.0)
    metadata = thermo.metadata(acquisition, "HAADF", ("HAADF",), size, pixel, dwell)
    velox.write(shot.path, [velox.VeloxImage("HAADF", stack, metadata)])


_MAPPED = titan.Stage(x=-214.9, y=88.1, z=31.2, alpha=-3.42, beta=1.87)


def survey(shot: Shot) -> None:
    """The picture on which the spectrum image's area was drawn."""
    size, pixel = 384, 0.0294
    field = size * pixel
    atoms = interface.columns(field, field, 0.5 * field, shot.rng, rotation=0.4)
    picture = interface.atomic_picture(size, pixel, atoms, shot.rng, probe=0.05)
    picture = counted(scanned(picture, shot.rng, 0.25, 1.0), shot.rng, dose=110, gain=60, dark=1200)
    tags = gatan.stem(shot.of(SPECIMEN, _MAPPED, 3.0), (size, size), pixel, 6.0, "HAADF")
    save_dm(shot, picture, pixel, "nm", tags)


def energy_loss_map(shot: Shot) -> None:
    """An EELS spectrum image across the interface: Ti L, O K, La M."""
    shape, step, exposure, channels = (24, 48), 0.066, 0.4, 1024
    energy = 400 + 0.5 * np.arange(channels)
    atoms = interface.columns(shape[0] * step, shape[1] * step, 0.5 * shape[0] * step, shot.rng)
    cube = spectra.energy_loss_map(shape, step, energy, atoms, shot.rng)
    acquisition = shot.of(SPECIMEN, _MAPPED, shape[0] * shape[1] * exposure + 25)
    tags = gatan.energy_loss(acquisition, shot.saved, shape, step, exposure, loss=400.0)
    axes = [
        dm4.Dimension(shape[1], step, "nm"),
        dm4.Dimension(shape[0], step, "nm"),
        dm4.Dimension(channels, 0.5, "eV", origin=-800.0),
    ]
    pixels = dm4.pixels_of(np.ascontiguousarray(np.moveaxis(cube, -1, 0), dtype=np.float32))
    dm4.write(shot.path, dm4.image_document(shot.path.stem, axes, pixels, tags, "e-"))


def low_loss(shot: Shot) -> None:
    """A low-loss spectrum beside the map, for the thickness."""
    energy = -20.0 + 0.1 * np.arange(2048)
    began = shot.saved - timedelta(seconds=4)
    stage = _MAPPED
    header = {
        "FORMAT": "EMSA/MAS Spectral Data File",
        "VERSION": "1.0",
        "TITLE": "STO low loss",
        "DATE": f"{began:%d-%b-%Y}".upper(),
        "TIME": f"{began:%H:%M}",
        "OWNER": titan.OPERATOR,
        "XUNITS": "eV",
        "YUNITS": "counts",
        "SIGNALTYPE": "ELS",
        "BEAMKV": titan.VOLTAGE / 1000,
        "PROBECUR": titan.PROBE_CURRENT,
        "OPERMODE": "STEM",
        "CONVANGLE": titan.CONVERGENCE,
        "COLLANGLE": 39.0,
        "INTEGTIME": 2.0,
        "XTILTSTGE": stage.alpha,
        "YTILTSTGE": stage.beta,
        "ELSDET": "PARALL",
        "COMMENT": "GIF Quantum ERS, sum of 200 exposures, drift-corrected",
    }
    axis = rosetta.axis("Energy loss", energy.size, 0.1, -20.0, "eV", navigate=False)
    rosetta.write_msa(shot.path, spectra.low_loss(energy, 0.55, shot.rng), axis, header)
