"""Phenom's Element Identification (.elid): images and EDS spectra in one archive."""

from __future__ import annotations

from scopeline.formats import rosetta
from scopeline.formats.results import Signal, Unreadable
from scopeline.formats.source import Source

MAX_UNPACKED = 512 << 20
_PIECE = 1 << 20


def read(source: Source) -> list[Signal]:
    """All images, spectra and maps."""
    _check_unpacked(source)
    from rsciio import phenom

    found = phenom.file_reader(str(source.path))
    for one in found:
        (one["metadata"].get("General") or {}).pop("time_zone", None)  # it is this computer's
    return rosetta.signals(source, found, technique="SEM")


def _check_unpacked(source: Source) -> None:
    """The archive is packed by bzip2: unpack it piece by piece and stop where it grows beyond the limit."""
    import bz2

    length, unpacker = 0, bz2.BZ2Decompressor()
    with source.path.open("rb") as file:
        while not unpacker.eof:
            piece = file.read(_PIECE) if unpacker.needs_input else b""
            if unpacker.needs_input and not piece:
                raise Unreadable("The archive ends before its data do: it was not written or copied completely.")
            length += len(unpacker.decompress(piece, max_length=_PIECE))
            if length > MAX_UNPACKED:
                raise Unreadable(f"The archive unpacks to more than {MAX_UNPACKED:,} bytes.")
