"""What can go wrong, as sentences for people."""


class LoggerError(Exception):
    """Something that a person can act on; the message is a sentence. Ends a command with code 1."""


class WrongUse(LoggerError):
    """A command or a setting that cannot be meant so. Ends a command with code 2."""


class QueueFailure(LoggerError):
    """The queue on disk cannot be read or written."""


class Unreachable(LoggerError):
    """The server cannot be reached, answers nonsense or asks to wait. The same call may succeed later.

    `retry_after` is the pause in seconds that the server asked for, or None.
    """

    def __init__(self, message: str, retry_after: "float | None" = None) -> None:
        super().__init__(message)
        self.retry_after = retry_after


class StoreBusy(Unreachable):
    """The store of files cannot go on with this one upload now. Another may get on."""


class NotLetIn(Unreachable):
    """The server does not accept the token. A person must help, and nothing that waits is given up meanwhile."""


class Refused(LoggerError):
    """The server understood and said no. `status` is HTTP's, `code` the stable code of the problem document."""

    def __init__(self, status: int, code: str, detail: str) -> None:
        super().__init__("%s: %s" % (code, detail) if detail else code)
        self.status = status
        self.code = code
        self.detail = detail


class Stopped(LoggerError):
    """The process was asked to end."""
