"""What a comparison of the stores with the catalog found, and only a person can put right."""

from __future__ import annotations

from scopeline.domain.documents import Document, Moment


class Finding(Document):
    """That a stored version is not what the catalog says of it.

    One that somebody dismissed is kept, so that the next comparison does not find the same anew.
    """

    file: str
    generation: int
    object: str
    code: str
    reason: str
    since: Moment
    dismissed_at: Moment | None = None
    dismissed_by: str | None = None

    @property
    def id(self) -> str:
        """`{file}.{generation}`: one finding for each version."""
        return f"{self.file}.{self.generation}"

    @property
    def key(self) -> str:  # noqa: D102
        return f"findings/{self.id}"
