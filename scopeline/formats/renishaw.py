"""Renishaw WiRE (.wdf): Raman and luminescence spectra and maps. Times are FILETIME stamps in UTC."""

from __future__ import annotations

import struct

from scopeline.formats import rosetta
from scopeline.formats.results import Signal
from scopeline.formats.source import Source, ends_early
from scopeline.formats.tags import Tags
from scopeline.formats.times import Stamp
from scopeline.formats.vocabulary import Parameters

_NEEDED = (b"WDF1", b"DATA", b"YLST", b"XLST", b"ORGN", b"WMAP")


def read(source: Source) -> list[Signal]:
    """The spectra, and the white-light image where there is one."""
    promised = _promised(source)
    from rsciio import renishaw

    def stamps(original: Tags) -> list[Stamp | None]:
        return [source.clock.text(f"{original.get('WDF1_1', 'time_start')}Z")]

    try:
        found = renishaw.file_reader(str(source.path))
    except (LookupError, ValueError, TypeError, EOFError) as error:
        if promised > source.size:
            raise ends_early(source.size, promised) from error
        raise
    return rosetta.signals(source, found, technique="Raman", stamps=stamps, add=_add)


def _promised(source: Source) -> int:
    """Where the last block ends that the file begins; a block begins with name, number and length.

    Raises Unreadable where a block ends too early without which there is no spectrum.
    """
    place = 0
    with source.path.open("rb") as file:
        while place < source.size:
            file.seek(place)
            head = file.read(16)
            if len(head) < 16:
                break
            name, _number, length = struct.unpack("<4sIQ", head)
            if length < 16:
                break
            if name in _NEEDED and place + length > source.size:
                raise ends_early(source.size, place + length)
            place += length
    return place


def _add(found: Parameters, original: Tags) -> None:
    header = original.group("WDF1_1")
    header.add(found, "Operator", "username")
    version = " ".join(str(header.get(tag)) for tag in ("app_name", "app_version") if header.get(tag))
    found.add("Software", version, origin=header.path("app_name"))
    header.add(found, "Frames", "accumulations_per_spectrum")
    header.add(found, "Acquisition Mode", "measurement_type")
    wavenumber = header.get("laser_wavenumber")
    if wavenumber:
        found.add("Laser Wavelength", 1e7 / float(wavenumber), "nm", origin=header.path("laser_wavenumber"))
