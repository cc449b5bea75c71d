"""The real session, parameter by parameter against the record that another system made of it."""

from __future__ import annotations

import hashlib
import re
from pathlib import Path

import pytest
from lxml import etree

from scopeline.domain.files import FileStatus
from scopeline.formats import units
from scopeline.formats.extract import extract_file
from scopeline.formats.results import Extracted, ExtractRequest

NEXUS = "{https://data.nist.gov/od/dm/nexus/experiment/v1.0}"

# Where names mean the same: the record's name -> (our name, the unit of the record's value).
SAME: dict[str, tuple[str, str | None]] = {
    "Acquisition Device": ("Detector", None),
    "Actual Magnification": ("Actual Magnification", None),
    "C1 Aperture (μm)": ("C1 Aperture", "µm"),
    "C2 Aperture (μm)": ("C2 Aperture", "µm"),
    "C2 Lens (%)": ("C2 Lens", "%"),
    "C2 Lens Strength (%)": ("C2 Lens", "%"),
    "C3 Lens (%)": ("C3 Lens", "%"),
    "C3 Lens Strength (%)": ("C3 Lens", "%"),
    "Camera Length (m)": ("Camera Length", "m"),
    "Camera/Detector Processing": ("Camera Processing", None),
    "Cs(mm)": ("Spherical Aberration", "mm"),
    "Defocus": ("Defocus", "µm"),
    "Defocus (μm)": ("Defocus", "µm"),
    "Diffraction Lens (%)": ("Diffraction Lens", "%"),
    "Diffraction Lens Strength (%)": ("Diffraction Lens", "%"),
    "Dwell Time Path (s)": ("Dwell Time", "s"),
    "Emission (μA)": ("Emission Current", "µA"),
    "Emission Current (μA)": ("Emission Current", "µA"),
    "Exposure Time (s)": ("Exposure Time", "s"),
    "Extraction Voltage (V)": ("Extraction Voltage", "V"),
    "Extractor Voltage (V)": ("Extraction Voltage", "V"),
    "Frame Time (s)": ("Frame Time", "s"),
    "Gun Lens": ("Gun Lens", None),
    "Gun Lens #": ("Gun Lens", None),
    "Gun Name": ("Gun Type", None),
    "Gun Type": ("Gun Type", None),
    "High Tension (kV)": ("Accelerating Voltage", "kV"),
    "Illumination Mode": ("Illumination Mode", None),
    "Image Shift X (μm)": ("Image Shift X", "µm"),
    "Image Shift Y (μm)": ("Image Shift Y", "µm"),
    "Imaging Mode": ("Imaging Mode", None),
    "Indicated Magnification": ("Magnification", None),
    "Magnification (x)": ("Magnification", None),
    "Manufacturer": ("Manufacturer", None),
    "Microscope": ("Microscope", None),
    "Microscope Accelerating Voltage (V)": ("Accelerating Voltage", "V"),
    "Mode": ("Tecnai Mode", None),
    "Name": ("Microscope", None),
    "OBJ Aperture": ("Objective Aperture", None),
    "Objective Aperture (μm)": ("Objective Aperture", "µm"),
    "Objective Lens (%)": ("Objective Lens", "%"),
    "Objective Lens Strength (%)": ("Objective Lens", "%"),
    "Operation Mode": ("Operation Mode", None),
    "SA Aperture": ("Selected Area Aperture", None),
    "STEM Rotation (°)": ("Scan Rotation", "°"),
    "STEM Rotation Correction (°)": ("STEM Rotation Correction", "°"),
    "Selected Area Aperture (μm)": ("Selected Area Aperture", "µm"),
    "Spot": ("Spot Size", None),
    "Spot Size": ("Spot Size", None),
    "Stage Position A (°)": ("Stage Alpha", "°"),
    "Stage Position B (°)": ("Stage Beta", "°"),
    "Stage Position X (μm)": ("Stage X", "µm"),
    "Stage Position Y (μm)": ("Stage Y", "µm"),
    "Stage Position Z (μm)": ("Stage Z", "µm"),
    "Stage Position θ (°)": ("Stage Alpha", "°"),
    "Stage Position φ (°)": ("Stage Beta", "°"),
    "Tecnai Filter Aperture (mm)": ("Filter Aperture", "mm"),
    "Tecnai Filter Dispersion (eV/channel)": ("Filter Dispersion", "eV/ch"),
    "Tecnai Filter Drift Tube (eV)": ("Filter Drift Tube", "eV"),
    "Tecnai Filter Mode": ("Filter Mode", None),
    "Tecnai Filter Prism Shift (eV)": ("Filter Prism Shift", "eV"),
    "Tecnai Filter Selected Aperture": ("Filter Aperture", None),
    "Tecnai Filter Selected Dispersion (eV/Channel)": ("Filter Dispersion", "eV/ch"),
    "Tecnai Filter Total Energy Loss (eV)": ("Filter Energy Loss", "eV"),
    "Tecnai Microscope Name": ("Tecnai Microscope", None),
    "Tecnai Mode": ("Tecnai Mode", None),
    "Tecnai User": ("Operator", None),
    "User": ("Operator", None),
    "Voltage": ("Accelerating Voltage", "V"),
}

