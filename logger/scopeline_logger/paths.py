"""Names of files: as the system has them, as the server wants them, and as people can read them."""

import ntpath
import os
import re
import unicodedata

MAX_SEGMENT_BYTES = 255


def join(folder: str, name: str) -> str:
    """`folder` and `name` with a `/`; `folder` is empty at the root."""
    return folder + "/" + name if folder else name


def local(root: str, path: str) -> str:
    """The system's path of `path` (relative, `/` between segments) under the folder `root`."""
    return os.path.join(root, *path.split("/")) if path else root


def readable(name: str) -> str:
    """`name` with everything escaped that cannot be printed or stored as text."""
    text = name.encode("utf-8", "backslashreplace").decode("utf-8")
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode("ascii") for c in text)


def storable(name: str) -> str:
    """`name` itself, or a readable form where it is not Unicode text and so cannot be kept as it is."""
    try:
        name.encode("utf-8")
    except UnicodeEncodeError:
        return readable(name)
    return name


def to_wire(path: str) -> str:
    """The path as it is sent: NFC."""
    return unicodedata.normalize("NFC", path)


def complaint(path: str) -> "str | None":
    """Why the server would not take this relative path (the rules of docs/adr/0001), or None."""
    try:
        path.encode("utf-8")
    except UnicodeEncodeError:
        return "The name is not Unicode text. Rename the file."
    normal = to_wire(path)
    if "\\" in normal:
        return "The name has a backslash. Rename the file."
    if any(unicodedata.category(c) in ("Cc", "Zl", "Zp") for c in normal):
        return "The name has a control character or a line break. Rename the file."
    if re.match(r"[A-Za-z]:", normal):
        return "The name begins like a drive. Rename the file."
    if any(len(segment.encode("utf-8")) > MAX_SEGMENT_BYTES for segment in normal.split("/")):
        return "The name has over %d bytes. Use a shorter one." % MAX_SEGMENT_BYTES
    return None


def extended(folder: str, system: str = os.name) -> str:
    """The absolute folder; on Windows in the form that allows paths over 260 characters."""
    if system != "nt":
        return os.path.abspath(folder)
    full = ntpath.normpath(folder) if ntpath.isabs(folder) else ntpath.abspath(folder)
    if full.startswith("\\\\?\\"):
        return full
    if full.startswith("\\\\"):
        return "\\\\?\\UNC\\" + full[2:]
    return "\\\\?\\" + full
