"""Images are made smaller by the exact average over equal areas, whatever memory they stand in."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import dask.array as da
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst

from scopeline.formats.preview.arrays import LargeArray
from scopeline.formats.preview.reduce import area_average

TYPES = ("uint8", "int16", "uint16", "int32", "float32", "float64", ">f4", "bool")


def block_mean(image: Any, rows: int, columns: int) -> Any:
    """The mean over blocks of `rows` x `columns` pixels, by numpy."""
    height, width = image.shape[0] // rows, image.shape[1] // columns
    return image.reshape(height, rows, width, columns).mean(axis=(1, 3), dtype=np.float64)


def weighted_mean(image: Any, height: int, width: int) -> Any:
    """The mean over any equal areas, by a matrix of how much of each pixel each cell covers."""

    def cover(pixels: int, cells: int) -> Any:
        edges = np.linspace(0, pixels, cells + 1)
        low, high = edges[:-1, None], edges[1:, None]
        pixel = np.arange(pixels)[None, :]
        return np.clip(np.minimum(high, pixel + 1) - np.maximum(low, pixel), 0, None)

    sums = cover(image.shape[0], height) @ image.astype(np.float64) @ cover(image.shape[1], width).T
    return sums / (image.shape[0] / height * image.shape[1] / width)


@given(
    data=st.data(),
    cells=st.tuples(st.integers(1, 40), st.integers(1, 9)),
    pixels=st.tuples(st.integers(1, 7), st.integers(1, 9)),
    dtype=st.sampled_from(TYPES),
)
def test_whole_blocks_give_numpys_block_mean(
    data: st.DataObject, cells: tuple[int, int], pixels: tuple[int, int], dtype: str
) -> None:
    shape = (cells[0] * pixels[0], cells[1] * pixels[1])
    image = np.random.default_rng(data.draw(st.integers(0, 99))).integers(0, 200, shape).astype(dtype)
    reduced = area_average(LargeArray(image), *cells)
    np.testing.assert_allclose(reduced, block_mean(image, *pixels), rtol=1e-12, atol=1e-9)


@settings(deadline=None)
@given(
    shape=st.tuples(st.integers(1, 90), st.integers(1, 90)),
    shares=st.tuples(st.floats(0.01, 1), st.floats(0.01, 1)),
    chunks=st.tuples(st.integers(1, 90), st.integers(1, 90)),
    order=st.sampled_from("CF"),
)
def test_any_size_gives_the_mean_weighted_by_covered_area(
    shape: tuple[int, int], shares: tuple[float, float], chunks: tuple[int, int], order: Any
) -> None:
    image = np.asarray(np.random.default_rng(1).normal(100, 30, shape).astype("float32"), order=order)
    height, width = (max(1, int(n * share)) for n, share in zip(shape, shares, strict=True))
    wanted = weighted_mean(image, height, width)
    np.testing.assert_allclose(area_average(LargeArray(image), height, width), wanted, rtol=1e-6)
    lazy = da.from_array(image, chunks=tuple(map(min, chunks, shape)))
    np.testing.assert_allclose(area_average(LargeArray(lazy), height, width), wanted, rtol=1e-6)


def test_fine_lattices_become_grey_instead_of_patterns() -> None:
    lattice = np.indices((3000, 3000)).sum(axis=0) % 2 * 255
    reduced = area_average(LargeArray(lattice.astype("uint8")), 1000, 1000)
    assert np.ptp(reduced) < 30
    every_third = lattice[::3, ::3]
    assert np.ptp(every_third) == 255, "what taking every third pixel would show"


@given(
    image=npst.arrays(np.float32, st.tuples(st.integers(1, 20), st.integers(1, 20))),
    wide=st.booleans(),
    share=st.floats(0.05, 1),
)
def test_values_that_are_not_finite_are_left_out(image: Any, wide: bool, share: float) -> None:
    height, width = (max(1, int(n * share)) for n in image.shape)
    reduced = area_average(LargeArray(image.astype(np.float64) if wide else image), height, width)
    assert reduced.shape == (height, width)
    finite = image[np.isfinite(image)].astype(np.float64)
    if finite.size:
        assert np.isfinite(reduced).any()
        assert np.nanmax(np.abs(reduced)) <= np.abs(finite).max() * (1 + 1e-6) + 1e-9
    else:
        assert np.isnan(reduced).all()


def test_complex_values_count_by_their_modulus() -> None:
    assert area_average(LargeArray(np.array([[3 + 4j, 0], [0, 1]])), 1, 1) == 1.5


def test_a_hole_does_not_spoil_its_cell() -> None:
    image = np.full((4, 4), 10.0)
    image[0, 0] = np.nan
    image[3, 3] = np.inf
    assert (area_average(LargeArray(image), 2, 2) == 10).all()


def test_a_mapped_file_is_read_in_blocks_that_follow_its_bytes(tmp_path: Path) -> None:
    path = tmp_path / "energies_first.raw"
    np.arange(64 * 32 * 16, dtype="<u2").tofile(path)
    stored = np.memmap(path, "<u2", "r", shape=(64, 32, 16))
    array = LargeArray(stored.transpose(1, 2, 0))
    seen = np.zeros(array.shape, bool)
    for where, block in array.blocks(limit=4096):
        assert block.nbytes <= 4096
        assert not block.flags.owndata, "a view of the file"
        assert block.shape[:2] == (32, 16), "cut along the slowest axis only"
        assert not seen[where].any()
        seen[where] = True
    assert seen.all()


@given(
    slices=st.tuples(*[st.tuples(st.integers(0, 11), st.integers(1, 12), st.integers(1, 5)) for _ in range(3)]),
    chunks=st.tuples(*[st.integers(1, 12) for _ in range(3)]),
)
def test_slices_of_chunked_arrays_are_those_of_plain_ones(
    slices: tuple[tuple[int, int, int], ...], chunks: tuple[int, ...]
) -> None:
    plain = np.arange(12**3).reshape(12, 12, 12)
    where = tuple(slice(start, min(12, start + length), step) for start, length, step in slices)
    lazy = LargeArray(da.from_array(plain, chunks=chunks))
    np.testing.assert_array_equal(lazy.read(where), plain[where])
    np.testing.assert_array_equal(LargeArray(plain).read(where), plain[where])


def test_one_chunk_at_a_time_is_fetched() -> None:
    fetched: list[int] = []

    def fetch(block: Any, block_id: Any = None) -> Any:
        fetched.append(block_id[0])
        return block + 1

    lazy = da.zeros((40, 10), chunks=(10, 10)).map_blocks(fetch, dtype=float, meta=np.zeros((0, 0)))
    assert LargeArray(lazy).read((slice(12, 15), slice(0, 10))).sum() == 30
    assert fetched == [1]


@pytest.mark.parametrize("shape", [(0, 5), (5, 0)])
def test_no_pixels_give_no_blocks(shape: tuple[int, int]) -> None:
    assert list(LargeArray(np.zeros(shape)).blocks()) == []
