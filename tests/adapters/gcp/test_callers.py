"""Who may push to a function: tokens signed with a real key, certificates from a transport that answers them."""

from __future__ import annotations

import base64
import json
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.x509.oid import NameOID
from google.auth import crypt, jwt
from google.auth.exceptions import TransportError
from hypothesis import given
from hypothesis import strategies as st

from scopeline.adapters.gcp.callers import (
    LONGEST_AGE,
    SHORTEST_AGE,
    AnyCaller,
    KeptCertificates,
    PushCallers,
    UntrustedCaller,
    make_callers,
)
from scopeline.domain.errors import Forbidden, ScopelineError, Unavailable
from scopeline.redaction import redact
from scopeline.settings import BadSetting, Settings

AUDIENCE = "https://scopeline.example"
ACCOUNT = "push@scopeline.iam.gserviceaccount.com"
KEY_ID = "key-1"
# How long a thread may take (seconds).
PATIENCE = 60


class Signer:
    """A key, and the certificate that says whose it is."""

    def __init__(self) -> None:
        key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
        name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "signer")])
        now = datetime.now(UTC)
        certificate = (
            x509.CertificateBuilder()
            .subject_name(name)
            .issuer_name(name)
            .public_key(key.public_key())
            .serial_number(1)
            .not_valid_before(now - timedelta(days=1))
            .not_valid_after(now + timedelta(days=1))
            .sign(key, hashes.SHA256())
        )
        pem = key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
        self._signer = crypt.RSASigner.from_string(pem, KEY_ID)
        self.certificate = certificate.public_bytes(serialization.Encoding.PEM).decode()

    def token(self, **changes: Any) -> str:
        """A token as Google makes them; `iat` and `exp` are in seconds from now; None leaves the claim out."""
        now = int(time.time())
        dates = {name: now + changes[name] for name in ("iat", "exp") if isinstance(changes.get(name), int)}
        claims = {
            "iss": "https://accounts.google.com",
            "aud": AUDIENCE,
            "azp": "1234",
            "sub": "1234",
            "email": ACCOUNT,
            "email_verified": True,
            "iat": now,
            "exp": now + 3600,
            **changes,
            **dates,
        }
        kept = {name: value for name, value in claims.items() if value is not None}
        return str(jwt.encode(self._signer, kept).decode())


@dataclass
class Certificates:
    """Answers certificates as Google does, and counts how often."""

    body: bytes
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=lambda: {"Cache-Control": "public, max-age=20000"})
    asked: int = 0
    down: bool = False

    @property
    def data(self) -> bytes:
        return self.body

    def __call__(self, _url: str, method: str = "GET", **_options: Any) -> Certificates:
        assert method == "GET"
        self.asked += 1
        if self.down:
            raise TransportError("no route")
        return self


@pytest.fixture(scope="session")
def google() -> Signer:
    return Signer()


@pytest.fixture
def certificates(google: Signer) -> Certificates:
    return Certificates(json.dumps({KEY_ID: google.certificate}).encode())


@pytest.fixture
def callers(certificates: Certificates) -> PushCallers:
    return PushCallers(AUDIENCE, ACCOUNT, KeptCertificates(certificates))


def refusal(check: Callable[[], None]) -> ScopelineError:
    with pytest.raises(ScopelineError) as raised:
        check()
    return raised.value


def test_a_token_of_the_pushing_account_is_let_in(callers: PushCallers, google: Signer) -> None:
    callers.check(f"Bearer {google.token()}")
    callers.check(f"bearer {google.token(iss='accounts.google.com')}")


@pytest.mark.parametrize("header", [None, "", "Bearer", "Bearer  ", "Basic abc", "Token abc"])
def test_a_call_without_a_token_is_told_so(callers: PushCallers, header: str | None) -> None:
    error = refusal(lambda: callers.check(header))
    assert (error.status, error.code) == (401, "token_missing")
    # It goes to log and answer as it is.
    assert redact(str(error)) == str(error)


@pytest.mark.parametrize(
    "changes",
    [
        {"iat": -3660, "exp": -60},
        {"iat": 3600, "exp": 7200},
        {"exp": None},
        {"iat": "soon"},
        {"aud": "https://other.example"},
        {"aud": [AUDIENCE, "https://other.example"]},
        {"aud": None},
        {"iss": "https://accounts.example"},
        {"iss": None},
    ],
    ids=lambda changes: ",".join(f"{name}={value}"[:30] for name, value in changes.items()),
)
def test_a_token_that_is_not_for_here_and_now_is_refused(
    callers: PushCallers, google: Signer, changes: dict[str, Any]
) -> None:
    error = refusal(lambda: callers.check(f"Bearer {google.token(**changes)}"))
    assert (error.status, error.code) == (401, "token_invalid")


