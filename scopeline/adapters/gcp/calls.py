"""How every call to Google Cloud is made: its deadline, how often it is tried, and what its errors mean.

A call has `CALL_SECONDS`, all tries together `TOTAL_SECONDS`: less than a delivery's time, so that its failure is
recorded and the delivery comes again.

Of a call to Firestore and Pub/Sub, `CALL_SECONDS` bounds the whole. Of one to Cloud Storage it bounds each wait: for
the connection, and for the next bytes of the answer. A transfer of an object's bytes is bounded as a whole, too
(`TimedStream`), looked at after every piece that Google's client takes from the line (8 KiB). Answers in JSON are
small, and lists come in pages: only a line that drips byte by byte makes one of those calls longer; the function's own
time limit ends it.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import BinaryIO, TypeVar

import requests.exceptions
import urllib3.exceptions
from google.api_core import exceptions as google_errors
from google.api_core.retry import Retry
from google.auth import exceptions as auth_errors

from scopeline.domain.errors import Unavailable

CALL_SECONDS = 20.0
TOTAL_SECONDS = 45.0
# What a transfer of bytes is allowed beside that: the time it takes at this rate, which is slow within a region.
SLOWEST_BYTES_PER_SECOND = 4 * 1024 * 1024

# Answers that may be other ones a moment later (https://cloud.google.com/storage/docs/retry-strategy,
# https://cloud.google.com/firestore/docs/understand-error-codes); 408 has no class of its own (`is_passing`).
PASSING: tuple[type[Exception], ...] = (
    google_errors.TooManyRequests,
    google_errors.ServerError,
    google_errors.DeadlineExceeded,
    google_errors.Aborted,
    google_errors.Cancelled,
    google_errors.RetryError,
    ConnectionError,
    requests.exceptions.ConnectionError,
    requests.exceptions.Timeout,
    requests.exceptions.ChunkedEncodingError,
    requests.exceptions.ContentDecodingError,
    # What breaks while an object's bytes arrive as they are stored.
    urllib3.exceptions.HTTPError,
    auth_errors.TransportError,
)
# Rights that are missing are given by an administrator, and take minutes to be known everywhere.
FORBIDDEN: tuple[type[Exception], ...] = (
    google_errors.Forbidden,
    google_errors.Unauthorized,
    auth_errors.GoogleAuthError,
)
PROBLEMS: tuple[type[Exception], ...] = (google_errors.GoogleAPICallError, *PASSING)
_REQUEST_TIMEOUT = 408


def is_passing(error: BaseException) -> bool:
    """Whether the same call may succeed a moment later."""
    if isinstance(error, google_errors.GoogleAPICallError) and error.code == _REQUEST_TIMEOUT:
        return True
    return isinstance(error, PASSING)


# For calls that may be repeated: reads, and writes with a precondition. Pauses 0.2 s, 0.4 s, ... up to 5 s, each with
# a random part.
RETRY = Retry(predicate=is_passing, initial=0.2, maximum=5.0, multiplier=2.0, timeout=TOTAL_SECONDS)

# Firestore's words: "The query requires an index. You can create it here: ...", "... That index is currently building
# and cannot be used yet."; "The database (default) does not exist for project ...", "The project ... does not exist or
# it does not contain an active Cloud Datastore or Cloud Firestore database."
_INDEX = re.compile(r"\b(requires|needs) an? [a-z _]*index\b|\bindex is (currently|still) building\b", re.IGNORECASE)
_DATABASE = re.compile(r"^The (database|project)\b.*\bdoes not exist\b", re.IGNORECASE | re.DOTALL)

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Patience:
    """How long one call to Cloud Storage, and all its tries together, may take (seconds)."""

    call: float = CALL_SECONDS
    total: float = TOTAL_SECONDS

    def retry(self, transferred: int = 0) -> Retry:
        """How a call that transfers so many bytes is repeated."""
        return RETRY.with_timeout(self.total_with(transferred))

    def total_with(self, transferred: int) -> float:
        """All tries together, for a call that transfers so many bytes."""
        return self.total + transferred / SLOWEST_BYTES_PER_SECOND

    def repeat(self, call: Callable[[], T], transferred: int = 0) -> T:
        """What `call` returns, at once or when what fails has passed."""
        answer: T = self.retry(transferred)(call)()
        return answer


class TimedStream:
    """A file that is sent or written by Google's client, until a moment of `time.monotonic`.

    The client's timeouts bound each wait of a transfer, not all of them together.
    """

    def __init__(self, file: BinaryIO, until: float) -> None:
        self._file = file
        self._until = until
        self.tell, self.seek = file.tell, file.seek

    def read(self, size: int = -1) -> bytes:
        """The next bytes. Raises requests' Timeout when time is up."""
        self._check()
        return self._file.read(size)

    def write(self, data: bytes) -> int:
        """Write bytes. Raises requests' Timeout when time is up."""
        self._check()
        return self._file.write(data)

    def _check(self) -> None:
        if time.monotonic() > self._until:
            raise requests.exceptions.Timeout("The transfer took too long.")


@contextmanager
def google_problems(what: str) -> Iterator[None]:
    """Raise Unavailable for what Google's clients raise inside and what passes or can be mended; others pass.

    Its codes are `google_unavailable`, `not_permitted`, and of Firestore `no_index` and `no_database`.
    """
    try:
        yield
    except FORBIDDEN as error:
        raise Unavailable(
            f"{what} is not permitted: {_words(error)}. Expected the rights that Terraform gives to the service "
            "account; check that it was applied.",
            code="not_permitted",
        ) from error
    except PROBLEMS as error:
        if is_passing(error):
            raise Unavailable(
                f"{what} failed: {_words(error)}. Try again later; deliveries are tried again by themselves.",
                code="google_unavailable",
            ) from error
        if lacks_index(error):
            raise Unavailable(
                f"{what} needs an index that Firestore does not have yet: {_words(error)}. Check that Terraform was "
                "applied (infra/firestore.indexes.json); one that is being built is ready after some minutes.",
                code="no_index",
            ) from error
        if lacks_database(error):
            raise Unavailable(
                f"{what} failed: {_words(error)}. Check that Terraform was applied, which makes the database, and the "
                "settings SCOPELINE_PROJECT and SCOPELINE_DATABASE.",
                code="no_database",
            ) from error
        raise


def lacks_index(error: Exception) -> bool:
    """Whether Firestore refuses a query without an index (or while it is built), rather than a write's precondition."""
    return isinstance(error, google_errors.FailedPrecondition) and bool(_INDEX.search(error.message or ""))


def lacks_database(error: Exception) -> bool:
    """Whether Firestore knows no such database, rather than no such document."""
    return isinstance(error, google_errors.NotFound) and bool(_DATABASE.search(error.message or ""))


def _words(error: Exception) -> str:
    """The first line of an error, without a query string: upload and signed URLs are secrets."""
    first = (str(error).splitlines() or [""])[0].split("?", 1)[0]
    return f"{type(error).__name__}: {first[:300]}"
