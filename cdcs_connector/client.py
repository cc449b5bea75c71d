"""Publishes records on the CDCS web site: the calls of docs/adr/0002, standard library only."""

from __future__ import annotations

import http.client
import json
import re
import urllib.error
import urllib.parse
import urllib.request
from dataclasses import dataclass
from email.message import Message
from typing import Any

from scopeline.domain.errors import Conflict, InvalidInput, NotFound, ScopelineError, Unavailable

MAX_ANSWER_BYTES = 2**20
MAX_TOLD_CHARACTERS = 2000
_CODE = re.compile(r"[a-z][a-z0-9_]{0,59}")
LOOPBACK = ("127.0.0.1", "::1", "localhost")


class SiteUnavailable(Unavailable):
    """The site cannot be reached, refuses the token or answers nonsense: the same call may succeed later."""

    code = "site_unavailable"


class RecordRefused(InvalidInput):
    """The site will never accept this record as it is."""

    code = "invalid_record"


class StaleRecord(Conflict):
    """The site has a newer version of the record."""

    code = "stale_version"


@dataclass(frozen=True, slots=True)
class Published:
    """The site's answer: which version it shows now, where, and whether it was there already."""

    session: str
    version: int
    page: str
    created: bool
    unchanged: bool


class CdcsSite:
    """The site at `url`, with the publisher's token. `timeout` is in seconds, of connecting and of each read."""

    def __init__(self, url: str, token: str, timeout: float = 30.0) -> None:
        if urllib.parse.urlsplit(url).scheme not in ("http", "https"):
            raise ValueError(f"Site address {url!r}: expected http:// or https://.")
        self.url = url.rstrip("/")
        self._token = token
        self._timeout = timeout
        handlers: list[urllib.request.BaseHandler] = [_NoRedirects()]
        if urllib.parse.urlsplit(url).hostname in LOOPBACK:
            # A proxy of the environment cannot reach this machine's own address.
            handlers.append(urllib.request.ProxyHandler({}))
        self._opener = urllib.request.build_opener(*handlers)

    def put_record(self, session: str, version: int, input_hash: str, xml: bytes | str) -> Published:
        """Publish a version of the session's record; the same input hash again changes nothing.

        Raises SiteUnavailable (transient), RecordRefused, StaleRecord, ScopelineError.
        """
        text = xml.decode("utf-8") if isinstance(xml, bytes) else xml
        status, answer = self._call("PUT", session, {"version": version, "input_hash": input_hash, "xml": text})
        try:
            return Published(
                session=str(answer["session"]),
                version=int(answer["version"]),
                page=str(answer["page"]),
                created=status == 201,
                unchanged=bool(answer.get("unchanged", False)),
            )
        except (KeyError, TypeError, ValueError) as error:
            raise SiteUnavailable(f"{self._address(session)} answered {status} without {self._told(error)}.") from None

    def delete_record(self, session: str) -> bool:
        """Take the session's record off the site; False where there is none. Raises SiteUnavailable, ScopelineError."""
        try:
            self._call("DELETE", session, None)
        except NotFound:
            return False
        return True

    def _address(self, session: str) -> str:
        return f"{self.url}/rest/scopeline/records/{urllib.parse.quote(session, safe='')}"

    def _call(self, method: str, session: str, body: dict[str, Any] | None) -> tuple[int, dict[str, Any]]:
        address = self._address(session)
        request = urllib.request.Request(
            address,
            method=method,
            data=None if body is None else json.dumps(body).encode(),
            headers={"Authorization": f"Token {self._token}", "Accept": "application/json"},
        )
        if body is not None:
            request.add_header("Content-Type", "application/json")
        try:
            with self._opener.open(request, timeout=self._timeout) as response:
                status, headers, raw = response.status, response.headers, response.read(MAX_ANSWER_BYTES)
        except urllib.error.HTTPError as error:
            with error:
                raise self._refused(address, error) from None
        except (OSError, http.client.HTTPException) as error:
            raise SiteUnavailable(
                f"The site at {address} cannot be reached: {error or type(error).__name__}."
            ) from error
        if status == 204:
            return status, {}
        answer = _decode(headers, raw)
        if answer is None:
            # An error page with status 200, or a sign-in page of a proxy.
            kind = headers.get_content_type()
            raise SiteUnavailable(f"{address} answered {status} with {kind}; expected JSON. Check the site's address.")
        return status, answer

    def _refused(self, address: str, error: urllib.error.HTTPError) -> ScopelineError:
        """The error that a refusal means. Something in front of the site may show the request it got, token and all."""
        answer = _decode(error.headers, error.read(MAX_ANSWER_BYTES))
        if answer is not None:
            answer = {name: self._told(answer[name]) for name in ("code", "detail") if name in answer}
        return _refusal(address, error.code, answer)

    def _told(self, words: object) -> str:
        return str(words).replace(self._token, "***")[:MAX_TOLD_CHARACTERS]


class _NoRedirects(urllib.request.HTTPRedirectHandler):
    """A redirect is an answer of something that is not the site; the token must not follow it."""

    def redirect_request(self, *args: Any, **kwargs: Any) -> None:
        return None


def _decode(headers: Message, raw: bytes) -> dict[str, Any] | None:
    if headers.get_content_type() not in ("application/json", "application/problem+json"):
        return None
    try:
        answer = json.loads(raw)
    except ValueError:
        return None
    return answer if isinstance(answer, dict) else None


def _refusal(address: str, status: int, answer: dict[str, Any] | None) -> ScopelineError:
    """The error that an answer with a status of 300 or more means."""
    code = str((answer or {}).get("code", ""))
    code = code if _CODE.fullmatch(code) else ""
    message = f"{address} answered {status}: {(answer or {}).get('detail', 'no reason given')}"
    if status in (401, 408, 429) or status >= 500 or status < 400:
        return SiteUnavailable(message)
    if answer is None:
        # Not an answer of the site itself, but of something in front of it.
        return SiteUnavailable(message)
    if status == 409:
        return StaleRecord(message, code=code or None)
    if status == 404:
        return NotFound(message)
    if status in (400, 413, 422):
        return RecordRefused(message, code=code or None, status=status)
    return ScopelineError(message, code=code or "refused", status=status)
