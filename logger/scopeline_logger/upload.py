"""Sends one file: asks for an upload, sends its bytes in chunks, goes on after a kill, has the MD5 confirmed."""

import hashlib
import io
import logging
import os
import time
from collections.abc import Callable

from scopeline_logger import clock, paths
from scopeline_logger.errors import LoggerError, Refused, Unreachable
from scopeline_logger.listing import file_state
from scopeline_logger.open_files import open_for_reading
from scopeline_logger.seen import Seen, SeenFile, key_of, path_of
from scopeline_logger.server import Server, UploadAnswer
from scopeline_logger.settings import CHUNK_UNIT, MIB

_LOG = logging.getLogger(__name__)

FIRST_CHUNK = MIB
_READ_AT_ONCE = MIB
# A chunk should take a few seconds: long enough to be worth its answer, short enough to lose little.
_QUICK_SECONDS, _SLOW_SECONDS = 2.0, 15.0
# Answers in a row that bring an upload no further before it is left for later.
_MAX_STANDSTILLS = 5


class Changed(LoggerError):
    """The file is not what it was when it was seen last."""


class Vanished(LoggerError):
    """The file is gone."""


class Unreadable(LoggerError):
    """The system does not let this user read the file now."""


class WrongBytes(LoggerError):
    """What arrived is not what was sent."""


class StandsStill(LoggerError):
    """The upload does not get on."""


