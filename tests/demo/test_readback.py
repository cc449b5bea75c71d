"""Each file of the session, read by rosettasciio: what an independent reader finds is what the microscope did."""

from __future__ import annotations

import importlib
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from scopeline.demo import titan
from scopeline.demo.session import DemoFile

# rosettasciio leaves some files to the garbage collector
pytestmark = pytest.mark.filterwarnings("ignore::ResourceWarning", "ignore::pytest.PytestUnraisableExceptionWarning")

READERS = {".dm4": "digitalmicrograph", ".emd": "emd", ".msa": "msa", ".hspy": "hspy", ".mrc": "mrc", ".tif": "tiff"}


def read(path: Path) -> list[dict[str, Any]]:
    signals: list[dict[str, Any]] = importlib.import_module(f"rsciio.{READERS[path.suffix]}").file_reader(str(path))
    return signals


def tags(signal: dict[str, Any]) -> dict[str, Any]:
    image_tags: dict[str, Any] = signal["original_metadata"]["ImageList"]["TagGroup0"]["ImageTags"]
    return image_tags


def test_every_vendor_file_has_pixels_that_vary(demo_files: list[DemoFile]) -> None:
    for file in demo_files:
        if file.path.suffix == ".txt":
            continue
        for signal in read(file.path):
            data = np.asarray(signal["data"])
            assert data.size == np.prod([axis["size"] for axis in signal["axes"]]), file.path.name
            assert data.std() > 0, file.path.name


def test_atomic_columns_are_one_lattice_parameter_apart(demo_paths: dict[str, Path]) -> None:
    (signal,) = read(demo_paths["Interface HAADF 03.dm4"])
    y, x = signal["axes"]
    assert (x["units"], y["units"]) == ("nm", "nm")
    row = np.asarray(signal["data"], dtype=float)[-200:].mean(axis=0)
    spectrum = np.abs(np.fft.rfft(row - row.mean()))
    frequency = np.fft.rfftfreq(row.size, float(x["scale"]))
    strongest = frequency[np.argmax(spectrum)]
    # A and B columns alternate along a row's sum: the strongest period is the cell's or its half.
    assert min(abs(strongest - order / 0.3905) for order in (1, 2)) < 0.1


def test_diffraction_spots_lie_where_the_camera_length_puts_them(demo_paths: dict[str, Path]) -> None:
    (signal,) = read(demo_paths["STO zone axis [100] CL520.dm4"])
    _, kx = signal["axes"]
    assert kx["units"] == "1/nm"
    assert float(kx["offset"]) + float(kx["scale"]) * (kx["size"] - 1) / 2 == pytest.approx(0, abs=1e-3)
    info = tags(signal)["Microscope Info"]
    assert info["Imaging Mode"] == "DIFFRACTION"
    expected = 2 * 14e-6 / (1.9687e-12 * info["STEM Camera Length"] * 1e-3) * 1e-9
    assert float(kx["scale"]) == pytest.approx(expected, rel=1e-3)
    data = np.asarray(signal["data"], dtype=float)
    turn = np.deg2rad(17)
    for h, k in ((1, 1), (0, 2), (2, 0), (-1, 1)):
        x = (h * np.cos(turn) - k * np.sin(turn)) / 0.3905 / float(kx["scale"]) + 511.5
        y = (h * np.sin(turn) + k * np.cos(turn)) / 0.3905 / float(kx["scale"]) + 511.5
        spot = data[round(y) - 2 : round(y) + 3, round(x) - 2 : round(x) + 3].mean()
        around = np.median(data[round(y) - 20 : round(y) + 21, round(x) - 20 : round(x) + 21])
        assert spot > 2 * around


def test_dm_times_say_the_same_moment_in_local_text_and_in_utc(
    demo_files: list[DemoFile], demo_start: datetime
) -> None:
    for file in demo_files:
        if file.path.suffix != ".dm4":
            continue
        (signal,) = read(file.path)
        bar = tags(signal)["DataBar"]
        text = f"{bar['Acquisition Date']} {bar['Acquisition Time']}"
        local = datetime.strptime(text, "%m/%d/%Y %I:%M:%S %p").replace(tzinfo=demo_start.tzinfo)
        filetime = datetime(1601, 1, 1, tzinfo=UTC) + timedelta(microseconds=bar["Acquisition Time (OS)"] / 10)
        assert abs(filetime - local) < timedelta(seconds=1)
        assert timedelta() < demo_start + file.at - filetime < timedelta(minutes=15)


