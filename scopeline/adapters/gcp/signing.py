"""Who signs download URLs: a key where there is one, else IAM in the service account's name."""

from __future__ import annotations

from datetime import timedelta
from functools import partial
from typing import TYPE_CHECKING, TypeAlias

from google.auth.credentials import Signing

from scopeline.adapters.gcp.calls import CALL_SECONDS, google_problems
from scopeline.adapters.gcp.clients import beside_emulator
from scopeline.download_headers import content_disposition, safe_type

if TYPE_CHECKING:
    from google.auth.crypt import Signer
    from google.cloud.storage import Blob

# Google's interface: sign_bytes(), and signer_email, whose rights the URL has.
Sign: TypeAlias = Signing

_CLOUD = "https://www.googleapis.com/auth/cloud-platform"
_TOKENS = "https://oauth2.googleapis.com/token"
_EMULATED = "scopeline@emulator.invalid"


def make_signer(service_account: str) -> Sign | None:
    """Who signs here; None where nobody can, so that the API sends the bytes itself.

    Beside an emulator, which checks no signature, and outside of Cloud Run, a key made for this process. In the cloud,
    the credentials' own key or, where they have none, IAM's signBlob as `service_account` (an e-mail address), which
    needs the role roles/iam.serviceAccountTokenCreator on it. Raises Unavailable (`not_permitted`) where there are no
    credentials.
    """
    if beside_emulator("STORAGE_EMULATOR_HOST"):
        return _signing_as(_EMULATED, _throw_away_key())
    import google.auth
    from google.auth.iam import Signer as IamSigner
    from google.auth.transport.requests import Request

    with google_problems("Looking for Google credentials"):
        credentials, _ = google.auth.default(scopes=[_CLOUD])
    if isinstance(credentials, Signing):
        return credentials
    if not service_account:
        return None
    request = partial(Request(), timeout=CALL_SECONDS)
    return _signing_as(service_account, IamSigner(request, credentials, service_account))  # type: ignore[no-untyped-call]


def signed_download(blob: Blob, sign: Sign, generation: int, file_name: str, expires: timedelta) -> str:
    """A V4 signed URL of one version (https://cloud.google.com/storage/docs/access-control/signed-urls).

    It is a secret. The answer to it is named `file_name` and is never run as a page. Raises Unavailable.
    """
    with google_problems(f"Signing an address of {blob.bucket.name}/{blob.name}"):
        url: str = blob.generate_signed_url(
            version="v4",
            method="GET",
            expiration=expires,
            generation=generation,
            credentials=sign,
            api_access_endpoint=blob.client.api_endpoint,
            response_disposition=content_disposition(file_name),
            response_type=safe_type(file_name),
        )
    return url


def _signing_as(email: str, signer: Signer) -> Sign:
    from google.oauth2.service_account import Credentials

    return Credentials(signer=signer, service_account_email=email, token_uri=_TOKENS)  # type: ignore[no-untyped-call]


def _throw_away_key() -> Signer:
    from cryptography.hazmat.primitives.asymmetric import rsa
    from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
    from google.auth.crypt import RSASigner

    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    text = key.private_bytes(Encoding.PEM, PrivateFormat.TraditionalOpenSSL, NoEncryption()).decode()
    signer: Signer = RSASigner.from_string(text)  # type: ignore[no-untyped-call]
    return signer
