"""DigitalMicrograph: what the tags of real acquisitions mean."""

from __future__ import annotations

from pathlib import Path

import numpy as np

import scopeline
from scopeline.demo.writers import dm4
from scopeline.domain.files import DatasetType


def test_a_spectrum_image_has_its_energy_last(shared_data: Path) -> None:
    (signal,) = scopeline.read(shared_data / "images/eels_si/SI-EELS_Spectrum_Image.dm3")
    assert [(a.name, a.size, a.navigation) for a in signal.axes] == [
        ("y", 49, True), ("x", 6, True), ("Energy loss", 1024, False),
    ]  # fmt: skip
    assert (signal.type, signal.technique) == (DatasetType.SPECTRUM_IMAGE, "EELS")
    # The titanium L edge is at 456 eV: the summed spectrum rises there.
    spectrum = np.asarray(signal.data).sum(axis=(0, 1))
    energy = signal.axes[2].offset + signal.axes[2].scale * np.arange(1024)  # type: ignore[operator]
    before, edge = (energy > 445) & (energy < 453), (energy > 457) & (energy < 463)
    assert spectrum[edge].mean() > 1.2 * spectrum[before].mean()


def test_a_stem_image_in_diffraction_mode_is_no_diffraction_pattern(shared_data: Path) -> None:
    (signal,) = scopeline.read(shared_data / "formats/digitalmicrograph/Fei HAADF-UK_location.dm3")
    assert signal.parameters["Imaging Mode"].value == "DIFFRACTION"
    assert (signal.type, signal.technique) == (DatasetType.IMAGE, "STEM")
    assert signal.parameters["Camera Length"].value == 135
    assert signal.parameters["Magnification"].value == 1300000


def test_pixels_are_those_of_rosettasciio(shared_data: Path) -> None:
    from rsciio import digitalmicrograph

    for name in ("test-6.dm4", "test-14.dm4", "test_stackbuilder_imagestack.dm3", "Fei HAADF-UK_location.dm3"):
        path = shared_data / "formats/digitalmicrograph" / name
        (theirs,) = digitalmicrograph.file_reader(str(path))
        (ours,) = scopeline.read(path)
        assert np.array_equal(ours.data, theirs["data"])


def test_colours_are_red_green_blue(shared_data: Path) -> None:
    from rsciio import digitalmicrograph

    path = shared_data / "formats/digitalmicrograph/test-23.dm4"
    (theirs,) = digitalmicrograph.file_reader(str(path))
    (ours,) = scopeline.read(path)
    assert ours.rgb
    assert ours.data.shape == (2, 3)
    assert np.array_equal(ours.data[:, 0], theirs["data"]["R"])
    assert np.array_equal(ours.data[:, 2], theirs["data"]["B"])


def test_the_spectrum_of_the_carbon_film_begins_at_240_ev(shared_data: Path) -> None:
    (signal,) = scopeline.read(shared_data / "images/carbon_film/08_carbon.dm3")
    assert (signal.type, signal.data.shape) == (DatasetType.SPECTRUM, (2048,))
    assert signal.parameters["Energy Dispersion"].value == 0.1
    assert signal.parameters["Filter Aperture"].value == 2.5
    assert signal.parameters["Emission Current"].value == 222


def test_a_scan_of_patterns_names_its_axes(tmp_path: Path) -> None:
    pixels = dm4.pixels_of(np.zeros((3, 4, 8, 8), "uint8"))
    pattern, scan = dm4.Dimension(8, 0.3, "1/nm"), dm4.Dimension(3, 2.0, "nm")
    tags = {
        "Microscope Info": {"Illumination Mode": "STEM"},
        "Meta Data": {"Acquisition Mode": "Parallel imaging", "Format": "Diffraction image"},
        "DigiScan": {"Sample Time": 40000.0},
    }
    axes = [pattern, pattern, dm4.Dimension(4, 2.0, "nm"), scan]
    dm4.write(tmp_path / "a.dm4", dm4.image_document("a", axes, pixels, tags))
    (signal,) = scopeline.read(tmp_path / "a.dm4")
    assert [(a.name, a.unit, a.navigation) for a in signal.axes] == [
        ("y", "nm", True), ("x", "nm", True), ("ky", "1/nm", False), ("kx", "1/nm", False),
    ]  # fmt: skip
    # The scan waits for the camera at each position.
    assert (signal.parameters["Pixel Time"].value, signal.parameters["Pixel Time"].unit) == (0.04, "s")
    assert "Dwell Time" not in signal.parameters