# Names of the record that are no parameters of ours, and why.
NOT_COMPARED: dict[str, str] = {
    "Binning (Horizontal)": "one parameter here: Binning, 1 × 1",
    "Binning (Vertical)": "one parameter here: Binning, 1 × 1",
    "Creation Time": "the file's time; we take the acquisition's from the tags (tested below)",
    "Data Dimensions": "the dataset's shape",
    "Data Type": "the dataset's type and technique",
    "Instrument ID": "the session's instrument, not the file's",
    "Microscope Tilt 1": "the stage's alpha in radians again",
    "Microscope Tilt 2": "the stage's beta in radians again",
    "NexusLIMS Extraction Date": "about that system",
    "NexusLIMS Extraction Module": "about that system",
    "NexusLIMS Extraction Version": "about that system",
    "STEM Camera Length": "0 in TEM mode: not known, so left out",
    "emi Filename": "the file's companions",
}

# Values that differ although the names mean the same, and why.
EXPLAINED: dict[tuple[str, str], str] = {
    **{(f"scan_001_{n}.ser", "Microscope"): "'Microscope ' is the label, not part of the name" for n in (1, 2)},
    **{(f"scan_001_{n}.ser", "Tecnai Filter Selected Aperture"): "a number with its unit: 3 mm" for n in (1, 2)},
    ("image_002.dm3", "Objective Aperture (μm)"): "the record lets the activity's first file speak; here: retracted",
    ("image_004.dm3", "Objective Aperture (μm)"): "the record lets the activity's first file speak; here: not told",
}

FILES = [*(f"image_00{n}.dm3" for n in range(1, 9)), "scan_001_1.ser", "scan_001_2.ser"]


def extract(folder: Path, name: str) -> Extracted:
    return extract_file(ExtractRequest(folder=folder, file_name=name, zone="America/New_York"))


def described(record: Path, name: str) -> dict[str, str]:
    """What the record says of a file: its activity's set-up (of the camera images only) and its own values."""
    for activity in etree.parse(record).iter(f"{NEXUS}acquisitionActivity"):
        for dataset in activity.iter(f"{NEXUS}dataset"):
            if dataset.findtext(f"{NEXUS}name") == name:
                own = list(dataset.iter(f"{NEXUS}meta"))
                # The set-up of a mixed activity is that of its camera images; it does not hold for the scans.
                shared = list(activity.iter(f"{NEXUS}param")) if name.endswith(".dm3") else []
                return {element.get("name") or "": element.text or "" for element in [*shared, *own]}
    raise AssertionError(f"{name} is not in the record")


@pytest.mark.parametrize("name", FILES)
def test_every_parameter_is_the_same_or_explained(name: str, titan_session: Path, titan_example_record: Path) -> None:
    theirs = described(titan_example_record, name)
    ours = extract(titan_session, name).datasets[0].parameters
    compared = 0
    for label, text in theirs.items():
        if label in NOT_COMPARED or (name, label) in EXPLAINED:
            continue
        assert label in SAME, f"{label} of {name} is neither compared nor explained"
        our_name, unit = SAME[label]
        assert our_name in ours, f"{our_name} is missing in {name}; the record has {label} = {text}"
        parameter = ours[our_name]
        if re.fullmatch(r"[-+\d.e]+", text):
            expected = units.convert(float(text), unit, parameter.unit) if unit and parameter.unit else float(text)
            assert parameter.value == pytest.approx(expected), label
        else:
            assert str(parameter.value) == text.strip(), label
        compared += 1
    assert compared >= 25


