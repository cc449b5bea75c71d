"""TIFF series as signals."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal

from scopeline.domain.files import Axis
from scopeline.formats.original import json_values
from scopeline.formats.results import Signal, Unreadable
from scopeline.formats.signals import add_calibration, dataset_type, make_axis, navigation_first
from scopeline.formats.source import Source
from scopeline.formats.tiff import fei, fibics, jeol, others, tescan, zeiss
from scopeline.formats.tiff.page import Description, Page, standard
from scopeline.formats.tiff.pixels import array_of

MAX_SERIES = 64
MAX_TAG_BYTES = 16 * 1024 * 1024

_VENDORS: tuple[Callable[[Page], Description | None], ...] = (
    fei.describe, zeiss.describe, fibics.describe, tescan.describe, jeol.describe, others.olympus, others.gatan,
    others.imagej,
)  # fmt: skip


def read(source: Source) -> list[Signal]:
    """The series of the file: pages of one size and kind are one stack."""
    import tifffile

    _check_directory(source)
    try:
        with tifffile.TiffFile(source.path) as file:
            series = list(file.series)
            if not series:
                raise Unreadable("The file has no image in it.")
            if len(series) > MAX_SERIES:
                source.warnings.append(f"The file has {len(series)} series of images; the first {MAX_SERIES} are read.")
            return [_signal(source, file, series, index) for index in range(min(len(series), MAX_SERIES))]
    except tifffile.TiffFileError as error:
        raise Unreadable("The TIFF file is damaged: it was not written or copied completely.") from error


def _check_directory(source: Source) -> None:
    """The first directory of tags often stands behind the pixels: a file that was cut off has lost it."""
    with source.path.open("rb") as file:
        head = file.read(16)
    order: Literal["little", "big"] = "little" if head[:2] == b"II" else "big"
    wide = head[2:4] in (b"+\x00", b"\x00+")
    source.must_hold(int.from_bytes(head[8:16] if wide else head[4:8], order) + 2)


def _signal(source: Source, file: Any, all_series: list[Any], index: int) -> Signal:
    series = all_series[index]
    page = _page(source, file, series)
    found = _described(page, source)
    warnings: list[str] = []
    data, axes, rgb = _arranged(array_of(source.path, source.size, series, index), series, found, warnings)
    add_calibration(found.parameters, axes, origin=found.pixel_tag)
    title = found.title or (source.title if len(all_series) == 1 else f"{source.title} ({index + 1})")
    kind = dataset_type(axes, diffraction=found.diffraction)
    return Signal(
        data=data,
        axes=axes,
        type=kind,
        title=title,
        technique="Diffraction" if kind == "Diffraction" else found.technique,
        acquired=source.clock.acquired(*found.stamps),
        parameters=found.parameters.values,
        metadata=json_values({"TIFF": _names(series), **found.original}),
        warnings=warnings,
        rgb=rgb,
        data_bar=found.data_bar,
    )


def _page(source: Source, file: Any, series: Any) -> Page:
    first = series.pages[0]
    tags = {int(tag.code): tag.value for tag in first.tags.values() if tag.count * 1 <= MAX_TAG_BYTES}
    companion = source.companion(".hdr")
    text = companion.read_text("utf-8", "replace") if companion and companion.stat().st_size < MAX_TAG_BYTES else None
    imagej = file.imagej_metadata if file.is_imagej else None
    return Page(tags, int(first.imagewidth), int(first.imagelength), source.clock, text, dict(imagej or {}))


def _described(page: Page, source: Source) -> Description:
    """What the first vendor that knows the page says; a vendor's damaged tag is a warning."""
    found: Description | None = None
    for vendor in _VENDORS:
        try:
            found = vendor(page)
        except Unreadable as error:
            source.warnings.append(str(error))
        if found is not None:
            break
    found = found or Description("TIFF")
    standard(page, found)
    return found


def _names(series: Any) -> dict[str, Any]:
    """The baseline tags by name, without where the pixels stand."""
    left_out = {273, 279, 324, 325, 288, 289}
    return {str(tag.name): tag.value for tag in series.pages[0].tags.values() if int(tag.code) not in left_out}


def _arranged(data: Any, series: Any, found: Description, warnings: list[str]) -> tuple[Any, list[Axis], bool]:
    """Data with navigation axes first and colours last; its axes; whether it has colours."""
    letters = list(series.axes)
    rgb = "S" in letters and data.shape[letters.index("S")] in (3, 4)
    if "S" in letters and letters[-1] != "S":
        where = letters.index("S")
        order = [i for i in range(data.ndim) if i != where] + [where]
        data, letters = data.transpose(order), [letters[i] for i in order]
    if "S" in letters and not rgb:
        letters[-1] = "C"
    spatial = letters[:-1] if rgb else letters
    x, y, unit = found.pixel or (None, None, None)
    steps = {"X": (x, found.origin[0], unit), "Y": (y, found.origin[1], unit)}
    if found.depth is not None:
        steps["Z"] = (found.depth[0], 0.0, found.depth[1])
    axes = []
    for letter, size in zip(spatial, data.shape, strict=False):
        scale, offset, of = steps.get(letter, (None, None, None))
        name = {"X": "x", "Y": "y", "Z": "z", "T": "time", "C": "channel"}.get(letter, "image")
        axes.append(make_axis(name, size, scale, offset, of, navigation=letter not in "XY", warnings=warnings))
    data, axes = navigation_first(data, axes)
    return data, axes, rgb
