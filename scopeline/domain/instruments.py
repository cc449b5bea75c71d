"""Instruments, clients and tokens: who may do what on which microscope."""

from __future__ import annotations

from enum import StrEnum
from typing import Any
from zoneinfo import ZoneInfo

from pydantic import Field, field_validator

from scopeline.domain.documents import Document, Moment, Part


class Instrument(Document):
    """A microscope. `zone` is its IANA time zone; `day_first` tells how its software writes text dates."""

    id: str
    name: str
    pid: str | None = None
    location: str | None = None
    zone: str = "UTC"
    colour: str | None = None
    calendar: str | None = None
    day_first: bool = False
    ignore: list[str] | None = None
    overrides: dict[str, Any] = Field(default_factory=dict)
    # Counts the changes of anything that an extraction depends on: zone, day_first and overrides.
    revision: int = 1

    @field_validator("zone")
    @classmethod
    def _zone_exists(cls, value: str) -> str:
        try:
            ZoneInfo(value)
        except Exception as error:  # zoneinfo raises KeyError, ValueError or OSError by the kind of nonsense
            raise ValueError(f"time zone {value!r} is unknown; use an IANA name such as Europe/Berlin") from error
        return value

    @property
    def key(self) -> str:  # noqa: D102
        return f"instruments/{self.id}"

    @property
    def zone_info(self) -> ZoneInfo:
        """The zone as an object."""
        return ZoneInfo(self.zone)


class Root(Part):
    """A folder that a client watches. The client knows the folder; the server knows what it belongs to."""

    instrument: str
    detector: str | None = None


class Client(Document):
    """One PC with a logger: the instruments that it serves and its roots by name."""

    id: str
    instruments: list[str]
    roots: dict[str, Root] = Field(default_factory=dict)
    last_heartbeat: Moment | None = None
    clock_offset: float | None = None  # seconds that the server's clock is ahead of the client's
    version: str | None = None
    queue: dict[str, Any] = Field(default_factory=dict)

    @property
    def key(self) -> str:  # noqa: D102
        return f"clients/{self.id}"


class TokenKind(StrEnum):
    """What a token may do (design section 6)."""

    CLIENT = "client"
    HUB = "hub"
    ADMIN = "admin"
    SITE = "site"


class Token(Document):
    """A credential. The secret itself is shown once, when it is made; only its SHA-256 is kept."""

    id: str
    kind: TokenKind
    subject: str  # the client's id, or a name for people to know it by
    scopes: list[str] = Field(default_factory=list)  # hub: the clients that it acts for
    secret_sha256: str
    created_at: Moment
    expires_at: Moment | None = None
    revoked_at: Moment | None = None

    @property
    def key(self) -> str:  # noqa: D102
        return f"tokens/{self.id}"
