"""What is said of bytes that a browser downloads: a name, and a type that it runs nothing of."""

from __future__ import annotations

import unicodedata
from pathlib import PurePosixPath
from urllib.parse import quote

from werkzeug.http import dump_options_header

_PLAIN = "!#$&+-.^_`|~"  # what RFC 8187 leaves as it is, beside letters and digits

# Types that no browser runs as a page. Everything else, HTML and SVG included, is bytes.
_SAFE_TYPES = {
    ".png": "image/png",
    ".jpg": "image/jpeg",
    ".jpeg": "image/jpeg",
    ".tif": "image/tiff",
    ".tiff": "image/tiff",
    ".txt": "text/plain; charset=utf-8",
    ".csv": "text/csv; charset=utf-8",
    ".json": "application/json",
}


def content_disposition(file_name: str, *, inline: bool = False) -> str:
    """The header for a file name (RFC 6266): in ASCII, and whole in UTF-8 (RFC 8187) where they differ."""
    clean = "".join("_" if unicodedata.category(c)[0] == "C" else c for c in file_name)
    ascii_form = unicodedata.normalize("NFKD", clean).encode("ascii", "ignore").decode().replace("%", "_").strip()
    options: dict[str, str | None] = {"filename": ascii_form or "file"}
    if ascii_form != clean:
        options["filename*"] = "UTF-8''" + quote(clean, safe=_PLAIN)
    return dump_options_header("inline" if inline else "attachment", options)


def safe_type(file_name: str) -> str:
    """The type that follows from the end of a name, where no browser runs it as a page; else that of bytes."""
    return _SAFE_TYPES.get(PurePosixPath(file_name).suffix.lower(), "application/octet-stream")
