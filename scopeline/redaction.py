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
_QUOTE = r"\\{0,2}[\"']"  # also inside JSON that is inside JSON
# Between a name and its value: `a=b`, `a: b`, `a => b`, `"a": "b"`, `'a', b'b'`. Taken as a whole or not at all.
_IS = (
    rf"(?>(?:(?:{_QUOTE})?\s{{0,4}}(?:[:=]{{1,2}}>?|%3[AD])|{_QUOTE}\s{{0,4}},)"
    rf"\s{{0,4}}[(\[]?(?:b(?=[\"']))?(?:{_QUOTE})?)"
)
_VALUE = r"[^\s\"'<>&\\]+"
_X = r"X(?:-|%2D)(?:Goog|Amz)(?:-|%2D)"

# Who logs in by an address: what stands before its last @. Behind a colon that no port follows, that may be anything up
# to the end of the address; passwords are written there as they are. Without a colon it is a name or a token.
_SCHEME = r"(?::|%3A)(?:\\{0,2}/|%2F){2}"
_PORT = r"\d{1,5}(?:\\{0,2}/|\?|%2F|%3F)"
_BEFORE_COLON = r"(?:(?!%[23]F|%3A)[^\s/?#:\[\"'<>\\])*+"
_BEHIND_COLON = r"(?:[^\s\"'<>]|[\"'<>](?![\s,:;)\]}>/\\]|$))"  # also quotes that end nothing
_LOGIN = (
    rf"(?:{_BEFORE_COLON}(?::|%3A)(?!{_PORT})(?:(?!{_SCHEME}){_BEHIND_COLON})+"
    r"|(?:(?!%2F)[^\s/?#\"'<>\\])+)(?=@|%40)"
)

# What is called a secret: everything in quotes to their end, also in JSON that is inside JSON; else the next word.
_CALLED = (
    r"(?:password|passwd|passphrase|secret(?:[_-]?(?:access[_-]?)?key)?|csrf(?:middleware)?token|sessionid"
    r"|api[_-]?key)\w{0,20}+"
)
_QUOTED = (
    r"(?<=\\\")(?:\\{3}\"|(?!\\{1,2}\")[^\"\r\n])+|(?<=\\')(?:\\{3}'|(?!\\{1,2}')[^'\r\n])+"
    r"|(?<=[^\\]\")(?:\\++\"?|[^\"\\\r\n])+|(?<=[^\\]')(?:\\++'?|[^'\\\r\n])+"
)
# No secrets: there is no value.
_NO_VALUE = r"(?:none|null|true|false)(?:[\s,;)\]}&]|$)|[,;)\]}]+(?:\s|$)"

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
    re.compile(rf"((?:upload_id|x-guploader-uploadid){_IS}){_VALUE}", re.IGNORECASE),
    # Signed addresses: the signature, and what was signed.
    re.compile(
        rf"((?:\?|&(?:amp;)?|\\u0026|%3F|%26)(?:{_X}|GoogleAccessId{_IS}|Signature{_IS})){_END}+", re.IGNORECASE
    ),
    re.compile(rf"({_X}(?:Signature|Credential|Security(?:-|%2D)Token){_IS}){_VALUE}", re.IGNORECASE),
    re.compile(rf"({_SCHEME}){_LOGIN}", re.IGNORECASE),
    re.compile(rf"({_CALLED}{_IS})(?:{_QUOTED}|(?!{_NO_VALUE}){_VALUE})", re.IGNORECASE),
    # Where a private key's end is missing, nothing tells how far it goes.
    re.compile(r"(-----BEGIN [A-Z0-9 ]{0,40}PRIVATE KEY-----)(?:(?!-----END)[\s\S])++"),
    # Tokens in OAuth's answers and in settings.
    re.compile(rf"(\b(?:(?:access|refresh|id)_token|SCOPELINE_\w{{0,40}}TOKEN){_IS}){_END}+", re.IGNORECASE),
)
# Secrets without a form of their own: parts of upload addresses, signatures, the site's tokens. Longer than a uuid (36
# characters) and than an MD5 checksum (32), which stay whole.
_LONG_WORD = re.compile(r"[A-Za-z0-9_-]{40,}")
_NEIGHBOURS = re.compile(r"(?=[a-z][A-Z0-9]|[A-Z][a-z0-9]|[0-9][A-Za-z])")
SHOWN_CHARACTERS = 8
# One change in so many characters makes a word random: one in 1.6 is usual in base64, one in 2.1 in hexadecimal.
CHANGES_IN_RANDOM = 5
# Google's own tokens: access tokens, and JSON web tokens.
_GOOGLES = re.compile(r"\bya29\.[A-Za-z0-9._-]{8,}|\beyJ[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]{4,}(?:\.[A-Za-z0-9_-]*)?")


def redact(text: str) -> str:
    """`text` with tokens, upload addresses, signatures and `Authorization` values masked."""
    safe = mask_tokens(text[:LONGEST])
    for pattern in _WHOLE:
        safe = pattern.sub(rf"\1{MASK}", safe)
    return shorten_random(_GOOGLES.sub(MASK, safe))


def shorten_random(text: str) -> str:
    """`text` with the first characters only of words that are long and look random, as secrets and long digests do.

    A word of people has few places where small letters, capitals and digits meet; of random ones every second or third
    place is one. A name like that loses its end, where it is shown.
    """
    return _LONG_WORD.sub(_shortened, text)


def mask_tokens(text: str) -> str:
    """`text` with the secrets of Scopeline's own tokens masked, and nothing else."""
    return _TOKEN.sub(_masked_token, text)


def _masked_token(found: re.Match[str]) -> str:
    known = _KNOWN_ID.match(found[0])
    return f"sl_{known[1]}_{MASK}" if known else f"sl_{MASK}"


def _shortened(found: re.Match[str]) -> str:
    word = found[0]
    changes = sum(1 for _ in _NEIGHBOURS.finditer(word))
    return f"{word[:SHOWN_CHARACTERS]}..." if changes * CHANGES_IN_RANDOM >= len(word) else word