def test_the_energy_loss_map_has_titanium_below_and_lanthanum_above_the_interface(demo_paths: dict[str, Path]) -> None:
    (signal,) = read(demo_paths["EELS SI Ti-L O-K La-M.dm4"])
    assert signal["metadata"]["Signal"]["signal_type"] == "EELS"
    loss, y, x = signal["axes"]
    assert (loss["units"], y["units"], x["units"]) == ("eV", "nm", "nm")
    energy = float(loss["offset"]) + float(loss["scale"]) * np.arange(loss["size"])
    data = np.asarray(signal["data"])

    def above_background(at: float) -> Any:
        edge = data[(energy > at) & (energy < at + 12)].mean(axis=0)
        return (edge - data[(energy > at - 18) & (energy < at - 4)].mean(axis=0)).mean(axis=1)

    titanium, lanthanum = above_background(457), above_background(832)
    film, substrate = slice(0, y["size"] // 3), slice(-(y["size"] // 3), None)
    assert titanium[substrate].mean() > titanium[film].mean() + 200
    assert lanthanum[film].mean() > lanthanum[substrate].mean() + 50


def test_velox_keeps_epoch_voltage_and_a_pixel_size_that_fits_the_magnification(
    demo_files: list[DemoFile], demo_start: datetime
) -> None:
    for file in demo_files:
        if file.path.suffix != ".emd":
            continue
        for signal in read(file.path):
            original = signal["original_metadata"]
            began = int(original["Acquisition"]["AcquisitionStartDatetime"]["DateTime"])
            assert 0 < (demo_start + file.at).timestamp() - began < 60
            assert original["Optics"]["AccelerationVoltage"] == "300000"
            pixel = float(original["BinaryResult"]["PixelSize"]["width"])
            field = pixel * int(original["Scan"]["ScanSize"]["width"])
            magnification = float(original["CustomProperties"]["StemMagnification"]["value"])
            assert magnification * field == pytest.approx(0.0794, rel=0.01)
            assert signal["metadata"]["General"]["title"] == original["BinaryResult"]["Detector"]


def test_one_velox_file_holds_two_detectors_and_one_a_series(demo_paths: dict[str, Path]) -> None:
    overview = read(demo_paths["Overview HAADF BF 64 kx.emd"])
    assert sorted(signal["metadata"]["General"]["title"] for signal in overview) == ["BF", "HAADF"]
    (series,) = read(demo_paths["Interface frame series.emd"])
    assert [axis["name"] for axis in series["axes"]] == ["Time", "y", "x"]


def test_the_x_ray_map_has_the_lines_of_its_elements(demo_paths: dict[str, Path]) -> None:
    (signal,) = read(demo_paths["EDS map.hspy"])
    assert signal["metadata"]["Signal"]["signal_type"] == "EDS_TEM"
    total = np.asarray(signal["data"]).sum(axis=(0, 1), dtype=float)
    axis = signal["axes"][-1]
    energy = axis["offset"] + axis["scale"] * np.arange(axis["size"])
    for line in (0.525, 2.123, 4.511, 8.048, 9.713):
        peak = total[np.abs(energy - line) < 0.03].mean()
        beside = total[(np.abs(energy - line) > 0.25) & (np.abs(energy - line) < 0.35)].min()
        assert peak > 1.5 * beside, line
    (summed,) = read(demo_paths["EDS map sum.msa"])
    assert np.array_equal(np.asarray(summed["data"]), total)


def test_the_low_loss_spectrum_has_its_zero_loss_peak_at_zero(demo_paths: dict[str, Path]) -> None:
    (signal,) = read(demo_paths["STO low loss.msa"])
    (axis,) = signal["axes"]
    energy = axis["offset"] + axis["scale"] * np.arange(axis["size"])
    data = np.asarray(signal["data"])
    assert abs(energy[np.argmax(data)]) < 0.2
    beyond = energy > 8
    assert energy[beyond][np.argmax(data[beyond])] == pytest.approx(30, abs=2)
    assert signal["metadata"]["Acquisition_instrument"]["TEM"]["beam_energy"] == 300


def test_the_tilt_series_has_one_row_of_its_header_for_each_tilt(demo_paths: dict[str, Path]) -> None:
    (signal,) = read(demo_paths["Tilt series -60 to 60.mrc"])
    sections = signal["axes"][0]["size"]
    rows = signal["original_metadata"]["fei_header"]
    assert np.allclose(rows["a_tilt"][:sections], np.linspace(-60, 60, sections))
    assert float(signal["axes"][2]["scale"]) == pytest.approx(0.522)


def test_the_sem_picture_has_its_tag_and_a_data_bar(demo_paths: dict[str, Path]) -> None:
    (signal,) = read(demo_paths["A12 powder 25kx.tif"])
    fei = signal["original_metadata"]["fei_metadata"]
    assert fei["Beam"]["HV"] == 5000
    assert fei["System"]["SystemType"] == "Helios NanoLab 660"
    assert fei["EBeam"]["HFW"] == pytest.approx(fei["Scan"]["PixelWidth"] * fei["Image"]["ResolutionX"], rel=1e-4)
    data = np.asarray(signal["data"])
    assert data.shape[0] == fei["Image"]["ResolutionY"] + fei["PrivateFei"]["DatabarHeight"]
    bar = data[fei["Image"]["ResolutionY"] :]
    assert np.median(bar) == 0
    assert bar.max() > 200


def test_the_four_dimensional_scan_has_patterns_with_their_zero_in_the_middle(demo_paths: dict[str, Path]) -> None:
    (signal,) = read(demo_paths["4D-STEM nanobeam.dm4"])
    assert [axis["units"] for axis in signal["axes"]] == ["nm", "nm", "1/nm", "1/nm"]
    mean = np.asarray(signal["data"], dtype=float).mean(axis=(0, 1))
    y, x = np.unravel_index(np.argmax(mean), mean.shape)
    for axis, index in zip(signal["axes"][2:], (y, x), strict=True):
        assert abs(float(axis["offset"]) + float(axis["scale"]) * index) < 0.3


def test_the_stage_moves_between_samples_and_stays_within_a_series(demo_paths: dict[str, Path]) -> None:
    def position(name: str) -> dict[str, float]:
        where: dict[str, float] = tags(read(demo_paths[name])[0])["Microscope Info"]["Stage Position"]
        return where

    series = [position(f"Interface HAADF 0{n}.dm4") for n in (1, 2, 3)]
    assert series[0] == series[1] == series[2]
    assert abs(position("Gold decahedron HRTEM.dm4")["Stage X"] - series[0]["Stage X"]) > 100


def test_the_notes_name_the_microscope(demo_paths: dict[str, Path]) -> None:
    assert titan.NAME in demo_paths["notes.txt"].read_text(encoding="utf-8")
