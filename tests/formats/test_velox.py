"""Velox: what the microscope's own words mean in the common vocabulary."""

from __future__ import annotations

from pathlib import Path

import pytest

import scopeline

STEM, TEM = "STEM HAADF-DF4-DF2-BF Diffraction Micro.emd", "Camera Ceta Imaging Micro.emd"


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        (STEM, {"Illumination Mode": "STEM", "Condenser Mode": "Free", "Magnification": 7100}),
        # Camera files have `StemMagnification` too, as a truth value.
        (TEM, {"Illumination Mode": "TEM", "Condenser Mode": "Free", "Magnification": 26996.35}),
    ],
)
def test_the_mode_is_that_of_the_microscope(name: str, expected: dict[str, object], shared_data: Path) -> None:
    parameters = scopeline.read(shared_data / "images/velox" / name)[0].parameters
    assert {label: parameters[label].value for label in expected} == expected


def test_the_microscope_has_the_name_that_other_software_writes(shared_data: Path) -> None:
    parameters = scopeline.read(shared_data / "images/velox" / STEM)[0].parameters
    assert (parameters["Microscope"].value, parameters["Instrument Number"].value) == ("Titan", 3580)


def test_noise_of_the_computation_is_not_shown(shared_data: Path) -> None:
    parameters = scopeline.read(shared_data / "images/velox" / STEM)[0].parameters
    # -3.136e-06 rad
    assert parameters["Stage Alpha"].value == 0
    assert parameters["Stage Beta"].value == 0.034
    assert (parameters["Screen Current"].value, parameters["Screen Current"].unit) == (0.01590101, "pA")
