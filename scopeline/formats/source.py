"""What a reader is given: the file's path, companions and clock; and the errors that say what is wrong with it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from scopeline.formats.results import Unreadable
from scopeline.formats.times import Clock


@dataclass(slots=True)
class Source:
    """One file to read."""

    path: Path
    size: int
    clock: Clock
    companions: list[Path] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)  # of the file as a whole

    @property
    def title(self) -> str:
        """The file name without its extension: the title where the file has none."""
        return self.path.stem

    def companion(self, extension: str) -> Path | None:
        """The companion with this extension (`.hdr`), if it is there."""
        return next((path for path in self.companions if path.suffix.lower() == extension), None)

    def must_hold(self, needed: int) -> None:
        """Raise Unreadable where the file is shorter than its own header says."""
        if self.size < needed:
            raise ends_early(self.size, needed)


def ends_early(size: int, needed: int) -> Unreadable:
    """The error of a file that stops before its end."""
    return Unreadable(f"The file ends after {size:,} of {needed:,} bytes: it was not written or copied completely.")


def of_this_computer(error: OSError) -> bool:
    """Whether the operating system raised it; parsers raise OSError for bad content too, without a number."""
    import errno

    # A seek to where a damaged header points is an invalid argument, not a broken disk.
    of_content = (errno.EINVAL, errno.EOVERFLOW)
    numbered = isinstance(error.errno, int) and error.errno not in of_content
    return numbered and not str(error).startswith("Unable to")


@contextmanager
def damaged(what: str, size: int) -> Iterator[None]:
    """Turn what a parser raises for bad bytes into Unreadable.

    `what` names the part that is read, `size` is the file's length in bytes.
    """
    import struct

    try:
        yield
    except (struct.error, EOFError) as error:
        raise Unreadable(
            f"The file ends after {size:,} bytes, in the middle of {what}: it was not written or copied completely."
        ) from error
    except OSError as error:
        if of_this_computer(error):
            raise
        raise Unreadable(f"The file is damaged: {what} cannot be read.") from error
    except (ValueError, KeyError, IndexError, TypeError, AttributeError, OverflowError, RuntimeError) as error:
        raise Unreadable(f"The file is damaged: {what} cannot be read.") from error
