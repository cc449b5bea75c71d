"""The last line of defence: what looks like a secret is masked before a line is written.

Nothing here is a reason to log a secret: code that has one leaves it out. This catches what other programs' words and
libraries' errors carry along.
"""

from __future__ import annotations

import re

MASK = "***"
# Longer texts are cut before they are looked at; what remains of a secret at the cut is masked as well.
LONGEST = 200_000

# A token's id alone is nobody's secret. One is believed only in the form that `make_token` gives it.
_KNOWN_ID = re.compile(r"sl_([0-9a-f]{12})_", re.IGNORECASE)
_END = r"[^\s\"'<>\\]"  # what an address consists of
_IS = r"(?:=|%3D)"

_TOKEN = re.compile(r"sl_[A-Za-z0-9]{1,}_[A-Za-z0-9_-]{8,}", re.IGNORECASE)
_WHOLE: tuple[re.Pattern[str], ...] = (
    # A header with its value, however a program prints it: `Authorization: Bearer x`, `'authorization', b'Token x'`.
    re.compile(
        r"((?:\bproxy-)?\bauthorization[\"']?\s{0,4}(?:[:=,]|%3A)\s{0,4}[(\[]?(?:b(?=[\"']))?[\"']?)"
        r"(?:(?:bearer|token|basic|digest|negotiate)(?:\s{1,4}|%20|\+))?[^\s\"',;)\]}]+",
        re.IGNORECASE,
    ),
    re.compile(r"(\b(?:set-)?cookie[\"']?\s{0,4}[:=,]\s{0,4}[(\[]?(?:b(?=[\"']))?[\"']?)[^\r\n\"']+", re.IGNORECASE),
    re.compile(r"(\b(?:bearer|basic)(?:\s{1,4}|%20))[A-Za-z0-9._~+/=-]{8,}", re.IGNORECASE),
    re.compile(r"(\bToken\s{1,4})[A-Za-z0-9._~+/=-]{20,}"),
    # Upload addresses of the local edition and of Google Cloud Storage.
    re.compile(rf"((?:/|%2F)upload(?:/|%2F)){_END}+", re.IGNORECASE),
    re.compile(rf"(upload_id{_IS})[^\s\"'<>&\\]+", re.IGNORECASE),
    # Signed addresses: the signature, and what was signed.
    re.compile(rf"((?:\?|&|%3F|%26)(?:X-Goog-|X-Amz-|GoogleAccessId{_IS}|Signature{_IS})){_END}+", re.IGNORECASE),
    re.compile(rf"(X-(?:Goog|Amz)-(?:Signature|Credential|Security-Token){_IS})[^\s\"'<>&\\]+", re.IGNORECASE),
)
# Google's own tokens: access tokens, and JSON web tokens.
_BARE = re.compile(r"\bya29\.[A-Za-z0-9._-]{8,}|\beyJ[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]{4,}(?:\.[A-Za-z0-9_-]*)?")


def redact(text: str) -> str:
    """`text` with tokens, upload addresses, signatures and `Authorization` values masked."""
    safe = mask_tokens(text[:LONGEST])
    for pattern in _WHOLE:
        safe = pattern.sub(rf"\1{MASK}", safe)
    return _BARE.sub(MASK, safe)


def mask_tokens(text: str) -> str:
    """`text` with the secrets of Scopeline's own tokens masked, and nothing else."""
    return _TOKEN.sub(_masked_token, text)


def _masked_token(found: re.Match[str]) -> str:
    known = _KNOWN_ID.match(found[0])
    return f"sl_{known[1]}_{MASK}" if known else f"sl_{MASK}"
