"""The second sample: gold on anatase powder."""

from __future__ import annotations

from datetime import UTC, timedelta

import numpy as np

from scopeline.demo import gatan, helios, thermo, titan
from scopeline.demo.acquisitions.shot import Shot, save_dm
from scopeline.demo.specimen import diffraction, particles, spectra
from scopeline.demo.specimen.detection import Picture, as_counts, counted, scanned
from scopeline.demo.writers import dm4, fei_tiff, mrc, rosetta, velox

SPECIMEN = "Au/TiO2 catalyst A12"

_GRID = titan.Stage(x=412.7, y=-305.1, z=-44.8)
_PARTICLE = titan.Stage(x=413.9, y=-304.6, z=-44.6)
_POWDER_SEED = 6  # the same agglomerate in the picture, the EDS map and the tilt series


def grains(shot: Shot) -> None:
    """The powder in the SEM next door, while the holder pumps."""
    shape, pixel = (512, 768), 10.8e-9
    picture = particles.secondary_electrons(shape, pixel * 1e9, shot.rng)
    grey = as_counts(counted(picture, shot.rng, dose=160, gain=1.35), "uint8").astype(np.uint8)
    when = shot.saved - timedelta(seconds=9)
    sections = helios.metadata(when, shape, pixel, "supervisor", "Au-TiO2 A12 powder")
    fei_tiff.write(shot.path, grey, sections, helios.bar_text(shape[1] * pixel), pixel)


def gold_bright_field(shot: Shot) -> None:
    """A five-fold twinned gold particle in high-resolution TEM."""
    binning, pixel, exposure = 2, 0.0185, 0.5
    picture = particles.particle_bright_field(1024, pixel, titan.VOLTAGE, defocus=58.0, rng=shot.rng)
    picture = counted(picture, shot.rng, dose=500, gain=4.2, dark=20)
    tags = gatan.camera(shot.of(SPECIMEN, _PARTICLE, 2.0), exposure, binning, pixel, 0.0)
    save_dm(shot, picture, pixel, "nm", tags, "e-")


def _agglomerate() -> particles.Powder:
    return particles.powder(np.random.default_rng(_POWDER_SEED))


def powder(shot: Shot) -> None:
    """The agglomerate in STEM."""
    size, pixel = 512, 0.196
    titania, gold = particles.projected(_agglomerate(), size, pixel)
    picture = scanned(particles.dark_field(titania, gold, pixel, shot.rng), shot.rng, 0.2)
    counts = as_counts(counted(picture, shot.rng, dose=130, gain=38, dark=3800))
    metadata = thermo.metadata(shot.of(SPECIMEN, _GRID, 5.0), "HAADF", ("HAADF",), size, pixel, 12.0)
    velox.write(shot.path, [velox.VeloxImage("HAADF", counts, metadata)])


def gold_dark_field(shot: Shot) -> None:
    """A gold particle in atomic resolution, in STEM."""
    size, pixel = 512, 0.0176
    picture = scanned(particles.particle_dark_field(size, pixel, shot.rng), shot.rng, 0.3)
    counts = as_counts(counted(picture, shot.rng, dose=70, gain=180, dark=3800))
    metadata = thermo.metadata(shot.of(SPECIMEN, _PARTICLE, 4.0), "HAADF", ("HAADF",), size, pixel, 12.0)
    velox.write(shot.path, [velox.VeloxImage("HAADF", counts, metadata)])


def _xray_counts() -> tuple[Picture, Picture]:
    """Energies in keV and the map's counts: of its own source of chance, for the map and its sum are saved apart."""
    energy = -0.2 + 0.01 * np.arange(2048)
    titania, gold = particles.projected(_agglomerate(), 48, 2.09)
    return energy, spectra.xray_map(energy, titania, gold, np.random.default_rng(_POWDER_SEED))