@pytest.mark.parametrize("key", EXPLAINED, ids=str)
def test_what_is_explained_does_differ(key: tuple[str, str], titan_session: Path, titan_example_record: Path) -> None:
    parameter = extract(titan_session, key[0]).datasets[0].parameters.get(SAME[key[1]][0])
    assert parameter is None or str(parameter.value) != described(titan_example_record, key[0])[key[1]]


def test_times_are_those_of_the_acquisition_not_of_the_files(titan_session: Path) -> None:
    acquired = extract(titan_session, "image_001.dm3").datasets[0].acquired
    assert acquired is not None
    assert (acquired.source, f"{acquired.value:%Y-%m-%d %H:%M:%S}") == ("utc", "2018-11-13 17:49:45")
    scan = extract(titan_session, "scan_001_1.ser").datasets[0].acquired
    assert scan is not None
    assert (scan.source, scan.zone_assumed) == ("local", "America/New_York")


def test_every_file_has_a_status_and_what_cannot_be_read_a_reason(titan_session: Path) -> None:
    results = {path.name: extract(titan_session, path.name) for path in titan_session.iterdir()}
    unreadable = {name for name, result in results.items() if result.status is not FileStatus.EXTRACTED}
    dummies = {f"test_include.{extension}" for extension in ("jpeg", "jpg", "raw", "txt")}
    assert unreadable == dummies | {"test_ignore.db"}
    for name in dummies:
        assert results[name].reason == (
            f"The content is of the format FEI TIA series, but the name has the extension .{name.split('.')[1]}. "
            "The file ends after 58 bytes, in the middle of the header of the series: "
            "it was not written or copied completely."
        )
    companions = {name: result.companion_of for name, result in results.items() if result.companion_of}
    assert companions == {
        "scan_001.emi": "scan_001_1.ser",
        "tescan-pfib_dataZeroed.hdr": "tescan-pfib_dataZeroed.tif",
    }
    assert all(result.datasets for name, result in results.items() if name not in unreadable | companions.keys())


def test_the_multi_signal_file_is_a_copy_with_one_signal(titan_session: Path) -> None:
    def digest(name: str) -> str:
        return hashlib.sha256((titan_session / name).read_bytes()).hexdigest()

    assert digest("multi_signal_file_001.dm3") == digest("image_008.dm3")
    assert len(extract(titan_session, "multi_signal_file_001.dm3").datasets) == 1


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("orion-zeiss_dataZeroed.tif", {
            "Accelerating Voltage": (29.997, "kV"), "Beam Current": (0.000938, "nA"), "Field of View": (1000, "nm"),
            "Pixel Size": (0.9765625, "nm"), "Dwell Time": (0.5, "µs"), "Working Distance": (11.977, "mm"),
            "Ion Species": ("Helium", None), "Stage X": (25157.23, "µm"), "Stage Z": (10, "µm"),
            "Detector": ("ETDetector", None),
        }),
        ("orion-fibics_dataZeroed.tif", {
            "Accelerating Voltage": (30, "kV"), "Field of View": (2500, "nm"), "Dwell Time": (10, "µs"),
            "Pixel Size": (1.220703, "nm"), "Stage Tilt": (0.191, "°"), "Ion Species": ("He", None),
        }),
        ("tescan-pfib_dataZeroed.tif", {
            "Accelerating Voltage": (15, "kV"), "Beam Current": (0.3003, "nA"), "Working Distance": (5.947501, "mm"),
            "Pixel Size": (1.5625, "nm"), "Magnification": (160000, None), "Detector": ("E-T", None),
            "Chamber Pressure": (0.61496, "mPa"), "Stage X": (4072.93, "µm"),
        }),
    ],
)  # fmt: skip
def test_the_scanning_microscopes_images(name: str, expected: dict[str, object], titan_session: Path) -> None:
    parameters = extract(titan_session, name).datasets[0].parameters
    assert {label: (parameters[label].value, parameters[label].unit) for label in expected} == expected


def test_the_tescan_header_is_read_from_the_image_where_the_hdr_is_missing(titan_session: Path, tmp_path: Path) -> None:
    (tmp_path / "alone.tif").symlink_to(titan_session / "tescan-pfib_dataZeroed.tif")
    alone = extract(tmp_path, "alone.tif").datasets[0]
    beside = extract(titan_session, "tescan-pfib_dataZeroed.tif").datasets[0]
    assert alone.acquired == beside.acquired
    assert {n: p.value for n, p in alone.parameters.items()} == {n: p.value for n, p in beside.parameters.items()}
