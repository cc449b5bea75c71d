"""What the site asks the Scopeline API, with the site's own token, which never leaves this side."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import datetime
from functools import cache
from typing import Any
from urllib.parse import quote

import requests
from django.conf import settings
from requests.adapters import HTTPAdapter

from cdcs_connector.site import moments

CHUNK = 256 * 1024
CONNECT_TIMEOUT = 5.0  # seconds
CONNECTIONS = 32  # kept open at most
_QUERY = re.compile(r"\?[^\s'\")]+")
MAX_PAGES = 5  # of open sessions: more instruments than any facility has


class BackendUnavailable(Exception):
    """The API cannot be reached, or answers that it cannot work now."""


class Missing(Exception):
    """The API knows no such object."""


class Erased(Missing):
    """A person had the session erased; `at` is when, where the API says so."""

    def __init__(self, path: str, at: datetime | None = None) -> None:
        super().__init__(path)
        self.at = at


@cache
def _connections() -> requests.Session:
    """Connections that are kept open, by all threads of the process.

    Proxies and passwords of the environment are not for the API: the token goes to its address and nowhere else.
    """
    session = requests.Session()
    session.trust_env = False
    for scheme in ("http://", "https://"):
        session.mount(scheme, HTTPAdapter(pool_maxsize=CONNECTIONS))
    return session


def _get(
    path: str,
    *,
    stream: bool = False,
    headers: dict[str, str] | None = None,
    timeout: float | None = None,
    **params: Any,
) -> requests.Response:
    site = settings.SITE
    token = site.api_token.get_secret_value() if site.api_token else ""
    try:
        response = _connections().get(
            site.api_url + path,
            params={name: value for name, value in params.items() if value is not None},
            headers={**(headers or {}), "Authorization": f"Bearer {token}"},
            timeout=(min(CONNECT_TIMEOUT, timeout or CONNECT_TIMEOUT), timeout or site.api_timeout),
            stream=stream,
        )
    except requests.RequestException as error:
        # Not from the error itself: its words may have a bucket's signed address, where the API redirected to one.
        words = _QUERY.sub("?...", str(error))
        raise BackendUnavailable(f"The Scopeline API at {site.api_url} cannot be reached: {words}") from None
    if response.status_code >= 500 or response.status_code in (401, 403, 429):
        response.close()
        raise BackendUnavailable(f"The Scopeline API answered {response.status_code} to {path}.")
    return response


def _json(path: str, **params: Any) -> dict[str, Any]:
    response = _get(path, **params)
    if response.status_code == 410:
        raise Erased(path, _erased_at(response))
    if response.status_code == 404:
        raise Missing(path)
    try:
        response.raise_for_status()
        answer = response.json()
    except requests.RequestException as error:
        raise BackendUnavailable(f"The Scopeline API's answer to {path} cannot be used: {error}") from error
    if not isinstance(answer, dict):
        raise BackendUnavailable(f"The Scopeline API's answer to {path} is not an object.")
    return answer


def _erased_at(response: requests.Response) -> datetime | None:
    try:
        return moments.parse(response.json().get("erased_at"))
    except (requests.RequestException, AttributeError, TypeError):
        return None


def session(session_id: str) -> dict[str, Any]:
    """The session as the API has it now. Raises Missing, Erased, BackendUnavailable."""
    return _json(f"/v1/sessions/{quote(session_id, safe='')}")


def open_sessions(timeout: float) -> list[dict[str, Any]]:
    """The sessions that run now, newest first; `timeout` in seconds for each page. Raises BackendUnavailable."""
    found: list[dict[str, Any]] = []
    cursor = None
    for _ in range(MAX_PAGES):
        page = _json("/v1/sessions", timeout=timeout, state="open", limit=100, cursor=cursor)
        found.extend(page.get("sessions", []))
        cursor = page.get("cursor")
        if not cursor:
            break
    return sorted(found, key=lambda s: s.get("start") or "", reverse=True)


def instruments() -> dict[str, dict[str, Any]]:
    """The instruments by id, with name and zone. Raises BackendUnavailable."""
    return {i["id"]: i for i in _json("/v1/me").get("instruments", [])}


def files(session_id: str, since: str | None = None) -> tuple[list[dict[str, Any]], str | None]:
    """The session's files that changed at or after `since`, and the moment to ask from next time."""
    found: list[dict[str, Any]] = []
    cursor, now = None, None
    while True:
        page = _json("/v1/files", session=session_id, since=since, limit=500, cursor=cursor)
        found.extend(page.get("files", []))
        now = now or page.get("now")
        cursor = page.get("cursor")
        if not cursor:
            return found, now


def session_of_file(file: str) -> str | None:
    """The session that a file belongs to now. Raises Missing, BackendUnavailable."""
    answer = _json(f"/v1/files/{quote(file, safe='')}").get("session")
    return str(answer) if answer else None


def open_bytes(path: str, generation: int, headers: dict[str, str]) -> requests.Response:
    """The API's answer with bytes of a file, not yet read. Raises BackendUnavailable."""
    return _get(path, stream=True, headers=headers, generation=generation)


class Body:
    """The bytes of an answer as they come. Closing it ends the connection, whether or not anything was read."""

    def __init__(self, response: requests.Response) -> None:
        self._response = response

    def __iter__(self) -> Iterator[bytes]:
        """The bytes in pieces of at most `CHUNK`."""
        try:
            yield from self._response.raw.stream(CHUNK, decode_content=False)
        finally:
            self.close()

    def close(self) -> None:
        """Let go of the connection."""
        self._response.close()
