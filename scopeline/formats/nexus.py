"""NeXus files (.nxs): the default data group of each entry."""

from __future__ import annotations

from scopeline.formats import rosetta
from scopeline.formats.results import Signal
from scopeline.formats.source import Source

MAX_SIGNALS = 64


def read(source: Source) -> list[Signal]:
    """The plottable data of the file; without any, its numeric arrays."""
    from rsciio import nexus

    found = nexus.file_reader(str(source.path), lazy=True, nxdata_only=True)
    if not found:
        found = nexus.file_reader(str(source.path), lazy=True)
    if len(found) > MAX_SIGNALS:
        source.warnings.append(f"The file has {len(found)} arrays; the first {MAX_SIGNALS} are read.")
    return rosetta.signals(source, found[:MAX_SIGNALS])
