"""What every answer of the site has in common."""

from __future__ import annotations

import logging
from collections.abc import Callable
from datetime import UTC

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render

from cdcs_connector.site import moments
from cdcs_connector.site.backend import BackendUnavailable, Erased

# Nothing in the page itself, and nothing from elsewhere: no inline script, no inline style, no foreign host.
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; font-src 'self'; "
    "connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
RETRY_AFTER = 10  # seconds


class SecurityHeaders:
    """The content security policy of every page."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        """Add the headers."""
        response = self.get_response(request)
        response.headers.setdefault("Content-Security-Policy", POLICY)
        response.headers.setdefault("Permissions-Policy", "camera=(), microphone=(), geolocation=()")
        return response


class BackendErrors:
    """A page that needs the Scopeline API while it is away says so, and so does one of a session that was erased."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        """Pass the request on."""
        return self.get_response(request)

    def process_exception(self, request: HttpRequest, exception: Exception) -> HttpResponse | None:
        """Turn Erased into a 410 and BackendUnavailable into a 503; Django handles the rest."""
        if isinstance(exception, Erased):
            at = exception.at.astimezone(UTC) if exception.at else None
            when = f"{moments.long_day(at)}, {at:%H:%M} UTC" if at else ""
            return render(request, "erased.html", {"when": when}, status=410)
        if not isinstance(exception, BackendUnavailable):
            return None
        logging.getLogger(__name__).warning("%s", exception)
        response = render(request, "503.html", status=503)
        response.headers["Retry-After"] = str(RETRY_AFTER)
        return response
