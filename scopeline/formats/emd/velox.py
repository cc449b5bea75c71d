"""Thermo Fisher Velox: images, stacks and spectra; of EDS event streams the sum spectrum.

An event stream (`Data/SpectrumStream`) lists the energy channel of each X-ray, 65535 standing for "next pixel". As an
array of pixels by channels it is up to gigabytes, so only the spectrum summed over all pixels is counted, in pieces.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

from scopeline.domain.files import DatasetType
from scopeline.formats.original import json_values
from scopeline.formats.results import Signal
from scopeline.formats.signals import add_calibration, axes_of, dataset_type, make_axis
from scopeline.formats.source import Source
from scopeline.formats.tags import Tags
from scopeline.formats.vocabulary import Parameters

MAX_STREAM = 4 << 30  # bytes of all event streams of a file that are counted
_PIECE = 1 << 23  # events counted at once
_APERTURES = {
    "C1": "C1 Aperture", "C2": "C2 Aperture", "C3": "C3 Aperture", "OBJ": "Objective Aperture",
    "SA": "Selected Area Aperture",
}  # fmt: skip

# The symbols of the elements that have X-ray lines, one run of text split into two or one letter.
_ELEMENTS = frozenset(
    re.findall(
        r"[A-Z][a-z]?",
        "HHeLiBeBCNOFNeNaMgAlSiPSClArKCaScTiVCrMnFeCoNiCuZnGaGeAsSeBrKrRbSrYZrNbMoTcRuRhPdAgCdInSnSbTeIXeCsBaLaCePrNd"
        "PmSmEuGdTbDyHoErTmYbLuHfTaWReOsIrPtAuHgTlPbBiPoAtRnFrRaAcThPaUNpPuAm",
    )
)


def read(source: Source) -> list[Signal]:
    """All images and spectra."""
    import h5py
    from rsciio.emd._emd_velox import FeiEMDReader

    class Reader(FeiEMDReader):  # type: ignore[misc]
        """Reads images and single spectra; event streams are left alone."""

        def _read_data(self, select_type: str | None) -> None:
            self.load_images, self.load_SI, self.load_single_spectrum = True, False, True
            self._read_single_spectrum()
            self._read_images()

    file = h5py.File(source.path, "r")  # stays open: the data are read from it later
    reader = Reader(lazy=True)
    reader.read_file(file)
    signals = [_signal(source, found) for found in reader.dictionaries]
    return signals + list(_event_streams(source, file))


def _signal(source: Source, found: dict[str, Any]) -> Signal:
    warnings: list[str] = []
    data = found["data"]
    axes = axes_of(found["axes"], data.shape, warnings)
    original = Tags(found["original_metadata"], "")
    title = (found["metadata"].get("General") or {}).get("title")
    spectrum = axes[-1].name == "Energy"
    scanning = _scanning(original)
    # Maps of elements are images without a detector of their own, named by the element.
    element_map = not spectrum and original.get("BinaryResult", "DetectorIndex") is None and _is_element(title)
    label: str | None = f"{title} map" if element_map else str(title) if title else None
    parameters = _parameters(original, None if element_map else label, scanning=scanning, spectrum=spectrum)
    add_calibration(parameters, axes, origin="BinaryResult.PixelSize")
    kind = DatasetType.SPECTRUM if spectrum else dataset_type(axes)
    technique = "EDS" if spectrum or element_map else "STEM" if scanning else "TEM"
    if spectrum:
        label = " ".join(["EDS", *(str(p.value) for p in [parameters.values.get("Detector")] if p)])
    return Signal(
        data=data,
        axes=axes,
        type=kind,
        title=label or source.title,
        technique="Diffraction" if kind is DatasetType.DIFFRACTION and technique == "TEM" else technique,
        acquired=_acquired(source, original),
        parameters=parameters.values,
        metadata=json_values(found["original_metadata"]),
        warnings=warnings,
    )


def _is_element(title: Any) -> bool:
    return isinstance(title, str) and title in _ELEMENTS


def _scanning(original: Tags) -> bool:
    """A camera image has no detector that scans; `OperatingMode` 2 is STEM."""
    detector = _detector(original)
    if detector.get("DetectorType") in ("ImagingDetector", "CameraDetector"):
        return False
    return original.get("Optics", "OperatingMode") == "2" or original.get("Scan", "DwellTime") is not None


def _detector(original: Tags) -> Tags:
    index = original.get("BinaryResult", "DetectorIndex")
    return original.group("Detectors", f"Detector-{index}") if index is not None else Tags({}, "")


def _acquired(source: Source, original: Tags) -> Any:
    acquisition = original.group("Acquisition")
    return source.clock.acquired(
        source.clock.epoch(acquisition.get("AcquisitionStartDatetime", "DateTime")),
        source.clock.epoch(acquisition.get("AcquisitionDatetime", "DateTime")),
    )


def _parameters(original: Tags, title: str | None, *, scanning: bool, spectrum: bool) -> Parameters:
    found = Parameters()
    _instrument(found, original)
    _optics(found, original, scanning=scanning)
    _stage(found, original)
    detector = _detector(original)
    original.group("BinaryResult").add(found, "Detector", "Detector")
    detector.add(found, "Detector", "DetectorName")
    if not spectrum:
        found.add("Detector", title, origin="Operations")
    if scanning:
        scan = original.group("Scan")
        scan.add(found, "Dwell Time", "DwellTime", "s")
        scan.add(found, "Frame Time", "FrameTime", "s")
        scan.add(found, "Line Time", "LineTime", "s")
        scan.add(found, "Scan Rotation", "ScanRotation", "rad")
        angles = detector.group("CollectionAngleRange")
        angles.add(found, "Inner Collection Angle", "begin", "rad")
        angles.add(found, "Outer Collection Angle", "end", "rad")
    else:
        detector.add(found, "Exposure Time", "ExposureTime", "s")
        across, down = detector.get("Binning", "width"), detector.get("Binning", "height")
        if across and down:
            found.add("Binning", f"{across} × {down}", origin=detector.path("Binning"))
    detector.add(found, "Live Time", "LiveTime", "s")
    detector.add(found, "Real Time", "RealTime", "s")
    detector.add(found, "Elevation Angle", "ElevationAngle", "rad")
    detector.add(found, "Azimuth Angle", "AzimuthAngle", "rad")
    return found


def _instrument(found: Parameters, original: Tags) -> None:
    instrument = original.group("Instrument")
    instrument.add(found, "Microscope", "InstrumentModel")
    instrument.add_vendor(found, "Instrument Number", "InstrumentId")
    instrument.add(found, "Manufacturer", "Manufacturer")
    instrument.add(found, "Software", "ControlSoftwareVersion")
    original.group("Acquisition").add(found, "Gun Type", "SourceType")
    original.group("Sample").add(found, "Specimen", "SampleId")


def _optics(found: Parameters, original: Tags, *, scanning: bool) -> None:
    optics = original.group("Optics")
    optics.add(found, "Accelerating Voltage", "AccelerationVoltage", "V")
    optics.add(found, "Extraction Voltage", "ExtractorVoltage", "V")
    optics.add(found, "Gun Lens", "GunLensSetting")
    optics.add(found, "Spot Size", "SpotIndex")
    current = _thousandth(optics.get("LastMeasuredScreenCurrent"))
    if current is not None:
        found.add_vendor("Screen Current", current * 1e15, "pA", origin=optics.path("LastMeasuredScreenCurrent"))
    optics.add(found, "Defocus", "Defocus", "m")
    imaging = original.get("Optics", "ProjectorMode") != "1"  # 1: diffraction, 2: imaging
    mode = {"1": "TEM", "2": "STEM"}.get(str(optics.get("OperatingMode")))
    found.add("Illumination Mode", mode, origin=optics.path("OperatingMode"))
    optics.add_vendor(found, "Condenser Mode", "IlluminationMode")  # parallel, probe or free
    found.add("Imaging Mode", "IMAGING" if imaging else "DIFFRACTION", origin=optics.path("ProjectorMode"))
    if scanning:
        magnification = original.group("CustomProperties", "StemMagnification")
        if magnification.get("type") == "double":  # other files have a truth value of this name
            magnification.add(found, "Magnification", "value")
    elif imaging:
        optics.add(found, "Magnification", "NominalMagnification")
    if not imaging:
        optics.add(found, "Camera Length", "CameraLength", "m")
    angle = optics.get("BeamConvergence")
    if _positive(angle):  # Velox writes a negative number where it does not know the angle
        optics.add(found, "Convergence Semi-angle", "BeamConvergence", "rad")
    for name, tag in (
        ("C1 Lens", "C1LensIntensity"), ("C2 Lens", "C2LensIntensity"), ("C3 Lens", "C3LensIntensity"),
        ("Objective Lens", "ObjectiveLensIntensity"), ("Diffraction Lens", "DiffractionLensIntensity"),
    ):  # fmt: skip
        value = optics.get(tag)
        if value is not None:  # fractions of 1
            found.add(name, float(value) * 100, "%", origin=optics.path(tag))
    apertures = optics.group("Apertures")
    for key in apertures.values:
        aperture = apertures.group(key)
        term = _APERTURES.get(str(aperture.get("Name")))
        if term is not None and aperture.get("Diameter") is not None:
            aperture.add(found, term, "Diameter", "m")
        elif term is not None and aperture.get("Type") == "None":
            found.add(term, "retracted", origin=aperture.path("Type"))


def _stage(found: Parameters, original: Tags) -> None:
    stage = original.group("Stage")
    for axis in ("X", "Y", "Z"):
        stage.group("Position").add(found, f"Stage {axis}", axis.lower(), "m")
    stage.add(found, "Stage Alpha", "AlphaTilt", "rad")
    stage.add(found, "Stage Beta", "BetaTilt", "rad")
    stage.add_vendor(found, "Holder", "HolderType")


def _positive(value: Any) -> bool:
    try:
        return float(value) > 0
    except (TypeError, ValueError):
        return False


def _event_streams(source: Source, file: Any) -> Iterator[Signal]:
    """The sum spectrum of the file's event streams, one for all detectors together."""
    group = file.get("Data/SpectrumStream")
    streams = [group[key] for key in group] if group is not None else []
    if not streams:
        if "Data/SpectrumImage" in file:
            source.warnings.append("The EDS spectrum image was removed from the file (pruned); its maps are left.")
        return
    length = sum(int(stream["Data"].size) * 2 for stream in streams)
    settings = json.loads(streams[0]["AcquisitionSettings"][0])
    scan = settings.get("RasterScanDefinition") or {}
    frames = int(streams[0]["FrameLocationTable"].size) if "FrameLocationTable" in streams[0] else 0
    shown = f"{scan.get('Width')} × {scan.get('Height')} pixels"
    if length > MAX_STREAM:
        source.warnings.append(
            f"The EDS spectrum image of {shown} is a stream of {length:,} bytes; it is not read above {MAX_STREAM:,}."
        )
        return
    channels = int(settings.get("bincount", 4096))
    counts = _counted([stream["Data"] for stream in streams], channels)
    original = Tags(_metadata(streams[0]), "")
    detector = _detector(original)
    if not detector.values:
        detector = next((g for k in original.group("Detectors").values
                         if (g := original.group("Detectors", k)).get("Dispersion")), Tags({}, ""))  # fmt: skip
    warnings: list[str] = []
    dispersion, offset = _thousandth(detector.get("Dispersion")), _thousandth(detector.get("OffsetEnergy"))
    axis = make_axis("Energy", channels, dispersion, offset, "keV", warnings=warnings)
    parameters = _parameters(original, None, scanning=True, spectrum=True)
    for name in ("Detector", "Live Time", "Real Time", "Elevation Angle", "Azimuth Angle"):
        parameters.values.pop(name, None)  # those of one detector
    parameters.add("Detector", f"{len(streams)} detectors", origin="SpectrumStream")
    parameters.add("Frames", frames or None, origin="SpectrumStream.FrameLocationTable")
    add_calibration(parameters, [axis], origin="Detectors.Dispersion")
    parameters.add_vendor("Spectrum Image", shown, origin="AcquisitionSettings.RasterScanDefinition")
    parameters.add_vendor("X-rays", int(counts.sum()), origin="SpectrumStream.Data")
    warnings.append(f"The EDS spectrum image of {shown} is stored as single events; only its sum spectrum is read.")
    yield Signal(
        data=counts,
        axes=[axis],
        type=DatasetType.SPECTRUM,
        title="EDS sum spectrum",
        technique="EDS",
        acquired=_acquired(source, original),
        parameters=parameters.values,
        metadata=json_values({**original.values, "AcquisitionSettings": settings, "streams": len(streams)}),
        warnings=warnings,
    )


def _counted(streams: list[Any], channels: int) -> Any:
    import numpy as np

    counts = np.zeros(channels, np.uint64)
    for stream in streams:
        for start in range(0, stream.shape[0], _PIECE):
            events = stream[start : start + _PIECE, 0]
            counts += np.bincount(events[events < channels], minlength=channels).astype(np.uint64)
    return counts


def _metadata(stream: Any) -> dict[str, Any]:
    """The JSON text in the first column of `Metadata`, filled up with zeros."""
    raw = bytes(stream["Metadata"][:, 0]).rstrip(b"\x00")
    parsed = json.loads(raw.decode("utf-8", "replace"))
    return parsed if isinstance(parsed, dict) else {}


def _thousandth(value: Any) -> float | None:
    try:
        return float(value) / 1000
    except (TypeError, ValueError):
        return None
