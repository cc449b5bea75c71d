"""TIFF pictures of FEI and Thermo Fisher dual beams: metadata as INI text in tag 34682, a data bar below."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

_FEI_HELIOS = 34682
BAR_HEIGHT = 39

Sections = Mapping[str, Mapping[str, str | float | int]]


def write(path: Path, picture: NDArray[np.uint8], sections: Sections, bar: str, pixel: float) -> None:
    """Write `picture` (y, x) with its data bar: the text `bar` and a scale bar, for pixels of `pixel` m."""
    import tifffile

    text = "\r\n".join(
        line
        for name, values in sections.items()
        for line in (f"[{name}]", *(f"{key}={_number(value)}" for key, value in values.items()), "")
    )
    whole = np.vstack([picture, _bar(picture.shape[1], bar, pixel)])
    encoded = text.encode("ascii") + b"\r\n\0"
    tags = [(_FEI_HELIOS, 2, len(encoded), encoded, True)]
    tifffile.imwrite(path, whole, photometric="minisblack", metadata=None, software=None, extratags=tags)


def _number(value: str | float | int) -> str:
    return f"{value:.6g}" if isinstance(value, float) else str(value)


def _bar(width: int, text: str, pixel: float) -> NDArray[np.uint8]:
    """The black strip with white text on the left and a scale bar on the right."""
    from PIL import Image, ImageDraw, ImageFont

    strip = Image.new("L", (width, BAR_HEIGHT), 0)
    draw = ImageDraw.Draw(strip)
    font = ImageFont.load_default(13)
    draw.rectangle((0, 0, width - 1, BAR_HEIGHT - 1), outline=180)
    draw.text((10, 11), text, fill=235, font=font)
    length = next(n for n in (10e-6, 5e-6, 2e-6, 1e-6, 5e-7, 2e-7, 1e-7) if n / pixel < 0.22 * width)
    right, left = width - 14, width - 14 - length / pixel
    label = f"{length * 1e6:g} um" if length >= 1e-6 else f"{length * 1e9:g} nm"
    half = draw.textlength(label, font=font) / 2 + 5
    middle = (left + right) / 2
    for start, end in ((left, middle - half), (middle + half, right)):
        draw.line((start, 19, end, 19), fill=235)
    for end in (left, right):
        draw.line((end, 13, end, 25), fill=235)
    draw.text((middle - half + 5, 11), label, fill=235, font=font)
    return np.asarray(strip)
