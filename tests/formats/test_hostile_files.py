"""Damaged, foreign and hostile files: each is answered with a reason in words, and none costs memory."""

from __future__ import annotations

import os
import pickle
import struct
import tracemalloc
import zlib
from collections.abc import Callable
from pathlib import Path

import h5py
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from scopeline.domain.files import FileStatus
from scopeline.formats.extract import extract_file
from scopeline.formats.results import Extracted, ExtractRequest

MEGABYTE = 1 << 20


def extract(path: Path, preview_dir: Path | None = None) -> Extracted:
    return extract_file(ExtractRequest(folder=path.parent, file_name=path.name, preview_dir=preview_dir))


def refused(path: Path) -> str:
    """The reason, after a look that it is one: words, no traceback, no path of this computer."""
    tracemalloc.start()
    result = extract(path)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert result.status in (FileStatus.UNREADABLE, FileStatus.UNSUPPORTED)
    assert result.reason is not None
    assert "Traceback" not in result.reason
    assert str(path.parent) not in result.reason
    assert "\n" not in result.reason
    assert peak < 64 * MEGABYTE
    assert result.datasets == []
    return result.reason


def test_an_empty_file(tmp_path: Path) -> None:
    for name in ("a.dm3", "a.tif", "a.emd", "a.txt", "a"):
        (tmp_path / name).touch()
        assert refused(tmp_path / name) == "The file is empty."


def test_a_file_of_zeros(tmp_path: Path) -> None:
    (tmp_path / "a.dm4").write_bytes(bytes(100_000))
    assert "all are zero" in refused(tmp_path / "a.dm4")


@pytest.mark.parametrize(
    ("content", "name", "words"),
    [
        (b"PK\x03\x04" + bytes(30), "a.dm3", "This is a zip archive with the name of a file of the format Gatan"),
        (b"just words, no picture\n", "a.jpg", "This is a text file with the name of a file of the format JPEG image"),
        (b"%PDF-1.7\n" + bytes(9), "a.tif", "This is a PDF document with the name of a file of the format TIFF"),
        (b"<!DOCTYPE html><html>", "a.emd", "This is a web page with the name of a file of the format"),
        (b"\x00\x01\x02\x03random", "a.ser", "not of the format FEI TIA series"),
        (b"\x7fELF" + bytes(60), "run", "This is a Linux program; no reader knows such files."),
        (b"\x00\x01\x02\x03", "a.xyz", "No reader knows files of this kind (.xyz)."),
        (b"MZ" + bytes(99), "a.exe", "This is a Windows program"),
        (b"\x80\x04K\x01.", "a.pkl", "No reader knows files of this kind (.pkl)."),
    ],
)  # fmt: skip
def test_content_that_is_not_what_the_name_says(content: bytes, name: str, words: str, tmp_path: Path) -> None:
    (tmp_path / name).write_bytes(content)
    assert words in refused(tmp_path / name)


def test_a_file_under_a_wrong_name_is_read_by_its_content(shared_data: Path, tmp_path: Path) -> None:
    (tmp_path / "really.tif").symlink_to(shared_data / "formats/digitalmicrograph/test-1.dm3")
    result = extract(tmp_path / "really.tif")
    assert result.reader == "digitalmicrograph"
    assert result.warnings == [
        "The content is of the format Gatan DigitalMicrograph, but the name has the extension .tif."
    ]


CUT = [
    "digitalmicrograph/test-6.dm4", "digitalmicrograph/test_stackbuilder_imagestack.dm3",
    "tia/64x64_TEM_images_acquire_1.ser",
    "emd/fei_example_tem_stack.emd", "bruker/P45_the_default_job.bcf", "bruker/bruker_nano.spx",
    "tiff/test_loading_image_saved_with_DM.tif", "mrc/HAADFscan.mrc", "blockfile/test1.blo", "msa/example1.msa",
    "hspy/example2_v3.1.hspy", "nexus/simple_signal.nxs", "phenom/Elid2Version2.elid", "image/jpg_no_exif_tags.jpg",
]  # fmt: skip


