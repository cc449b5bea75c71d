"""Files with the extension .emd: Thermo Fisher Velox, and the openly described EMD of Berkeley Lab."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from scopeline.formats.results import Signal
    from scopeline.formats.source import Source


def read(source: Source) -> list[Signal]:
    """The signals of the file, by the family that it is of."""
    from scopeline.formats import hdf5

    if hdf5.family(source.path) == "velox":
        from scopeline.formats.emd import velox

        return velox.read(source)
    from scopeline.formats.emd import berkeley

    return berkeley.read(source)
