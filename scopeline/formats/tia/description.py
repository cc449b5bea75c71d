"""What a .emi file says: XML pieces in a binary file, one for each .ser file in the order of their numbers."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from scopeline.formats import xmltext
from scopeline.formats.results import Unreadable

MAX_BYTES = 256 * 1024 * 1024  # emi files hold a copy of the pixels; the XML is found in the mapped file
_BEGIN, _END = b"<ObjectInfo>", b"</ObjectInfo>"


def read_descriptions(path: Path) -> list[dict[str, Any]]:
    """The descriptions as nested dictionaries; labelled settings as {label: {"value", "unit"}}. Raises Unreadable."""
    import mmap

    if not path.stat().st_size:  # an empty file cannot be mapped
        return []
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content:
        pieces = []
        start = content.find(_BEGIN)
        while start >= 0:
            end = content.find(_END, start)
            if end < 0:
                raise Unreadable(f"{path.name} ends in the middle of its description.")
            pieces.append(content[start : end + len(_END)])
            start = content.find(_BEGIN, end)
    return [_description(piece, path.name) for piece in pieces]


def _description(piece: bytes, name: str) -> dict[str, Any]:
    root = xmltext.parse(piece, name)
    described: dict[str, Any] = xmltext.as_dict(root)
    settings = root.findall("ExperimentalDescription/Root/Data")
    if settings:
        described["ExperimentalDescription"] = {
            (data.findtext("Label") or "").strip(): {
                "value": (data.findtext("Value") or "").strip(),
                "unit": (data.findtext("Unit") or "").strip() or None,
            }
            for data in settings
        }
    inner = root.findtext("TrueImageHeaderInfo")
    if inner and inner.strip():
        header = xmltext.parse(inner, name)
        described["TrueImageHeaderInfo"] = {
            (data.findtext("Index") or ""): (data.findtext("Value") or "") for data in header.findall("Data")
        }
    return described
