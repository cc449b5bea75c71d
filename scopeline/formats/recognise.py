"""Which format a file is of: by its content first, by its name where the content has no mark."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from scopeline.formats import registry
from scopeline.formats.registry import Format
from scopeline.formats.results import Unreadable


class Unsupported(Unreadable):
    """No reader knows this kind of file."""


@dataclass(frozen=True, slots=True)
class Recognised:
    """A file's format, and what is odd about it."""

    format: Format
    warning: str | None = None


def recognise(path: Path, file_name: str, size: int) -> Recognised:
    """The format of the file.

    Raises Unreadable for an empty file, for one without content, and for one whose content is not what its name says;
    Unsupported where no reader knows it.
    """
    if size == 0:
        raise Unreadable("The file is empty.")
    with path.open("rb") as file:
        head = file.read(registry.HEAD_BYTES)
    if not head.strip(b"\x00") and _only_zeros(path, size):
        raise Unreadable(f"The file has {size:,} bytes and all are zero: it was not written or copied completely.")
    named, found = registry.by_extension(file_name), registry.by_content(head)
    if found and found[0].magic == registry.HDF5_MAGIC:
        return _hdf5(path, file_name, named)
    fitting = [row for row in found if row in named]
    if fitting:
        return Recognised(fitting[0])
    if found:
        return Recognised(found[0], _misnamed(file_name, found[0]))
    unmarked = [row for row in named if not row.needs_magic]
    if unmarked and (not unmarked[0].text or looks_like_text(head)):
        return Recognised(unmarked[0])
    raise _unknown(file_name, named, head)


def looks_like_text(head: bytes) -> bool:
    """Whether these bytes are text: UTF-8 or UTF-16 with a mark, or a single-byte encoding without control codes."""
    if head.startswith((b"\xff\xfe", b"\xfe\xff")):
        return True
    if b"\x00" in head:
        return False
    controls = sum(byte < 32 and byte not in b"\t\n\r\f\x1b" for byte in head)
    return controls == 0


def _hdf5(path: Path, file_name: str, named: list[Format]) -> Recognised:
    from scopeline.formats import hdf5

    family = hdf5.family(path)
    if family is None:
        own = [row for row in named if row.magic == registry.HDF5_MAGIC]
        if not own:
            raise Unsupported("This is an HDF5 file of no kind that Scopeline knows.")
        return Recognised(own[-1])
    row = next(row for row in registry.FORMATS if row.id == family)
    return Recognised(row, None if not named or row in named or _shares(row, named) else _misnamed(file_name, row))


def _shares(row: Format, named: list[Format]) -> bool:
    return any(set(row.extensions) & set(other.extensions) for other in named)


def _only_zeros(path: Path, size: int) -> bool:
    """Whether the file's beginning, middle and end are zeros, as a copy that was cut off leaves them."""
    with path.open("rb") as file:
        for position in (0, size // 2, max(0, size - 65536)):
            file.seek(position)
            if file.read(65536).strip(b"\x00"):
                return False
    return True


def _misnamed(file_name: str, row: Format) -> str:
    extension = registry.extension_of(file_name)
    shown = f"the extension .{extension}" if extension else "no extension"
    return f"The content is of the format {row.name}, but the name has {shown}."


def _unknown(file_name: str, named: list[Format], head: bytes) -> Unreadable:
    extension = registry.extension_of(file_name)
    content = describe(head)
    if named:
        kind = named[0].name
        if content is not None:
            return Unreadable(f"This is {content} with the name of a file of the format {kind} (.{extension}).")
        return Unreadable(
            f"The content is not of the format {kind}, as its name .{extension} says, and of no other known."
        )
    if registry.is_companion_only(file_name):
        return Unsupported(f"A .{extension} file is read together with the file that it belongs to; none is beside it.")
    if content is not None:
        return Unsupported(f"This is {content}; no reader knows such files (.{extension}).".replace(" (.)", ""))
    return Unsupported(f"No reader knows files of this kind (.{extension}).".replace(" (.)", ""))


def describe(head: bytes) -> str | None:
    """What the content is, in words, where no reader takes it."""
    import re

    for pattern, words in registry.OTHER_CONTENT:
        if re.match(pattern, head, re.DOTALL | re.IGNORECASE):
            return words
    return "a text file" if looks_like_text(head) else None