@pytest.mark.parametrize("name", CUT)
def test_a_file_cut_in_half_says_so(name: str, shared_data: Path, tmp_path: Path) -> None:
    whole = (shared_data / "formats" / name).read_bytes()
    path = tmp_path / Path(name).name
    path.write_bytes(whole[: len(whole) // 2])
    reason = refused(path)
    assert any(word in reason for word in ("ends", "shorter", "damaged", "not written")), reason


# Damage inside HDF5 can crash the HDF5 library itself: that is what worker processes are for.
@pytest.mark.parametrize("name", [name for name in CUT if Path(name).suffix not in (".emd", ".hspy", ".nxs")])
@settings(max_examples=8, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_random_damage_never_raises(name: str, data: st.DataObject, shared_data: Path, tmp_path: Path) -> None:
    content = bytearray((shared_data / "formats" / name).read_bytes())
    for _ in range(data.draw(st.integers(1, 8))):
        # Headers are at the beginning: damage there reaches the parsers.
        place = data.draw(st.integers(0, min(len(content), 3000) - 1))
        content[place] = data.draw(st.integers(0, 255))
    path = tmp_path / Path(name).name
    path.write_bytes(bytes(content))
    result = extract(path)
    assert result.status is FileStatus.EXTRACTED or result.reason


def test_names_of_all_scripts_and_with_line_breaks(shared_data: Path, tmp_path: Path) -> None:
    source = shared_data / "formats/digitalmicrograph/test-1.dm3"
    for name in ("測定 1.dm3", "zwei\nZeilen.dm3", "-10.dm3", "ü" * 120 + ".dm3", "a[1]*?.dm3", "'\"; rm.dm3"):
        (tmp_path / name).symlink_to(source)
        result = extract(tmp_path / name)
        assert result.status is FileStatus.EXTRACTED
        assert "\n" not in str(result.datasets[0].title)


def test_links_folders_and_pipes(tmp_path: Path) -> None:
    (tmp_path / "gone.dm3").symlink_to(tmp_path / "nowhere")
    assert refused(tmp_path / "gone.dm3") == "The file is a link to a file that is not there."
    (tmp_path / "folder.dm3").mkdir()
    assert "folder" in refused(tmp_path / "folder.dm3")
    os.mkfifo(tmp_path / "pipe.dm3")
    assert "pipe" in refused(tmp_path / "pipe.dm3")


def test_a_missing_file_is_a_mistake_of_the_caller(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        extract(tmp_path / "never.dm3")


# --------------------------------------------------------------------------------------------------------- XML

BOMB = """<?xml version="1.0"?><!DOCTYPE x [<!ENTITY a "ha"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;&a;&a;">]>"""
OUTSIDE = """<?xml version="1.0"?><!DOCTYPE x [<!ENTITY a SYSTEM "file:///etc/passwd">]>"""


@pytest.mark.parametrize("declared", [BOMB, OUTSIDE])
def test_xml_with_entities_is_refused(declared: str, tmp_path: Path) -> None:
    (tmp_path / "a.xml").write_text(f'{declared}<root name="&a;"><pix_x/></root>')
    assert extract(tmp_path / "a.xml").status is not FileStatus.EXTRACTED
    (tmp_path / "b.spx").write_text(f"{declared.replace('<!DOCTYPE', '<!DOCTYPE')}<TRTSpectrum>&a;</TRTSpectrum>")
    refused(tmp_path / "b.spx")


def test_an_emi_with_entities_costs_the_parameters_not_the_image(shared_data: Path, tmp_path: Path) -> None:
    folder = shared_data / "formats/tia"
    (tmp_path / "i_1.ser").write_bytes((folder / "64x64_TEM_images_acquire_1.ser").read_bytes())
    (tmp_path / "i.emi").write_bytes(b"JK\x00\x02" + b"<ObjectInfo><!DOCTYPE x [<!ENTITY a 'b'>]>&a;</ObjectInfo>")
    result = extract(tmp_path / "i_1.ser")
    assert result.status is FileStatus.EXTRACTED
    assert "declares entities" in result.datasets[0].warnings[0]


def test_an_empad_description_cannot_name_files_elsewhere(shared_data: Path, tmp_path: Path) -> None:
    text = (shared_data / "formats/empad/map4x4.xml").read_text()
    for name in ("/etc/passwd", "../secret.raw", "..\\secret.raw", ".hidden"):
        (tmp_path / "map.xml").write_text(text.replace("scan_x4_y4.raw", name))
        assert "not the name of a file beside it" in refused(tmp_path / "map.xml")


# ------------------------------------------------------------------------------------------------ claims of size


def tiff(width: int, height: int, compression: int) -> bytes:
    tags = [(256, 4, width), (257, 4, height), (258, 3, 8), (259, 3, compression), (262, 3, 1), (273, 4, 8),
            (277, 3, 1), (278, 4, height), (279, 4, 100)]  # fmt: skip
    entries = b"".join(struct.pack("<HHII", code, kind, 1, value) for code, kind, value in tags)
    return b"II*\x00" + struct.pack("<I", 200) + bytes(192) + struct.pack("<H", len(tags)) + entries + bytes(4)


def png(width: int, height: int) -> bytes:
    def chunk(kind: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    header = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(bytes(100))) + chunk(b"IEND", b"")
    )


def ser(width: int, height: int) -> bytes:
    head = struct.pack("<HHHIIIIII", 0x4949, 0x0197, 0x0210, 0x4122, 0x4152, 1, 1, 30, 0)
    offsets = struct.pack("<II", 38, 38)
    return head + offsets + struct.pack("<ddIddIHII", 0, 1e-9, 0, 0, 1e-9, 0, 2, width, height) + bytes(100)


BLOCKFILE = b"IMGBLO" + struct.pack(
    "<HIIIHHHHHddIHId", 0x102, 4096, 8192, 0, 60000, 0, 60000, 60000, 0, 1, 1, 0, 0, 0, 0
)


def mrc(size: int) -> bytes:
    return struct.pack("<4i", size, size, 1, 2) + bytes(192) + b"MAP " + bytes(812) + bytes(1000)


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("a.tif", tiff(100_000, 100_000, 1)), ("b.tif", tiff(100_000, 100_000, 5)), ("a.png", png(100_000, 100_000)),
        ("a.ser", ser(100_000, 100_000)), ("a.mrc", mrc(100_000)),
        ("a.blo", BLOCKFILE),
        ("b.png", png(20_000, 5_000)),
    ],
)  # fmt: skip
def test_a_claim_of_ten_billion_pixels_is_refused_by_the_header(name: str, content: bytes, tmp_path: Path) -> None:
    (tmp_path / name).write_bytes(content)
    if name == "b.png":  # within the limit, but the rows are not there
        assert extract(tmp_path / name).status is FileStatus.UNREADABLE
        return
    reason = refused(tmp_path / name)
    assert "claims" in reason or "ends after" in reason or "too large" in reason, reason


def test_a_packed_archive_that_grows_is_stopped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import bz2

    from scopeline.formats import phenom

    monkeypatch.setattr(phenom, "MAX_UNPACKED", 4 * MEGABYTE)
    (tmp_path / "a.elid").write_bytes(bz2.compress(bytes(32 * MEGABYTE)))
    assert "unpacks to more than" in refused(tmp_path / "a.elid")


# ------------------------------------------------------------------------------------------------------- HDF5


def external_link(file: h5py.File) -> None:
    file["Data/Image"] = h5py.ExternalLink("/etc/passwd", "/")


def external_storage(file: h5py.File) -> None:
    file.create_dataset("Data/raw", (10,), "u1", external=[("/etc/passwd", 0, 10)])


def virtual_dataset(file: h5py.File) -> None:
    layout = h5py.VirtualLayout(shape=(4,), dtype="u1")
    layout[:] = h5py.VirtualSource("/etc/passwd", "d", shape=(4,))
    file.create_virtual_dataset("Data/v", layout)


def circle(file: h5py.File) -> None:
    file.create_group("a/b")
    file["a/b/up"] = h5py.SoftLink("/a")


def hard_circle(file: h5py.File) -> None:
    below = file.create_group("a/b")
    below["c"] = file["a"]


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (external_link, "takes /Data/Image from another file (/etc/passwd)"),
        (external_storage, "keeps /Data/raw in another file (/etc/passwd)"),
        (virtual_dataset, "takes /Data/v from other files"),
        (circle, "it has no end"),
        (hard_circle, "it has no end"),
    ],
)
@pytest.mark.parametrize("extension", ["emd", "hspy", "nxs", "h5"])
def test_hdf5_that_reaches_out_or_runs_in_circles(
    make: Callable[[h5py.File], None], words: str, extension: str, tmp_path: Path
) -> None:
    path = tmp_path / f"a.{extension}"
    with h5py.File(path, "w") as file:
        make(file)
    assert words in refused(path)


