"""EMSA/MAS spectra (ISO 22029), the exchange format of EELS and EDS."""

from __future__ import annotations

import io
import re
from typing import Any

from scopeline.formats import rosetta, units
from scopeline.formats.results import Signal, Unreadable
from scopeline.formats.source import Source
from scopeline.formats.tags import Tags
from scopeline.formats.times import Stamp
from scopeline.formats.vocabulary import Parameters

_TECHNIQUES = {"ELS": "EELS", "EDS": "EDS", "WDS": "WDS", "CLS": "CL", "AES": "AES", "XPS": "XPS"}

_AXES = {"energy": "Energy", "length": "Wavelength"}

# Keyword -> name, unit. Version 1 adds the unit to the keyword (`BEAMKV   -kV`).
_KEYWORDS = (
    ("BEAMKV", "Accelerating Voltage", "kV"), ("EMISSION", "Emission Current", "µA"),
    ("PROBECUR", "Beam Current", "nA"), ("BEAMDIAM", "Probe Diameter", "nm"), ("MAGCAM", "Magnification", None),
    ("CONVANGLE", "Convergence Semi-angle", "mrad"), ("COLLANGLE", "Collection Semi-angle", "mrad"),
    ("DWELLTIME", "Dwell Time", "ms"), ("INTEGTIME", "Exposure Time", "ms"), ("LIVETIME", "Live Time", "s"),
    ("REALTIME", "Real Time", "s"), ("ELEVANGLE", "Elevation Angle", "°"), ("AZIMANGLE", "Azimuth Angle", "°"),
    ("SOLIDANGLE", "Solid Angle", "sr"), ("OWNER", "Operator", None),
    ("XTILTSTGE", "Stage Alpha", "°"), ("YTILTSTGE", "Stage Beta", "°"), ("EDSDET", "Detector", None),
    ("ELSDET", "Detector", None),
)  # fmt: skip


# The standard's codes for the mode of operation; programs also write TEM, STEM or SEM.
_MODES = {
    "IMAGE": ("Imaging Mode", "IMAGING"), "DIFFR": ("Imaging Mode", "DIFFRACTION"),
    "SCIMG": ("Operation Mode", "SCANNING"), "SCDIF": ("Operation Mode", "SCANNING"),
}  # fmt: skip


def read(source: Source) -> list[Signal]:
    """The one spectrum of the file."""
    from rsciio.msa import _api as msa

    text = source.path.read_bytes()
    if b"#ENDOFDATA" not in text.upper().replace(b" ", b""):
        raise Unreadable("The spectrum has no end mark (#ENDOFDATA): it was not written or copied completely.")
    kind = re.search(rb"#SIGNALTYPE\s*:\s*(\w+)", text)
    technique = _TECHNIQUES.get(kind[1].decode("ascii", "replace").upper()) if kind else None
    found = msa.parse_msa_string(_lines(text), source.path.name)
    for one in found:
        _check_number(one, source)
        _name_axis(one)
        one["mapping"] = {}
        one["metadata"].pop("Acquisition_instrument", None)  # it is read from the keywords, whose units are told

    def stamps(original: Tags) -> list[Stamp | None]:
        return [source.clock.text(original.get("DATE"), original.get("TIME"))]

    return rosetta.signals(source, found, technique=technique, stamps=stamps, add=_add)


def _lines(content: bytes) -> io.StringIO:
    """The file's lines; each keyword with a colon and a space behind, without which rosettasciio knows none."""
    lines = content.decode("latin-1").splitlines()
    return io.StringIO("".join(re.sub(r"^(#[^:]*?)\s*:\s*", r"\1 : ", line) + "\n" for line in lines if line))


def _check_number(one: dict[str, Any], source: Source) -> None:
    """Hold the number of values against NPOINTS."""
    number = len(one["data"])
    if not number:
        raise Unreadable("The file has no value in its spectrum: it was not written completely, or it is damaged.")
    promised = one["original_metadata"].get("NPOINTS")
    if isinstance(promised, int | float) and int(promised) != number:
        source.warnings.append(f"The header promises {int(promised):,} values (NPOINTS); the file has {number:,}.")


def _name_axis(one: dict[str, Any]) -> None:
    """Name an axis without a label by its unit."""
    (axis,) = one["axes"]
    if not str(axis["name"] or "").strip():
        axis["name"] = _AXES.get(units.dimension(units.symbol(axis["units"])) or "", "")


def _add(found: Parameters, original: Tags) -> None:
    keys = {re.split(r"\s*-", str(key))[0].strip(): key for key in original.values}
    for keyword, name, unit in _KEYWORDS:
        if keyword in keys:
            original.add(found, name, keys[keyword], unit)
    mode = str(original.get("OPERMODE") or "").strip().upper()
    name, word = _MODES.get(mode, ("Illumination Mode", mode))
    found.add(name, word, origin="OPERMODE")
