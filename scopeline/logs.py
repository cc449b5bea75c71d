"""Log lines: what they are about, and their two forms, for people and for Cloud Logging.

A line never carries a secret (`scopeline.redaction`), and no text inside it can look like another line. The fields of
the JSON form are https://cloud.google.com/logging/docs/structured-logging#special-payload-fields; a `stack_trace` is
what Error Reporting reads.
"""

from __future__ import annotations

import json
import logging
import re
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import UTC, datetime
from types import MappingProxyType
from typing import Any, Literal, Protocol, TextIO

from scopeline.domain.events import Event
from scopeline.domain.names import session_in_name
from scopeline.redaction import redact

# What is worked on where nobody said it.
_NOTHING: Mapping[str, str] = MappingProxyType({})
_subject: ContextVar[Mapping[str, str]] = ContextVar("subject", default=_NOTHING)

# Cloud Logging takes 256 KiB an entry, all fields together.
LONGEST_MESSAGE = 20_000
LONGEST_TRACEBACK = 50_000
LONGEST_LABEL = 300
# What of the subject has a field of its own in Cloud Logging; all else are labels.
TRACE, SPAN = "trace", "span"
_GOOGLE = "logging.googleapis.com"

_TRACE_ID = re.compile(r"[0-9a-f]{32}")
_TRACEPARENT = re.compile(r"[0-9a-f]{2}-([0-9a-f]{32})-([0-9a-f]{16})-[0-9a-f]{2}(?:-.*)?")
_CLOUD_TRACE = re.compile(r"([0-9a-f]{32})(?:/(\d{1,20}))?(?:;.*)?", re.IGNORECASE)

Form = Literal["text", "json"]


@contextmanager
def about(**subject: object) -> Iterator[None]:
    """Say of all that is logged inside what it is about: `session`, `file`, `topic`, `trace`, ... (None: not known)."""
    token = _subject.set(_with(subject))
    try:
        yield
    finally:
        _subject.reset(token)


def learn(**subject: object) -> None:
    """Say more of what is logged from here to the end of the `about` around it; nothing where there is none."""
    if _subject.get() is not _NOTHING:
        _subject.set(_with(subject))


def subject() -> Mapping[str, str]:
    """What is being worked on here."""
    return _subject.get()


def subject_of(event: Event) -> dict[str, str]:
    """What an event is about, for `about`: its topic, and its session or its file.

    Of a file's event, the session is the one at whose place in raw the object stands; none where it stands elsewhere.
    """
    if not event.type.startswith("object."):
        return {"topic": event.type, "session": event.key}
    name = event.data.get("name") or event.data.get("object")
    session = session_in_name(name) if isinstance(name, str) else None
    return {"topic": event.type, "file": event.key, **({"session": session} if session else {})}


def trace_of_message(attributes: Mapping[str, str]) -> dict[str, str]:
    """The trace of the call that a message follows from, for `about`, where its attribute `trace` tells one."""
    trace = attributes.get(TRACE, "")
    return {TRACE: trace} if _TRACE_ID.fullmatch(trace) and int(trace, 16) else {}


def trace_for_message() -> dict[str, str]:
    """The attribute by which a message that is published here tells its trace; none where there is no trace."""
    return trace_of_message(_subject.get())


def _with(more: Mapping[str, object]) -> Mapping[str, str]:
    """The subject with more. A span belongs to its trace: another trace has none until one is told."""
    before, known = _subject.get(), {name: _text_of(value) for name, value in more.items() if value not in (None, "")}
    if known.get(TRACE, before.get(TRACE)) != before.get(TRACE):
        before = {name: value for name, value in before.items() if name != SPAN}
    return {**before, **known}


def _text_of(value: object) -> str:
    """The value's words; its type where it fails to say them."""
    try:
        return str(value)
    except Exception as error:  # noqa: BLE001 (`logging` itself would print all arguments, secrets and all)
        return f"a {type(value).__name__} that cannot be shown ({type(error).__name__})"


class Headers(Protocol):
    """The headers of a request."""

    def get(self, key: str, default: str, /) -> str:
        """The value of a header, or `default`."""


def trace_of(headers: Headers) -> dict[str, str]:
    """The trace that a request belongs to, for `about`: `trace` (32 hexadecimal digits) and `span` (16), where told.

    `headers` finds names in any case, as a web framework's does. The W3C's header `traceparent`
    (https://www.w3.org/TR/trace-context/) goes before Google's older `X-Cloud-Trace-Context` (`TRACE/SPAN;o=1`, the
    span decimal). Other values are not believed: they stand in log lines.
    """
    found = _TRACEPARENT.fullmatch(headers.get("traceparent", "").strip())
    if found and int(found[1], 16) and int(found[2], 16):
        return {TRACE: found[1], SPAN: found[2]}
    older = _CLOUD_TRACE.fullmatch(headers.get("X-Cloud-Trace-Context", "").strip())
    if older is None:
        return {}
    span = int(older[2] or 0)
    return {TRACE: older[1].lower(), **({SPAN: f"{span:016x}"} if 0 < span < 2**64 else {})}


# ------------------------------------------------------------------------------------------------------- two forms


def log_as_text(level: int = logging.INFO, stream: TextIO | None = None) -> None:
    """Send the log of this process to `stream` (standard error), a line each, in UTC, for people."""
    _log(TextLines(), level, stream)