def test_hdf5_of_no_known_kind(tmp_path: Path) -> None:
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file["x"] = np.arange(3)
    (tmp_path / "b.bin").write_bytes((tmp_path / "a.h5").read_bytes())
    assert refused(tmp_path / "b.bin") == "This is an HDF5 file of no kind that Scopeline knows."


# ------------------------------------------------------------------------------------------------------ pickles


class Evil:
    def __reduce__(self) -> tuple[Callable[[str], int], tuple[str]]:
        return os.system, ("touch pwned",)


def test_pickles_are_not_opened(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    np.savez(tmp_path / "a.npz", np.array([Evil()], object))
    (tmp_path / "a.npz").rename(tmp_path / "meta.prz")
    np.savez(tmp_path / "b.npz", np.array([Evil()], object))
    np.save(tmp_path / "c.npy", np.array([Evil()], object))
    (tmp_path / "d.hspy").write_bytes(pickle.dumps(Evil()))
    for name in ("meta.prz", "b.npz", "c.npy"):
        assert "pickles" in refused(tmp_path / name)
    refused(tmp_path / "d.hspy")
    assert not (tmp_path / "pwned").exists()


def test_a_file_that_must_be_read_whole_has_a_limit(tmp_path: Path) -> None:
    path = tmp_path / "big.bcf"
    path.write_bytes(b"AAMVHFSS")
    os.truncate(path, 600 * MEGABYTE)
    assert "536,870,912 bytes are the limit" in refused(path)


# ---------------------------------------------------------------------------------------------------- large files


def test_large_files_are_mapped_not_read(tmp_path: Path) -> None:
    side = 16384
    sparse = {
        "a.mrc": mrc(side)[:1024], "a.tif": tiff(side, side, 1)[:8] + tiff(side, side, 1)[8:],
        "a.ser": ser(side, side)[:88],
    }  # fmt: skip
    for name, head in sparse.items():
        path = tmp_path / name
        content = head.replace(struct.pack("<HHII", 273, 4, 1, 8), struct.pack("<HHII", 273, 4, 1, 1024))
        path.write_bytes(
            content.replace(struct.pack("<HHII", 279, 4, 1, 100), struct.pack("<HHII", 279, 4, 1, side * side))
        )
        os.truncate(path, 1024 + side * side * 4)
        tracemalloc.start()
        result = extract(path)
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert result.status is FileStatus.EXTRACTED, result.reason
        assert result.datasets[0].shape == [side, side]
        assert peak < 32 * MEGABYTE


@pytest.mark.parametrize("place", [0x18, 512, 600, 700, 800])
def test_a_header_that_claims_terabytes_is_damaged_not_a_lack_of_memory(
    place: int, shared_data: Path, tmp_path: Path
) -> None:
    content = bytearray((shared_data / "formats/renishaw/renishaw_test_spectrum.wdf").read_bytes())
    content[place : place + 8] = struct.pack("<Q", 1 << 41)
    (tmp_path / "a.wdf").write_bytes(content)
    result = extract(tmp_path / "a.wdf")
    assert result.status is FileStatus.EXTRACTED or result.reason


def test_a_companion_without_its_file_says_so(tmp_path: Path) -> None:
    (tmp_path / "a.hdr").write_text("[MAIN]\nDate=2025-12-03\n")
    assert refused(tmp_path / "a.hdr") == (
        "A .hdr file is read together with the file that it belongs to; none is beside it."
    )
    (tmp_path / "b.emi").write_bytes(b"JK\x00\x02" + bytes(100))
    assert refused(tmp_path / "b.emi") == "It describes .ser files, which are not beside it."


def test_a_tiff_whose_pages_run_in_a_circle(tmp_path: Path) -> None:
    content = bytearray(tiff(10, 10, 1))
    content[-4:] = struct.pack("<I", 200)
    (tmp_path / "a.tif").write_bytes(bytes(content))
    result = extract(tmp_path / "a.tif")
    assert result.status is FileStatus.EXTRACTED
    assert len(result.datasets) == 1
