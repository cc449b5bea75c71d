"""What third-party readers print while they read: rosettasciio's and tifffile's log, Python warnings."""

from __future__ import annotations

import importlib
import logging
import re
import warnings as python_warnings
from collections.abc import Iterator
from contextlib import contextmanager

# What rosettasciio says of this installation, not of the file.
_ABOUT_INSTALLATION = ("numba", "lumispy", "hyperspy", "Cannot find package", "pint")

# The tags of a TIFF file that hold a vendor's metadata.
_TIFF_TAGS = {
    34680: "The FEI metadata", 34682: "The FEI metadata", 34118: "The Zeiss metadata", 51023: "The Fibics metadata",
    50431: "The Tescan metadata", 33560: "The Olympus metadata", 33471: "The Olympus metadata",
    270: "The description of the image",
}  # fmt: skip


@contextmanager
def collected(found: list[str]) -> Iterator[None]:
    """Add to `found` what readers would print."""
    handler = _Collector(found)
    loggers = [logging.getLogger(name) for name in ("rsciio", "tifffile")]
    before = [(log.handlers, log.propagate, log.level) for log in loggers]
    with python_warnings.catch_warnings(record=True) as caught:
        python_warnings.simplefilter("always")
        importlib.import_module("rsciio")  # its import sets up handlers that print
        try:
            for log in loggers:
                log.handlers, log.propagate = [handler], False
                log.setLevel(logging.WARNING)
            yield
        finally:
            for log, (handlers, propagate, level) in zip(loggers, before, strict=True):
                log.handlers, log.propagate = handlers, propagate
                log.setLevel(level)
    for warning in caught:
        if not issubclass(warning.category, DeprecationWarning | PendingDeprecationWarning | ResourceWarning):
            handler.add(str(warning.message))


def plain(text: str) -> str:
    """A library's message as people can read it: one line, no names of Python's errors and objects."""
    line = " ".join(text.split())
    if line.startswith("<tifffile") or re.search(r"\braised \w+\(", line):
        tags = [int(code) for code in re.findall(r"TiffTag (\d+)", line)]
        if not tags:
            return "Some metadata of the TIFF file are missing or damaged."
        named = _TIFF_TAGS.get(tags[0])
        return f"{named or f'The tag {tags[0]} of the TIFF file'} is missing or damaged."
    return line[:300]


class _Collector(logging.Handler):
    def __init__(self, found: list[str]) -> None:
        super().__init__(logging.WARNING)
        self.found = found

    def emit(self, record: logging.LogRecord) -> None:
        """Keep the record's text."""
        self.add(record.getMessage())

    def add(self, text: str) -> None:
        """Keep a message, unless it is about this installation or there already."""
        words = plain(text)
        if words and words not in self.found and not any(word in words for word in _ABOUT_INSTALLATION):
            self.found.append(words)
