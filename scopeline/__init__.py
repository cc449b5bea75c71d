"""Scopeline: from the shutter of an electron microscope to a record that people can find.

import scopeline
for signal in scopeline.read("lattice.dm3"):
    print(signal.title, signal.data.shape, signal.parameters["Magnification"].value)
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from scopeline.formats.results import Signal

__all__ = ["read"]


def read(path: str | Path, *, zone: str = "UTC", day_first: bool = False) -> list[Signal]:
    """The signals in a microscope file.

    Each signal has `data` (a numpy, mapped or dask array: large files are not read whole; `numpy.asarray(data)` reads
    it), `axes` with calibrations, `type`, `title`, `technique`, `acquired` (time in UTC and where it is from),
    `parameters` (name -> value, unit, origin) and `metadata` (the format's own, complete). Files that belong to this
    one, such as the .emi of a .ser, are read along.

    `zone` is the IANA time zone of the microscope, for files that write local times; `day_first` says that it writes
    dates as 31/12/2018. Raises `scopeline.domain.errors.NotFound` where there is no such file, `InvalidInput` for a
    zone that is not known, and `scopeline.formats.results.Unreadable` with the reason in words.
    """
    from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

    from scopeline.domain.errors import InvalidInput, NotFound
    from scopeline.formats.extract import read_signals
    from scopeline.formats.results import ExtractRequest

    place = Path(path)
    if not place.exists() and not place.is_symlink():
        raise NotFound(f"There is no file {str(place)!r}.")
    try:
        ZoneInfo(zone)
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        raise InvalidInput(f"The time zone {zone!r} is not known; give one such as 'Europe/Berlin'.") from error
    return read_signals(ExtractRequest(folder=place.parent, file_name=place.name, zone=zone, day_first=day_first))
