"""What every acquisition of the demonstration gets."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

import numpy as np

from scopeline.demo import titan
from scopeline.demo.specimen.detection import Picture, as_counts
from scopeline.demo.writers import dm4


@dataclass(frozen=True, slots=True)
class Shot:
    """What an acquisition gets: where to save, when the software saves it, and a source of chance of its own."""

    path: Path
    saved: datetime
    number: int
    rng: np.random.Generator

    def of(self, specimen: str, stage: titan.Stage, took: float) -> titan.Acquisition:
        """The acquisition that began `took` seconds before the file was saved."""
        return titan.Acquisition(self.saved - timedelta(seconds=took), stage, specimen, self.number)


def save_dm(shot: Shot, picture: Picture, pixel: float, unit: str, tags: dict[str, dm4.Tag], unit_of: str = "") -> None:
    """Save a picture in whole counts as DM4: `pixel` in `unit`, brightness in `unit_of`."""
    counts = as_counts(picture)
    height, width = counts.shape
    # A diffraction pattern has its zero in the middle, an image in the corner.
    origin = ((width - 1) / 2, (height - 1) / 2) if unit == "1/nm" else (0.0, 0.0)
    axes = [dm4.Dimension(width, pixel, unit, origin[0]), dm4.Dimension(height, pixel, unit, origin[1])]
    dm4.write(shot.path, dm4.image_document(shot.path.stem, axes, dm4.pixels_of(counts), tags, unit_of))
