"""TIFF files of microscopes: pixels in the usual way, metadata in each vendor's own tags."""

from __future__ import annotations

from scopeline.formats.tiff.signal import read

__all__ = ["read"]
