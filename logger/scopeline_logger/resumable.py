"""The server side of the resumable upload protocol, as Google Cloud Storage speaks it.

A pure state machine: `answer` takes one PUT request and a `Spool`, which keeps the bytes, and returns the response. The
local edition's store and the hub mount it. Python 3.4 syntax, standard library only.

The protocol (https://cloud.google.com/storage/docs/performing-resumable-uploads):

* `Content-Range: bytes A-B/N` with the bytes A to B of N. Every chunk but the last ends at a multiple of 256 KiB.
* 308 with `Range: bytes=0-E`: the bytes up to E are stored durably, go on at E+1. Without `Range`: nothing is stored.
* `Content-Range: bytes */N` (or `*/*`) without a body asks how far it is. For an empty file `bytes */0` is all.
* 200 with the object as JSON: done. A finished upload answers so again.
* Bytes that are stored already are skipped where they are the same; where they differ the file has changed since, and
  the upload is over (410). A chunk that begins behind the stored bytes is refused (416), and nothing of it is stored.
* Of a chunk that breaks off, whole units of 256 KiB are kept; `Range` tells.
"""

import json
import re

UNIT = 256 * 1024
PIECE = 1024 * 1024

REASONS = {
    200: "OK",
    308: "Resume Incomplete",
    400: "Bad Request",
    404: "Not Found",
    405: "Method Not Allowed",
    410: "Gone",
    411: "Length Required",
    412: "Precondition Failed",
    413: "Content Too Large",
    416: "Range Not Satisfiable",
    429: "Too Many Requests",
    500: "Internal Server Error",
    503: "Service Unavailable",
    507: "Insufficient Storage",
}

_BYTES = re.compile(r"bytes ([0-9]{1,18})-([0-9]{1,18})/([0-9]{1,18})")
_STATUS = re.compile(r"bytes \*/([0-9]{1,18}|\*)")


class Problem(Exception):
    """A request that is refused: the HTTP status, a stable code, and words that say what to do."""

    def __init__(self, status: int, code: str, detail: str, headers: "list[tuple[str, str]] | tuple[()]" = ()) -> None:
        super(Problem, self).__init__(detail)
        self.status = status
        self.code = code
        self.detail = detail
        self.headers = list(headers)


class Answer(object):
    """One HTTP response: `status`, `headers` (a list of pairs) and `body` (bytes)."""

    def __init__(
        self,
        status: int,
        headers: "list[tuple[str, str]] | tuple[()]" = (),
        content: "dict[str, object] | None" = None,
        content_type: str = "application/json",
    ) -> None:
        self.status = status
        self.body = b"" if content is None else json.dumps(content, sort_keys=True).encode("utf-8")
        self.headers = list(headers) + [("Content-Length", str(len(self.body)))]
        if content is not None:
            self.headers.append(("Content-Type", content_type))

    @property
    def status_line(self) -> str:
        """The status as WSGI wants it: number and words."""
        return "%d %s" % (self.status, REASONS.get(self.status, "Unknown"))


class Spool(object):
    """What has arrived of one upload. Whoever calls `answer` sees to it that no other request uses the same spool.

    Attributes: `size`, the bytes promised; `stored`, the bytes that are on the disk durably, from the first one;
    `result`, the finished object as JSON values, or None. Methods may raise `Problem` or errors of the spool's owner.
    """

    size = 0
    stored = 0
    result = None  # type: dict[str, object] | None

    def read(self, start: int, length: int) -> bytes:
        """`length` stored bytes from `start`."""
        raise NotImplementedError

    def append(self, data: bytes) -> None:
        """Write `data` behind what was written. It counts as stored only after `keep`."""
        raise NotImplementedError

    def keep(self, end: int) -> None:
        """Cut what was written to `end` bytes, make them durable, and set `stored` to `end`."""
        raise NotImplementedError

    def finish(self) -> None:
        """Make the object of all `size` bytes and set `result`. Problem 412 where another version came first."""
        raise NotImplementedError

    def drop(self) -> None:
        """Forget the upload and its bytes."""
        raise NotImplementedError


class _Chunk(object):
    """The bytes `first` to `last` (both included)."""

    def __init__(self, first: int, last: int) -> None:
        self.first = first
        self.last = last
        self.length = last - first + 1


def answer(
    spool: Spool, content_range: "str | None", content_length: "str | None", body: object, max_chunk: int
) -> Answer:
    """The response to one PUT.

    `content_range` and `content_length` are the headers' texts or None; `body` has `read(n)`; a chunk may have
    `max_chunk` bytes. Errors of the spool's owner pass through, with whole units of what came before them kept.
    """
    try:
        length = _length(content_length)
        chunk = _requested(content_range, length, spool.size)
        if spool.result is not None:
            return Answer(200, content=spool.result)
        if chunk is not None:
            _check_chunk(chunk, length, spool, max_chunk)
            _receive(spool, chunk, body)
        if spool.stored == spool.size:
            spool.finish()
            return Answer(200, content=spool.result)
        return Answer(308, _range(spool))
    except Problem as problem:
        return refuse(problem)


