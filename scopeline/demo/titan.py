"""The demonstration's microscope and its state.

A Titan at 300 kV with a probe corrector, a Gatan camera and spectrometer, and Thermo Fisher's Velox. Numbers fit each
other: magnification follows from the pixel size, the diffraction scale from camera length and wavelength.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from scopeline.demo.specimen.diffraction import wavelength

NAME = "Titan Themis 300"
OPERATOR = "M. Keller"
VOLTAGE = 300e3
CONVERGENCE = 21.4  # mrad
PROBE_CURRENT = 0.062  # nA
CAMERA_PIXEL = 14.0  # um, of the Gatan camera, unbinned

# A STEM magnification is the width of the picture on a monitor over the width of the field.
_DISPLAY = 0.0794


@dataclass(frozen=True, slots=True)
class Stage:
    """Position in um, tilts in degrees."""

    x: float
    y: float
    z: float
    alpha: float = 0.0
    beta: float = 0.0


@dataclass(frozen=True, slots=True)
class Acquisition:
    """One acquisition: when it began (aware, in the instrument's zone), where, and of what."""

    when: datetime
    stage: Stage
    specimen: str
    number: int


def stem_magnification(field: float) -> float:
    """The magnification that a field of `field` nm has, rounded to what the software shows."""
    return float(f"{_DISPLAY / (field * 1e-9):.3g}")


def diffraction_pixel(camera_length: float, binning: int) -> float:
    """1/nm per camera pixel at `camera_length` mm."""
    return binning * CAMERA_PIXEL * 1e-6 / (wavelength(VOLTAGE) * camera_length * 1e-3)
