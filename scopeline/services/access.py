"""Who calls, and which instruments, sessions and files are theirs: tokens, clients and their reach."""

from __future__ import annotations

import hashlib
import hmac
import re
import secrets
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime

from pydantic import ValidationError

from scopeline.domain.errors import Conflict, Forbidden, InvalidInput, NotFound, ScopelineError
from scopeline.domain.files import File
from scopeline.domain.instruments import Client, Instrument, Root, Token, TokenKind
from scopeline.domain.names import check_slug
from scopeline.domain.sessions import Session, SessionState
from scopeline.ports import INSTRUMENTS, find_all
from scopeline.services.backend import Backend
from scopeline.services.changes import change
from scopeline.services.overrides import with_overrides

_TOKEN = re.compile(r"sl_([a-z0-9]{1,40})_([A-Za-z0-9_-]{20,200})")


class Unauthorized(ScopelineError):
    """The caller did not show a token that is valid now."""

    code = "token_invalid"
    status = 401


@dataclass(frozen=True, slots=True)
class Caller:
    """Who calls: the token, the client that is meant (client and hub tokens), the person (site tokens)."""

    token: Token
    client: Client | None = None
    person: str | None = None

    @property
    def reads_all(self) -> bool:
        """Whether everything may be read: the site and administrators."""
        return self.token.kind in (TokenKind.SITE, TokenKind.ADMIN)

    @property
    def sender(self) -> Client:
        """The client that sends. Raises InvalidInput (`client_missing`) where none was named."""
        if self.client is None:
            raise InvalidInput(
                "This call is made for a client. Name it in the header X-Scopeline-Client.",
                code="client_missing",
                status=400,
            )
        return self.client

    @property
    def name(self) -> str:
        """Who is written down as the author of a change."""
        return self.person or self.token.subject


# ---------------------------------------------------------------------------------------------------------- tokens


def make_token(
    backend: Backend,
    kind: TokenKind,
    subject: str,
    *,
    clients: Iterable[str] = (),
    expires_at: datetime | None = None,
) -> tuple[Token, str]:
    """A new token and its text, which is shown once and kept nowhere.

    `subject` is the client's id for a client token, else a name to know the token by; `clients` are those that a hub
    acts for. Raises NotFound where a client does not exist, InvalidInput where `clients` are given for another kind.
    """
    acts_for = sorted(set(clients))
    if bool(acts_for) != (kind is TokenKind.HUB):
        raise InvalidInput(
            f"A {kind} token with the clients {acts_for}: hubs, and only they, name the clients they serve."
        )
    for client in [subject] if kind is TokenKind.CLIENT else acts_for:
        get_client(backend, client)
    now = backend.clock()
    if expires_at is not None and expires_at <= now:
        raise InvalidInput(f"The token would expire at {expires_at.isoformat()}, which is past. Give a later moment.")
    secret = secrets.token_urlsafe(32)
    token = Token(
        id=secrets.token_hex(6),
        kind=kind,
        subject=subject,
        scopes=acts_for,
        secret_sha256=_sha256(secret),
        created_at=now,
        expires_at=expires_at,
    )
    if not backend.catalog.create(token):
        raise Conflict(f"Token id {token.id} is taken. Try again.")
    return token, f"sl_{token.id}_{secret}"


def check_token(backend: Backend, text: str) -> Token:
    """The token that `text` is, with one read of the catalog.

    Raises Unauthorized: `token_invalid`, or `token_revoked` and `token_expired` for one that was valid before.
    """
    match = _TOKEN.fullmatch(text)
    stored = backend.catalog.get(Token, f"tokens/{match[1]}") if match else None
    known = stored.document.secret_sha256 if stored else _sha256("")
    same = hmac.compare_digest(_sha256(match[2] if match else text), known)
    if stored is None or not same:
        raise Unauthorized("The token is not valid. Ask for a new one: scopeline instruments token make.")
    token = stored.document
    if token.revoked_at is not None:
        raise Unauthorized(f"Token {token.id} was revoked. Ask for a new one.", code="token_revoked")
    if token.expires_at is not None and token.expires_at <= backend.clock():
        raise Unauthorized(f"Token {token.id} has expired. Ask for a new one.", code="token_expired")
    return token


def revoke_token(backend: Backend, token_id: str) -> Token:
    """Make a token useless from now on; again changes nothing. Raises NotFound."""

    def edit(token: Token) -> bool:
        if token.revoked_at is not None:
            return False
        token.revoked_at = backend.clock()
        return True

    if not re.fullmatch(r"[a-z0-9]{1,40}", token_id):
        raise NotFound(f"There is no token {token_id!r}. `scopeline instruments token list` names all.")
    return change(backend.catalog, Token, f"tokens/{token_id}", edit)