@pytest.mark.parametrize(
    "changes",
    [
        {"email": "other@scopeline.iam.gserviceaccount.com"},
        {"email": None},
        {"email_verified": False},
        {"email_verified": "true"},
        {"email_verified": None},
    ],
    ids=str,
)
def test_a_token_of_another_account_is_forbidden(callers: PushCallers, google: Signer, changes: dict[str, Any]) -> None:
    error = refusal(lambda: callers.check(f"Bearer {google.token(**changes)}"))
    assert isinstance(error, Forbidden)
    assert (error.status, error.code) == (403, "wrong_service_account")


def test_a_token_of_another_key_is_refused(callers: PushCallers) -> None:
    assert refusal(lambda: callers.check(f"Bearer {Signer().token()}")).status == 401


def part(value: object) -> str:
    return base64.urlsafe_b64encode(json.dumps(value).encode()).rstrip(b"=").decode()


def test_an_unsigned_token_is_refused(callers: PushCallers, google: Signer) -> None:
    claims = google.token().split(".")[1]
    for algorithm in ("none", "None", "HS256", None, 5):
        unsigned = f"{part({'alg': algorithm, 'typ': 'JWT', 'kid': KEY_ID})}.{claims}."
        assert refusal(lambda token=unsigned: callers.check(f"Bearer {token}")).status == 401  # type: ignore[misc]


def test_a_token_signed_with_the_public_certificate_as_secret_is_refused(callers: PushCallers, google: Signer) -> None:
    import hashlib
    import hmac

    signed = f"{part({'alg': 'HS256', 'typ': 'JWT', 'kid': KEY_ID})}.{google.token().split('.')[1]}"
    digest = hmac.new(google.certificate.encode(), signed.encode(), hashlib.sha256).digest()
    token = f"{signed}.{base64.urlsafe_b64encode(digest).rstrip(b'=').decode()}"
    assert refusal(lambda: callers.check(f"Bearer {token}")).code == "token_invalid"


def test_changed_claims_lose_their_signature(callers: PushCallers, google: Signer) -> None:
    head, _, signature = google.token(email="other@example.org").split(".")
    claims = google.token().split(".")[1]
    assert refusal(lambda: callers.check(f"Bearer {head}.{claims}.{signature}")).status == 401


def test_a_token_that_is_nested_too_deeply_to_be_read_is_refused(callers: PushCallers, google: Signer) -> None:
    head, claims, signature = google.token().split(".")
    deep = base64.urlsafe_b64encode(b"[" * 100_000).rstrip(b"=").decode()
    for token in (f"{deep}.{claims}.{signature}", f"{head}.{deep}.{signature}"):
        error = refusal(lambda token=token: callers.check(f"Bearer {token}"))  # type: ignore[misc]
        assert (error.status, error.code) == (401, "token_invalid")


PARTS = st.one_of(
    st.text(max_size=40),
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(max_size=10),
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["alg", "kid", "typ", "x"]), inner),
        max_leaves=6,
    ).map(part),
)


@given(st.lists(PARTS, max_size=4).map(".".join))
def test_garbage_is_refused_and_never_repeated(text: str) -> None:
    nothing_right = PushCallers(AUDIENCE, ACCOUNT, KeptCertificates(Certificates(b"{}")))
    error = refusal(lambda: nothing_right.check(f"Bearer {text}"))
    assert isinstance(error, UntrustedCaller)
    assert len(text) < 8 or text not in f"{error}{error.__cause__}"


# ----------------------------------------------------------------------------------------------------- certificates


