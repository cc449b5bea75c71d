"""Thermo Fisher Velox EMD files, version 8: HDF5, images as (y, x, frame), metadata as JSON text in byte columns.

The layout is what rosettasciio reads and what Velox 2.11 writes; only the parts about images are written.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

# Velox keeps this many bytes for the metadata of each frame.
_METADATA_BYTES = 60000


@dataclass(frozen=True, slots=True)
class VeloxImage:
    """One detector's image: `data` (y, x), or (frame, y, x) for a series, and its metadata as Velox nests it."""

    detector: str
    data: NDArray[np.generic]
    metadata: Mapping[str, Any]


def write(path: Path, images: Sequence[VeloxImage]) -> None:
    """Write images of one acquisition. The groups' ids are made from the file's name and the detectors'."""
    import h5py

    with h5py.File(path, "w", track_order=False) as file:
        _text(file, "Version", {"version": "8", "format": "Velox"})
        _text(file, "Info", {"applicationVersion": "2.11.0.899-a76a8cdaaf"})
        operations, inputs, displays = [], [], []
        for image in images:
            frames = image.data if image.data.ndim == 3 else image.data[None]
            name = _identifier(path.name, image.detector, "image")
            group = file.create_group(f"Data/Image/{name}")
            pixels = np.ascontiguousarray(np.moveaxis(frames, 0, 2))
            group.create_dataset("Data", data=pixels, chunks=(*pixels.shape[:2], 1))
            columns = np.repeat(_column(image.metadata)[:, None], len(frames), axis=1)
            group.create_dataset("Metadata", data=columns, chunks=(_METADATA_BYTES, 1), compression=1)
            group.create_dataset("FrameLookupTable", data=np.arange(len(frames), dtype="uint32"))
            operation = _identifier(path.name, image.detector, "operation")
            display = _identifier(path.name, image.detector, "display")
            _text(
                file,
                f"Operations/StemInputOperation/{operation}",
                {"dataPath": f"/Data/Image/{name}", "detector": image.detector},
            )
            shown = {"display": {"label": image.detector}, "dataPath": f"/Data/Image/{name}"}
            _text(file, f"Presentation/Displays/ImageDisplay/{display}", shown)
            operations.append({"StemInputOperation": f"/Operations/StemInputOperation/{operation}"})
            inputs.append(f"/Operations/StemInputOperation/{operation}")
            displays.append({"ImageDisplay": f"/Presentation/Displays/ImageDisplay/{display}"})
        feature = _identifier(path.name, "", "feature")
        _text(file, "Operations/Operations", {"operations": operations})
        _text(file, "Presentation/DisplayIndex", {"displays": displays})
        _text(file, f"Features/STEMFeature/{feature}", {"stemInputOperations": inputs})
        _text(file, "Features/Features", {"features": [{"STEMFeature": f"/Features/STEMFeature/{feature}"}]})


def _identifier(*parts: str) -> str:
    return hashlib.md5("\0".join(parts).encode(), usedforsecurity=False).hexdigest()


def _column(metadata: Mapping[str, Any]) -> NDArray[np.uint8]:
    text = json.dumps(metadata, indent=4).encode() + b"\n"
    column = np.zeros(_METADATA_BYTES, dtype=np.uint8)
    column[: len(text)] = np.frombuffer(text, dtype=np.uint8)
    return column


def _text(file: Any, name: str, value: Mapping[str, Any]) -> None:
    import h5py

    text = np.array([json.dumps(value, indent=4).encode() + b"\n"], dtype=object)
    file.create_dataset(name, data=text, dtype=h5py.string_dtype("ascii"))
