"""Maps and sums of spectrum images and pattern sets: of all values, or of a regular sample that is told."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import dask.array as da
import numpy as np
import pytest

from scopeline.formats.preview.arrays import LargeArray
from scopeline.formats.preview.projections import Budget, project

RNG = np.random.default_rng(0)


def chunked(data: Any) -> Any:
    return da.from_array(data, chunks=tuple(max(1, n // 3) for n in data.shape))


def transposed(data: Any) -> Any:
    """The same array, signal axes slowest in memory."""
    return np.moveaxis(np.ascontiguousarray(np.moveaxis(data, -1, 0)), 0, -1)


@pytest.mark.parametrize("form", [np.asarray, chunked, transposed])
@pytest.mark.parametrize("shape", [(6, 7, 20), (5, 4, 8, 9)])
def test_small_arrays_count_completely(form: Any, shape: tuple[int, ...]) -> None:
    data = RNG.integers(0, 1000, shape, dtype="uint16")
    signal = tuple(range(2, len(shape)))
    found = project(LargeArray(form(data)), 2)
    np.testing.assert_allclose(found.map, data.mean(axis=signal))
    np.testing.assert_allclose(found.profile, data.sum(axis=(0, 1), dtype=float))
    assert found.map_of[0] == found.map_of[1] == np.prod(shape[2:])
    assert found.profile_of[0] == found.profile_of[1] == shape[0] * shape[1]


def test_values_that_are_not_finite_count_as_nothing() -> None:
    data = np.ones((3, 3, 4), "float32")
    data[0, 0, 0], data[1, 1, 1] = np.nan, np.inf
    found = project(LargeArray(data), 2)
    assert found.profile.tolist() == [8, 8, 9, 9]
    assert found.map[0, 0] == 0.75


def test_of_large_sets_of_patterns_a_regular_grid_of_positions_is_read() -> None:
    data = RNG.integers(0, 1000, (40, 30, 8, 8), dtype="uint16")
    each = 8 * 8 * 2
    found = project(LargeArray(data), 2, Budget(whole_bytes=1000, sample_bytes=75 * each))
    assert found.positions_step == 4
    chosen = data[2::4, 2::4]
    np.testing.assert_allclose(found.map, chosen.mean(axis=(2, 3)))
    np.testing.assert_allclose(found.profile, chosen.sum(axis=(0, 1), dtype=float))
    assert found.profile_of == (chosen.shape[0] * chosen.shape[1], 1200)


def test_of_large_cubes_that_are_stored_as_maps_whole_maps_and_whole_rows_are_read(tmp_path: Path) -> None:
    data = RNG.integers(0, 1000, (20, 30, 64), dtype="uint16")
    path = tmp_path / "cube.raw"
    np.ascontiguousarray(data.transpose(2, 0, 1)).tofile(path)
    stored = np.memmap(path, "uint16", "r", shape=(64, 20, 30)).transpose(1, 2, 0)
    found = project(LargeArray(stored), 2, Budget(whole_bytes=1000, sample_bytes=16 * 20 * 30 * 2))
    np.testing.assert_allclose(found.map, data[:, :, 2::4].mean(axis=2))
    assert found.map_of == (16, 64)
    np.testing.assert_allclose(found.profile, data[2::4].sum(axis=(0, 1), dtype=float))
    assert found.profile_of == (5 * 30, 600)


def test_where_chunks_must_be_decoded_whole_few_are_touched() -> None:
    decoded: list[Any] = []

    def decode(block: Any, block_id: Any = None) -> Any:
        decoded.append(block_id)
        return block + 1.0

    cube = da.zeros((32, 32, 16), chunks=(4, 4, 16)).map_blocks(decode, dtype=float, meta=np.zeros((0, 0, 0)))
    each = 4 * 4 * 16 * 8
    found = project(LargeArray(cube), 2, Budget(whole_bytes=1000, sample_decoded_bytes=16 * each))
    assert len(set(decoded)) <= 17
    assert (found.map == 1).all()
    assert found.profile_of[0] == 16


def test_axes_shorter_than_the_step_keep_their_middle() -> None:
    data = RNG.integers(0, 1000, (2, 400, 50), dtype="uint16")
    found = project(LargeArray(data), 2, Budget(whole_bytes=1000, sample_bytes=8 * 100))
    assert found.map.shape[0] == 1
    np.testing.assert_allclose(found.map, data[1:2, 5::10].mean(axis=2))
