"""Each kind of signal gets the picture that suits it, and a caption that says what it shows."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import dask.array as da
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst
from PIL import Image

from scopeline.domain.files import Axis, DatasetType, FileStatus
from scopeline.formats.preview import Picture, draw, placeholder, spectra
from scopeline.formats.preview.style import LINE, STAGE
from scopeline.formats.results import Signal


def axes(*sizes: int, positions: int = 0, units: Sequence[str | None] | None = None, scale: float = 0.1) -> list[Axis]:
    units = units or ["nm"] * len(sizes)
    return [
        Axis(name=f"axis {i}", size=n, scale=scale, offset=0.0, unit=units[i], navigation=i < positions)
        for i, n in enumerate(sizes)
    ]


def uncalibrated(*sizes: int, positions: int = 0) -> list[Axis]:
    return [Axis(name="", size=n, navigation=i < positions) for i, n in enumerate(sizes)]


def image(data: Any, kind: DatasetType = DatasetType.IMAGE) -> Picture:
    return draw(Signal(data, uncalibrated(*data.shape), kind))


def pixels(picture: Picture) -> Any:
    return np.asarray(picture.image).astype(int)


def test_an_image_is_shown_whole_and_at_most_1024_pixels_long() -> None:
    picture = image(np.tile(np.arange(3000), (1500, 1)))
    assert (picture.width, picture.height) == (1024, 512)
    assert picture.caption is None
    row = pixels(picture)[100]
    assert (np.diff(row) >= 0).all()
    assert abs(row.mean() - 127.5) < 2


def test_tiny_images_are_enlarged_by_a_whole_factor() -> None:
    picture = image(np.arange(256).reshape(16, 16))
    assert (picture.width, picture.height) == (512, 512)
    blocks = pixels(picture).reshape(16, 32, 16, 32)
    assert (blocks.std(axis=(1, 3)) == 0).all()


def test_pixels_are_true_to_scale() -> None:
    data = np.random.default_rng(0).random((100, 200))
    unequal = axes(100, 200)
    unequal[0].scale = 0.2
    picture = draw(Signal(data, unequal, DatasetType.IMAGE))
    assert picture.width == picture.height


def test_calibrated_images_have_a_scale_bar() -> None:
    data = np.random.default_rng(0).random((512, 512))
    bare, scaled = image(data), draw(Signal(data, axes(512, 512), DatasetType.IMAGE))
    changed = np.argwhere(pixels(bare) != pixels(scaled))
    assert changed[:, 0].min() > 400, "at the bottom"
    assert changed[:, 1].max() < 256, "at the left"


def test_the_scale_bar_stands_above_the_vendors_bar_of_words() -> None:
    data = np.random.default_rng(0).integers(100, 110, (550, 512)).astype("uint8")
    data[512:] = 0
    data[520:540, 40:480] = 255
    whole = draw(Signal(data, axes(550, 512), DatasetType.IMAGE))
    barred = draw(Signal(data, axes(550, 512), DatasetType.IMAGE, data_bar=38))
    assert set(np.unique(pixels(barred)[512:])) == {0, 255}, "the words are as they were"
    assert len(np.unique(pixels(barred)[:400])) >= 10
    assert np.ptp(pixels(barred)[:400]) == 255, "the contrast is that of the picture"
    assert np.ptp(pixels(whole)[:400]) < 50


def test_colour_images_are_shown_as_they_are() -> None:
    data = np.zeros((40, 60, 3), "uint8")
    data[:20, :, 0] = 200
    data[20:, :, 2] = 90
    picture = draw(Signal(data, uncalibrated(40, 60), DatasetType.IMAGE, rgb=True))
    assert picture.image.getpixel((3, 3)) == (200, 0, 0)
    assert picture.image.getpixel((3, picture.height - 3)) == (0, 0, 90)


def test_deep_colours_keep_their_share_of_the_full_scale() -> None:
    data = np.full((600, 600, 3), 65535 // 2, "uint16")
    data[0, 0] = 0
    picture = draw(Signal(data, uncalibrated(600, 600), DatasetType.IMAGE, rgb=True))
    assert picture.image.getpixel((300, 300)) in [(127, 127, 127), (128, 128, 128)]


def test_transparent_parts_show_the_stage() -> None:
    data = np.full((600, 600, 4), 255, "uint8")
    data[300:, :, 3] = 0
    picture = draw(Signal(data, uncalibrated(600, 600), DatasetType.IMAGE, rgb=True))
    assert picture.image.getpixel((10, 590)) == STAGE


def test_a_text_is_shown_by_its_first_lines() -> None:
    text = "\n".join(f"line {i}" for i in range(40))
    signal = Signal(np.zeros(4, "uint8"), uncalibrated(4), DatasetType.NOTES, title="notes", metadata={"text": text})
    assert draw(signal).caption == "The first of 40 lines"


def test_a_constant_image_says_so() -> None:
    picture = image(np.full((600, 600), 231, "uint16"))
    assert picture.caption == "All pixels are 231"


def test_a_spectrum_is_a_plot_whose_peak_stands_at_its_energy() -> None:
    counts = np.full(1000, 10.0)
    counts[500] = 1000
    picture = draw(Signal(counts, axes(1000, units=["eV"], scale=0.5), DatasetType.SPECTRUM))
    drawn = np.all(pixels(picture) == LINE, axis=2)
    top = np.argwhere(drawn)[0]
    columns = np.flatnonzero(drawn.any(axis=0))
    share = (top[1] - columns[0]) / (columns[-1] - columns[0])
    assert abs(share - 500 / 999) < 0.01
    assert max(picture.image.size) <= 1024


def test_a_zero_loss_peak_gets_a_logarithmic_axis() -> None:
    energies = np.arange(1000) * 0.5 - 20
    counts = 1e6 * np.exp(-(energies**2)) + 100
    low_loss = Axis(name="Energy loss", size=1000, scale=0.5, offset=-20.0, unit="eV")
    picture = draw(Signal(counts, [low_loss], DatasetType.SPECTRUM, technique="EELS"))
    assert picture.caption == "logarithmic axis"


def test_the_zero_peak_of_an_x_ray_spectrum_is_cut_off() -> None:
    counts = np.ones(2000)
    counts[0:4], counts[174] = 1e6, 500
    energy = Axis(name="Energy", size=2000, scale=0.01, offset=0.0, unit="keV")
    picture = draw(Signal(counts, [energy], DatasetType.SPECTRUM, technique="EDS"))
    assert picture.caption == "zero peak cut off"


def test_a_strong_zero_peak_does_not_cost_the_last_line() -> None:
    energies = 10.0 * np.arange(4096)
    values = np.random.default_rng(1).poisson(20 * np.exp(-energies / 3000)).astype(float)
    values[:8] += 1e7  # the zero strobe
    for line, height in ((2984, 20_000), (22_160, 300)):  # Ag L and K
        values += np.rint(height * np.exp(-(((energies - line) / 60) ** 2)))
    for counts in (values, values / 64):
        kept, axis = spectra._without_empty_end(counts, Axis(name="Energy", size=4096, scale=10.0, offset=0, unit="eV"))
        assert kept.size == axis.size
        assert 22_400 < energies[kept.size] < 24_500


@pytest.mark.parametrize("stored", ["spectra together", "maps together"])
@pytest.mark.parametrize("lazy", [False, True])
def test_a_spectrum_image_is_a_map_beside_its_sum(stored: str, lazy: bool) -> None:
    cube = np.random.default_rng(0).poisson(3, (32, 32, 100)).astype("uint16")
    cube[:16] += 20
    data: Any = (
        cube if stored == "spectra together" else np.ascontiguousarray(cube.transpose(2, 0, 1)).transpose(1, 2, 0)
    )
    if lazy:
        data = da.from_array(data, chunks=(10, 20, 30))
    signal = Signal(data, axes(32, 32, 100, positions=2, units=["nm", "nm", "keV"]), DatasetType.SPECTRUM_IMAGE)
    picture = draw(signal)
    assert picture.caption == "Map: sum over 100 channels. Spectrum: sum of 1,024 spectra"
    shown = pixels(picture)
    assert shown[10:200, 10:500, 0].mean() > 180
    assert shown[300:450, 10:500, 0].mean() < 60
    assert np.all(shown[:, 520:] == LINE, axis=2).any()


def test_an_energy_axis_marked_as_positions_is_taken_for_what_it_is() -> None:
    data = np.random.default_rng(0).poisson(3, (100, 32, 32))
    marked = axes(100, 32, 32, positions=1, units=["eV", "nm", "nm"])
    picture = draw(Signal(data, marked, DatasetType.SPECTRUM_IMAGE))
    assert picture.caption is not None
    assert "100 channels" in picture.caption


def test_a_line_scan_shows_its_spectra_above_their_sum() -> None:
    data = np.random.default_rng(0).poisson(3, (20, 500))
    picture = draw(Signal(data, axes(20, 500, positions=1, units=["nm", "eV"]), DatasetType.SPECTRUM_IMAGE))
    assert picture.caption == "20 spectra as rows, above their sum"


@pytest.mark.parametrize(("frames", "caption"), [(2, "2 frames"), (9, "9 frames"), (41, "9 of 41 frames")])
def test_a_stack_is_a_contact_sheet(frames: int, caption: str) -> None:
    data = np.random.default_rng(0).random((frames, 64, 64))
    picture = draw(Signal(data, uncalibrated(frames, 64, 64, positions=1), DatasetType.IMAGE))
    assert picture.caption == caption
    assert max(picture.image.size) <= 1024


def test_only_the_frames_that_are_shown_are_read() -> None:
    read: list[int] = []

    def frame(block: Any, block_id: Any = None) -> Any:
        read.append(block_id[0])
        return block + block_id[0]

    stack = da.zeros((100, 50, 50), chunks=(1, 50, 50)).map_blocks(frame, dtype=float, meta=np.zeros((0, 0, 0)))
    draw(Signal(stack, uncalibrated(100, 50, 50, positions=1), DatasetType.IMAGE))
    assert sorted(set(read)) == [0, 12, 25, 37, 50, 62, 74, 87, 99]


def test_patterns_are_shown_as_mean_intensity_and_mean_pattern() -> None:
    data = np.random.default_rng(0).poisson(5, (12, 10, 64, 64)).astype("uint16")
    four = axes(12, 10, 64, 64, positions=2, units=["nm", "nm", "1/nm", "1/nm"])
    picture = draw(Signal(data, four, DatasetType.DIFFRACTION))
    assert picture.caption == "Mean intensity and mean pattern of 120 patterns"
    assert max(picture.image.size) <= 1024


def test_more_axes_than_a_picture_has_are_cut_in_the_middle() -> None:
    data = np.zeros((7, 3, 4, 8, 8))
    picture = draw(Signal(data, uncalibrated(7, 3, 4, 8, 8, positions=3), DatasetType.DIFFRACTION))
    assert picture.caption is not None
    assert picture.caption.startswith("Slice 4 of 7; ")


def test_complex_values_are_shown_by_their_modulus() -> None:
    picture = image(np.full((600, 600), 3 + 4j))
    assert picture.caption == "Modulus of complex values; All pixels are 5"


@pytest.mark.parametrize(
    ("data", "caption"),
    [
        (np.zeros((0, 5)), "No values. The array has the shape 0 × 5"),
        (np.array(2.5), "2.5"),
        (np.array(["a", "b"], dtype=object), "No picture. Values of type object cannot be drawn"),
        (np.full((600, 600), np.nan), "No finite values"),
    ],
)
def test_what_cannot_be_drawn_is_said(data: Any, caption: str) -> None:
    assert image(data).caption == caption


@settings(max_examples=150, deadline=None)
@given(
    data=npst.arrays(
        st.sampled_from([np.uint8, np.int16, np.float32, np.float64, np.complex64, np.bool_]),
        npst.array_shapes(min_dims=0, max_dims=5, max_side=5),
    ),
    positions=st.integers(0, 5),
    kind=st.sampled_from([DatasetType.IMAGE, DatasetType.SPECTRUM_IMAGE, DatasetType.DIFFRACTION]),
    scale=st.sampled_from([None, 0.0, 1.0, -2.0, 1e-30, 1e30, math.nan, math.inf]),
    unit=st.sampled_from([None, "nm", "1/nm", "eV", "s", "weird\nunit"]),
    rgb=st.booleans(),
    technique=st.sampled_from([None, "EDS", "EELS"]),
)
def test_any_signal_has_a_picture(
    data: Any,
    positions: int,
    kind: DatasetType,
    scale: float | None,
    unit: str | None,
    rgb: bool,
    technique: str | None,
) -> None:
    shape = data.shape[:-1] if rgb and data.ndim > 2 and data.shape[-1] in (3, 4) else data.shape
    described = [
        Axis(name="x", size=n, scale=scale, offset=scale, unit=unit, navigation=i < positions)
        for i, n in enumerate(shape)
    ]
    picture = draw(Signal(data, described, kind, technique=technique, rgb=rgb))
    assert 1 <= picture.width <= 1024
    assert 1 <= picture.height <= 1024


def test_the_same_signal_gives_the_same_bytes() -> None:
    data = np.random.default_rng(3).random((700, 500))
    signal = Signal(data, axes(700, 500), DatasetType.IMAGE)
    lazy = Signal(da.from_array(data, chunks=(100, 90)), axes(700, 500), DatasetType.IMAGE)
    assert draw(signal).png() == draw(signal).png() == draw(lazy).png()


def test_a_saved_picture_is_a_png_without_leftovers(tmp_path: Path) -> None:
    picture = image(np.arange(256).reshape(16, 16))
    picture.save(tmp_path / "0.png")
    assert [path.name for path in tmp_path.iterdir()] == ["0.png"]
    with Image.open(tmp_path / "0.png") as opened:
        assert opened.size == (picture.width, picture.height)


@pytest.mark.parametrize(
    "status", [FileStatus.UNREADABLE, FileStatus.FAILED, FileStatus.UNSUPPORTED, FileStatus.EXTRACTED]
)
@pytest.mark.parametrize(
    "name", ["a.dm3", "x" * 255, "two\nlines.tif", "../up.tif", "日本語.tif", "word " * 50, "a\u202egpj.exe"]
)
def test_a_placeholder_says_what_became_of_any_file(name: str, status: FileStatus) -> None:
    reason = "The file ends after 58 bytes. " + "W" * 400
    picture = placeholder(name, status, reason)
    assert picture.caption is not None
    assert reason in picture.caption
    shown = pixels(picture)
    assert (shown[:, -40:] == STAGE).all(), "nothing runs out of the picture"
    assert (shown != STAGE).any()
