"""`/files/...`: contents, previews and metadata, fetched from the API after the site's own permission check."""

from __future__ import annotations

import json
from http import HTTPStatus
from urllib.parse import quote

import requests
from django.http import HttpRequest, HttpResponse, HttpResponseBase, StreamingHttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe

from cdcs_connector.site import access, backend

# What a reader's request may say to the API, and what of its answer the reader may see: everything else, above all
# what concerns one connection only, stays on its own side.
ASKED = ("Range", "If-Range", "If-None-Match")
ANSWERED = (
    "Content-Type",
    "Content-Length",
    "Content-Range",
    "Accept-Ranges",
    "ETag",
    "Last-Modified",
    "Content-Encoding",
)
# An address has its version's generation in it, so what it answers never changes; only this reader may keep it.
MAX_INDENTED_BYTES = 8 * 2**20  # of metadata; what is longer is passed on as it is
FOREVER = "private, max-age=31536000, immutable"


@require_safe
def content(request: HttpRequest, file: str, generation: int, name: str) -> HttpResponseBase:
    """The file's bytes under its own name."""
    answer = _pass(request, file, generation, f"/v1/files/{file}/content", f"/files/{file}/{{}}/{quote(name, safe='')}")
    if answer.status_code in (200, 206):
        answer.headers["Content-Disposition"] = f"attachment; filename*=UTF-8''{quote(name, safe='')}"
        # Whatever the file claims to be, a browser saves it and never runs it.
        answer.headers["Content-Type"] = "application/octet-stream"
    return answer


@require_safe
def preview(request: HttpRequest, file: str, generation: int, index: int) -> HttpResponseBase:
    """The picture of one dataset, or of a file without datasets at index 0."""
    path = f"/v1/files/{file}/datasets/{index}/preview"
    return _pass(request, file, generation, path, f"/files/{file}/{{}}/{index}/preview", accept="image/png")


@require_safe
def metadata(request: HttpRequest, file: str, generation: int) -> HttpResponseBase:
    """The complete original metadata as indented JSON: of all datasets of the file, or of the one at `dataset`."""
    path, address = f"/v1/files/{file}/metadata", f"/files/{file}/{{}}/metadata.json"
    # What is indented here has other positions than the API's bytes: no ranges of it.
    answer = _pass(request, file, generation, path, address, accept="application/json", passed=("If-None-Match",))
    del answer["Accept-Ranges"]
    length = int(answer.headers.get("Content-Length", MAX_INDENTED_BYTES + 1))
    if answer.status_code != HTTPStatus.OK or request.method == "HEAD" or length > MAX_INDENTED_BYTES:
        return answer
    assert isinstance(answer, StreamingHttpResponse)
    body = b"".join(answer)
    answer.close()
    indented = HttpResponse(_indented(body, request.GET.get("dataset", "")), headers=dict(answer.headers))
    indented.headers["Content-Length"] = str(len(indented.content))
    return indented


def _indented(body: bytes, dataset: str) -> bytes:
    """The metadata for reading; `dataset` is the position in the file's list of them, or nothing."""
    value = json.loads(body)
    if isinstance(value, list) and dataset.isascii() and dataset.isdigit() and int(dataset) < len(value):
        value = value[int(dataset)]
    return json.dumps(value, indent=2, ensure_ascii=False).encode()


def _pass(
    request: HttpRequest,
    file: str,
    generation: int,
    path: str,
    address: str,
    accept: str | None = None,
    passed: tuple[str, ...] = ASKED,
) -> HttpResponseBase:
    """The API's answer to `path`; `address` with a generation in it is where the same is found on this site."""
    access.check_file(request.user, file)
    asked = {name: request.headers[name] for name in passed if name in request.headers}
    asked["Accept-Encoding"] = "identity"
    found = backend.open_bytes(path, generation, asked)
    if found.status_code == 410:
        return _gone(request, found, address)
    if found.status_code not in (200, 206, 304, 416):
        found.close()
        return render(request, "404.html", {"reason": "There is no such file or version."}, status=404)
    kind = found.headers.get("Content-Type", "").partition(";")[0].strip()
    if accept is not None and found.status_code in (200, 206) and kind != accept:
        found.close()
        raise backend.BackendUnavailable(f"The API answered {kind!r} to {path}; expected {accept}.")
    return _stream(request, found)


def _stream(request: HttpRequest, found: requests.Response) -> HttpResponseBase:
    bodyless = request.method == "HEAD" or found.status_code == 304
    answer: HttpResponseBase
    if bodyless:
        found.close()
        answer = HttpResponse(status=found.status_code)
    else:
        answer = StreamingHttpResponse(backend.Body(found), status=found.status_code)
    for name in ANSWERED:
        if name in found.headers and not (found.status_code == 304 and name.startswith("Content-")):
            answer.headers[name] = found.headers[name]
    answer.headers["X-Content-Type-Options"] = "nosniff"
    if found.status_code != HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE:
        answer.headers["Cache-Control"] = FOREVER
    return answer


def _gone(request: HttpRequest, found: requests.Response, address: str) -> HttpResponse:
    """This version is gone: say so, and where the present one is."""
    try:
        current = int(found.json().get("current"))
    except (ValueError, TypeError, AttributeError, requests.RequestException):
        current = None
    finally:
        found.close()
    link = address.format(current) if current is not None else None
    answer = render(request, "410.html", {"link": link}, status=410)
    if link is not None:
        answer.headers["Link"] = f'<{link}>; rel="latest-version"'
    return answer
