"""Who calls a function: the OIDC token that Pub/Sub and Cloud Scheduler send with a push.

The token is a JWT that Google signs (https://cloud.google.com/pubsub/docs/authenticate-push-subscriptions): its
audience is the one that the subscription was given, its e-mail address the service account that pushes.
"""

from __future__ import annotations

import http
import json
import os
import re
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from google.auth import exceptions as auth_errors
from google.oauth2 import id_token

from scopeline.adapters.gcp.clients import beside_emulator
from scopeline.domain.errors import Forbidden, ScopelineError, Unavailable
from scopeline.settings import BadSetting, Settings

ISSUERS = ("https://accounts.google.com", "accounts.google.com")
# How far Google's clock and this machine's may be apart (seconds).
CLOCK_SKEW = 10
CERTIFICATES_SECONDS = 10.0
# Google says for how long its certificates are valid (some hours); whatever an answer says, within these bounds.
SHORTEST_AGE, LONGEST_AGE = 60, 86_400
_MAX_AGE = re.compile(r"max-age=(\d{1,9})")


class UntrustedCaller(ScopelineError):
    """The caller shows no token, or one that is not valid here."""

    code = "token_invalid"
    status = 401


class Answer(Protocol):
    """An answer of google-auth's transport."""

    @property
    def status(self) -> int:
        """The HTTP status."""

    @property
    def headers(self) -> Mapping[str, str]:
        """The headers."""

    @property
    def data(self) -> bytes:
        """The body."""


# google.auth.transport.Request: called with an address, `method` and `timeout`.
Transport = Callable[..., Answer]


class Callers(Protocol):
    """Says whether a caller may push to this function."""

    def check(self, authorization: str | None) -> None:
        """Return where the `Authorization` header is right. Raises UntrustedCaller, Forbidden, Unavailable."""


class AnyCaller:
    """For emulators, which send no tokens."""

    def check(self, authorization: str | None) -> None:
        """Every caller may push."""


class PushCallers:
    """Lets one service account push, with tokens for one audience."""

    def __init__(self, audience: str, service_account: str, transport: Transport) -> None:
        self._audience = audience
        self._service_account = service_account
        self._transport = transport

    def check(self, authorization: str | None) -> None:
        """Check signature, dates, issuer, audience and service account of the token.

        Raises UntrustedCaller (`token_missing`, `token_invalid`), Forbidden (`wrong_service_account`), and Unavailable
        (`certificates_unavailable`) where Google's certificates cannot be had. No message has the token in it.
        """
        claims = self._claims(_bearer(authorization))
        if claims.get("iss") not in ISSUERS:
            raise UntrustedCaller(f"The token was issued by {_shown(claims.get('iss'))}. Expected {ISSUERS[0]}.")
        if claims.get("aud") != self._audience:
            raise UntrustedCaller(
                f"The token is for the audience {_shown(claims.get('aud'))}. Expected {self._audience} "
                "(SCOPELINE_PUSH_AUDIENCE)."
            )
        if claims.get("email") != self._service_account or claims.get("email_verified") is not True:
            raise Forbidden(
                f"The token is of {_shown(claims.get('email'))}. Expected the verified address of "
                f"{self._service_account} (SCOPELINE_PUSH_SERVICE_ACCOUNT).",
                code="wrong_service_account",
            )

    def _claims(self, token: str) -> Mapping[str, Any]:
        """What a token with a right signature and dates says."""
        try:
            claims: Mapping[str, Any] = id_token.verify_token(
                token,
                self._transport,  # type: ignore[arg-type]  # any callable of that form is one
                clock_skew_in_seconds=CLOCK_SKEW,
            )
        except auth_errors.TransportError as error:
            raise Unavailable(
                "Google's certificates cannot be had now, so that no token can be checked.",
                code="certificates_unavailable",
            ) from error
        except (auth_errors.GoogleAuthError, ValueError, TypeError, KeyError, RecursionError):
            # Not `from` the library's error: its words may have the token in them.
            raise UntrustedCaller(
                "The token's form, signature or dates are not right. Expected an OIDC token that Google signed and "
                "that is valid now."
            ) from None
        return claims


