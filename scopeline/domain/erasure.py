"""What remains of an erased session."""

from __future__ import annotations

from scopeline.domain.documents import Document, Moment


class Tombstone(Document):
    """That a session was erased: when, by whom and why. Nothing of what it contained.

    Written before anything is erased, so that what comes later for the session is not taken any more; `erased_at` says
    that nothing of it is left. `files` and `versions` are what it had in the raw bucket when that began.
    """

    session: str
    reason: str
    who: str
    at: Moment
    files: int = 0
    versions: int = 0
    erased_at: Moment | None = None

    @property
    def key(self) -> str:  # noqa: D102
        return f"tombstones/{self.session}"


class ErasedFile(Document):
    """That a file was erased with its session, where its object's name does not tell so: it was stored elsewhere."""

    file: str  # a hash: it tells no name
    session: str

    @property
    def key(self) -> str:  # noqa: D102
        return f"erased_files/{self.file}"
