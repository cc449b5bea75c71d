"""The common vocabulary: one name and one unit for each parameter, whatever the vendor calls it.

A parameter has a name from `TERMS`, or a vendor's own name where the field has no common one. Values are plain numbers
in the term's unit; the tag that a value comes from is its `origin`.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any

from scopeline.domain.files import Parameter
from scopeline.formats import units
from scopeline.formats.original import whole_text

DIGITS = 7  # significant ones that a value is shown with: what a 32-bit float carries
MAX_TEXT = 500  # characters of a text value; the complete one stays in the original metadata


@dataclass(frozen=True, slots=True)
class Term:
    """A name of the vocabulary, with the unit that reads well in the usual range.

    A value outside `low`..`high` (in `unit`) is kept with a warning.
    """

    name: str
    unit: str | None = None
    low: float | None = None
    high: float | None = None
    positive: bool = False  # zero or less cannot be measured: it stands for "not known"
    optional: bool = False  # zero stands for "not known" and is left out
    decimals: int | None = None  # finer than the instrument sets it; what is beyond is noise of the computation

    @property
    def is_number(self) -> bool:
        """Whether text cannot be a value; other terms with a unit may be "retracted" or "off"."""
        return self.positive or self.low is not None or self.high is not None

    @property
    def dimension(self) -> str | None:
        """The dimension of the unit."""
        return units.dimension(self.unit)


def _terms() -> dict[str, Term]:
    terms = [
        # Instrument and people
        Term("Microscope"), Term("Manufacturer"), Term("Software"), Term("Operator"), Term("Specimen"),
        # Beam
        Term("Accelerating Voltage", "kV", low=0.02, high=3000, positive=True),
        Term("Extraction Voltage", "V"), Term("Gun Type"), Term("Gun Lens"),
        Term("Emission Current", "µA", optional=True), Term("Beam Current", "nA", optional=True),
        Term("Spot Size"), Term("Probe Diameter", "nm", optional=True),
        Term("Convergence Semi-angle", "mrad", low=0, high=200, optional=True),
        Term("Ion Species"), Term("Landing Voltage", "kV"), Term("Stage Bias", "V"),
        # Optics
        Term("Magnification", None, low=1, high=1e9, positive=True), Term("Actual Magnification", None, positive=True),
        Term("Camera Length", "mm", low=0, high=1e5, optional=True), Term("Defocus", "nm"),
        Term("Working Distance", "mm", low=0, high=500), Term("Spherical Aberration", "mm", optional=True),
        Term("Illumination Mode"), Term("Imaging Mode"), Term("Operation Mode"), Term("Acquisition Mode"),
        Term("Objective Lens", "%"), Term("Diffraction Lens", "%"), Term("C1 Lens", "%"), Term("C2 Lens", "%"),
        Term("C3 Lens", "%"), Term("Image Shift X", "µm"), Term("Image Shift Y", "µm"),
        Term("C1 Aperture", "µm"), Term("C2 Aperture", "µm"), Term("C3 Aperture", "µm"), Term("Aperture", "µm"),
        Term("Objective Aperture", "µm"), Term("Selected Area Aperture", "µm"),
        # Stage
        *(Term(f"Stage {axis}", "µm", decimals=4) for axis in "XYZ"),
        *(Term(f"Stage {axis}", "°", -180, 180, decimals=3) for axis in ("Alpha", "Beta", "Tilt")),
        Term("Stage Rotation", "°", decimals=3), Term("Tilt Range"), Term("Tilt Axis", "°", decimals=3),
        # Scan and camera
        Term("Detector"), Term("Pixel Size", "nm", positive=True), Term("Reciprocal Pixel Size", "1/nm", positive=True),
        Term("Angular Pixel Size", "mrad", positive=True), Term("Field of View", "nm", positive=True),
        Term("Step Size", "nm", positive=True), Term("Binning"), Term("Frames"),
        Term("Exposure Time", "s", low=0, high=1e6, positive=True), Term("Dwell Time", "µs", low=0, high=1e9),
        Term("Pixel Time", "s", low=0, high=1e6), Term("Frame Time", "s"), Term("Line Time", "ms"),
        Term("Scan Rotation", "°", decimals=3), Term("Camera Processing"),
        Term("Inner Collection Angle", "mrad", optional=True), Term("Outer Collection Angle", "mrad", optional=True),
        # Spectroscopy
        Term("Energy Dispersion", "eV/ch", low=1e-4, high=1e4, positive=True), Term("Energy Offset", "eV"),
        Term("Energy Loss", "eV"), Term("Collection Semi-angle", "mrad", low=0, high=500, optional=True),
        Term("Live Time", "s"), Term("Real Time", "s"), Term("Dead Time", "%"), Term("Elevation Angle", "°"),
        Term("Azimuth Angle", "°"), Term("Solid Angle", "sr"), Term("Spectrometer"), Term("Elements"),
        Term("Filter Mode"), Term("Filter Aperture", "mm"), Term("Filter Dispersion", "eV/ch"),
        Term("Filter Slit"), Term("Filter Slit Width", "eV"), Term("Filter Drift Tube", "eV"),
        Term("Filter Prism Shift", "eV"), Term("Filter Energy Loss", "eV"), Term("Filter HT Offset", "eV"),
        # Environment
        Term("Chamber Pressure", "mPa"), Term("Temperature", "°C"), Term("Gas"),
        # Light
        Term("Laser Wavelength", "nm"),
    ]  # fmt: skip
    return {term.name: term for term in terms}


TERMS = _terms()


@dataclass(slots=True)
class Parameters:
    """Collects the parameters of one signal."""

    values: dict[str, Parameter] = field(default_factory=dict)

    def add(self, name: str, value: Any, unit: str | None = None, *, origin: str) -> None:
        """Add a value of the vocabulary, given in `unit` (None: in the term's own unit, or none).

        The first value of a name stays. Values that say nothing (None, empty text, NaN, zero where zero means "not
        known") are left out.
        """
        term = TERMS[name]
        if name in self.values:
            return
        plain = _plain(value)
        if plain is None:
            return
        if isinstance(plain, float) and math.isfinite(plain):
            plain, unit = _in_term_unit(term, plain, unit)
        elif isinstance(plain, str):
            unit = None
        if isinstance(plain, int | float) and not isinstance(plain, bool):
            if not math.isfinite(plain) or (term.optional and plain == 0):
                return
            warning = _doubt(term, plain)
            decimals = term.decimals if unit == term.unit else None
            self.values[name] = Parameter(value=_shown(plain, decimals), unit=unit, origin=origin, warning=warning)
        else:
            warning = "not a number" if term.is_number else None
            self.values[name] = Parameter(value=plain, origin=origin, warning=warning)

    def add_vendor(self, name: str, value: Any, unit: str | None = None, *, origin: str) -> None:
        """Add a value under the vendor's own name."""
        if name in TERMS:
            raise KeyError(f"{name!r} is a name of the common vocabulary")
        plain = _plain(value)
        if plain is None or name in self.values:
            return
        if isinstance(plain, float):
            if not math.isfinite(plain):
                return
            plain = _shown(units.tidy(plain))
        self.values[name] = Parameter(value=plain, unit=units.symbol(unit), origin=origin)


def _plain(value: Any) -> str | float | bool | None:
    """`value` as text, number or bool; numbers in text become numbers."""
    if hasattr(value, "item") and getattr(value, "size", 1) == 1:  # a numpy scalar
        value = value.item()
    if isinstance(value, bool) or value is None:
        return value
    if isinstance(value, int | float):
        return float(value)
    if isinstance(value, bytes):
        value = value.decode("utf-8", "replace")
    if not isinstance(value, str):
        return None
    text = " ".join(whole_text(value).replace("\x00", " ").split())
    if not text:
        return None
    try:
        number = float(text)
    except ValueError:
        return text if len(text) <= MAX_TEXT else text[: MAX_TEXT - 1] + "…"
    return number if math.isfinite(number) else None


def _in_term_unit(term: Term, value: float, unit: str | None) -> tuple[float, str | None]:
    given = units.symbol(unit)
    if term.unit is None:
        return units.tidy(value), given
    if given is None:
        return units.tidy(value), term.unit
    try:
        return units.convert(value, given, term.unit), term.unit
    except ValueError:
        return units.tidy(value), given


def _doubt(term: Term, value: float) -> str | None:
    shown = f"{value:g} {term.unit}" if term.unit else f"{value:g}"
    if term.positive and value <= 0:
        return f"{shown} cannot be: the instrument did not know this value"
    if (term.low is not None and value < term.low) or (term.high is not None and value > term.high):
        return f"{shown} is outside what is plausible"
    return None


def _shown(value: float, decimals: int | None = None) -> int | float:
    """`value` in as many digits as mean something; whole numbers as integers, so that 300.0 kV reads 300."""
    if not float(value).is_integer():
        value = float(f"{value:.{DIGITS}g}")
        if decimals is not None:
            value = round(value, decimals)
    return int(value) if float(value).is_integer() and abs(value) < 1e15 else value
