"""Every setting of the back end, typed, in one place.

A setting comes from the command line, else from the environment (`SCOPELINE_` and the name in capitals), else from its
default here. A bad one is BadSetting with its name, its value and what is expected: commands end with it, functions of
Google Cloud answer it.
"""

from __future__ import annotations

import difflib
import os
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Annotated, Any, Literal, get_args
from urllib.parse import urlsplit

from pydantic import AfterValidator, Field, SecretStr, ValidationError
from pydantic.fields import FieldInfo
from pydantic_core import PydanticCustomError
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


@dataclass(frozen=True, slots=True)
class ReadBy:
    """Who reads a setting: the processes of `scopeline serve`, and functions of Google Cloud by their entry points."""

    local: bool
    functions: tuple[str, ...] = ()


PUSHED = ("extract", "build_session", "publish_record")
FUNCTIONS = ("api", *PUSHED, "sweep")

LOCAL = ReadBy(local=True)
EVERYWHERE = ReadBy(local=True, functions=FUNCTIONS)


def both(*functions: str) -> ReadBy:
    """Of both editions, on Google Cloud for these functions."""
    return ReadBy(local=True, functions=functions)


def google(*functions: str) -> ReadBy:
    """Of Google Cloud only, for these functions."""
    return ReadBy(local=False, functions=functions)


def _check_address(value: str) -> str:
    """An address that paths are put behind, or nothing: empty is not set."""
    try:
        parts = urlsplit(value)
        good = (
            value.isprintable()
            and " " not in value
            and parts.scheme in ("http", "https")
            and bool(parts.hostname and parts.hostname.encode("idna"))
            and "@" not in parts.netloc
            and parts.port != 0
            and not parts.netloc.endswith(":")
            and not {*"?#\\"} & {*value}
        )
    except ValueError:  # a port, an IPv6 address or a host's name that is none
        good = False
    if value and not good:
        raise PydanticCustomError(
            "address", "Input should be http:// or https://, a host and perhaps a port and a path, without a user name"
        )
    return value


Address = Annotated[str, AfterValidator(_check_address)]


