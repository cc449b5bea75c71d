"""Which files are not a session's: caches, thumbnails and half-written copies that programs leave beside the data."""

from __future__ import annotations

from collections.abc import Iterable
from fnmatch import fnmatchcase

from scopeline_logger.ignore import DEFAULT as DEFAULT_IGNORE

from scopeline.domain.errors import InvalidInput
from scopeline.domain.instruments import Instrument


def ignore_patterns(instrument: Instrument) -> tuple[str, ...]:
    """The instrument's own patterns, or the default ones where it has none."""
    return DEFAULT_IGNORE if instrument.ignore is None else tuple(instrument.ignore)


def shared_patterns(instruments: Iterable[Instrument]) -> list[str]:
    """The patterns that every one of `instruments` ignores: what a client of all of them need not send."""
    lists = [ignore_patterns(instrument) for instrument in instruments]
    if not lists:
        return list(DEFAULT_IGNORE)
    return [pattern for pattern in lists[0] if all(pattern in other for other in lists[1:])]


def matching_pattern(path: str, patterns: Iterable[str]) -> str | None:
    """The first pattern that ignores `path`, or None.

    Upper and lower case are the same. A pattern without `/` is compared with each segment of the path, so that a
    folder's name ignores all below it; one with `/` is compared with the whole path.
    """
    lowered = path.lower()
    segments = lowered.split("/")
    for pattern in patterns:
        wanted = pattern.lower()
        candidates = [lowered] if "/" in wanted else segments
        if any(fnmatchcase(candidate, wanted) for candidate in candidates):
            return pattern
    return None


def refuse_ignored(path: str, instrument: Instrument) -> None:
    """Raise InvalidInput (`ignored`) where the instrument's patterns ignore `path`."""
    pattern = matching_pattern(path, ignore_patterns(instrument))
    if pattern is not None:
        raise InvalidInput(
            f"Path {path!r} is ignored by the pattern {pattern!r} of instrument {instrument.id}. "
            "Do not send it, or change the instrument's patterns.",
            code="ignored",
        )
