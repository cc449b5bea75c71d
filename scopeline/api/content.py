"""Bytes of stored versions as HTTP answers: ranges, validators and names, never the whole in memory."""

from __future__ import annotations

import re
from datetime import timedelta

from flask import Request, Response
from werkzeug.wsgi import FileWrapper

from scopeline.domain.events import StoredObject
from scopeline.domain.names import digest_text
from scopeline.download_headers import content_disposition, safe_type
from scopeline.ports import ObjectStore

URL_LIFETIME = timedelta(minutes=5)
_PIECE = 256 * 1024
_ONE_RANGE = re.compile(r"bytes\s*=\s*(\d{1,19}-\d{0,19}|-\d{1,19})\s*", re.IGNORECASE)


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
    response = Response(FileWrapper(body, _PIECE), content_type=media or safe_type(file_name))
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
