"""Bruker Esprit: spectrum images with their electron images (.bcf) and single spectra (.spx).

Esprit writes dates with dots, day first, in the computer's local time; lengths of the stage in µm, times in ms.
"""

from __future__ import annotations

import struct
from typing import Any

from scopeline.formats.original import json_values
from scopeline.formats.results import Signal
from scopeline.formats.signals import add_calibration, axes_of, dataset_type
from scopeline.formats.source import Source, damaged
from scopeline.formats.tags import Tags
from scopeline.formats.vocabulary import Parameters

MAX_CUBE = 512 << 20  # bytes of a spectrum image; a larger one is read with neighbouring pixels summed
_TEM_ABOVE = 30  # kV


def read(source: Source) -> list[Signal]:
    """Electron images and the spectrum image, or the one spectrum."""
    from rsciio.bruker import _api

    if _is_container(source):
        found = _read_bcf(source)
    else:
        from scopeline.formats import xmltext

        xmltext.parse(source.path.read_bytes(), "The spectrum")
        found = _api.spx_reader(str(source.path))
    when = next((_acquired(source, Tags(one["original_metadata"], "")) for one in reversed(found)), None)
    return [_signal(source, one, when) for one in found]


def _is_container(source: Source) -> bool:
    """Whether the content is that of a .bcf, whatever the name."""
    with source.path.open("rb") as file:
        return file.read(8) == b"AAMVHFSS"


def _check_container(source: Source) -> None:
    """A .bcf is an AidAim file system: after 280 bytes, as many chunks of one size as its header says."""
    with source.path.open("rb") as file, damaged("the header of its container", source.size):
        file.seek(0x128)
        (chunk,) = struct.unpack("<I", file.read(4))
        file.seek(0x148)
        (count,) = struct.unpack("<I", file.read(4))
    source.must_hold(0x118 + chunk * count)


def _read_bcf(source: Source) -> list[dict[str, Any]]:
    _check_container(source)
    import numpy as np
    from rsciio.bruker._api import BCF_reader, bcf_hyperspectra, bcf_images

    container = BCF_reader(str(source.path))
    found: list[dict[str, Any]] = list(bcf_images(container))
    image = container.header.image
    channels = max((container.header.spectra_data[i].data.size for i in container.available_indexes), default=0)
    factor = 1
    while image.width * image.height * channels * 2 / factor**2 > MAX_CUBE:
        factor *= 2
    if factor > 1:
        source.warnings.append(
            f"The spectrum image of {image.width} × {image.height} pixels and {channels} channels is large; "
            f"{factor} × {factor} pixels are summed."
        )
    if container.available_indexes:
        found += bcf_hyperspectra(container, index="all", downsample=factor, lazy=True)
    return [one for one in found if np.prod(one["data"].shape)]


def _signal(source: Source, found: dict[str, Any], when: Any) -> Signal:
    warnings: list[str] = []
    data = found["data"]
    axes = axes_of(found["axes"], data.shape, warnings)
    spectrum = axes[-1].name == "Energy"
    for axis in axes[:-1] if spectrum else []:
        axis.navigation = True
    for axis in axes:
        axis.name = {"height": "y", "width": "x"}.get(axis.name, axis.name)
    original = Tags(found["original_metadata"], "")
    parameters = _parameters(original, found.get("metadata") or {})
    add_calibration(parameters, axes, origin="Microscope.DX")
    title = (found["metadata"].get("General") or {}).get("title")
    if not spectrum and title:
        parameters.add("Detector", title, origin="DSP Configuration.ChannelName0")
    voltage = original.get("Microscope", "HV")
    scanning = "STEM" if isinstance(voltage, int | float) and voltage > _TEM_ABOVE else "SEM"
    return Signal(
        data=data,
        axes=axes,
        type=dataset_type(axes),
        title=f"{source.title} {title}" if title and title != source.title else source.title,
        technique="EDS" if spectrum else scanning,
        acquired=when if when is not None else source.clock.acquired(),
        parameters=parameters.values,
        metadata=json_values(found["original_metadata"]),
        warnings=warnings,
    )


def _acquired(source: Source, original: Tags) -> Any:
    spectrum = original.group("Spectrum")
    stamp = source.clock.text(spectrum.get("Date"), spectrum.get("Time"), day_first=True)
    return source.clock.acquired(stamp) if stamp is not None else None


def _parameters(original: Tags, metadata: dict[str, Any]) -> Parameters:
    found = Parameters()
    scope, stage = original.group("Microscope"), original.group("Stage")
    scope.add(found, "Accelerating Voltage", "HV", "kV")
    original.group("Analysis").add(found, "Accelerating Voltage", "PrimaryEnergy", "kV")
    scope.add(found, "Magnification", "Mag")
    if scope.get("WD") != -1:  # Esprit's "unknown"
        scope.add(found, "Working Distance", "WD", "mm")
    for axis in ("X", "Y", "Z"):
        stage.add(found, f"Stage {axis}", axis, "µm")
    stage.add(found, "Stage Rotation", "Rotation", "°")
    stage.add(found, "Stage Tilt", "Tilt", "°")
    hardware, detector = original.group("Hardware"), original.group("Detector")
    hardware.add(found, "Real Time", "RealTime", "ms")
    hardware.add(found, "Live Time", "LifeTime", "ms")
    hardware.add(found, "Dead Time", "DeadTime", "%")
    detector.add(found, "Detector", "Type")
    analysis = original.group("Analysis")
    analysis.add(found, "Elevation Angle", "ElevationAngle", "°")
    analysis.add(found, "Azimuth Angle", "AzimutAngle", "°")
    sample = metadata.get("Sample") or {}
    if sample.get("name") not in ("", None, "Undefined", "map"):
        found.add("Specimen", sample.get("name"), origin="bcf header")
    elements = sample.get("elements")
    if elements:
        found.add("Elements", " ".join(map(str, elements)), origin="bcf header")
    return found
