"""Who may call what: the table of rights, and the caller of a request."""

from __future__ import annotations

from collections.abc import Mapping
from urllib.parse import unquote

from werkzeug.datastructures import Headers

from scopeline.domain.errors import Forbidden, InvalidInput, NotFound
from scopeline.domain.instruments import Client, Token, TokenKind
from scopeline.services.access import Caller, Unauthorized, check_token, get_client
from scopeline.services.backend import Backend

ADMIN, CLIENT, HUB, SITE = TokenKind.ADMIN, TokenKind.CLIENT, TokenKind.HUB, TokenKind.SITE

_ALL = frozenset(TokenKind)
_SENDERS = frozenset({CLIENT, HUB, ADMIN})
_STAFF = frozenset({SITE, ADMIN})

# Calls that need no token.
PUBLIC = frozenset({"healthz", "readyz", "openapi"})

# Which kinds of token may make each other call. What a client reaches within them is in `services.access`.
RIGHTS: Mapping[str, frozenset[TokenKind]] = {
    "me": _ALL,
    "start": _SENDERS,
    "end": _SENDERS,
    "resume": _SENDERS,
    "add_event": _SENDERS,
    "announce": _SENDERS,
    "upload": _SENDERS,
    "confirm": _SENDERS,
    "heartbeat": _SENDERS,
    "list_sessions": _ALL,
    "get_session": _ALL,
    "list_files": _ALL,
    "get_file": _ALL,
    "preview": _ALL,
    "content": _STAFF,
    "metadata": _STAFF,
    "record_xml": _STAFF,
    "record_json": _STAFF,
    "correct_session": _STAFF,
    "get_overlay": _STAFF,
    "edit_overlay": _STAFF,
    "erase": frozenset({ADMIN}),
    "failures": frozenset({ADMIN}),
    "replay_failure": frozenset({ADMIN}),
    "dismiss_failure": frozenset({ADMIN}),
    "status": frozenset({ADMIN}),
    "metrics": frozenset({ADMIN}),
}

# Calls by which people change things: a site names the person.
BY_PEOPLE = frozenset({"correct_session", "edit_overlay"})

MAX_PERSON_CHARACTERS = 200


def identify(backend: Backend, headers: Headers, call: str) -> Caller:
    """The caller of `call`.

    Raises Unauthorized (`token_missing`, `token_invalid`, ...), Forbidden (`forbidden`, `not_your_client`),
    InvalidInput (`person_missing`).
    """
    token = check_token(backend, _bearer(headers))
    if token.kind not in RIGHTS[call]:
        allowed = ", ".join(sorted(RIGHTS[call]))
        raise Forbidden(f"A {token.kind} token may not make this call. Expected one of: {allowed}.")
    person = _person(headers)
    if token.kind is SITE and call in BY_PEOPLE and not person:
        raise InvalidInput(
            "The site changes things for a person. Name them in the header X-Scopeline-User.",
            code="person_missing",
            status=400,
        )
    return Caller(token, _client(backend, token, headers.get("X-Scopeline-Client")), person)


def _bearer(headers: Headers) -> str:
    scheme, _, text = headers.get("Authorization", "").partition(" ")
    if scheme.lower() != "bearer" or not text.strip():
        raise Unauthorized(
            "This call needs a token. Send the header 'Authorization: Bearer sl_...'.", code="token_missing"
        )
    return text.strip()


def _client(backend: Backend, token: Token, named: str | None) -> Client | None:
    """The client that is meant: a client token's own; the one that a hub or an administrator names."""
    if token.kind is SITE:
        return None
    wanted = token.subject if token.kind is CLIENT else named
    if wanted is None:
        return None
    if named not in (None, wanted) or (token.kind is HUB and wanted not in token.scopes):
        raise Forbidden(f"This token does not act for the client {str(named)[:60]!r}.", code="not_your_client")
    try:
        return get_client(backend, wanted)
    except (NotFound, InvalidInput) as error:
        raise Forbidden(str(error), code="unknown_client") from None


def _person(headers: Headers) -> str | None:
    """The person in `X-Scopeline-User`, percent-encoded UTF-8 as header values are ASCII."""
    value = unquote(headers.get("X-Scopeline-User", "")).strip()
    readable = "".join(character for character in value if character.isprintable())
    return readable[:MAX_PERSON_CHARACTERS] or None
