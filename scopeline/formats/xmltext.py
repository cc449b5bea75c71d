"""XML of unknown origin: parsed without entities, and as nested dictionaries."""

from __future__ import annotations

import re
from typing import Any

from scopeline.formats.results import Unreadable

MAX_BYTES = 64 * 1024 * 1024


def parse(text: bytes | str, what: str) -> Any:
    """The root element (xml.etree).

    A document type declaration is refused: no microscope writes one, and its entities can name other files or grow
    without bounds. Raises Unreadable.
    """
    from xml.etree import ElementTree

    raw = text.encode("utf-8") if isinstance(text, str) else text
    if len(raw) > MAX_BYTES:
        raise Unreadable(f"{what} is an XML text of {len(raw):,} bytes, too large to read.")
    # Encodings that are not supersets of ASCII would hide the declaration from this search.
    if b"\x00" in raw[:64] and raw[:2] not in (b"\xff\xfe", b"\xfe\xff"):
        raise Unreadable(f"{what} is an XML text in an encoding that is not read.")
    if raw[:2] in (b"\xff\xfe", b"\xfe\xff"):
        raw = raw.decode("utf-16", "replace").encode("utf-8")
        raw = re.sub(rb"^\s*<\?xml[^>]*\?>", b"", raw.lstrip(b"\xef\xbb\xbf"))
    if re.search(rb"<!\s*(?:DOCTYPE|ENTITY)", raw, re.IGNORECASE):
        raise Unreadable(f"{what} is an XML text that declares entities; such texts are refused.")
    try:
        return ElementTree.fromstring(raw)  # noqa: S314
    except ElementTree.ParseError as error:
        raise Unreadable(f"{what} is damaged: its XML text is not well formed ({error}).") from error


def as_dict(element: Any, depth: int = 0) -> Any:
    """Nested dictionaries of an element: text for leaves, lists for repeated children, attributes with `@`."""
    if depth > 50:
        return "left out: nested more than 50 levels deep"
    result: dict[str, Any] = {f"@{key}": value for key, value in element.attrib.items()}
    for child in element:
        value = as_dict(child, depth + 1)
        if child.tag in result:
            present = result[child.tag]
            result[child.tag] = [*present, value] if isinstance(present, list) else [present, value]
        else:
            result[child.tag] = value
    text = (element.text or "").strip()
    if not result:
        return text
    if text:
        result["#text"] = text
    return result
