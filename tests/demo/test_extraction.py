"""The demonstration's files through Scopeline's own readers: types, calibrations and times for the record."""

from __future__ import annotations

from datetime import datetime, timedelta
from pathlib import Path

import pytest

from scopeline.demo.session import DemoFile
from scopeline.domain.files import Dataset, DatasetType, FileStatus
from scopeline.formats.extract import extract_file
from scopeline.formats.results import Extracted, ExtractRequest

EXPECTED: dict[str, list[tuple[DatasetType, str | None]]] = {
    "STO zone axis [100] CL520.dm4": [(DatasetType.DIFFRACTION, "1/nm")],
    "Overview HAADF BF 64 kx.emd": [(DatasetType.IMAGE, "nm"), (DatasetType.IMAGE, "nm")],
    "Interface HAADF 01.dm4": [(DatasetType.IMAGE, "nm")],
    "Interface HAADF 02.dm4": [(DatasetType.IMAGE, "nm")],
    "Interface HAADF 03.dm4": [(DatasetType.IMAGE, "nm")],
    "Interface frame series.emd": [(DatasetType.IMAGE, "nm")],
    "Survey.dm4": [(DatasetType.IMAGE, "nm")],
    "EELS SI Ti-L O-K La-M.dm4": [(DatasetType.SPECTRUM_IMAGE, "eV")],
    "STO low loss.msa": [(DatasetType.SPECTRUM, "eV")],
    "A12 powder 25kx.tif": [(DatasetType.IMAGE, "nm")],
    "Gold decahedron HRTEM.dm4": [(DatasetType.IMAGE, "nm")],
    "Agglomerate HAADF.emd": [(DatasetType.IMAGE, "nm")],
    "Gold decahedron HAADF.emd": [(DatasetType.IMAGE, "nm")],
    "EDS map.hspy": [(DatasetType.SPECTRUM_IMAGE, "keV")],
    "EDS map sum.msa": [(DatasetType.SPECTRUM, "keV")],
    "4D-STEM nanobeam.dm4": [(DatasetType.DIFFRACTION, "1/nm")],
    "Tilt series -60 to 60.mrc": [(DatasetType.IMAGE, "nm")],
}


@pytest.fixture(scope="module")
def extracted(demo_files: list[DemoFile]) -> dict[str, Extracted]:
    return {
        file.path.name: extract_file(
            ExtractRequest(folder=file.path.parent, file_name=file.path.name, zone="Europe/Berlin")
        )
        for file in demo_files
    }


def datasets(extracted: dict[str, Extracted]) -> list[tuple[str, Dataset]]:
    return [(name, dataset) for name, result in extracted.items() for dataset in result.datasets]


def test_every_file_is_extracted_without_a_warning(extracted: dict[str, Extracted]) -> None:
    assert {
        name: result.reason for name, result in extracted.items() if result.status is not FileStatus.EXTRACTED
    } == {}
    assert {name: result.warnings for name, result in extracted.items() if result.warnings} == {}


def test_datasets_have_the_type_and_calibration_of_what_was_acquired(extracted: dict[str, Extracted]) -> None:
    found = {
        name: [(dataset.type, dataset.axes[-1].unit) for dataset in result.datasets]
        for name, result in extracted.items()
        if name != "notes.txt"
    }
    assert found == EXPECTED


def test_times_of_acquisition_lie_shortly_before_the_files_time(
    extracted: dict[str, Extracted], demo_files: list[DemoFile], demo_start: datetime
) -> None:
    saved = {file.path.name: demo_start + file.at for file in demo_files}
    for name, dataset in datasets(extracted):
        assert dataset.acquired is not None, name
        before = saved[name] - dataset.acquired.value
        assert timedelta(seconds=-1) <= before < timedelta(minutes=30), (name, before)


def test_formats_with_a_utc_stamp_need_no_zone(extracted: dict[str, Extracted]) -> None:
    sources = {
        Path(name).suffix: dataset.acquired.source
        for name, dataset in datasets(extracted)
        if dataset.acquired is not None
    }
    assert (sources[".dm4"], sources[".emd"]) == ("utc", "utc")


def test_beam_energies_are_those_of_the_two_microscopes(extracted: dict[str, Extracted]) -> None:
    voltages = {
        name: parameter.value
        for name, dataset in datasets(extracted)
        if (parameter := dataset.parameters.get("Accelerating Voltage")) is not None
    }
    assert len(voltages) >= 12
    assert {value for name, value in voltages.items() if name != "A12 powder 25kx.tif"} == {300}
    assert voltages["A12 powder 25kx.tif"] == 5


def test_no_parameter_is_doubtful(extracted: dict[str, Extracted]) -> None:
    doubts = {
        (name, parameter): value.warning
        for name, dataset in datasets(extracted)
        for parameter, value in dataset.parameters.items()
        if value.warning is not None
    }
    assert doubts == {}
