"""Bytes of stored versions as HTTP answers: ranges, validators and names, never the whole in memory."""

from __future__ import annotations

import re
import unicodedata
from datetime import timedelta
from pathlib import PurePosixPath
from urllib.parse import quote

from flask import Request, Response
from werkzeug.http import dump_options_header
from werkzeug.wsgi import FileWrapper

from scopeline.domain.events import StoredObject
from scopeline.domain.names import digest_text
from scopeline.ports import ObjectStore

URL_LIFETIME = timedelta(minutes=5)
_PIECE = 256 * 1024
_PLAIN = "!#$&+-.^_`|~"  # what RFC 8187 leaves as it is, beside letters and digits
_ONE_RANGE = re.compile(r"bytes\s*=\s*(\d{1,19}-\d{0,19}|-\d{1,19})\s*", re.IGNORECASE)

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


def send_version(
    request: Request,
    store: ObjectStore,
    stored: StoredObject,
    file_name: str,
    *,
    media: str | None = None,
    inline: bool = False,
) -> Response:
    """The version as an answer: a redirect where the store gives an address, else its bytes.

    `media` is the type of bytes that Scopeline itself made; without it the type follows from the name's end.
    Raises MissingObject, RequestedRangeNotSatisfiable.
    """
    url = store.download_url(stored.name, stored.generation, file_name, URL_LIFETIME)
    if url is not None:
        return Response(status=302, headers={"Location": url, "Cache-Control": "no-store"})
    body = store.open(stored.name, stored.generation)
    response = Response(FileWrapper(body, _PIECE), content_type=media or _type_of(file_name))
    response.call_on_close(body.close)
    response.content_length = stored.size
    response.set_etag(digest_text(stored.bucket, stored.name, str(stored.generation), length=32))
    response.headers["Content-Disposition"] = content_disposition(file_name, inline=inline)
    response.headers["Content-Security-Policy"] = "default-src 'none'; sandbox"
    response.headers["Cache-Control"] = "private, no-cache"
    response.headers["Accept-Ranges"] = "bytes"
    try:
        # Several ranges, other units and nonsense may be ignored (RFC 9110, 14.2): the whole is sent then.
        one_range = bool(_ONE_RANGE.fullmatch(request.headers.get("Range", "")))
        response.make_conditional(
            request.environ, accept_ranges=one_range, complete_length=stored.size if one_range else None
        )
    except Exception:
        response.close()
        raise
    return response


def content_disposition(file_name: str, *, inline: bool = False) -> str:
    """The header for a file name (RFC 6266): in ASCII, and whole in UTF-8 (RFC 8187) where they differ."""
    clean = "".join("_" if unicodedata.category(c)[0] == "C" else c for c in file_name)
    ascii_form = unicodedata.normalize("NFKD", clean).encode("ascii", "ignore").decode().replace("%", "_").strip()
    options: dict[str, str | None] = {"filename": ascii_form or "file"}
    if ascii_form != clean:
        options["filename*"] = "UTF-8''" + quote(clean, safe=_PLAIN)
    return dump_options_header("inline" if inline else "attachment", options)


def _type_of(file_name: str) -> str:
    return _SAFE_TYPES.get(PurePosixPath(file_name).suffix.lower(), "application/octet-stream")