def _sha256(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


# ------------------------------------------------------------------------------------------ instruments and clients


def get_instrument(backend: Backend, instrument_id: str) -> Instrument:
    """The instrument. Raises NotFound (`unknown_instrument`)."""
    stored = backend.catalog.get(Instrument, f"instruments/{check_slug(instrument_id, 'Instrument')}")
    if stored is None:
        raise NotFound(
            f"There is no instrument {instrument_id!r}. Add it: scopeline instruments add {instrument_id}.",
            code="unknown_instrument",
        )
    return stored.document


def instruments_of(backend: Backend, caller: Caller) -> list[Instrument]:
    """The instruments that the caller's client serves; all of them for the site and administrators."""
    if caller.client is not None:
        return [get_instrument(backend, name) for name in caller.client.instruments]
    return list(find_all(backend.catalog, Instrument, INSTRUMENTS)) if caller.reads_all else []


def get_client(backend: Backend, client_id: str) -> Client:
    """The client. Raises NotFound (`unknown_client`)."""
    stored = backend.catalog.get(Client, f"clients/{check_slug(client_id, 'Client')}")
    if stored is None:
        raise NotFound(
            f"There is no client {client_id!r}. Add it: scopeline instruments client add {client_id}.",
            code="unknown_client",
        )
    return stored.document


def add_instrument(backend: Backend, fields: Mapping[str, object]) -> Instrument:
    """A new instrument with these fields. Raises InvalidInput, Conflict (`exists`)."""
    check_slug(str(fields.get("id")), "Instrument")
    instrument = _instrument(fields)
    if not backend.catalog.create(instrument):
        raise Conflict(f"Instrument {instrument.id} exists. Change it: scopeline instruments set.", code="exists")
    return instrument


def change_instrument(
    backend: Backend,
    instrument_id: str,
    fields: Mapping[str, object],
    *,
    overrides: Mapping[str, object] | None = None,
) -> Instrument:
    """Set `fields` of an instrument, and single ones of its `overrides`, or take them back (None).

    What an extraction depends on counts the revision up. Raises InvalidInput.
    """
    get_instrument(backend, instrument_id)

    def edit(instrument: Instrument) -> bool:
        before = instrument.model_dump()
        wanted = {**fields, "overrides": with_overrides(before["overrides"], overrides)} if overrides else fields
        after = _instrument({**before, **wanted}).model_dump()
        for name in wanted:
            setattr(instrument, name, after[name])
        if any(before[name] != after[name] for name in ("zone", "day_first", "overrides")):
            instrument.revision += 1
        return before != after

    return change(backend.catalog, Instrument, f"instruments/{instrument_id}", edit)


def _instrument(fields: Mapping[str, object]) -> Instrument:
    try:
        return Instrument.model_validate(fields)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        raise InvalidInput(
            f"Instrument {fields.get('id')}: {'.'.join(map(str, first['loc']))} is {first['input']!r}: "
            f"{first['msg'].removeprefix('Value error, ')}.",
            code="invalid_instrument",
        ) from None


def set_client(backend: Backend, client_id: str, roots: dict[str, Root]) -> Client:
    """Add a client with its roots, or give one that exists these roots; its instruments are those of the roots.

    Raises InvalidInput where an id is none, NotFound where an instrument does not exist.
    """
    check_slug(client_id, "Client")
    for name, root in roots.items():
        check_slug(name, "Root")
        get_instrument(backend, root.instrument)
    instruments = sorted({root.instrument for root in roots.values()})
    client = Client(id=client_id, instruments=instruments, roots=roots)
    if backend.catalog.create(client):
        return client

    def edit(there: Client) -> bool:
        same = there.roots == roots and there.instruments == instruments
        there.roots, there.instruments = roots, instruments
        return not same

    return change(backend.catalog, Client, client.key, edit)


# ----------------------------------------------------------------------------------------------------------- reach


def require_instrument(caller: Caller, instrument_id: str) -> None:
    """Raise Forbidden (`not_your_instrument`) where the caller's client does not serve the instrument."""
    if caller.client is not None and instrument_id not in caller.client.instruments:
        raise Forbidden(
            f"Client {caller.client.id} does not serve instrument {instrument_id!r}. "
            f"It serves: {', '.join(caller.client.instruments) or 'none'}.",
            code="not_your_instrument",
        )


def sees_session(caller: Caller, session: Session) -> bool:
    """Whether the caller may read the session: all for site and admin; a client its own and the ones now open on its
    instruments. Nobody one that is erased."""
    if session.erased:
        return False
    if caller.reads_all:
        return True
    client = caller.sender
    if session.instrument not in client.instruments:
        return False
    return session.client == client.id or session.state is SessionState.OPEN


def sees_file(caller: Caller, file: File) -> bool:
    """Whether the caller may read the file's state: a client only that of its own uploads."""
    return caller.reads_all or file.client == caller.sender.id


def sees_preview(backend: Backend, caller: Caller, file: File) -> bool:
    """Whether the caller may see the file's pictures: a client those of the session now open on its instruments."""
    if caller.reads_all:
        return True
    if file.session is None or file.instrument not in caller.sender.instruments:
        return False
    session = backend.catalog.get(Session, f"sessions/{file.session}")
    return session is not None and session.document.state is SessionState.OPEN
