"""Which moment orders a dataset: its own, or its file's where its own lies outside the session."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from scopeline.domain.files import Dataset, File
from scopeline.domain.sessions import Session

# Clocks of instrument PCs are wrong by minutes, and people press START late. A wrong time zone is at least 30 minutes,
# nearly always an hour, and must show.
TOLERANCE = timedelta(minutes=29)


@dataclass(frozen=True, slots=True)
class Bounds:
    """When a session was, by the server's clock; no end: it still runs.

    `guessed`: nobody said when it ended, so nothing is too late for it.
    `missed`: most files are of another time, as when files of an earlier day are brought in. Their own times then say
    more than the moment at which a logger saw them.
    """

    start: datetime
    end: datetime | None
    missed: bool = False
    guessed: bool = False

    @classmethod
    def of(cls, session: Session) -> Bounds:
        """The session's START and END."""
        end = session.end.moment if session.end else None
        return cls(session.start.moment, end, guessed=session.is_forgotten)

    def contain(self, moment: datetime) -> bool:
        """Whether the moment lies in the session, give or take the tolerance."""
        late = self.end is not None and not self.guessed and moment > self.end + TOLERANCE
        return self.start - TOLERANCE <= moment and not late


def ordering_time(file: File, dataset: Dataset | None, bounds: Bounds) -> datetime | None:
    """The moment that orders a dataset, or a file without one.

    That is when it was acquired; where this is not known or outside the session, the file's own time, or else when the
    logger first saw the file; the first of them that lies in the session, or the first that there is. Where most files
    miss the session, the file's own time is taken as it is.
    """
    own = dataset.acquired.value if dataset and dataset.acquired else None
    if own is not None and bounds.contain(own):
        return own
    others = [moment for moment in (file.mtime, file.first_seen) if moment is not None]
    inside = [moment for moment in others if bounds.contain(moment)] if not bounds.missed else []
    return next(iter([*inside, *others]), own)


def has_own_time(dataset: Dataset) -> bool:
    """Whether the original metadata say when the dataset was acquired."""
    return dataset.acquired is not None and dataset.acquired.source != "file"


def is_outside(dataset: Dataset, bounds: Bounds) -> bool:
    """Whether the original metadata give a time that does not lie in the session."""
    acquired = dataset.acquired
    return acquired is not None and acquired.source != "file" and not bounds.contain(acquired.value)
