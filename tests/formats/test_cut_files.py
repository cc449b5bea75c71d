"""Files that were cut off, and the words in which people are told."""

from __future__ import annotations

import re
import struct
import zipfile
from pathlib import Path

import numpy as np
import pytest

import scopeline
from scopeline.domain.errors import InvalidInput, NotFound
from scopeline.domain.files import FileStatus
from scopeline.formats.extract import extract_file
from scopeline.formats.messages import plain
from scopeline.formats.results import Extracted, ExtractRequest

PYTHON = re.compile(r"\b[A-Za-z0-9]*(?:Error|Exception)\b")


def extract(path: Path, **more: object) -> Extracted:
    return extract_file(ExtractRequest(folder=path.parent, file_name=path.name, **more))  # type: ignore[arg-type]


@pytest.mark.parametrize("share", [0.02, 0.1, 0.3, 0.5, 0.7, 0.9, 0.99])
@pytest.mark.parametrize(
    "name",
    [
        "renishaw/renishaw_test_spectrum.wdf", "tvips/test_tvips_2233_000.tvips", "protochips/protochips_thermal.csv",
        "quantumdetector/Merlin_Single_Quad.zip", "digitalmicrograph/test-1.dm3", "msa/example1.msa",
    ],
)  # fmt: skip
def test_no_name_of_a_python_error_is_shown(name: str, share: float, shared_data: Path, tmp_path: Path) -> None:
    source = shared_data / "formats" / name
    content, target = source.read_bytes(), tmp_path / source.name
    if source.suffix == ".zip":
        with zipfile.ZipFile(source) as archive:
            inner = next(n for n in archive.namelist() if n.endswith(".mib"))
            content, target = archive.read(inner), tmp_path / "a.mib"
    target.write_bytes(content[: int(len(content) * share)])
    result = extract(target, preview_dir=tmp_path)
    told = [result.reason or "", *result.warnings, *(w for d in result.datasets for w in d.warnings)]
    assert any(told)
    assert not [words for words in told if PYTHON.search(words)]