def test_certificates_are_fetched_once_and_again_when_they_are_old(google: Signer, certificates: Certificates) -> None:
    now = [0.0]
    callers = PushCallers(AUDIENCE, ACCOUNT, KeptCertificates(certificates, clock=lambda: now[0]))
    for _ in range(3):
        callers.check(f"Bearer {google.token()}")
    assert certificates.asked == 1
    now[0] = 19_999
    callers.check(f"Bearer {google.token()}")
    assert certificates.asked == 1
    now[0] = 20_000
    callers.check(f"Bearer {google.token()}")
    assert certificates.asked == 2


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({}, SHORTEST_AGE),
        ({"cache-control": "no-store"}, SHORTEST_AGE),
        ({"Cache-Control": "max-age=0"}, SHORTEST_AGE),
        ({"Cache-Control": "max-age=600", "Age": "200"}, 400),
        ({"Cache-Control": "max-age=600", "Age": "nonsense"}, 600),
        ({"Cache-Control": "max-age=999999999"}, LONGEST_AGE),
    ],
    ids=str,
)
def test_certificates_are_kept_as_long_as_their_answer_says_within_bounds(
    certificates: Certificates, headers: dict[str, str], seconds: float
) -> None:
    now = [0.0]
    certificates.headers = headers
    kept = KeptCertificates(certificates, clock=lambda: now[0])
    kept("https://certificates")
    now[0] = seconds - 1
    kept("https://certificates")
    assert certificates.asked == 1
    now[0] = seconds
    kept("https://certificates")
    assert certificates.asked == 2


@pytest.mark.parametrize(
    "trouble",
    [{"down": True}, {"status": 503}, {"body": b"<html>Sign in</html>"}, {"body": b"[]"}, {"body": b'{"keys": []}'}],
    ids=str,
)
def test_a_token_that_cannot_be_checked_now_comes_again(
    certificates: Certificates, callers: PushCallers, google: Signer, trouble: dict[str, Any]
) -> None:
    right = {name: getattr(certificates, name) for name in trouble}
    for name, value in trouble.items():
        setattr(certificates, name, value)
    error = refusal(lambda: callers.check(f"Bearer {google.token()}"))
    assert isinstance(error, Unavailable)
    assert (error.status, error.code, error.transient) == (503, "certificates_unavailable", True)
    for name, value in right.items():
        setattr(certificates, name, value)
    callers.check(f"Bearer {google.token()}")


class CountingLock:
    """A lock that says when so many have come to it, whether they are in or wait."""

    def __init__(self, expected: int) -> None:
        self._lock = threading.Lock()
        self._coming = threading.Semaphore(0)
        self._expected = expected

    def __enter__(self) -> None:
        self._coming.release()
        self._lock.acquire()

    def __exit__(self, *_: object) -> None:
        self._lock.release()

    def wait_for_all(self) -> None:
        for _ in range(self._expected):
            assert self._coming.acquire(timeout=PATIENCE)


def test_who_waits_for_certificates_gets_the_same_failure_and_who_comes_later_asks_again(
    certificates: Certificates, monkeypatch: pytest.MonkeyPatch
) -> None:
    lock = CountingLock(expected=8)

    def without_network(url: str, **options: Any) -> Certificates:
        if certificates.asked == 0:
            lock.wait_for_all()
        return certificates(url, **options)

    kept = KeptCertificates(without_network)
    monkeypatch.setattr(kept, "_lock", lock)
    certificates.down = True
    failures: list[str] = []

    def ask() -> None:
        try:
            kept("https://certificates")
        except TransportError as error:
            failures.append(str(error))

    asking = [threading.Thread(target=ask) for _ in range(8)]
    for each in asking:
        each.start()
    for each in asking:
        each.join(PATIENCE)
    assert failures == ["no route"] * 8
    assert certificates.asked == 1
    with pytest.raises(TransportError, match="no route"):
        kept("https://certificates")
    assert certificates.asked == 2
    certificates.down = False
    assert kept("https://certificates").data == certificates.body
    assert certificates.asked == 3


# ---------------------------------------------------------------------------------------------------- the settings

CHECKED = Settings(push_audience=AUDIENCE, push_service_account=ACCOUNT)


def test_the_check_is_off_only_beside_an_emulator_and_outside_of_cloud_run() -> None:
    emulator = {"PUBSUB_EMULATOR_HOST": "127.0.0.1:8085"}
    assert isinstance(make_callers(Settings(), emulator), AnyCaller)
    for environment in (
        {},
        {"PUBSUB_EMULATOR_HOST": " "},
        {"K_SERVICE": "extract"},
        {**emulator, "K_SERVICE": "extract"},
        {**emulator, "K_SERVICE": ""},
    ):
        assert isinstance(make_callers(CHECKED, environment), PushCallers)
        for missing in ("push_audience", "push_service_account"):
            for empty in ("", " "):
                with pytest.raises(BadSetting, match=f"SCOPELINE_{missing.upper()}"):
                    make_callers(CHECKED.model_copy(update={missing: empty}), environment)


def test_any_caller_may_push_beside_an_emulator() -> None:
    AnyCaller().check(None)
