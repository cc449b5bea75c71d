"""Tags of DigitalMicrograph files as the demonstration's microscope fills them."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import numpy as np

from scopeline.demo import titan

# The camera sits below the viewing screen: a TEM picture is this much larger on it than the indicated magnification.
_POST_MAGNIFICATION = 1.434
_FILETIME_EPOCH = datetime(1601, 1, 1, tzinfo=UTC)


def filetime(moment: datetime) -> float:
    """Windows' FILETIME: 100 ns since 1601, UTC. DigitalMicrograph keeps it as a float64."""
    return (moment - _FILETIME_EPOCH).total_seconds() * 1e7


def us_date(moment: datetime) -> str:
    """A date as DigitalMicrograph writes it on an American Windows, without padding."""
    return f"{moment.month}/{moment.day}/{moment.year}"


def us_time(moment: datetime) -> str:
    """A time of day as DigitalMicrograph writes it on an American Windows."""
    return f"{moment.hour % 12 or 12}:{moment:%M:%S %p}"


def _common(shot: titan.Acquisition, device: str, info: dict[str, Any]) -> dict[str, Any]:
    stage = shot.stage
    return {
        "DataBar": {
            "Acquisition Date": us_date(shot.when),
            "Acquisition Time": us_time(shot.when),
            "Acquisition Time (OS)": np.float64(filetime(shot.when)),
            "Device Name": device,
            "Exposure Number": np.uint32(318_400 + shot.number),
        },
        "Microscope Info": {
            "Cs(mm)": np.float32(1.2),
            "Emission Current (µA)": np.float32(118.0),
            "Formatted Voltage": "300kV",
            "Microscope": titan.NAME,
            "Name": titan.NAME,
            "Operator": titan.OPERATOR,
            "Probe Current (nA)": np.float32(titan.PROBE_CURRENT),
            "Probe Size (nm)": np.float32(0.08),
            "Specimen": shot.specimen,
            "Stage Position": {
                "Stage Alpha": np.float32(stage.alpha),
                "Stage Beta": np.float32(stage.beta),
                "Stage X": np.float32(stage.x),
                "Stage Y": np.float32(stage.y),
                "Stage Z": np.float32(stage.z),
            },
            "Voltage": np.float32(titan.VOLTAGE),
            **info,
        },
        "Session Info": {"Microscope": titan.NAME, "Operator": titan.OPERATOR, "Specimen": shot.specimen},
    }


def stem(shot: titan.Acquisition, size: tuple[int, int], pixel: float, dwell: float, detector: str) -> dict[str, Any]:
    """Tags of a DigiScan picture: `size` (y, x) pixels of `pixel` nm, `dwell` us each."""
    magnification = titan.stem_magnification(size[1] * pixel)
    info = {
        "Formatted Indicated Mag": f"{magnification / 1e6:.2f}Mx",
        "Illumination Mode": "STEM",
        "Imaging Mode": "DIFFRACTION",
        "Indicated Magnification": np.float64(magnification),
        "Operation Mode": "SCANNING",
        "STEM Camera Length": np.float64(91.0),
    }
    tags = _common(shot, "DigiScan", info)
    tags["DataBar"] |= {"Exposure Time (s)": np.float64(dwell * 1e-6 * size[0] * size[1]), "Signal Name": detector}
    tags["DigiScan"] = {
        "Flyback": np.float64(500.0),
        "Image Height": np.uint32(size[0]),
        "Image Width": np.uint32(size[1]),
        "Number Summing Frames": np.uint32(1),
        "Rotation": np.float64(12.5),
        "Sample Time": np.float64(dwell),
        "Signals": [{"Acquired": True, "Name": detector, "Selected": True, "Signal ID": np.uint32(0)}],
    }
    return tags