def log_as_json(project: str = "", level: int = logging.INFO, stream: TextIO | None = None) -> None:
    """Send the log of this process to `stream` (standard error), a JSON object a line, for Cloud Logging.

    `project` is the Google Cloud project that traces belong to.
    """
    _log(JsonLines(project), level, stream)


def _log(form: logging.Formatter, level: int, stream: TextIO | None) -> None:
    handler = logging.StreamHandler(stream or sys.stderr)
    handler.setFormatter(form)
    root = logging.getLogger()
    root.setLevel(logging.WARNING)
    root.handlers = [handler]
    logging.getLogger("scopeline").setLevel(level)


class TextLines(logging.Formatter):
    """`2026-02-06T12:00:00Z INFO scopeline.local: Words. [session=...]`; a traceback follows, each line indented."""

    def format(self, record: logging.LogRecord) -> str:
        """The record as one line and, where it has one, a traceback."""
        return _in_any_case(self._line, record)

    def _line(self, record: logging.LogRecord) -> str:
        when = _time(record).strftime("%Y-%m-%dT%H:%M:%SZ")
        told = " ".join(f"{name}={_shown(value)}" for name, value in subject().items() if name != SPAN)
        line = f"{when} {record.levelname} {record.name}: {_shown(_message(record))}" + (f" [{told}]" if told else "")
        trace = _traceback(self, record)
        return "\n    ".join([line, *(_shown(part) for part in trace.splitlines())])


class JsonLines(logging.Formatter):
    """One JSON object a line, with Cloud Logging's names."""

    def __init__(self, project: str = "") -> None:
        super().__init__()
        self._project = project

    def format(self, record: logging.LogRecord) -> str:
        """The record as one line."""
        return _in_any_case(self._line, record)

    def _line(self, record: logging.LogRecord) -> str:
        about_it = {name: redact(value)[:LONGEST_LABEL] for name, value in subject().items()}
        trace, span = about_it.pop(TRACE, None), about_it.pop(SPAN, None)
        entry: dict[str, Any] = {
            "severity": _severity(record.levelno),
            "time": _time(record).isoformat(timespec="microseconds").replace("+00:00", "Z"),
            "message": _message(record),
            "logger": record.name,
        }
        if stack := _traceback(self, record):
            entry["stack_trace"] = stack
        if about_it:
            entry[f"{_GOOGLE}/labels"] = about_it
        if trace and _TRACE_ID.fullmatch(trace):
            entry[f"{_GOOGLE}/trace"] = f"projects/{self._project}/traces/{trace}" if self._project else trace
            if span:
                entry[f"{_GOOGLE}/spanId"] = span
        entry[f"{_GOOGLE}/sourceLocation"] = {
            "file": _source(record.pathname),
            "line": str(record.lineno),
            "function": record.funcName,
        }
        return json.dumps(entry)


def _in_any_case(line: Callable[[logging.LogRecord], str], record: logging.LogRecord) -> str:
    """The record's line; where it cannot be made, one that says so: `logging` would print the record as it is."""
    try:
        return line(record)
    except Exception as error:  # noqa: BLE001 (whatever was logged)
        words = f"A line of the log could not be written: {type(error).__name__}"
        place = record.name, record.levelno, record.pathname, record.lineno
        return line(logging.LogRecord(*place, words, (), None, record.funcName))


def _severity(level: int) -> str:
    """Cloud Logging's name of a level; levels in between count as the one below."""
    for least, name in ((50, "CRITICAL"), (40, "ERROR"), (30, "WARNING"), (20, "INFO")):
        if level >= least:
            return name
    return "DEBUG"


def _time(record: logging.LogRecord) -> datetime:
    return datetime.fromtimestamp(record.created, UTC)


def _message(record: logging.LogRecord) -> str:
    try:
        text = record.getMessage()
    except Exception as error:  # noqa: BLE001 (`logging` itself would print the arguments, secrets and all)
        text = f"{_text_of(record.msg)} (its arguments do not fit: {type(error).__name__})"
    return _cut(redact(text), LONGEST_MESSAGE)


def _traceback(form: logging.Formatter, record: logging.LogRecord) -> str:
    """The exception's and the stack's text, or none."""
    parts = [form.formatException(record.exc_info) if record.exc_info and record.exc_info[0] else record.exc_text]
    parts.append(record.stack_info)
    return _cut(redact("\n".join(part for part in parts if part)), LONGEST_TRACEBACK)


def _cut(text: str, longest: int) -> str:
    """The beginning and the end of a long text: an error's words stand at the end of its traceback."""
    half = longest // 2
    return text if len(text) <= longest else f"{text[:half]} ... {text[-half:]}"


def _shown(text: str) -> str:
    """One printable line: line breaks and control characters as escapes."""
    if text.isprintable():
        return redact(text)
    return redact("".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text))


def _source(path: str) -> str:
    """The part of a source file's path that means something on another machine."""
    for package in ("scopeline/", "cdcs_connector/", "scopeline_logger/", "functions/", "site-packages/"):
        _head, found, tail = path.replace("\\", "/").rpartition(f"/{package}")
        if found:
            return tail if package == "site-packages/" else package + tail
    return path.replace("\\", "/").rpartition("/")[2]
