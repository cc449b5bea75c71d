"""Text files: notes that people or programs left beside the data."""

from __future__ import annotations

from scopeline.domain.files import Axis, DatasetType
from scopeline.formats.original import json_values
from scopeline.formats.results import Signal
from scopeline.formats.source import Source
from scopeline.formats.vocabulary import Parameters

MAX_SHOWN = 20_000  # characters of the text that are kept
_TITLE = 80


def read(source: Source) -> list[Signal]:
    """The text as one dataset: its first line is the title, the text itself the metadata."""
    import numpy as np

    raw = source.path.read_bytes()
    text = _decoded(raw)
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    parameters = Parameters()
    parameters.add_vendor("Lines", len(text.splitlines()), origin="text")
    first = lines[0][:_TITLE] if lines else ""
    return [
        Signal(
            data=np.frombuffer(raw, np.uint8),
            axes=[Axis(name="character", size=len(raw))],
            type=DatasetType.NOTES,
            title=f"{source.title}: {first}" if first else source.title,
            acquired=source.clock.acquired(),
            parameters=parameters.values,
            metadata=json_values({"text": text[:MAX_SHOWN], "characters": len(text)}),
        )
    ]


def _decoded(raw: bytes) -> str:
    if raw.startswith((b"\xff\xfe", b"\xfe\xff")):
        return raw.decode("utf-16", "replace")
    try:
        return raw.decode("utf-8-sig")
    except UnicodeDecodeError:
        return raw.decode("cp1252", "replace")
