"""Which picture suits a signal."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageDraw

from scopeline.domain.files import Axis, DatasetType
from scopeline.formats.preview import spectra, stacks
from scopeline.formats.preview.arrays import Array, LargeArray
from scopeline.formats.preview.contrast import Contrast, plain_value
from scopeline.formats.preview.images import colour, contrast_of, grey, reduced, shown_size, with_label, with_scale
from scopeline.formats.preview.picture import Picture
from scopeline.formats.preview.placeholders import text_page
from scopeline.formats.preview.style import INK, LONG_SIDE, STAGE, TEXT
from scopeline.formats.preview.text import font, number, shortened, unit_label, write
from scopeline.formats.results import Signal

_ENERGY_UNITS = frozenset({"eV", "keV"})


@dataclass(frozen=True, slots=True)
class View:
    """A signal as it is drawn: its array and axes without those of one sample, positions first."""

    array: LargeArray
    positions: list[Axis]
    values: list[Axis]
    rgb: bool
    diffraction: bool
    data_bar: int  # rows of words under an image
    notes: list[str]  # what was done to come here, for the caption


def draw(signal: Signal) -> Picture:
    """The picture of a signal: an image, a plot, a contact sheet or a map with a spectrum, by its type and axes."""
    if math.prod(signal.data.shape) == 0:
        return _words("No values", f"The array has the shape {_times(signal.data.shape)}.")
    if signal.type is DatasetType.NOTES:
        return text_page(str(signal.metadata.get("text", "")), signal.title)
    if np.dtype(signal.data.dtype).kind not in "biufc":
        return _words("No picture", f"Values of type {signal.data.dtype} cannot be drawn.")
    view = _view(signal)
    picture = _draw(view, signal)
    captions = [*view.notes, *([picture.caption] if picture.caption else [])]
    return Picture(picture.image, "; ".join(captions) or None)


def _draw(view: View, signal: Signal) -> Picture:
    match len(view.positions), len(view.values):
        case 0, 0:
            value = np.asarray(view.array.read(())).item()
            return _words(f"{value:.6g}" if isinstance(value, float) else str(value), signal.title or "")
        case 0, 1:
            return spectra.spectrum(view.array, view.values[0], signal)
        case 0, 2:
            return _image(view)
        case 1, 1:
            return spectra.line_scan(view.array, view.positions[0], view.values[0], signal)
        case 1, 2:
            return stacks.contact_sheet(view.array, view.positions[0], view.values, view.rgb, view.diffraction)
        case 2, 1:
            return spectra.spectrum_image(view.array, view.positions, view.values[0], signal)
        case _:
            return stacks.patterns(view.array, view.positions, view.values)


def _image(view: View) -> Picture:
    columns = view.values[1]
    size = shown_size(view.values, (LONG_SIDE, LONG_SIDE))
    picture_share = 1 - view.data_bar / max(1, view.array.shape[0])
    if view.rgb:
        image = colour(view.array, size)
        plainness = "All pixels have one colour" if len(image.getcolors(1) or []) == 1 else None
        gamma = 1.0
    else:
        values = reduced(view.array, size)
        measured = values[: math.floor(len(values) * picture_share)] if view.data_bar else values
        contrast = contrast_of(measured, diffraction=view.diffraction)
        image = grey(values, contrast, size)
        plainness = _plainness(measured, contrast)
        gamma = contrast.gamma
    image = with_scale(image, columns, picture_share)
    if plainness:
        return Picture(with_label(image, plainness), plainness)
    return Picture(image, f"Grey levels by the power {gamma:.2f} of the intensity" if gamma != 1 else None)


def _plainness(values: Array, contrast: Contrast) -> str | None:
    """What to say of an image in which there is next to nothing to see."""
    plain = plain_value(values)
    if not np.isfinite(values).any():
        return "No finite values"
    if plain is None:
        return None
    return f"{'All' if contrast.flat else 'Nearly all'} pixels are {number(plain)}"


def _view(signal: Signal) -> View:
    """The signal's array and axes, brought into a form that there is a picture for."""
    array, axes = LargeArray(signal.data), list(signal.axes)
    rgb = signal.rgb and array.ndim >= 3 and array.shape[-1] in (3, 4)
    shape = array.shape[:-1] if rgb else array.shape
    if [axis.size for axis in axes] != list(shape):
        axes = [Axis(name="", size=n, navigation=i < len(shape) - 2) for i, n in enumerate(shape)]
    notes: list[str] = []

    order = _positions_first(axes, signal.type)
    axes = [axes[i] for i in order]
    if order != sorted(order):
        array = array.transposed((*order, *range(len(order), array.ndim)))
    many = [axis.size > 1 for axis in axes]
    array = array.at(*(slice(None) if keep else 0 for keep in many))
    axes = [axis for axis, keep in zip(axes, many, strict=True) if keep]

    positions = [axis for axis in axes if axis.navigation]
    values = [axis for axis in axes if not axis.navigation]
    if not values or rgb or len(values) > 2:
        positions, values = axes[:-2], axes[-2:]
    if rgb and len(values) < 2:
        rgb, values = False, [*values, Axis(name="Colour", size=array.shape[-1])]
    most = 1 if rgb else 2
    if len(positions) > most:
        extra = positions[:-most]
        array = array.at(*(axis.size // 2 for axis in extra))
        notes += [f"Slice {axis.size // 2 + 1:,} of {axis.size:,}{_along(axis)}" for axis in extra]
        positions = positions[-most:]
    if array.dtype.kind == "c":
        notes.append("Modulus of complex values")
    reciprocal = len(values) == 2 and (unit_label(values[-1].unit) or "").startswith("1/")
    diffraction = signal.type is DatasetType.DIFFRACTION or reciprocal or array.dtype.kind == "c"
    data_bar = signal.data_bar if not positions and len(values) == 2 else 0
    return View(array, positions, values, rgb, diffraction, data_bar, notes)


def _positions_first(axes: list[Axis], kind: DatasetType) -> list[int]:
    """The order of the axes with positions first; in a spectrum image the energies are never positions."""
    if kind is DatasetType.SPECTRUM_IMAGE:
        energies = [i for i, axis in enumerate(axes) if unit_label(axis.unit) in _ENERGY_UNITS]
        if len(energies) == 1 and axes[energies[0]].navigation:
            for i, axis in enumerate(axes):
                axes[i] = axis.model_copy(update={"navigation": i != energies[0]})
    return sorted(range(len(axes)), key=lambda i: not axes[i].navigation)


def _along(axis: Axis) -> str:
    return f" along {axis.name}" if axis.name else ""


def _times(shape: tuple[int, ...]) -> str:
    return " × ".join(str(n) for n in shape) or "of a single number"


def _words(title: str, more: str) -> Picture:
    """A card that says what there is, where no picture can be drawn."""
    image = Image.new("RGB", (768, 512), STAGE)
    drawing = ImageDraw.Draw(image)
    room = image.width - 96
    write(drawing, (384, 236), shortened(title, font(44, bold=True), room), font(44, bold=True), INK, "mm")
    write(drawing, (384, 292), shortened(more, font(22), room), font(22), TEXT, "mm")
    return Picture(image, f"{title}. {more}".strip(". "))
