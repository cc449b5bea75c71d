"""Gatan DigitalMicrograph files, dm3 and dm4: images, stacks, spectra, spectrum images and 4-D data.

The tags are read by rosettasciio's parser; the pixels are mapped, not read. Where tags stand is a fact of Gatan's
software versions: `Acquisition Time (OS)` (GMS 2 and later) and `System Info` (GMS 1) are FILETIME stamps in UTC;
`Tecnai.Microscope Info` is text that FEI's plug-in writes, one setting a line.
"""

from __future__ import annotations

from typing import Any

from scopeline.domain.files import DatasetType
from scopeline.formats import tecnai
from scopeline.formats.original import json_values
from scopeline.formats.results import Signal, Unreadable
from scopeline.formats.signals import add_calibration, axes_of, dataset_type, navigation_first, without_single
from scopeline.formats.source import Source, damaged
from scopeline.formats.tags import Tags
from scopeline.formats.vocabulary import Parameters

_RGB = (8, 23)
_PACKED_COMPLEX = (5, 27, 28)
MAX_WHOLE = 1 << 30  # bytes of pixels in the kinds that cannot be mapped


def read(source: Source) -> list[Signal]:
    """All images of the file but its thumbnails."""
    from rsciio.digitalmicrograph._api import DigitalMicrographReader, ImageObject

    with source.path.open("rb") as file:
        _check_length(file, source)
        with damaged("its tags", source.size):
            reader = DigitalMicrographReader(file)
            reader.parse_file()
            images = reader.get_image_dictionaries()
    if not images:
        raise Unreadable("The file has no image in it.")
    document = {name: value for name, value in reader.tags_dict.items() if name not in ("ImageList", "root")}
    signals = []
    for number, tags in enumerate(images):
        with damaged(f"image {number}", source.size):
            image = ImageObject(tags, None)
            signals.append(_signal(source, image, tags, document))
    return signals


def _check_length(file: Any, source: Source) -> None:
    """The header holds the file's length less its own: 16 bytes in dm3, 24 in dm4."""
    head = file.read(12)
    file.seek(0)
    if head[3] == 3:
        source.must_hold(int.from_bytes(head[4:8], "big") + 16)
    else:
        source.must_hold(int.from_bytes(head[4:12], "big") + 24)


def _signal(source: Source, image: Any, tags: dict[str, Any], document: dict[str, Any]) -> Signal:
    warnings: list[str] = []
    rgb = tags["ImageData"]["DataType"] in _RGB
    data = _pixels(source, image, rgb)
    axes = axes_of(image.get_axes_dict(), data.shape[:-1] if rgb else data.shape, warnings)
    if image.to_spectrum or _is_line_of_spectra(image):
        # The energy is the slowest dimension of a spectrum image: it becomes the last axis.
        for axis in axes:
            axis.navigation = True
        energy = next((axis for axis in axes if axis.unit in ("eV", "keV")), axes[0] if image.to_spectrum else axes[-1])
        energy.navigation = False
    data, axes = without_single(*navigation_first(data, axes))
    if rgb and len(axes) == 1:
        axes[0].navigation = False
    image_tags = Tags(tags.get("ImageTags") or {}, "ImageTags")
    if "source" in image_tags.values:  # made by the stack builder: the first image's tags at creation
        image_tags = image_tags.group("source", "Tags at creation")
    parameters = _parameters(image_tags)
    add_calibration(parameters, axes, origin="ImageData.Calibrations.Dimension")
    technique = _technique(image, image_tags)
    scanned = technique == "STEM" and [axis.navigation for axis in axes] == [True, True, False, False]
    if scanned:  # a camera image for each position of the scan
        technique = "4D-STEM"
        for axis, name in zip(axes, ("y", "x", "ky", "kx"), strict=True):
            axis.name = name
    imaging = image_tags.get("Microscope Info", "Imaging Mode")
    kind = dataset_type(axes, diffraction=scanned or (technique == "TEM" and imaging == "DIFFRACTION"))
    if rgb:
        kind = DatasetType.IMAGE
    return Signal(
        data=data,
        axes=axes,
        type=kind,
        title=image.title or source.title,
        technique="Diffraction" if kind is DatasetType.DIFFRACTION and technique == "TEM" else technique,
        acquired=_acquired(source, image_tags),
        parameters=parameters.values,
        metadata=json_values({**document, "ImageList": {"TagGroup0": tags}}),
        warnings=warnings,
        rgb=rgb,
    )