class Uploader:
    """Sends files one after another. `between` is called after each chunk and may raise Stopped."""

    def __init__(
        self, server: Server, seen: Seen, roots: "dict[str, str]", most: int, between: "Callable[[], None]"
    ) -> None:
        self._server = server
        self._seen = seen
        self._roots = roots
        self._most = most
        self._chunk = min(FIRST_CHUNK, most)
        self._between = between

    def send(self, file: SeenFile, session: "str | None") -> str:
        """Send the file; its MD5 in hexadecimal when the server has confirmed it.

        Raises Changed, Vanished, Unreadable, WrongBytes, StandsStill, Refused, Unreachable.
        """
        path = paths.local(paths.extended(self._roots[file.root]), path_of(file))
        _check_same(path, file)
        try:
            source = open_for_reading(path)
        except OSError as error:
            raise Unreadable("It cannot be read: %s." % (error.strerror or error)) from error
        with source:
            return self._send_from(_Source(source, path), file, session)

    def _send_from(self, source: "_Source", file: SeenFile, session: "str | None") -> str:
        upload, offset, done = self._find_or_open(source, file, session)
        if done is None and upload is None:
            return source.md5(file.size)
        standstills = 0
        while done is None:
            answer = self._next_chunk(source, file, upload, offset)
            if answer.kind == "confused":
                answer = self._server.upload_status(upload["url"], file.size)
            if answer.kind == "done":
                done = answer
            elif answer.kind == "lost" or answer.kind == "confused":
                self._seen.keep_upload(file.id, None)
                raise StandsStill("The server gave the upload up; it begins again.")
            else:
                standstills = 0 if answer.offset > offset else standstills + 1
                if standstills > _MAX_STANDSTILLS or answer.offset > file.size:
                    self._seen.keep_upload(file.id, None)
                    raise StandsStill("The upload did not get on; it begins again.")
                offset = answer.offset
                self._between()
        return self._confirm(source, file, upload["object"], done)

    def _find_or_open(self, source: "_Source", file: SeenFile, session: "str | None") -> tuple:
        """(upload, bytes there, answer if it is complete); no upload and no answer: the server has these bytes."""
        upload = file.upload
        if upload is not None and upload.get("session") == session:
            answer = self._server.upload_status(upload["url"], file.size)
            if answer.kind == "done":
                return upload, file.size, answer
            if answer.kind == "more" and answer.offset <= file.size:
                return upload, answer.offset, None
        # Reading first is worth it where the server may have the bytes: after a lost upload, or for a file that was
        # sent before and has only a new time.
        md5 = source.md5(file.size) if upload is not None or file.sent_size == file.size else None
        opened = self._server.open_upload(_request(file, session, md5))
        if opened["already"]:
            return None, file.size, None
        upload = {
            "url": opened["upload_url"],
            "object": opened["object"],
            "session": session,
            "chunk": _most_at_once(opened.get("chunk"), self._most),
        }
        self._seen.keep_upload(file.id, upload)
        return upload, 0, None

    def _next_chunk(self, source: "_Source", file: SeenFile, upload: dict, offset: int) -> UploadAnswer:
        self._chunk = min(self._chunk, upload["chunk"])
        length = min(self._chunk, file.size - offset)
        data = source.read(offset, length)
        # Always before the last chunk, so that a file which changed meanwhile never becomes an object.
        _check_same(source.path, file)
        began = time.monotonic()
        try:
            answer = self._server.send_bytes(upload["url"], data, offset, file.size)
        except Unreachable:
            self._chunk = max(CHUNK_UNIT, self._chunk // 2 // CHUNK_UNIT * CHUNK_UNIT)
            raise
        took = time.monotonic() - began
        if took < _QUICK_SECONDS and length == self._chunk:
            self._chunk = min(self._chunk * 2, upload["chunk"])
        elif took > _SLOW_SECONDS:
            self._chunk = max(CHUNK_UNIT, self._chunk // 2 // CHUNK_UNIT * CHUNK_UNIT)
        return answer

    def _confirm(self, source: "_Source", file: SeenFile, name: str, done: UploadAnswer) -> str:
        _check_same(source.path, file)
        md5 = source.md5(file.size)
        body = {"object": name, "generation": done.generation, "size": file.size, "md5": md5}
        try:
            self._server.confirm(body)
        except Refused as refusal:
            if refusal.code == "md5_mismatch":
                raise WrongBytes("md5_mismatch: " + refusal.detail) from refusal
            self._seen.keep_upload(file.id, None)
            raise
        _LOG.info("Sent %s of root %s, %d bytes.", paths.readable(path_of(file)), file.root, file.size)
        return md5


class _Source:
    """The file's bytes, and their MD5 as far as they were read in order."""

    def __init__(self, stream: io.FileIO, path: str) -> None:
        self.path = path
        self._stream = stream
        self._digest = hashlib.md5()
        self._hashed = 0

    def read(self, offset: int, length: int) -> bytes:
        """Exactly `length` bytes from `offset`. Raises Changed, Unreadable."""
        self._hash_up_to(offset)
        data = self._read(offset, length)
        if offset + length > self._hashed:
            self._digest.update(data[self._hashed - offset :])
            self._hashed = offset + length
        return data

    def md5(self, size: int) -> str:
        """The MD5 of the first `size` bytes, all of the file, in hexadecimal."""
        self._hash_up_to(size)
        return self._digest.hexdigest()

    def _hash_up_to(self, offset: int) -> None:
        while self._hashed < offset:
            data = self._read(self._hashed, min(_READ_AT_ONCE, offset - self._hashed))
            self._digest.update(data)
            self._hashed += len(data)

    def _read(self, offset: int, length: int) -> bytes:
        parts = []
        missing = length
        try:
            self._stream.seek(offset, os.SEEK_SET)
            while missing:
                data = self._stream.read(missing)
                if not data:
                    raise Changed("It became shorter while it was sent.")
                parts.append(data)
                missing -= len(data)
        except OSError as error:
            raise Unreadable("It cannot be read: %s." % (error.strerror or error)) from error
        return parts[0] if len(parts) == 1 else b"".join(parts)


def _check_same(path: str, file: SeenFile) -> None:
    try:
        state = file_state(path)
    except OSError as error:
        raise Unreadable("It cannot be read: %s." % (error.strerror or error)) from error
    if state is None:
        raise Vanished("It is gone.")
    if state != (file.size, file.mtime_ns):
        raise Changed("It changed while it was sent.")


def _most_at_once(proposed: object, own: int) -> int:
    """The largest chunk: the server's proposal where it makes one, at most this PC's setting."""
    if isinstance(proposed, int) and proposed >= CHUNK_UNIT:
        return min(own, proposed - proposed % CHUNK_UNIT)
    return own


def _request(file: SeenFile, session: "str | None", md5: "str | None") -> dict:
    path = paths.to_wire(path_of(file))
    body = {
        "session": session,
        "root": file.root,
        "path": path,
        "size": file.size,
        "mtime": clock.file_time_text(file.mtime_ns),
        "first_seen": clock.moment_text(file.first_seen),
        "key": key_of(file.root, path),
    }
    if md5 is not None:
        body["md5"] = md5
    return body
