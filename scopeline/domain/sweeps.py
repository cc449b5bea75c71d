"""Where the regular work of the back end stands."""

from __future__ import annotations

from scopeline.domain.documents import Document, Moment


class SweepState(Document):
    """How far one task of the sweep is: it goes on at `cursor` (None: from the beginning)."""

    task: str
    cursor: str | None = None
    began_at: Moment | None = None  # this round
    finished_at: Moment | None = None  # the last whole round
    found: int = 0  # what this round found so far

    @property
    def key(self) -> str:  # noqa: D102
        return f"sweeps/{self.task}"
