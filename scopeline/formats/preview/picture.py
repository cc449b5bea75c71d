"""A finished picture and its bytes."""

from __future__ import annotations

import io
import os
from dataclasses import dataclass
from pathlib import Path

from PIL import Image

# Level 6 takes three times as long as level 2 for noisy micrographs and saves some percent.
PNG_LEVEL = 2


@dataclass(frozen=True, slots=True)
class Picture:
    """A picture of at most 1,024 x 1,024 pixels; `caption` says what it shows where that is not the plain data."""

    image: Image.Image
    caption: str | None = None

    @property
    def width(self) -> int:
        """Pixels across."""
        return self.image.width

    @property
    def height(self) -> int:
        """Pixels down."""
        return self.image.height

    def png(self) -> bytes:
        """The picture as PNG: the same pixels give the same bytes, for there is no time or text in it."""
        buffer = io.BytesIO()
        self.image.save(buffer, "PNG", compress_level=PNG_LEVEL)
        return buffer.getvalue()

    def save(self, path: Path) -> None:
        """Write the PNG to `path`, completely or not at all."""
        partial = path.with_name(f".{path.name}.{os.getpid()}.part")
        try:
            with partial.open("wb") as file:
                file.write(self.png())
                file.flush()
                os.fsync(file.fileno())
            partial.replace(path)
        except BaseException:
            partial.unlink(missing_ok=True)
            raise