def xray_map(shot: Shot) -> None:
    """An EDS spectrum image of the agglomerate, with HyperSpy's metadata."""
    energy, counts = _xray_counts()
    began = (shot.saved - timedelta(minutes=11)).astimezone(UTC)
    metadata = {
        "General": {
            "title": "Au-TiO2 EDS map",
            "date": f"{began:%Y-%m-%d}",
            "time": f"{began:%H:%M:%S}",
            "time_zone": "UTC",
            "authors": titan.OPERATOR,
        },
        "Acquisition_instrument": {
            "TEM": {
                "microscope": titan.NAME,
                "acquisition_mode": "STEM",
                "beam_energy": titan.VOLTAGE / 1000,
                "beam_current": 0.31,
                "camera_length": 91.0,
                "convergence_angle": titan.CONVERGENCE,
                "magnification": titan.stem_magnification(48 * 2.09),
                "Stage": {
                    "tilt_alpha": _GRID.alpha,
                    "tilt_beta": _GRID.beta,
                    "x": _GRID.x / 1000,
                    "y": _GRID.y / 1000,
                    "z": _GRID.z / 1000,
                },
                "Detector": {
                    "EDS": {
                        "azimuth_angle": 45.0,
                        "elevation_angle": 18.0,
                        "energy_resolution_MnKa": 129.0,
                        "live_time": 568.2,
                        "real_time": 612.0,
                        "number_of_frames": 133,
                    }
                },
            }
        },
        "Sample": {
            "elements": ["Au", "C", "Cu", "O", "Si", "Ti"],
            "xray_lines": ["Au_Ma", "Cu_Ka", "O_Ka", "Ti_Ka"],
            "description": SPECIMEN,
        },
        "Signal": {"signal_type": "EDS_TEM", "quantity": "X-rays (Counts)"},
    }
    axes = [
        rosetta.axis("y", counts.shape[0], 2.09, 0.0, "nm", navigate=True),
        rosetta.axis("x", counts.shape[1], 2.09, 0.0, "nm", navigate=True),
        rosetta.axis("Energy", energy.size, 0.01, -0.2, "keV", navigate=False),
    ]
    original = {"Detector": "Super-X G2", "DwellTime_us": 2000, "Frames": 133, "DriftCorrection": "cross correlation"}
    rosetta.write_hspy(shot.path, counts.astype(np.uint8), axes, metadata, original)


def xray_sum(shot: Shot) -> None:
    """The map's sum spectrum, exported for quantification."""
    energy, counts = _xray_counts()
    began = shot.saved - timedelta(minutes=11, seconds=30)
    header = {
        "FORMAT": "EMSA/MAS Spectral Data File",
        "VERSION": "1.0",
        "TITLE": "Au-TiO2 EDS map sum",
        "DATE": f"{began:%d-%b-%Y}".upper(),
        "TIME": f"{began:%H:%M}",
        "OWNER": titan.OPERATOR,
        "XUNITS": "keV",
        "YUNITS": "counts",
        "SIGNALTYPE": "EDS",
        "BEAMKV": titan.VOLTAGE / 1000,
        "PROBECUR": 0.31,
        "OPERMODE": "STEM",
        "LIVETIME": 568.2,
        "REALTIME": 612.0,
        "ELEVANGLE": 18.0,
        "AZIMANGLE": 45.0,
        "EDSDET": "SDWLS",
    }
    axis = rosetta.axis("Energy", energy.size, 0.01, -0.2, "keV", navigate=False)
    rosetta.write_msa(shot.path, counts.sum(axis=(0, 1)).astype(float), axis, header)


def patterns(shot: Shot) -> None:
    """A 4-D scan: a nanobeam diffraction pattern at each point of a raster over a few grains."""
    scan, size, step, dwell = 20, 80, 3.2, 0.04
    data = diffraction.scan_of_grains(scan, size, shot.rng)
    tags = gatan.nanobeam(shot.of(SPECIMEN, _GRID, scan * scan * dwell + 2), scan, step, dwell, camera_length=185.0)
    reciprocal = dm4.Dimension(size, diffraction.SPAN / size, "1/nm", origin=(size - 1) / 2)
    real = dm4.Dimension(scan, step, "nm")
    axes = [reciprocal, reciprocal, real, real]
    dm4.write(shot.path, dm4.image_document(shot.path.stem, axes, dm4.pixels_of(data), tags, "e-"))


def tilt_series(shot: Shot) -> None:
    """A tomographic series of the agglomerate, from -60 to 60 degrees."""
    size, pixel, exposure = 192, 0.522, 6.0
    tilts = np.arange(-60.0, 60.1, 4.0)
    ideal = particles.tilt_series(_agglomerate(), tilts, size, pixel, shot.rng)
    stack = as_counts(counted(ideal, shot.rng, dose=90, gain=42, dark=900), "int16")
    exposures = [
        mrc.Exposure(
            alpha=float(tilt),
            beta=0.0,
            stage_x=(_GRID.x + float(shot.rng.normal(0, 0.02))) * 1e-6,
            stage_y=(_GRID.y + float(shot.rng.normal(0, 0.02))) * 1e-6,
            stage_z=_GRID.z * 1e-6,
            shift_x=float(shot.rng.normal(0, 8e-9)),
            shift_y=float(shot.rng.normal(0, 8e-9)),
            defocus=-1.2e-7,
            exposure=exposure,
            mean=float(section.mean()),
            tilt_axis=-88.6,
            pixel=pixel * 1e-9,
            magnification=titan.stem_magnification(size * pixel),
        )
        for tilt, section in zip(tilts, stack, strict=True)
    ]
    mrc.write(shot.path, stack, exposures, "FEI Tomography 4: Au-TiO2 A12, STEM HAADF", shot.saved)
