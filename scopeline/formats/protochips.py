"""Protochips logs (.csv): temperature, gas or bias of an in-situ holder over time."""

from __future__ import annotations

from scopeline.formats import rosetta
from scopeline.formats.results import Signal, Unreadable
from scopeline.formats.source import Source
from scopeline.formats.tags import Tags
from scopeline.formats.times import Stamp
from scopeline.formats.vocabulary import Parameters

_HEADER = (b"Date (yyyy.mm.dd)", b"Time (hh:mm:ss.ms)")


def read(source: Source) -> list[Signal]:
    """One curve for each logged value."""
    _check_end(source)
    from rsciio import protochips

    def stamps(original: Tags) -> list[Stamp | None]:
        return [source.clock.text(original.get("Protochips_header", "Start time"))]

    found = protochips.file_reader(str(source.path))
    for one in found:
        one["metadata"].pop("date", None)
    return rosetta.signals(source, found, technique="In situ", stamps=stamps, add=_add)


def _check_end(source: Source) -> None:
    """A log that was cut off ends in its header, or in the middle of a line."""
    content = source.path.read_bytes()
    lines = content.splitlines()
    if not all(word in content for word in _HEADER):
        raise Unreadable("The log ends in its header: it was not written or copied completely.")
    if not content.endswith((b"\n", b"\r")) and lines[-1].count(b",") < lines[0].count(b","):
        raise Unreadable("The log ends in the middle of a line: it was not written or copied completely.")


def _add(found: Parameters, original: Tags) -> None:
    header = original.group("Protochips_header")
    header.add(found, "Operator", "User")
    header.add_vendor(found, "Calibration", "Calibration file path")