def _bearer(authorization: str | None) -> str:
    scheme, _, token = (authorization or "").partition(" ")
    if scheme.lower() != "bearer" or not token.strip():
        raise UntrustedCaller(
            "This function is called by Pub/Sub and Cloud Scheduler, with an OIDC token as bearer.",
            code="token_missing",
        )
    return token.strip()


def _shown(value: object) -> str:
    return repr(value)[:200]


def make_callers(settings: Settings, environment: Mapping[str, str] = os.environ) -> Callers:
    """The check that the settings ask for; none only beside a Pub/Sub emulator and outside of Cloud Run.

    Raises BadSetting where the audience or the service account is missing.
    """
    if beside_emulator("PUBSUB_EMULATOR_HOST", environment):
        return AnyCaller()
    audience, service_account = settings.push_audience.strip(), settings.push_service_account.strip()
    for name, value in (("push_audience", audience), ("push_service_account", service_account)):
        if not value:
            raise BadSetting(
                f"Setting {name} (SCOPELINE_{name.upper()}) is empty. Without it anybody could push to this function; "
                "set it to what the push subscriptions have."
            )
    from google.auth.transport.requests import Request

    return PushCallers(audience, service_account, KeptCertificates(Request()))


# ----------------------------------------------------------------------------------------------------- certificates


@dataclass(frozen=True, slots=True)
class _Kept:
    """An answer, and until when it is used (of the monotonic clock)."""

    status: int
    headers: Mapping[str, str]
    data: bytes
    until: float


@dataclass(frozen=True, slots=True, eq=False)
class _Failure:
    """What an attempt to get certificates failed with. Not the error itself: its frames may have a token in them."""

    text: str


class KeptCertificates:
    """A transport that asks for certificates once, and again when the answer has become old.

    Who waits while another asks gets that answer, also where it is a failure; whoever comes after a failure asks again.
    """

    def __init__(self, transport: Transport, clock: Callable[[], float] = time.monotonic) -> None:
        self._transport = transport
        self._clock = clock
        self._lock = threading.Lock()
        self._kept: dict[str, _Kept] = {}
        self._failed: dict[str, _Failure] = {}

    def __call__(self, url: str, method: str = "GET", **_options: Any) -> Answer:
        """The certificates at `url`. Raises google-auth's TransportError."""
        failed_before = self._failed.get(url)
        with self._lock:
            kept = self._kept.get(url)
            if kept is not None and self._clock() < kept.until:
                return kept
            failed = self._failed.get(url)
            if failed is not None and failed is not failed_before:
                raise auth_errors.TransportError(failed.text)  # type: ignore[no-untyped-call]
            try:
                kept = self._kept[url] = self._ask(url, method)
            except auth_errors.TransportError as error:
                self._failed[url] = _Failure(str(error))
                raise
            return kept

    def _ask(self, url: str, method: str) -> _Kept:
        answer = self._transport(url, method=method, timeout=CERTIFICATES_SECONDS)
        # Checked here: what a proxy answers in Google's place is no reason to call a token wrong.
        if answer.status != http.HTTPStatus.OK or not _is_certificates(answer.data):
            raise auth_errors.TransportError(  # type: ignore[no-untyped-call]
                f"{url} answered {answer.status} without certificates"
            )
        return _Kept(answer.status, answer.headers, answer.data, self._clock() + _age(answer.headers))


def _is_certificates(data: bytes) -> bool:
    """Whether it is `{key id: certificate}`."""
    try:
        certificates = json.loads(data)
    except ValueError:
        return False
    return isinstance(certificates, dict) and all(isinstance(each, str) for each in certificates.values())


def _age(headers: Mapping[str, str]) -> float:
    """For how many seconds an answer may be used (RFC 9111: its `max-age`, less its `Age`)."""
    lowered = {name.lower(): value for name, value in headers.items()}
    found = _MAX_AGE.search(lowered.get("cache-control", ""))
    already = lowered.get("age", "0")
    seconds = (int(found[1]) if found else 0) - (int(already) if already.isdecimal() else 0)
    return float(min(max(seconds, SHORTEST_AGE), LONGEST_AGE))