def test_frames_that_were_cut_off_are_told(shared_data: Path, tmp_path: Path) -> None:
    stem = "Single_9_Frame_CounterDepth_1_Rows_256"
    with zipfile.ZipFile(shared_data / "formats/quantumdetector/Merlin_Single_Quad.zip") as archive:
        whole, header = archive.read(f"{stem}.mib"), archive.read(f"{stem}.hdr")
    (tmp_path / "a.mib").write_bytes(whole[: len(whole) * 9 // 10])
    ends = "The file ends in the middle of frame 9: it was not written or copied completely."
    assert ends in extract(tmp_path / "a.mib").warnings
    (tmp_path / "a.hdr").write_bytes(header)
    result = extract(tmp_path / "a.mib")
    assert result.status is FileStatus.EXTRACTED
    assert {ends, "The header promises 9 frames; the file has 8."} <= set(result.warnings)
    (tmp_path / "b.mib").write_bytes(whole[:400])
    assert "ends after 400 of 65,920 bytes" in str(extract(tmp_path / "b.mib").reason)
    (tmp_path / "c.mib").write_bytes(whole)
    assert not [words for words in extract(tmp_path / "c.mib").warnings if "frame" in words]


@pytest.mark.parametrize(
    ("name", "share", "words"),
    [
        ("renishaw/renishaw_test_spectrum.wdf", 0.0025, "The file ends after"),
        ("renishaw/renishaw_test_spectrum.wdf", 0.5, "The file ends after"),
        ("tvips/test_tvips_2233_000.tvips", 0.9, "ends in the middle of its frame"),
        ("protochips/protochips_thermal.csv", 0.005, "The log ends in"),
    ],
)
def test_a_cut_file_says_where_it_ends(name: str, share: float, words: str, shared_data: Path, tmp_path: Path) -> None:
    content = (shared_data / "formats" / name).read_bytes()
    path = tmp_path / Path(name).name
    path.write_bytes(content[: int(len(content) * share)])
    assert words in str(extract(path).reason)


def spectrum(values: int, points: int) -> str:
    head = "#FORMAT      : EMSA/MAS Spectral Data File\n#VERSION     : 1.0\n#TITLE       : a\n"
    head += f"#NPOINTS     : {points}.\n#NCOLUMNS    : 1\n#XUNITS      : keV\n#XPERCHAN    : 0.01\n#OFFSET      : 0\n"
    body = "".join(f"{i}.0\n" for i in range(values))
    return head + "#DATATYPE    : Y\n#SPECTRUM    :\n" + body + "#ENDOFDATA   :\n"


def test_a_keyword_without_a_value_is_one(tmp_path: Path) -> None:
    (tmp_path / "a.msa").write_text(spectrum(64, 64))
    result = extract(tmp_path / "a.msa")
    assert [(d.shape, d.axes[0].name, d.axes[0].unit) for d in result.datasets] == [([64], "Energy", "keV")]
    assert result.warnings == []


def test_a_spectrum_with_fewer_values_than_promised_says_so(tmp_path: Path) -> None:
    (tmp_path / "a.msa").write_text(spectrum(60, 4096))
    assert extract(tmp_path / "a.msa").warnings == [
        "The header promises 4,096 values (NPOINTS); the file has 60."
    ]  # fmt: skip
    (tmp_path / "b.msa").write_text(spectrum(0, 4096))
    result = extract(tmp_path / "b.msa")
    assert result.status is FileStatus.UNREADABLE
    assert "no value in its spectrum" in str(result.reason)


@pytest.mark.parametrize("content", [b"", b"JK\x00\x02 no description"])
def test_a_bad_emi_costs_the_settings_not_the_series(content: bytes, shared_data: Path, tmp_path: Path) -> None:
    series = shared_data / "formats/tia/64x64_TEM_images_acquire_1.ser"
    (tmp_path / "a_1.ser").write_bytes(series.read_bytes())
    (tmp_path / "a.emi").write_bytes(content)
    result = extract(tmp_path / "a_1.ser")
    assert result.status is FileStatus.EXTRACTED
    assert "a.emi describes 0 series, but not this one." in result.datasets[0].warnings


def test_the_binning_of_tia_has_the_form_of_all(shared_data: Path) -> None:
    (dataset,) = extract(shared_data / "formats/tia/64x64_TEM_images_acquire_1.ser").datasets
    assert re.fullmatch(r"\d+ × \d+", str(dataset.parameters["Binning"].value))


def test_bruker_content_decides_over_the_name(shared_data: Path, tmp_path: Path) -> None:
    (tmp_path / "a.spx").write_bytes((shared_data / "formats/bruker/P45_the_default_job.bcf").read_bytes())
    result = extract(tmp_path / "a.spx")
    assert (result.status, result.reader) == (FileStatus.EXTRACTED, "bcf")


def test_a_large_picture_is_refused_in_own_words(tmp_path: Path) -> None:
    from PIL import Image

    before = Image.MAX_IMAGE_PIXELS
    head = b"BM" + struct.pack("<IHHIIiiHHIIiiII", 100, 0, 0, 54, 40, 20_000, 20_000, 1, 8, 0, 0, 0, 0, 0, 0)
    (tmp_path / "a.bmp").write_bytes(head + bytes(2000))
    reason = extract(tmp_path / "a.bmp").reason
    assert reason == "The picture claims 20,000 × 20,000 pixels; 200,000,000 pixels are the limit."
    assert before == Image.MAX_IMAGE_PIXELS


def test_a_large_picture_within_the_limit_has_no_warning(tmp_path: Path) -> None:
    from PIL import Image

    Image.fromarray(np.zeros((10_000, 10_000), "uint8")).save(tmp_path / "a.png")
    result = extract(tmp_path / "a.png")
    assert (result.status, result.warnings) == (FileStatus.EXTRACTED, [])


@pytest.mark.parametrize(
    ("told", "words"),
    [
        ("<tifffile.TiffTag.fromfile> raised TiffFileError('<tifffile.TiffTag 34682 @9> invalid offset')",
         "The FEI metadata is missing or damaged."),
        ("<tifffile.TiffPage 0 @8> raised ValueError('x')", "Some metadata of the TIFF file are missing or damaged."),
        ("The time axis\nis not uniform", "The time axis is not uniform"),
    ],
)  # fmt: skip
def test_what_libraries_print_is_told_in_plain_words(told: str, words: str) -> None:
    assert plain(told) == words


def test_a_setting_that_is_no_number_carries_a_warning(shared_data: Path) -> None:
    path = shared_data / "formats/digitalmicrograph/test-1.dm3"
    given = {"Accelerating Voltage": "notafloat"}
    (dataset,) = extract(path, overrides=given).datasets
    assert dataset.parameters["Accelerating Voltage"].warning == "not a number"


def test_reading_names_what_the_caller_did_wrong(shared_data: Path, tmp_path: Path) -> None:
    with pytest.raises(NotFound, match="no file"):
        scopeline.read(tmp_path / "never.dm3")
    with pytest.raises(InvalidInput, match="Mars"):
        scopeline.read(shared_data / "formats/digitalmicrograph/test-1.dm3", zone="Mars/Olympus")
