"""What somebody said that nobody will put right."""

from __future__ import annotations

from pydantic import Field

from scopeline.domain.documents import Document, Moment, Part


class Dismissed(Part):
    """Work of one topic that gave up, as its subject stood then: when that changes, there is something new to do.

    `state`: the version that the event names, the file's generation, or the session's round of changes and its END.
    """

    topic: str
    state: str
    who: str
    at: Moment


class Dismissal(Document):
    """The dismissed work of a session or file, kept so that the sweep does not find the same anew."""

    subject: str
    work: list[Dismissed] = Field(default_factory=list)

    @property
    def key(self) -> str:  # noqa: D102
        return f"dismissals/{self.subject}"