class Settings(BaseSettings):
    """The back end's settings. Each says by a ReadBy who reads it."""

    model_config = SettingsConfigDict(env_prefix="SCOPELINE_", extra="ignore")

    edition: Annotated[Literal["embedded", "gcp"], LOCAL] = Field(
        "embedded",
        description="`embedded`: all on this machine; `gcp`: Google Cloud, or its emulators. Functions need none",
    )
    log_format: Annotated[Literal["text", "json"] | None, EVERYWHERE] = Field(
        None,
        description="Log lines: `text` for people, `json` with Cloud Logging's field names; by itself `json` with the "
        "edition `gcp`",
    )

    # Commands and the local edition
    data_dir: Annotated[Path, LOCAL] = Field(
        default_factory=default_data_folder, description="Folder of everything that is kept"
    )
    host: Annotated[str, LOCAL] = Field("127.0.0.1", description="Address that the API and the site listen on")
    port: Annotated[int, Field(ge=0, le=65535), LOCAL] = Field(8080, description="Port of the API; 0: a free one")
    site_port: Annotated[int, Field(ge=0, le=65535), LOCAL] = Field(
        8081, description="Port of the web site; 0: a free one"
    )
    public_url: Annotated[Address | None, LOCAL] = Field(
        None, description="Address of the API as loggers see it, if not host and port"
    )
    anonymous: Annotated[bool, LOCAL] = Field(False, description="Whether records may be read without logging in")
    facility: Annotated[str, LOCAL] = Field("Scopeline", description="Name of the facility, shown on the web site")

    # Google Cloud: where everything is
    project: Annotated[str, google(*FUNCTIONS)] = Field("", description="Google Cloud project")
    raw_bucket: Annotated[str, google(*FUNCTIONS)] = Field("", description="Bucket of what instruments send")
    derived_bucket: Annotated[str, google(*FUNCTIONS)] = Field(
        "", description="Bucket of previews, metadata and records"
    )
    database: Annotated[str, google(*FUNCTIONS)] = Field("(default)", description="Firestore database")
    topic_prefix: Annotated[str, google(*FUNCTIONS)] = Field(
        "scopeline", description="First part of the names of Pub/Sub topics and subscriptions"
    )

    # Google Cloud: of single functions
    service_account: Annotated[str, google("api")] = Field(
        "", description="The functions' service account, which signs download URLs"
    )
    push_audience: Annotated[str, google(*PUSHED, "sweep")] = Field(
        "", description="Audience of the tokens that come with pushed messages"
    )
    push_service_account: Annotated[str, google(*PUSHED, "sweep")] = Field(
        "", description="Service account whose tokens come with pushed messages"
    )
    raw_mount: Annotated[Path | None, google("extract")] = Field(
        None, description="Folder where the raw bucket is mounted, for files that are too large to copy"
    )
    copied_bytes: Annotated[int, Field(ge=0), google("extract")] = Field(
        256 * MIB, description="Largest object in bytes that is copied for reading"
    )
    records_url: Annotated[Address | None, google("publish_record")] = Field(
        None, description="Address of the web site that records are published to"
    )
    records_token: Annotated[SecretStr | None, google("publish_record")] = Field(
        None, description="Token by which records are published"
    )

    # What sessions and records say
    site_url: Annotated[Address | None, both("api")] = Field(
        None, description="Address of the web site as people see it; by itself of host and site_port, where they are"
    )
    pid_prefix: Annotated[str, both("api", "build_session")] = Field(
        "", description="Put before a session's id to make its persistent identifier"
    )

    # Uploads
    max_file_size: Annotated[int, Field(gt=0), both("api")] = Field(1024**4, description="Largest file in bytes")
    upload_chunk: Annotated[int, Field(ge=256 * 1024, multiple_of=256 * 1024), both("api")] = Field(
        8 * MIB, description="Chunk size proposed to loggers, in bytes"
    )

    # Building records
    settle_seconds: Annotated[int, Field(ge=0), both("api", "build_session", "sweep")] = Field(
        7200, description="Seconds after END when a record is built although files are missing"
    )

    # Sessions without END
    forget_after_hours: Annotated[float, Field(ge=0, le=24 * 365), both("sweep")] = Field(
        12, description="Hours without a sign of a running session after which it is ended; 0: never"
    )

    # Reading files
    readers: Annotated[int, Field(ge=1, le=256), both("extract")] = Field(
        default_factory=processors, description="Worker processes that read files"
    )
    reader_memory: Annotated[int, Field(ge=128 * MIB), both("extract")] = Field(
        2048 * MIB, description="Bytes of private memory that one worker may use"
    )
    reader_seconds: Annotated[int, Field(ge=1), both("extract")] = Field(
        300, description="Seconds of processor time that reading one file may take; by the clock, twice as many"
    )

    # Delivery of events
    attempts: Annotated[int, Field(ge=1, le=100), both(*PUSHED)] = Field(
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
            # Its value may be a secret that was meant for a setting with nearly this name.
            raise BadSetting(f"There is no setting {name}.{meant}")


def read_by(field: FieldInfo) -> ReadBy:
    """Who reads a setting."""
    (found,) = (each for each in field.metadata if isinstance(each, ReadBy))
    return found


def settings_table() -> str:
    """All settings as Markdown tables by edition, for docs/settings.md."""
    sections: dict[str, list[str]] = {"Both editions": [], "Commands and the local edition": [], "Google Cloud": []}
    for name, field in Settings.model_fields.items():
        reader = read_by(field)
        default = "by the machine" if field.default_factory is not None else _shown(field.default)
        row = f"| `SCOPELINE_{name.upper()}` | {default} | {field.description} |"
        if not reader.functions:
            sections["Commands and the local edition"].append(row)
        else:
            functions = "all" if set(reader.functions) == set(FUNCTIONS) else _listed(reader.functions)
            sections["Both editions" if reader.local else "Google Cloud"].append(f"{row} {functions} |")
    parts = []
    for title, rows in sections.items():
        heads = ["variable", "default", "meaning", "functions that read it"][: rows[0].count(" |")]
        parts.append("\n".join((f"## {title}", "", f"| {' | '.join(heads)} |", "|---" * len(heads) + "|", *rows)))
    return "\n\n".join(parts) + "\n"


def _listed(names: tuple[str, ...]) -> str:
    return ", ".join(f"`{name}`" for name in names)


def _shown(default: object) -> str:
    if isinstance(default, bool):
        return str(int(default))
    return f"{default:,}" if isinstance(default, int) and default > 10**5 else str(default or "none")


def load_settings(**given: Any) -> Settings:
    """The settings, with `given` ones (None: not given) before the environment's.

    Raises BadSetting with the name and expectation of the first one that is wrong or unknown, and with its value where
    that is no secret.
    """
    _refuse_unknown_names()
    try:
        return Settings(**{name: value for name, value in given.items() if value is not None})
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        name = str(first["loc"][0]) if first["loc"] else "settings"
        value = "a value that is not shown" if _is_secret(name, first["input"]) else f"the value {first['input']!r}"
        raise BadSetting(f"Setting {name} (SCOPELINE_{name.upper()}) has {value}: {first['msg']}.") from None


def _is_secret(name: str, value: object) -> bool:
    """Whether the value is never shown: of secrets, and an address with what may be a user's password."""
    field = Settings.model_fields.get(name)
    kinds = () if field is None else (field.annotation, *get_args(field.annotation))
    return SecretStr in kinds or (Address in kinds and "@" in str(value))
