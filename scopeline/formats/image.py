"""Plain pictures (PNG, JPEG, BMP): screenshots, photographs of holders, exported images."""

from __future__ import annotations

from typing import Any

from scopeline.domain.files import DatasetType
from scopeline.formats.original import json_values
from scopeline.formats.results import Signal, Unreadable
from scopeline.formats.signals import make_axis
from scopeline.formats.source import Source
from scopeline.formats.vocabulary import Parameters

MAX_PIXELS = 200_000_000
_EXIF_IFD = 0x8769


def read(source: Source) -> list[Signal]:
    """The one picture; colours are kept."""
    import numpy as np

    with _opened(source) as picture:
        width, height = picture.size
        if width * height > MAX_PIXELS:
            raise Unreadable(f"The picture claims {width:,} × {height:,} pixels; {MAX_PIXELS:,} pixels are the limit.")
        original = _original(picture)
        try:
            pixels = np.asarray(_plain(picture))
        except (OSError, SyntaxError, ValueError) as error:
            raise Unreadable("The picture ends before its last row: it was not written completely.") from error
    warnings: list[str] = []
    rgb = pixels.ndim == 3
    axes = [make_axis(name, size, warnings=warnings) for name, size in zip(("y", "x"), pixels.shape[:2], strict=True)]
    exif = original.get("EXIF") or {}
    parameters = Parameters()
    parameters.add("Microscope", exif.get("Model"), origin="EXIF.Model")
    parameters.add("Software", exif.get("Software") or original.get("Software"), origin="EXIF.Software")
    taken = exif.get("DateTimeOriginal") or exif.get("DateTime")
    return [
        Signal(
            data=pixels,
            axes=axes,
            type=DatasetType.IMAGE,
            title=source.title,
            acquired=source.clock.acquired(
                source.clock.text(f"{taken}{exif.get('OffsetTimeOriginal') or ''}") if taken else None
            ),
            parameters=parameters.values,
            metadata=json_values(original),
            warnings=warnings,
            rgb=rgb,
        )
    ]


def _opened(source: Source) -> Any:
    """The picture, its pixels not yet decoded. Pillow's own limit is set aside: `MAX_PIXELS` is held against it."""
    from PIL import Image, UnidentifiedImageError

    limit, Image.MAX_IMAGE_PIXELS = Image.MAX_IMAGE_PIXELS, None
    try:
        return Image.open(source.path)
    except (UnidentifiedImageError, SyntaxError, ValueError) as error:
        raise Unreadable("The picture is damaged: its header cannot be read.") from error
    finally:
        Image.MAX_IMAGE_PIXELS = limit


def _plain(picture: Any) -> Any:
    """The picture in a mode that is an array of numbers."""
    if picture.mode in ("P", "CMYK", "YCbCr", "LAB", "HSV"):
        return picture.convert("RGB")
    if picture.mode in ("1", "LA", "PA", "La"):
        return picture.convert("L")
    return picture


def _original(picture: Any) -> dict[str, Any]:
    from PIL import ExifTags

    found: dict[str, Any] = {"format": picture.format, "mode": picture.mode, "size": list(picture.size)}
    found.update({str(k): v for k, v in picture.info.items() if isinstance(v, str | int | float | tuple)})
    exif = picture.getexif()
    tags = {**dict(exif), **dict(exif.get_ifd(_EXIF_IFD))}
    if tags:
        found["EXIF"] = {ExifTags.TAGS.get(code, str(code)): value for code, value in tags.items()}
    return found