def refuse(problem: Problem) -> Answer:
    """The response for a Problem, as `application/problem+json` (RFC 9457)."""
    content = {
        "type": "about:blank",
        "title": REASONS.get(problem.status, "Error"),
        "status": problem.status,
        "detail": problem.detail,
        "code": problem.code,
    }
    return Answer(problem.status, problem.headers, content, "application/problem+json")


def _length(content_length: "str | None") -> int:
    if content_length is None or not re.match(r"[0-9]{1,18}\Z", content_length):
        raise Problem(
            411, "length_required", "The request has no Content-Length. Send the number of bytes of the body."
        )
    return int(content_length)


def _requested(content_range: "str | None", length: int, size: int) -> "_Chunk | None":
    """The chunk that the headers name; None for a status query."""
    if content_range is None:
        # The whole file in one request.
        if length != size:
            raise _wrong_size(length, size)
        return _Chunk(0, length - 1) if length else None
    status = _STATUS.match(content_range)
    if status and status.end() == len(content_range):
        if length:
            raise Problem(400, "invalid_range", "A status query has no body. Send Content-Length: 0.")
        if status.group(1) not in ("*", str(size)):
            raise _wrong_size(status.group(1), size)
        return None
    match = _BYTES.match(content_range)
    if not match or match.end() != len(content_range):
        raise Problem(
            400,
            "invalid_range",
            "Content-Range %r is not of the form 'bytes A-B/N' or 'bytes */N'." % content_range[:100],
        )
    first, last, total = (int(text) for text in match.groups())
    if total != size:
        raise _wrong_size(total, size)
    if not first <= last < total:
        raise Problem(400, "invalid_range", "Content-Range %r is no range of %d bytes." % (content_range, size))
    return _Chunk(first, last)


def _wrong_size(found: object, size: int) -> Problem:
    return Problem(400, "wrong_size", "This upload has %d bytes, not %s. Ask for a new upload." % (size, found))


def _check_chunk(chunk: _Chunk, length: int, spool: Spool, max_chunk: int) -> None:
    if length != chunk.length:
        raise Problem(
            400,
            "wrong_length",
            "Content-Range names %d bytes, Content-Length %d." % (chunk.length, length),
            _range(spool),
        )
    if length > max_chunk:
        raise Problem(
            413,
            "chunk_too_large",
            "A chunk of %d bytes; at most %d are taken. Send less at once." % (length, max_chunk),
        )
    if chunk.last >= spool.size:
        raise _wrong_size(chunk.last + 1, spool.size)
    if chunk.last + 1 != spool.size and (chunk.last + 1) % UNIT:
        raise Problem(
            400,
            "invalid_chunk",
            "The chunk ends at byte %d. Every chunk but the last ends at a multiple of %d." % (chunk.last + 1, UNIT),
            _range(spool),
        )
    if chunk.first > spool.stored:
        raise Problem(
            416,
            "wrong_offset",
            "The chunk begins at byte %d, but %d bytes are stored. Go on at byte %d."
            % (chunk.first, spool.stored, spool.stored),
            _range(spool),
        )


def _receive(spool: Spool, chunk: _Chunk, body: object) -> None:
    _compare_repeated(spool, chunk, body)
    begin = max(spool.stored, chunk.first)
    position = begin
    whole = False
    try:
        while position <= chunk.last:
            data = _read(body, min(PIECE, chunk.last + 1 - position))
            spool.append(data)
            position += len(data)
        whole = True
    finally:
        if position > begin or not whole:
            # Where storing itself failed, cutting can fail too; then the durable `stored` still tells the truth.
            spool.keep(position if whole else max(begin, position - position % UNIT))


def _compare_repeated(spool: Spool, chunk: _Chunk, body: object) -> None:
    """Read and skip the bytes of the chunk that are stored already."""
    position = chunk.first
    end = min(spool.stored, chunk.last + 1)
    while position < end:
        data = _read(body, min(PIECE, end - position))
        if data != spool.read(position, len(data)):
            spool.drop()
            raise Problem(
                410,
                "bytes_differ",
                "Bytes from %d on differ from those sent before: the file has changed. Ask for a new upload."
                % position,
            )
        position += len(data)


def _read(body: object, length: int) -> bytes:
    try:
        data = body.read(length)  # type: ignore[attr-defined]  # WSGI promises no class for its input
    except (IOError, OSError):
        data = b""
    if not data:
        raise Problem(400, "incomplete_body", "The body ended early. Ask for the status and go on from there.")
    return data


def _range(spool: Spool) -> "list[tuple[str, str]]":
    return [("Range", "bytes=0-%d" % (spool.stored - 1))] if spool.stored else []
