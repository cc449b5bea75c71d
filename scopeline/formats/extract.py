"""Read one file: its datasets with their parameters, times and previews, or the reason why not.

Nothing that a file contains makes this raise; what a reader finds wrong becomes the file's status and reason. A full
disk, a lack of memory and mistakes in this program do raise.
"""

from __future__ import annotations

import importlib
import logging
import math
import os
import stat
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from zoneinfo import ZoneInfo

from scopeline.domain.files import Dataset, FileStatus, Parameter
from scopeline.formats import messages, registry
from scopeline.formats.original import whole_text
from scopeline.formats.recognise import Unsupported, recognise
from scopeline.formats.registry import Format
from scopeline.formats.results import Extracted, ExtractRequest, Signal, Unreadable, file_time
from scopeline.formats.source import Source, of_this_computer
from scopeline.formats.times import Clock
from scopeline.formats.vocabulary import TERMS

_log = logging.getLogger(__name__)

MAX_WARNINGS = 20

# No reader that takes a file whole needs this much, whatever the computer has: the file's header is wrong.
IMPOSSIBLE = 64 << 30


@dataclass(slots=True)
class _Reading:
    """What is known while a file is read."""

    format: Format | None = None
    companions: list[str] = field(default_factory=list)
    signals: list[Signal] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)


def extract_file(request: ExtractRequest) -> Extracted:
    """Read one file and draw its previews. Raises OSError and MemoryError of this computer only."""
    started = time.perf_counter()
    leader = _leader(request)
    reading = _Reading()
    status, reason = FileStatus.EXTRACTED, None
    if leader is None:
        try:
            _read(request, reading)
        except Unreadable as error:
            status = FileStatus.UNSUPPORTED if isinstance(error, Unsupported) else FileStatus.UNREADABLE
            reason = _with_warnings(str(error), reading.warnings)
            reading.signals = []
    datasets = [_dataset(index, signal) for index, signal in enumerate(reading.signals)]
    result = Extracted(
        file=request.file_name,
        status=status,
        reason=reason,
        reader=reading.format.id if reading.format else None,
        reader_version=reading.format.version if reading.format else None,
        companion_of=leader,
        companions=reading.companions,
        datasets=datasets,
        metadata=[signal.metadata for signal in reading.signals],
        warnings=reading.warnings if status is FileStatus.EXTRACTED else [],
    )
    if request.preview_dir is not None:
        from scopeline.formats.pictures import draw_previews

        draw_previews(request.preview_dir, result, reading.signals)
    result.seconds = round(time.perf_counter() - started, 6)
    return result


def read_signals(request: ExtractRequest) -> list[Signal]:
    """The signals of one file, with lazy data. Raises Unreadable."""
    reading = _Reading()
    _read(request, reading)
    return reading.signals


def _leader(request: ExtractRequest) -> str | None:
    """The file that this one is a companion of, where it stands in the same folder."""
    if not (request.folder / request.file_name).is_file():
        return None
    leaders = registry.leaders_of(request.file_name, _siblings(request.folder))
    return leaders[0] if leaders else None


def _siblings(folder: Path) -> Iterator[str]:
    """The names in the folder, listed only when somebody asks."""
    with os.scandir(folder) as entries:
        for entry in entries:
            yield entry.name


def _read(request: ExtractRequest, reading: _Reading) -> None:
    path = request.folder / request.file_name
    size = _size_of_regular(path)
    with messages.collected(reading.warnings):
        recognised = recognise(path, request.file_name, size)
        row = reading.format = recognised.format
        if recognised.warning is not None:
            reading.warnings.append(recognised.warning)
        if row.refused is not None:
            raise Unreadable(row.refused)
        if row.whole_limit is not None and size > row.whole_limit:
            raise Unreadable(
                f"The file has {size:,} bytes. Files of the format {row.name} must be read whole, "
                f"and {row.whole_limit:,} bytes are the limit."
            )
        source = _source(request, path, size)
        reading.companions = [companion.name for companion in source.companions]
        reading.signals = _call_reader(row, source)
        for signal in reading.signals:
            _finish(signal, request)
        reading.warnings += [*source.warnings, *source.clock.warnings]
    del reading.warnings[MAX_WARNINGS:]


