"""HyperSpy's own files (.hspy, older .hdf5): what was saved from an analysis, with the metadata of its origin."""

from __future__ import annotations

from scopeline.formats import rosetta
from scopeline.formats.results import Signal
from scopeline.formats.source import Source


def read(source: Source) -> list[Signal]:
    """The signals of the file. Their reader parses values, it runs no pickles."""
    from rsciio import hspy

    found = hspy.file_reader(str(source.path), lazy=True)
    for one in found:
        one["mapping"] = {}
        if not any("navigate" in axis for axis in one.get("axes") or []):
            # Files before version 3 tell by `record_by` which axes are the signal's.
            spectrum = ((one.get("metadata") or {}).get("Signal") or {}).get("record_by") == "spectrum"
            kept = 1 if spectrum or len(one["axes"]) == 1 else 2
            for number, axis in enumerate(one["axes"]):
                axis["navigate"] = number < len(one["axes"]) - kept
    return rosetta.signals(source, found)