def _is_line_of_spectra(image: Any) -> bool:
    return len(image.shape) == 2 and image.imdict.get("ImageTags.Meta Data.Format") in ("Spectrum image", "Spectrum")


def _pixels(source: Source, image: Any, rgb: bool) -> Any:
    """The pixels as a mapped array of the image's shape; RGB as (..., 3)."""
    import numpy as np

    place = image.imdict.ImageData.Data
    shape = tuple(int(n) for n in image.shape)
    if any(n <= 0 for n in shape):
        raise Unreadable(f"The file has an image of {' × '.join(map(str, shape))} pixels.")
    if image.imdict.ImageData.DataType in _PACKED_COMPLEX:
        return _packed_complex(source, image)
    stored = np.dtype(image.dtype)
    if place.endian == "big" and stored.names is None:
        stored = stored.newbyteorder(">")
    source.must_hold(int(place.offset) + int(np.prod(shape, dtype=object)) * stored.itemsize)
    if rgb:
        pixels = np.memmap(source.path, np.uint8, "r", offset=int(place.offset), shape=(*shape, 4))
        return pixels[..., 2::-1]  # stored as blue, green, red, alpha
    return np.memmap(source.path, stored, "r", offset=int(place.offset), shape=shape)


def _packed_complex(source: Source, image: Any) -> Any:
    """Fourier transforms of real images are stored by halves; rosettasciio unpacks them."""
    place = image.imdict.ImageData.Data
    if int(place.size_bytes) > MAX_WHOLE:
        raise Unreadable(f"The file has a packed Fourier transform of {place.size_bytes:,} bytes, too large to unpack.")
    source.must_hold(int(place.offset) + int(place.size_bytes))
    image.filename = str(source.path)
    with source.path.open("rb") as image.file:
        return image.get_data(lazy=False)


def _technique(image: Any, tags: Tags) -> str | None:
    kind: str = image.signal_type
    if kind:
        return {"EDS_TEM": "EDS"}.get(kind, kind)
    mode = tags.get("Microscope Info", "Illumination Mode")
    if isinstance(mode, str) and mode:
        return "STEM" if "STEM" in mode else "SEM" if "SEM" in mode else "TEM"
    if "DigiScan" in tags.values:
        return "STEM"
    return None


def _acquired(source: Source, tags: Tags) -> Any:
    bar = tags.group("DataBar")
    spectrum = tags.group("SI", "Acquisition")
    signal = next((g for kind in ("EELS", "EDS", "CL") if (g := tags.group(kind, "Acquisition")).values), Tags({}, ""))
    return source.clock.acquired(
        source.clock.filetime(bar.get("Acquisition Time (OS)")),
        source.clock.filetime(bar.get("System Info")),
        source.clock.text(bar.get("Acquisition Date"), bar.get("Acquisition Time")),
        source.clock.text(spectrum.get("Date"), spectrum.get("Start time")),
        source.clock.text(signal.get("Date"), signal.get("Start time")),
        source.clock.text(tags.get("DigiScan", "TimeStamp")),
    )


def _parameters(tags: Tags) -> Parameters:
    found = Parameters()
    _microscope(found, tags)
    _camera_or_scan(found, tags)
    _spectroscopy(found, tags)
    text = tags.get("Tecnai", "Microscope Info")
    if isinstance(text, str):
        tecnai.add_parameters(found, tecnai.lines_of_gatan_text(text), origin="ImageTags.Tecnai.Microscope Info")
    return found


