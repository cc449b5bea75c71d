"""Every setting of the back end, typed, in one place.

A setting comes from the command line, else from the environment (`SCOPELINE_` and the name in capitals), else from its
default here. A bad one stops the start with its name, its value and what is expected.
"""

from __future__ import annotations

import difflib
import os
from datetime import timedelta
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field, SecretStr, ValidationError
from pydantic_settings import BaseSettings, SettingsConfigDict

from scopeline.domain.errors import InvalidInput

MIB = 1024 * 1024


class BadSetting(InvalidInput):
    """A setting cannot be used."""

    code = "bad_setting"


def default_data_folder() -> Path:
    """Where the local edition keeps its data when nothing else is said: the user's data folder of this system."""
    import platformdirs

    return Path(platformdirs.user_data_dir("scopeline", appauthor=False))


def processors() -> int:
    """How many processors this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


class Settings(BaseSettings):
    """The back end's settings."""

    model_config = SettingsConfigDict(env_prefix="SCOPELINE_", extra="ignore")

    edition: Literal["embedded", "gcp"] = Field(
        "embedded", description="`embedded`: all on this machine; `gcp`: Google Cloud, or its emulators"
    )

    # The local edition
    data_dir: Path = Field(default_factory=default_data_folder, description="Folder of everything that is kept")
    host: str = Field("127.0.0.1", description="Address that the API and the site listen on")
    port: Annotated[int, Field(ge=0, le=65535)] = Field(8080, description="Port of the API; 0: a free one")
    site_port: Annotated[int, Field(ge=0, le=65535)] = Field(8081, description="Port of the web site; 0: a free one")
    public_url: str | None = Field(None, description="Address of the API as loggers see it, if not host and port")
    site_url: str | None = Field(
        None, description="Address of the web site as people see it, if not host and site_port"
    )
    anonymous: bool = Field(False, description="Whether records may be read without logging in")

    log_format: Literal["text", "json"] | None = Field(
        None,
        description="Log lines: `text` for people, `json` with Cloud Logging's field names; by itself `json` with the "
        "edition `gcp`",
    )

    # Google Cloud
    project: str = Field("", description="Google Cloud project")
    raw_bucket: str = Field("", description="Bucket of what instruments send")
    derived_bucket: str = Field("", description="Bucket of previews, metadata and records")
    database: str = Field("(default)", description="Firestore database")
    topics: str = Field("scopeline", description="First part of the names of Pub/Sub topics and subscriptions")
    service_account: str = Field("", description="The functions' service account, which signs download URLs")
    push_audience: str = Field("", description="Audience of the tokens that come with pushed messages")
    push_service_account: str = Field("", description="Service account whose tokens come with pushed messages")
    raw_mount: Path | None = Field(
        None, description="Folder where the raw bucket is mounted, for files that are too large to copy"
    )
    copied_bytes: Annotated[int, Field(ge=0)] = Field(
        256 * MIB, description="Largest object in bytes that is copied for reading"
    )
    records_url: str | None = Field(None, description="Address of the web site that records are published to")
    records_token: SecretStr | None = Field(None, description="Token by which records are published")

    # What records and sites say of the facility
    facility: str = Field("Scopeline", description="Name of the facility, shown on the web site")
    pid_prefix: str = Field("", description="Put before a session's id to make its persistent identifier")

    # Uploads
    max_file_size: Annotated[int, Field(gt=0)] = Field(1024**4, description="Largest file in bytes")
    upload_chunk: Annotated[int, Field(ge=256 * 1024, multiple_of=256 * 1024)] = Field(
        8 * MIB, description="Chunk size proposed to loggers, in bytes"
    )

    # Building records
    settle_seconds: Annotated[int, Field(ge=0)] = Field(
        7200, description="Seconds after END when a record is built although files are missing"
    )

    # Sessions without END
    forget_after_hours: Annotated[float, Field(ge=0, le=24 * 365)] = Field(
        12, description="Hours without a sign of a running session after which it is ended; 0: never"
    )

    # Reading files
    readers: Annotated[int, Field(ge=1, le=256)] = Field(
        default_factory=processors, description="Worker processes that read files"
    )
    reader_memory: Annotated[int, Field(ge=128 * MIB)] = Field(
        2048 * MIB, description="Bytes of private memory that one worker may use"
    )
    reader_seconds: Annotated[int, Field(ge=1)] = Field(
        300, description="Seconds of processor time that reading one file may take; by the clock, twice as many"
    )

    # Delivery of events
    attempts: Annotated[int, Field(ge=1, le=100)] = Field(
        8, description="How often a delivery is tried before it is parked"
    )

    @property
    def settle_after(self) -> timedelta:
        """`settle_seconds` as a duration."""
        return timedelta(seconds=self.settle_seconds)

    @property
    def forget_after(self) -> timedelta:
        """`forget_after_hours` as a duration; nothing: never."""
        return timedelta(hours=self.forget_after_hours)


# Environment variables of the other programs, which are not looked at here.
OTHER_PROGRAMS = (
    "SCOPELINE_SITE_",
    "SCOPELINE_LOGGER_",
    "SCOPELINE_TEST_",
    "SCOPELINE_SCALE",
    "SCOPELINE_GCS_EMULATOR",
)


def _refuse_unknown_names() -> None:
    known = {f"SCOPELINE_{name.upper()}" for name in Settings.model_fields}
    for name in sorted(os.environ):
        upper = name.upper()
        if upper.startswith("SCOPELINE_") and upper not in known and not upper.startswith(OTHER_PROGRAMS):
            near = difflib.get_close_matches(upper, known, n=1)
            meant = f" Did you mean {near[0]}?" if near else " docs/settings.md lists all settings."
            raise BadSetting(f"There is no setting {name} (value {os.environ[name]!r}).{meant}")


def settings_table() -> str:
    """All settings as a Markdown table, for docs/settings.md."""
    lines = ["| variable | default | meaning |", "|---|---|---|"]
    for name, field in Settings.model_fields.items():
        default = "by the machine" if field.default_factory is not None else _shown(field.default)
        lines.append(f"| `SCOPELINE_{name.upper()}` | {default} | {field.description} |")
    return "\n".join(lines) + "\n"


def _shown(default: object) -> str:
    if isinstance(default, bool):
        return str(int(default))
    return f"{default:,}" if isinstance(default, int) and default > 10**5 else str(default or "none")


def load_settings(**given: Any) -> Settings:
    """The settings, with `given` ones (None: not given) before the environment's.

    Raises BadSetting with the name, value and expectation of the first one that is wrong or unknown.
    """
    _refuse_unknown_names()
    try:
        return Settings(**{name: value for name, value in given.items() if value is not None})
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        name = str(first["loc"][0]) if first["loc"] else "settings"
        raise BadSetting(
            f"Setting {name} (SCOPELINE_{name.upper()}) has the value {first['input']!r}: {first['msg']}."
        ) from None
