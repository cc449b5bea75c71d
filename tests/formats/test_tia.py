"""TIA series: grids of elements, maps without copies, descriptions by number."""

from __future__ import annotations

import struct
from pathlib import Path

import numpy as np
import pytest

from scopeline.domain.files import DatasetType
from scopeline.formats.extract import read_signals
from scopeline.formats.results import ExtractRequest, Signal


def write_series(
    path: Path, elements: np.ndarray, grid: list[tuple[int, str]], positions: list[tuple[float, float]] | None = None
) -> None:
    """A .ser file of images (element, y, x) on a grid of (size, unit), slowest first, as TIA writes it."""
    count, height, width = elements.shape
    dimensions = b"".join(
        struct.pack("<IddII", size, 0.0, 1e-9, 0, 0) + struct.pack("<I", len(unit)) + unit.encode()
        for size, unit in grid
    )
    table = 30 + len(dimensions)
    first = table + 8 * count
    length = 50 + width * height * 2
    tag = 24 if positions else 8
    offsets = [first + i * (length + tag) for i in range(count)]
    kind = 0x4142 if positions else 0x4152
    head = struct.pack("<HHHIIIIII", 0x4949, 0x0197, 0x0210, 0x4122, kind, count, count, table, len(grid))
    content = head + dimensions + b"".join(struct.pack("<I", o) for o in offsets)
    content += b"".join(struct.pack("<I", o + length) for o in offsets)
    for index, element in enumerate(elements):
        content += struct.pack("<ddIddIHII", 5e-9, 2e-9, 1, 5e-9, 2e-9, 1, 2, width, height)
        content += element[::-1].astype("<u2").tobytes()  # rows from the bottom
        content += struct.pack("<HHI", kind, 0, 1542131385 + index)
        if positions:
            content += struct.pack("<dd", *positions[index])
    path.write_bytes(content)


def read(path: Path) -> Signal:
    (signal,) = read_signals(ExtractRequest(folder=path.parent, file_name=path.name))
    return signal


def test_a_stack_is_mapped_with_its_rows_from_the_top(tmp_path: Path) -> None:
    elements = np.arange(3 * 4 * 5, dtype="u2").reshape(3, 4, 5)
    write_series(tmp_path / "s_1.ser", elements, [(3, "")])
    signal = read(tmp_path / "s_1.ser")
    assert np.array_equal(signal.data, elements)
    assert signal.data.base is not None  # a view of the mapped file
    assert [(a.name, a.size, a.scale, a.offset, a.unit, a.navigation) for a in signal.axes] == [
        ("z", 3, 1e-9, 0.0, None, True), ("y", 4, 2.0, 3.0, "nm", False), ("x", 5, 2.0, 3.0, "nm", False),
    ]  # fmt: skip
    assert signal.acquired is not None
    assert signal.acquired.value.timestamp() == 1542131385


def test_a_single_image_has_no_axis_of_elements(tmp_path: Path) -> None:
    write_series(tmp_path / "s_1.ser", np.ones((1, 4, 5)), [(1, "")])
    assert read(tmp_path / "s_1.ser").data.shape == (4, 5)


def test_x_runs_fastest_where_two_elements_share_their_row(tmp_path: Path) -> None:
    elements = np.arange(6 * 2 * 2, dtype="u2").reshape(6, 2, 2)
    positions = [(x * 1e-9, y * 1e-9) for y in range(2) for x in range(3)]
    write_series(tmp_path / "s_1.ser", elements, [(3, "meters"), (2, "meters")], positions)
    signal = read(tmp_path / "s_1.ser")
    assert [(a.name, a.size) for a in signal.axes] == [("y", 2), ("x", 3), ("y", 2), ("x", 2)]
    assert np.array_equal(signal.data.reshape(6, 2, 2), elements)


def test_a_stopped_series_says_how_far_it_came(shared_data: Path) -> None:
    signal = read(shared_data / "formats/tia/no_AcquireDate_1.ser")
    assert "The series was stopped after 1 of 10 elements." in signal.warnings


def test_a_series_without_its_description_is_read_with_a_warning(tmp_path: Path) -> None:
    write_series(tmp_path / "s_1.ser", np.ones((1, 4, 5)), [(1, "")])
    signal = read(tmp_path / "s_1.ser")
    assert signal.type is DatasetType.IMAGE
    assert signal.warnings == ["The .emi file with the microscope's settings is not beside this file."]


@pytest.mark.parametrize(("number", "expected"), [(1, "Image 1"), (2, "Image 2"), (12, "Image 12")])
def test_a_description_belongs_to_its_number(number: int, expected: str, tmp_path: Path) -> None:
    pieces = "".join(
        "<ObjectInfo><ExperimentalDescription><Root><Data><Label>User</Label>"
        f"<Value>Image {n}</Value><Unit></Unit></Data></Root></ExperimentalDescription></ObjectInfo>"
        for n in range(1, 13)
    )
    (tmp_path / "s.emi").write_bytes(b"JK\x00\x02" + pieces.encode())
    write_series(tmp_path / f"s_{number}.ser", np.ones((1, 2, 2)), [(1, "")])
    assert read(tmp_path / f"s_{number}.ser").parameters["Operator"].value == expected


def test_the_real_spectrum_image_is_the_same_as_in_rosettasciio(shared_data: Path) -> None:
    from rsciio import tia

    path = shared_data / "formats/tia/16x16-spectrum_image-5x5x1024_1.ser"
    (theirs,) = tia.file_reader(str(path))
    assert np.array_equal(read(path).data, theirs["data"])