def camera(
    shot: titan.Acquisition, exposure: float, binning: int, pixel: float | None, camera_length: float
) -> dict[str, Any]:
    """Tags of a camera picture: an image of `pixel` nm, or with None a diffraction pattern at `camera_length` mm."""
    if pixel is None:
        info: dict[str, Any] = {
            "Imaging Mode": "DIFFRACTION",
            "Operation Mode": "DIFFRACTION",
            "Indicated Magnification": np.float64(camera_length),
            "STEM Camera Length": np.float64(camera_length),
        }
    else:
        actual = binning * titan.CAMERA_PIXEL * 1e3 / pixel
        info = {
            "Actual Magnification": np.float64(round(actual)),
            "Imaging Mode": "IMAGING",
            "Operation Mode": "IMAGING",
            "Indicated Magnification": np.float64(round(actual / _POST_MAGNIFICATION, -4)),
            "STEM Camera Length": np.float64(0.0),
        }
    tags = _common(shot, "BM-UltraScan", {"Illumination Mode": "TEM", **info})
    tags["DataBar"] |= {"Exposure Time (s)": np.float64(exposure)}
    tags["Acquisition"] = {
        "Device": {
            "Active Size (pixels)": (np.int32(2048), np.int32(2048)),
            "CCD": {"Pixel Size (um)": (np.float32(titan.CAMERA_PIXEL), np.float32(titan.CAMERA_PIXEL))},
            "Name": "BM-UltraScan",
            "Source": "BM-UltraScan",
        },
        "Frame": {"Sequence": {"Exposure Time (ns)": np.float64(exposure * 1e9)}},
        "Parameters": {
            "Environment": {"Mode Name": "Imaging"},
            "High Level": {
                "Binning": (np.int32(binning), np.int32(binning)),
                "Exposure (s)": np.float64(exposure),
                "Processing": "Gain Normalized",
            },
        },
    }
    return tags


def energy_loss(
    shot: titan.Acquisition, ended: datetime, size: tuple[int, int], step: float, exposure: float, loss: float
) -> dict[str, Any]:
    """Tags of an EELS spectrum image of `size` (y, x) pixels, `step` nm apart, `exposure` s each, from `loss` eV on."""
    tags = stem(shot, size, step, exposure * 1e6, "HAADF")
    tags["DataBar"] |= {"Device Name": "GIF CCD", "Exposure Time (s)": np.float64(exposure)}
    tags["EELS"] = {
        "Acquisition": {
            "Date": us_date(shot.when),
            "Start time": us_time(shot.when),
            "End time": us_time(ended),
            "Exposure (s)": np.float64(exposure),
            "Number of frames": np.uint32(1),
        },
        "Experimental Conditions": {
            "Collection semi-angle (mrad)": np.float64(39.0),
            "Convergence semi-angle (mrad)": np.float64(titan.CONVERGENCE),
        },
    }
    tags["EELS Spectrometer"] = {
        "Aperture label": "5.0 mm",
        "Dispersion (eV/ch)": np.float64(0.25),
        "Drift tube enabled": True,
        "Drift tube voltage (V)": np.float64(loss),
        "Energy loss (eV)": np.float64(loss),
        "Instrument name": "GIF Quantum ERS",
    }
    tags["Meta Data"] = {
        "Acquisition Mode": "Parallel dispersive",
        "Experiment keywords": [{"Label": "Spectrum Imaging"}, {"Label": "EELS"}],
        "Format": "Spectrum image",
        "Signal": "EELS",
    }
    tags["SI"] = {
        "Acquisition": {
            "Date": us_date(shot.when),
            "Start time": us_time(shot.when),
            "End time": us_time(ended),
            "Number of cycles": np.uint32(1),
            "Pixel time (s)": np.float64(exposure),
            "SI Application Mode": {"Name": "2D Array"},
            "Spatial Sampling": {"Height (pixels)": np.uint32(size[0]), "Width (pixels)": np.uint32(size[1])},
        }
    }
    return tags


def nanobeam(shot: titan.Acquisition, scan: int, step: float, dwell: float, camera_length: float) -> dict[str, Any]:
    """Tags of a 4-D scan of `scan` x `scan` points, `step` nm apart, `dwell` s each."""
    tags = stem(shot, (scan, scan), step, dwell * 1e6, "OneView")
    tags["DataBar"] |= {"Device Name": "OneView", "Exposure Time (s)": np.float64(dwell)}
    tags["Microscope Info"] |= {"STEM Camera Length": np.float64(camera_length)}
    tags["Meta Data"] = {
        "Acquisition Mode": "Parallel imaging",
        "Experiment keywords": [{"Label": "Spectrum Imaging"}, {"Label": "Diffraction"}],
        "Format": "Diffraction image",
        "Signal": "Diffraction",
    }
    return tags
