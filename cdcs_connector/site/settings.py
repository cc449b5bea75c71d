"""Every setting of the site, from environment variables that start with `SCOPELINE_SITE_`."""

from __future__ import annotations

import os
import secrets
from pathlib import Path
from typing import Annotated, Any
from urllib.parse import unquote, urlsplit

from pydantic import Field, SecretStr, ValidationError, field_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

PREFIX = "SCOPELINE_SITE_"
PROJECT_SCHEMA = Path(__file__).resolve().parents[2] / "scopeline" / "records" / "nexus-experiment.xsd"


class BadSettings(Exception):
    """A setting that the site cannot start with; the message names it and says what was expected."""


class SiteSettings(BaseSettings):
    """The site's settings. Only `data_dir` has to be given; `init` makes what else is missing."""

    model_config = SettingsConfigDict(env_prefix=PREFIX, frozen=True, extra="ignore")

    data_dir: Path
    secret_key: SecretStr | None = None  # None: read from the data folder, where `init` made it
    server_uri: str = "http://127.0.0.1:8000"  # the address that people use
    api_url: str = "http://127.0.0.1:8080"
    api_token: SecretStr | None = None  # the API's token of kind `site`
    anonymous: bool = False  # whether people who have not signed in may read
    schema_file: Path = Field(default=PROJECT_SCHEMA, validation_alias=f"{PREFIX}SCHEMA")
    publisher_token: SecretStr | None = None  # None: made by `init` and written to the data folder
    allowed_hosts: Annotated[tuple[str, ...], NoDecode] = ()  # beside the host of `server_uri` and this machine
    facility: str = ""
    database: str = ""  # postgresql://user:password@host:port/name; empty: SQLite in the data folder
    api_timeout: float = Field(default=30.0, gt=0)  # seconds to wait for the API's next bytes
    max_record_bytes: int = Field(default=32 * 2**20, gt=0)

    @field_validator("allowed_hosts", mode="before")
    @classmethod
    def _split_hosts(cls, value: Any) -> Any:
        return tuple(h.strip() for h in value.split(",") if h.strip()) if isinstance(value, str) else value

    @field_validator("server_uri", "api_url")
    @classmethod
    def _check_address(cls, value: str) -> str:
        parts = urlsplit(value)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise ValueError("expected an address like https://records.example.org")
        return value.rstrip("/")

    @classmethod
    def from_environment(cls) -> SiteSettings:
        """The settings of this process. Raises BadSettings, which names the variable, the value and the expectation."""
        try:
            return cls()  # pyright: ignore[reportCallIssue]
        except ValidationError as error:
            raise BadSettings(_explain(error)) from None

    @property
    def secret_key_file(self) -> Path:
        """Where `init` keeps the secret key that it made."""
        return self.data_dir / "secret_key"

    @property
    def publisher_token_file(self) -> Path:
        """Where `init` keeps the publisher's token that it made."""
        return self.data_dir / "publisher_token"

    def hosts(self) -> list[str]:
        """The host names that the site answers to."""
        own = urlsplit(self.server_uri).hostname or "localhost"
        return list(dict.fromkeys([own, "127.0.0.1", "localhost", "[::1]", *self.allowed_hosts]))

    def signing_key(self) -> str:
        """Django's secret key: the given one, or the data folder's. Raises BadSettings where there is none."""
        if self.secret_key is not None:
            return self.secret_key.get_secret_value()
        try:
            return self.secret_key_file.read_text().strip()
        except FileNotFoundError:
            raise BadSettings(
                f"No secret key: set {PREFIX}SECRET_KEY, or run `python -m cdcs_connector.site init` once, "
                f"which makes {self.secret_key_file}."
            ) from None

    def database_options(self) -> dict[str, Any]:
        """Django's `DATABASES["default"]`."""
        if not self.database:
            return {
                "ENGINE": "django.db.backends.sqlite3",
                "NAME": str(self.data_dir / "site.sqlite3"),
                "OPTIONS": {
                    "timeout": 20,  # seconds to wait for another writer
                    # A transaction takes the write lock at its start: two that read first and write then would
                    # otherwise fail at once, whatever the timeout.
                    "transaction_mode": "IMMEDIATE",
                    # A publication that was confirmed is on the disk. What is deleted is overwritten: a withdrawn
                    # record does not stay in free pages.
                    "init_command": "PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL; PRAGMA busy_timeout=20000; "
                    "PRAGMA secure_delete=ON;",
                },
            }
        parts = urlsplit(self.database)
        if parts.scheme not in ("postgresql", "postgres") or not parts.path.strip("/"):
            raise BadSettings(f"{PREFIX}DATABASE: expected postgresql://user:password@host:port/name.")
        return {
            # CDCS core makes its full-text trigger only where the engine has exactly this name.
            "ENGINE": "django.db.backends.postgresql_psycopg2",
            "NAME": parts.path.strip("/"),
            "USER": unquote(parts.username or ""),
            "PASSWORD": unquote(parts.password or ""),
            "HOST": parts.hostname or "",
            "PORT": str(parts.port or ""),
            "CONN_MAX_AGE": 60,
        }


def write_secret_once(path: Path, value: str | None = None) -> str:
    """The secret that stands in `path`, readable by the owner only; made there (or set to `value`) if it is missing."""
    if value is None and path.is_file():
        return path.read_text().strip()
    secret = value or secrets.token_urlsafe(48)
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f".{path.name}.{os.getpid()}")
    with os.fdopen(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
        file.write(secret + "\n")
        file.flush()
        os.fsync(file.fileno())
    part.replace(path)
    return secret


def _explain(error: ValidationError) -> str:
    lines = []
    for problem in error.errors():
        name = str(problem["loc"][0]) if problem["loc"] else "?"
        variable = name if name.startswith(PREFIX) else PREFIX + name.upper()
        found = "nothing" if problem["type"] == "missing" else repr(problem["input"])
        secret = "TOKEN" in variable or "KEY" in variable or "DATABASE" in variable
        lines.append(f"{variable}: found {'a value' if secret else found}; {problem['msg']}.")
    return "\n".join(lines)
