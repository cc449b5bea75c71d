"""Formats that rosettasciio writes: HyperSpy's hspy and EMSA/MAS spectra."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray


def axis(name: str, size: int, scale: float, offset: float, unit: str, navigate: bool) -> dict[str, Any]:
    """One axis as rosettasciio's writers expect it."""
    return {
        "name": name,
        "size": size,
        "scale": scale,
        "offset": offset,
        "units": unit,
        "navigate": navigate,
        "is_binned": False,
        "_type": "UniformDataAxis",
    }


def _signal(data: NDArray[np.generic], axes: list[dict[str, Any]], metadata: dict[str, Any]) -> dict[str, Any]:
    return {
        "data": data,
        "axes": [{**one, "index_in_array": index} for index, one in enumerate(axes)],
        "metadata": metadata,
        "original_metadata": {},
        "attributes": {"_lazy": False, "ragged": False},
        "learning_results": {},
        "models": {},
        "package_info": {"package": "hyperspy", "package_version": "2.4.0"},
        "tmp_parameters": {},
    }


def write_hspy(
    path: Path,
    data: NDArray[np.generic],
    axes: list[dict[str, Any]],
    metadata: dict[str, Any],
    original: dict[str, Any],
) -> None:
    """Write a signal, with HyperSpy's `metadata` and the acquiring software's `original` metadata."""
    from rsciio.hspy import file_writer

    signal = _signal(data, axes, metadata) | {"original_metadata": original}
    file_writer(str(path), signal, compression="gzip", compression_opts=4)


def write_msa(path: Path, data: NDArray[np.generic], energy: dict[str, Any], header: dict[str, Any]) -> None:
    """Write a spectrum with `header`'s EMSA keywords (ISO 22029)."""
    from rsciio.msa import file_writer

    metadata = {"General": {"title": header["TITLE"]}, "Signal": {"signal_type": header["SIGNALTYPE"]}}
    signal = _signal(data, [energy], metadata) | {"original_metadata": header}
    file_writer(str(path), signal)
