"""HTTP with limits: a timeout on every call, bounded answers, no redirects, verified TLS, a proxy only where set."""

import collections
import http.client
import socket
import ssl
from urllib.parse import urlsplit

from scopeline_logger.errors import Unreachable

MAX_ANSWER = 4 * 1024 * 1024

# Before Python 3.7 a wrong certificate is a ValueError; a host name that cannot be one is a UnicodeError.
_FAILURES = (OSError, http.client.HTTPException, ssl.CertificateError, UnicodeError)

Answer = collections.namedtuple("Answer", "status headers body")


class Transport:
    """Keeps one connection open to each host."""

    def __init__(self, ca_file: str = "", proxy: str = "") -> None:
        self._ca_file = ca_file
        self._proxy = urlsplit(proxy) if proxy else None
        self._context = None  # type: ssl.SSLContext | None
        self._connections = {}  # type: dict[tuple, http.client.HTTPConnection]

    def request(self, method: str, url: str, headers: dict, body: "bytes | None", timeout: float) -> Answer:
        """Send one request. Raises Unreachable, whose message names the host only: an address may be a secret."""
        parts = urlsplit(url)
        origin = (parts.scheme, parts.hostname, parts.port)
        used_before = origin in self._connections
        try:
            return self._once(origin, method, url, headers, body, timeout)
        except _FAILURES as error:
            self._drop(origin)
            # A server may close a kept connection at any time; every call is safe to repeat.
            if not used_before or isinstance(error, socket.timeout):
                raise Unreachable(_sentence(parts.hostname, error)) from error
        try:
            return self._once(origin, method, url, headers, body, timeout)
        except _FAILURES as error:
            self._drop(origin)
            raise Unreachable(_sentence(parts.hostname, error)) from error

    def close(self) -> None:
        """Close all connections."""
        for origin in list(self._connections):
            self._drop(origin)

    def _once(
        self, origin: tuple, method: str, url: str, headers: dict, body: "bytes | None", timeout: float
    ) -> Answer:
        connection = self._connections.get(origin)
        if connection is None:
            connection = self._connections[origin] = self._connect(origin, timeout)
        connection.timeout = timeout
        if connection.sock is not None:
            connection.sock.settimeout(timeout)
        connection.request(method, self._target(url), body, headers)
        response = connection.getresponse()
        content = response.read(MAX_ANSWER + 1)
        if len(content) > MAX_ANSWER:
            raise http.client.HTTPException("the answer is longer than %d bytes" % MAX_ANSWER)
        return Answer(response.status, {k.lower(): v for k, v in response.getheaders()}, content)

    def _connect(self, origin: tuple, timeout: float) -> http.client.HTTPConnection:
        scheme, host, port = origin
        if scheme == "https":
            if self._proxy is None:
                return http.client.HTTPSConnection(host, port, timeout=timeout, context=self._tls())
            tunnel = http.client.HTTPSConnection(
                self._proxy.hostname or "", self._proxy.port, timeout=timeout, context=self._tls()
            )
            tunnel.set_tunnel(host, port)
            return tunnel
        if self._proxy is None:
            return http.client.HTTPConnection(host, port, timeout=timeout)
        return http.client.HTTPConnection(self._proxy.hostname or "", self._proxy.port, timeout=timeout)

    def _target(self, url: str) -> str:
        parts = urlsplit(url)
        if self._proxy is not None and parts.scheme == "http":
            return url
        return (parts.path or "/") + ("?" + parts.query if parts.query else "")

    def _tls(self) -> ssl.SSLContext:
        if self._context is None:
            self._context = ssl.create_default_context()
            if self._ca_file:
                self._context.load_verify_locations(self._ca_file)
        return self._context

    def _drop(self, origin: tuple) -> None:
        connection = self._connections.pop(origin, None)
        if connection is not None:
            connection.close()


def _sentence(host: "str | None", error: Exception) -> str:
    if isinstance(error, socket.timeout):
        return "%s does not answer in time." % host
    if isinstance(error, (ssl.SSLError, ssl.CertificateError)):
        why = getattr(error, "reason", None) or "wrong name"
        return "%s has no certificate that this PC trusts (%s). See the setting ca_file." % (host, why)
    if isinstance(error, http.client.HTTPException):
        return "%s does not answer as a web server does (%s)." % (host, type(error).__name__)
    why = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
    return "%s cannot be reached (%s)." % (host, " ".join(why.split()) or type(error).__name__)
