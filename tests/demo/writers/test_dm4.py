from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from rsciio.digitalmicrograph import file_reader

from scopeline.demo.writers import dm4

DTYPES = sorted(dm4.PIXEL_TYPES)

# rosettasciio gives characters beyond U+FFFF back as two surrogates, so none are asked for
names = st.text("abcXYZ ()µ09", min_size=1, max_size=12).filter(lambda text: text.strip() == text)
values = st.one_of(
    st.booleans(),
    st.integers(-(2**31), 2**31 - 1),
    st.floats(allow_nan=False, allow_infinity=False),
    st.text(st.characters(max_codepoint=0xFFFF, exclude_categories=["Cs"]), min_size=1, max_size=20),
    st.tuples(st.integers(-9, 9), st.integers(-9, 9)),
)
trees = st.recursive(
    st.dictionaries(names, values, max_size=4),
    lambda inner: st.dictionaries(names, st.one_of(values, inner), max_size=4),
    max_leaves=20,
)


def written(path: Path, data: Any, tags: dict[str, Any]) -> dict[str, Any]:
    axes = [dm4.Dimension(size) for size in reversed(data.shape)]
    dm4.write(path, dm4.image_document("a test", axes, dm4.pixels_of(data), tags))
    (signal,) = file_reader(str(path))
    found: dict[str, Any] = signal
    return found


@pytest.mark.parametrize("dtype", DTYPES)
def test_pixels_of_every_type_come_back(tmp_path: Path, dtype: str) -> None:
    data = np.arange(24, dtype=dtype).reshape(4, 6)
    signal = written(tmp_path / "a.dm4", data, {})
    assert signal["data"].dtype == data.dtype
    assert np.array_equal(signal["data"], data)


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(tree=trees)
def test_any_tree_of_tags_comes_back(tmp_path: Path, tree: dict[str, Any]) -> None:
    signal = written(tmp_path / "a.dm4", np.zeros((2, 2), "uint8"), {"Test": tree})
    assert signal["original_metadata"]["ImageList"]["TagGroup0"]["ImageTags"]["Test"] == tree


def test_calibration_and_origin_become_scale_and_offset(tmp_path: Path) -> None:
    axes = [dm4.Dimension(5, 0.5, "eV", origin=-800.0), dm4.Dimension(1, 1.0, "")]
    pixels = dm4.pixels_of(np.ones((1, 5), "float32"))
    dm4.write(tmp_path / "a.dm4", dm4.image_document("a spectrum", axes, pixels, {}))
    (signal,) = file_reader(str(tmp_path / "a.dm4"))
    assert signal["metadata"]["General"]["title"] == "a spectrum"
    assert (float(signal["axes"][-1]["scale"]), float(signal["axes"][-1]["offset"])) == (0.5, 400.0)


def test_blocks_are_written_one_after_another(tmp_path: Path) -> None:
    rows = [np.full((1, 4), n, "uint16") for n in range(3)]
    pixels = dm4.Pixels("uint16", 12, lambda: iter(rows))
    axes = [dm4.Dimension(4), dm4.Dimension(3)]
    dm4.write(tmp_path / "a.dm4", dm4.image_document("blocks", axes, pixels, {}))
    (signal,) = file_reader(str(tmp_path / "a.dm4"))
    assert np.array_equal(signal["data"], np.concatenate(rows))


def test_blocks_that_do_not_fill_the_image_are_refused(tmp_path: Path) -> None:
    pixels = dm4.Pixels("uint16", 12, lambda: [np.zeros(4, "uint16")])
    with pytest.raises(ValueError, match="8 bytes"):
        dm4.write(tmp_path / "a.dm4", dm4.image_document("short", [dm4.Dimension(12)], pixels, {}))


def test_a_value_without_a_tag_type_is_refused(tmp_path: Path) -> None:
    with pytest.raises(TypeError, match="None"):
        dm4.write(tmp_path / "a.dm4", {"Nothing": None})
