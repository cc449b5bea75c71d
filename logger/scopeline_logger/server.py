"""The calls of the server's API version 1 (docs/adr/0002), each answer checked before it is believed."""

import base64
import binascii
import collections
import json
import re
from urllib.parse import urljoin, urlsplit

from scopeline_logger import __version__
from scopeline_logger.errors import NotLetIn, Refused, StoreBusy, Unreachable
from scopeline_logger.transport import Answer, Transport

# What the bytes' receiver says. kind: `more` (go on at offset), `done` (the object is stored), `lost` (ask for another
# upload), `confused` (wrong offset: ask for the status).
UploadAnswer = collections.namedtuple("UploadAnswer", "kind offset generation size md5")


class Server:
    """Speaks to one server with one token."""

    def __init__(self, url: str, token: str, transport: Transport, timeout: float) -> None:
        self._url = url
        self._host = urlsplit(url).hostname
        self._authorization = "Bearer " + token
        self._transport = transport
        self._timeout = timeout

    def me(self) -> dict:
        """Who the token is, the server's time, what is ignored."""
        return self._call("GET", "/v1/me", None, ("server_time",))

    def start(self, body: dict) -> dict:
        """START; gives the session."""
        return self._call("POST", "/v1/sessions", body, ("id", "local_id"))

    def event(self, session: str, body: dict) -> dict:
        """A note, or a change of sample or project; gives the session."""
        return self._call("POST", "/v1/sessions/%s/events" % session, body, ("id", "local_id"))

    def end(self, session: str, body: dict) -> dict:
        """END; gives the session."""
        return self._call("POST", "/v1/sessions/%s/end" % session, body, ("id", "local_id"))

    def announce(self, session: str, files: "list[dict]") -> "list[dict]":
        """Announce or withdraw at most 500 files; one answer each, in order."""
        answer = self._call("POST", "/v1/sessions/%s/files" % session, {"files": files}, ("files",))["files"]
        if not isinstance(answer, list) or len(answer) != len(files) or not all(isinstance(a, dict) for a in answer):
            raise self._nonsense("it answered %d announcements with something else" % len(files))
        return answer

    def open_upload(self, body: dict) -> dict:
        """Ask to send a file: {already, object, generation} or {already, object, upload_url, chunk}."""
        answer = self._call("POST", "/v1/uploads", body, ("already", "object"))
        if answer["already"]:
            return answer
        url = answer.get("upload_url")
        if not isinstance(url, str):
            raise self._nonsense("it gave no address to send a file to")
        answer["upload_url"] = urljoin(self._url + "/", url)
        scheme = urlsplit(answer["upload_url"]).scheme
        if scheme != "https" and scheme != urlsplit(self._url).scheme:
            raise self._nonsense("it gave an address to send a file to that is less safe than its own")
        return answer

    def confirm(self, body: dict) -> dict:
        """Say which bytes were sent. Raises Refused `md5_mismatch`."""
        return self._call("POST", "/v1/uploads/confirm", body, ("generation",))

    def heartbeat(self, body: dict) -> dict:
        """Tell the state of this PC."""
        return self._call("POST", "/v1/heartbeat", body, ("server_time",))

    def send_bytes(self, url: str, data: bytes, first: int, total: int) -> UploadAnswer:
        """Send the bytes from `first` on. Raises Unreachable, StoreBusy where the store answers that it cannot."""
        span = "bytes %d-%d/%d" % (first, first + len(data) - 1, total) if data else "bytes */%d" % total
        return self._put(url, data, span)

    def upload_status(self, url: str, total: int) -> UploadAnswer:
        """Ask how much of an upload has arrived. Raises as `send_bytes`."""
        return self._put(url, b"", "bytes */%d" % total)

    def _put(self, url: str, data: bytes, span: str) -> UploadAnswer:
        headers = {"Content-Range": span, "Content-Type": "application/octet-stream"}
        answer = self._transport.request("PUT", url, headers, data, self._timeout)
        if answer.status == 308:
            match = re.match(r"bytes=0-(\d+)$", answer.headers.get("range", ""))
            if match is None and "range" in answer.headers:
                raise Unreachable("The store of files answered with a range that is none.")
            return UploadAnswer("more", int(match.group(1)) + 1 if match else 0, None, None, None)
        if answer.status in (200, 201):
            return _stored(answer)
        if answer.status in (400, 416):
            return UploadAnswer("confused", 0, None, None, None)
        if 401 <= answer.status < 500 and answer.status not in (408, 429):
            return UploadAnswer("lost", 0, None, None, None)
        raise StoreBusy(
            "The store of files on %s answered with status %d." % (urlsplit(url).hostname, answer.status),
            _retry_after(answer),
        )

    def _call(self, method: str, path: str, body: "dict | None", needed: "tuple[str, ...]") -> dict:
        headers = {
            "Authorization": self._authorization,
            "Accept": "application/json",
            "User-Agent": "scopeline-logger/" + __version__,
        }
        data = None
        if body is not None:
            headers["Content-Type"] = "application/json"
            data = json.dumps(body).encode("utf-8")
        answer = self._transport.request(method, self._url + path, headers, data, self._timeout)
        if answer.status in (200, 201):
            return self._document(answer, needed)
        raise self._failure(answer)

    def _document(self, answer: Answer, needed: "tuple[str, ...]") -> dict:
        document = _json(answer)
        if not isinstance(document, dict):
            raise self._nonsense("it answered with something that is not JSON")
        for name in needed:
            if name not in document:
                raise self._nonsense("its answer has no %s" % name)
        return document

    def _failure(self, answer: Answer) -> Exception:
        problem = _json(answer)
        if not isinstance(problem, dict) or not isinstance(problem.get("code"), str):
            problem = {}
        code, detail = problem.get("code", ""), str(problem.get("detail", ""))[:500]
        if answer.status == 401:
            return NotLetIn("%s does not accept the token (%s). Ask for a new one." % (self._host, code or 401))
        if 300 <= answer.status < 400:
            return self._nonsense("it sends callers to another address")
        if answer.status in (408, 429) or answer.status >= 500:
            what = "%s: %s" % (code, detail) if code else "status %d" % answer.status
            return Unreachable("%s cannot do it now (%s)." % (self._host, what), _retry_after(answer))
        if not problem:
            return self._nonsense("it answered with status %d and no reason" % answer.status)
        return Refused(answer.status, code, detail)

    def _nonsense(self, what: str) -> Unreachable:
        return Unreachable(
            "%s is not a Scopeline server, or something between changes its answers: %s." % (self._host, what)
        )


def _json(answer: Answer) -> object:
    if "json" not in answer.headers.get("content-type", ""):
        return None
    try:
        return json.loads(answer.body.decode("utf-8"))
    except ValueError:
        return None


def _stored(answer: Answer) -> UploadAnswer:
    """The object of a finished upload. Google writes numbers as text."""
    document = _json(answer)
    try:
        md5 = binascii.hexlify(base64.b64decode(document["md5Hash"])).decode("ascii")  # type: ignore[index]
        return UploadAnswer("done", None, int(document["generation"]), int(document["size"]), md5)  # type: ignore[index]
    except (TypeError, KeyError, ValueError, AttributeError):
        raise Unreachable("The store of files said that a file is stored, but not how.")


def _retry_after(answer: Answer) -> "float | None":
    text = answer.headers.get("retry-after", "")
    return float(text) if text.isdigit() else None
