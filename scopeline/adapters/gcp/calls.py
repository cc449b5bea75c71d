"""How every call to Google Cloud is made: its deadline, how often it is tried, and what its errors mean.

A call has `CALL_SECONDS`, all tries together `TOTAL_SECONDS`: less than a delivery's time, so that its failure is
recorded and the delivery comes again.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import BinaryIO, TypeVar

import requests.exceptions
from google.api_core import exceptions as google_errors
from google.api_core.retry import Retry
from google.auth import exceptions as auth_errors

from scopeline.domain.errors import Unavailable

CALL_SECONDS = 20.0
TOTAL_SECONDS = 45.0
# What a transfer of bytes is allowed beside that: the time it takes at this rate, which is slow within a region.
SLOWEST_BYTES_PER_SECOND = 4 * 1024 * 1024

# Answers that may be other ones a moment later (https://cloud.google.com/storage/docs/retry-strategy,
# https://cloud.google.com/firestore/docs/understand-error-codes).
PASSING: tuple[type[Exception], ...] = (
    google_errors.TooManyRequests,
    google_errors.ServerError,
    google_errors.DeadlineExceeded,
    google_errors.Aborted,
    google_errors.RetryError,
    ConnectionError,
    requests.exceptions.ConnectionError,
    requests.exceptions.Timeout,
    requests.exceptions.ChunkedEncodingError,
    auth_errors.TransportError,
)
# Rights that are missing are given by an administrator, and take minutes to be known everywhere.
FORBIDDEN: tuple[type[Exception], ...] = (
    google_errors.Forbidden,
    google_errors.Unauthorized,
    auth_errors.GoogleAuthError,
)


def is_passing(error: BaseException) -> bool:
    """Whether the same call may succeed a moment later."""
    return isinstance(error, PASSING)


# For calls that may be repeated: reads, and writes with a precondition. Pauses 0.2 s, 0.4 s, ... up to 5 s, each with
# a random part.
RETRY = Retry(predicate=is_passing, initial=0.2, maximum=5.0, multiplier=2.0, timeout=TOTAL_SECONDS)

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
    """Raise Unavailable (`google_unavailable`, `not_permitted`) for what Google's clients raise inside; others pass."""
    try:
        yield
    except PASSING as error:
        raise Unavailable(
            f"{what} failed: {_words(error)}. It is tried again by itself.", code="google_unavailable"
        ) from error
    except FORBIDDEN as error:
        raise Unavailable(
            f"{what} is not permitted: {_words(error)}. Expected the rights that Terraform gives to the service "
            "account; check that it was applied.",
            code="not_permitted",
        ) from error


def _words(error: Exception) -> str:
    """The first line of an error, without a query string: upload and signed URLs are secrets."""
    first = (str(error).splitlines() or [""])[0].split("?", 1)[0]
    return f"{type(error).__name__}: {first[:300]}"