def _size_of_regular(path: Path) -> int:
    try:
        found = path.stat()
    except FileNotFoundError:
        if path.is_symlink():
            raise Unreadable("The file is a link to a file that is not there.") from None
        raise
    if stat.S_ISDIR(found.st_mode):
        raise Unsupported("This is a folder, not a file.")
    if not stat.S_ISREG(found.st_mode):
        raise Unsupported("This is a device or a pipe, not a file.")
    return found.st_size


def _source(request: ExtractRequest, path: Path, size: int) -> Source:
    clock = Clock(ZoneInfo(request.zone), request.day_first, file_time(request))
    names = registry.companions_of(request.file_name, _siblings(request.folder))
    companions = [p for name in names if (p := request.folder / name).is_file()]
    return Source(path, size, clock, companions)


def _call_reader(row: Format, source: Source) -> list[Signal]:
    """Call the format's reader. What it raises for a file's content becomes Unreadable.

    This is the boundary to third-party parsers, which raise anything on damaged input: the error is logged in full;
    people get a reason without the words of Python.
    """
    module = importlib.import_module(f"scopeline.formats.{row.module}")
    try:
        signals: list[Signal] = module.read(source)
    except Unreadable:
        raise
    except MemoryError as error:
        claimed = _claimed_bytes(error)
        if claimed > IMPOSSIBLE:
            raise Unreadable(f"The file claims an array of {claimed:,} bytes: its header is damaged.") from error
        raise
    except NotImplementedError as error:
        raise Unsupported(f"This kind of {row.name} file is not read yet: {str(error).rstrip('.')}.") from error
    except OSError as error:
        if of_this_computer(error):
            raise
        _log.info("reader %s on %r", row.id, source.path.name, exc_info=True)
        raise _unknown_damage(row) from error
    except Exception as error:
        _log.info("reader %s on %r", row.id, source.path.name, exc_info=True)
        raise _unknown_damage(row) from error
    if not signals:
        raise Unreadable("The file has no data in it.")
    return signals


def _claimed_bytes(error: MemoryError) -> int:
    """How much numpy was asked for; 0 where the error does not tell."""
    shape, dtype = getattr(error, "shape", None), getattr(error, "dtype", None)
    return math.prod(shape) * int(dtype.itemsize) if shape and dtype is not None else 0


def _unknown_damage(row: Format) -> Unreadable:
    return Unreadable(
        f"The reader for {row.name} could not make sense of the file: it may be damaged, incomplete or of a kind that "
        "the reader does not know."
    )


def _with_warnings(reason: str, warnings: list[str]) -> str:
    """The reason of an unreadable file, with what was found odd before: a wrong name, a missing companion."""
    return " ".join([*(w for w in warnings if w.startswith("The content is")), reason])


def _finish(signal: Signal, request: ExtractRequest) -> None:
    """Whole text, names without line breaks, bounded warnings, the instrument's overrides."""
    if signal.title is not None:
        signal.title = " ".join(whole_text(signal.title).split())[:200] or None
    for axis in signal.axes:
        axis.name, axis.unit = whole_text(axis.name), whole_text(axis.unit) if axis.unit else axis.unit
    signal.warnings = list(dict.fromkeys(map(whole_text, signal.warnings)))[:MAX_WARNINGS]
    for name, given in request.overrides.items():
        value, unit = (given.get("value"), given.get("unit")) if isinstance(given, dict) else (given, None)
        if isinstance(value, str | int | float | bool):
            unit = unit if unit is not None else (TERMS[name].unit if name in TERMS else None)
            number = isinstance(value, int | float) and not isinstance(value, bool)
            doubt = "not a number" if name in TERMS and TERMS[name].is_number and not number else None
            signal.parameters[name] = Parameter(value=value, unit=unit, origin="instrument settings", warning=doubt)


def _dataset(index: int, signal: Signal) -> Dataset:
    return Dataset(
        index=index,
        type=signal.type,
        title=signal.title,
        technique=signal.technique,
        shape=[axis.size for axis in signal.axes],
        dtype=signal.data.dtype.name,
        axes=signal.axes,
        acquired=signal.acquired,
        parameters=signal.parameters,
        warnings=signal.warnings,
    )
