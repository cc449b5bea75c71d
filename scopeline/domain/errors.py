"""The error that every part of Scopeline raises on purpose."""

from __future__ import annotations


class ScopelineError(Exception):
    """Something that a person can act on.

    `code` is stable and never reworded; the message names the object, the value found, what was expected and what
    to do. `transient` says whether the same call may succeed later without anybody changing anything.
    """

    code = "error"
    status = 500
    transient = False

    def __init__(self, message: str, *, code: str | None = None, status: int | None = None) -> None:
        super().__init__(message)
        if code is not None:
            self.code = code
        if status is not None:
            self.status = status


class InvalidInput(ScopelineError):
    """A caller sent something that can never be accepted as it is."""

    code = "invalid"
    status = 422


class NotFound(ScopelineError):
    """The named object does not exist, or the caller may not know that it does."""

    code = "not_found"
    status = 404


class Forbidden(ScopelineError):
    """The caller is known, and this is not theirs to do."""

    code = "forbidden"
    status = 403


class Conflict(ScopelineError):
    """The object is not in the state that the call expects."""

    code = "conflict"
    status = 409


class Unavailable(ScopelineError):
    """A store or service cannot be reached now; the same call may succeed later."""

    code = "unavailable"
    status = 503
    transient = True
