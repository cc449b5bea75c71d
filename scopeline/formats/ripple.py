"""Ripple: a text (.rpl) that describes the bare numbers beside it (.raw)."""

from __future__ import annotations

import math
import re

from scopeline.formats import rosetta
from scopeline.formats.results import Signal, Unreadable
from scopeline.formats.source import Source, damaged


def read(source: Source) -> list[Signal]:
    """The one array."""
    raw = source.companion(".raw")
    if raw is None:
        raise Unreadable(f"The data of this file, {source.path.stem}.raw, are not beside it.")
    keys = _keys(source)
    with damaged("the sizes", source.size):
        shape = [max(1, int(keys.get(name, "1"))) for name in ("width", "height", "depth")]
        needed = int(keys.get("offset", "0")) + math.prod(shape) * int(keys["data-length"])
    size = raw.stat().st_size
    if size < needed:
        raise Unreadable(f"{raw.name} ends after {size:,} of {needed:,} bytes: it was not written completely.")
    from rsciio import ripple

    return rosetta.signals(source, ripple.file_reader(str(source.path), lazy=True))


def _keys(source: Source) -> dict[str, str]:
    text = source.path.read_text("utf-8", "replace")
    lines = (re.split(r"[\t ]+", line.strip(), maxsplit=1) for line in text.splitlines() if not line.startswith(";"))
    return {parts[0].lower(): parts[1].strip() for parts in lines if len(parts) == 2}