def _microscope(found: Parameters, tags: Tags) -> None:
    scope = tags.group("Microscope Info")
    session = tags.group("Session Info")
    for group in (session, scope):
        for name in ("Microscope", "Operator", "Specimen"):
            if group.get(name) not in ("", None, "DO NOT EDIT"):
                found.add(name, group.get(name), origin=group.path(name))
    if scope.get("Name") not in ("Unknown", "", None):
        found.add("Microscope", scope.get("Name"), origin=scope.path("Name"))
    scope.add(found, "Accelerating Voltage", "Voltage", "V")
    scope.add(found, "Illumination Mode", "Illumination Mode")
    scope.add(found, "Imaging Mode", "Imaging Mode")
    scope.add(found, "Operation Mode", "Operation Mode")
    mode, imaging = str(scope.get("Illumination Mode")), scope.get("Imaging Mode")
    if "STEM" not in mode and imaging == "DIFFRACTION":
        # In TEM diffraction the field for the magnification holds the camera length in mm.
        scope.add(found, "Camera Length", "Indicated Magnification", "mm")
    else:
        scope.add(found, "Magnification", "Indicated Magnification")
        scope.add(found, "Actual Magnification", "Actual Magnification")
    scope.add(found, "Camera Length", "STEM Camera Length", "mm")
    scope.add(found, "Spherical Aberration", "Cs(mm)", "mm")
    scope.add(found, "Emission Current", "Emission Current (µA)", "µA")
    scope.add(found, "Beam Current", "Probe Current (nA)", "nA")
    scope.add(found, "Probe Diameter", "Probe Size (nm)", "nm")
    stage = scope.group("Stage Position")
    for axis in ("X", "Y", "Z"):
        stage.add(found, f"Stage {axis}", f"Stage {axis}", "µm")
    for axis in ("Alpha", "Beta"):
        stage.add(found, f"Stage {axis}", f"Stage {axis}", "°")


def _camera_or_scan(found: Parameters, tags: Tags) -> None:
    bar, device = tags.group("DataBar"), tags.group("Acquisition", "Device")
    settings = tags.group("Acquisition", "Parameters", "High Level")
    bar.add(found, "Detector", "Device Name")
    device.add(found, "Detector", "Name")
    bar.add(found, "Exposure Time", "Exposure Time (s)", "s")
    settings.add(found, "Exposure Time", "Exposure (s)", "s")
    settings.add(found, "Camera Processing", "Processing")
    binning = settings.get("Binning")
    if isinstance(binning, tuple | list) and len(binning) == 2:
        found.add("Binning", f"{binning[0]} × {binning[1]}", origin=settings.path("Binning"))
    scan = tags.group("DigiScan")
    # Beside a camera or a spectrometer the scan stands still until it has read out.
    waits = str(tags.get("Meta Data", "Acquisition Mode") or "").startswith("Parallel")
    scan.add(found, "Pixel Time" if waits else "Dwell Time", "Sample Time", "µs")
    scan.add(found, "Scan Rotation", "Rotation", "°")
    tags.group("GMS Version").add(found, "Software", "Created")


def _spectroscopy(found: Parameters, tags: Tags) -> None:
    meta = tags.group("Meta Data")
    meta.add(found, "Acquisition Mode", "Acquisition Mode")
    eels, acquisition = tags.group("EELS"), tags.group("EELS", "Acquisition")
    conditions = eels.group("Experimental Conditions")
    for group in (conditions, eels):
        group.add(found, "Collection Semi-angle", "Collection semi-angle (mrad)", "mrad")
        group.add(found, "Convergence Semi-angle", "Convergence semi-angle (mrad)", "mrad")
    acquisition.add(found, "Exposure Time", "Exposure (s)", "s")
    acquisition.add(found, "Frames", "Number of frames")
    for spectrometer in (tags.group("EELS Spectrometer"), acquisition.group("Spectrometer")):
        spectrometer.add(found, "Spectrometer", "Instrument name")
        spectrometer.add(found, "Energy Loss", "Energy loss (eV)", "eV")
        spectrometer.add(found, "Filter Slit Width", "Slit width (eV)", "eV")
        spectrometer.add(found, "Filter Dispersion", "Dispersion (eV/ch)", "eV/ch")
        spectrometer.add(found, "Filter Drift Tube", "Drift tube voltage (V)", "eV")
        tecnai.add_aperture(found, spectrometer.get("Aperture label"), origin=spectrometer.path("Aperture label"))
    eds = tags.group("EDS")
    eds.add(found, "Live Time", "Live time", "s")
    eds.add(found, "Real Time", "Real time", "s")
    eds.add(found, "Solid Angle", "Solid angle", "sr")
    eds.group("Detector Info").add(found, "Azimuth Angle", "Azimuthal angle", "°")
    eds.group("Detector Info").add(found, "Elevation Angle", "Elevation angle", "°")
    survey = tags.group("SI", "Acquisition")
    if "Pixel time (s)" in survey.values:
        survey.add(found, "Pixel Time", "Pixel time (s)", "s")
