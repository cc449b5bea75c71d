"""The three contracts between Scopeline and the machines that it runs on.

Services know these ports only. An adapter lives in `scopeline/adapters/<edition>/`, one module per port, and passes the
contract suite of the port in `tests/contracts/`. Every method may raise `Unavailable` (transient: the store cannot be
reached now); what else it raises stands with it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from pathlib import Path
from typing import Any, BinaryIO, Generic, Protocol, TypeVar

from scopeline.domain.documents import Document
from scopeline.domain.errors import Conflict, InvalidInput, NotFound
from scopeline.domain.events import Event, StoredObject


class PreconditionFailed(Conflict):
    """The object or document is not at the generation or revision that the write expects."""

    code = "precondition_failed"
    status = 412


class MissingObject(NotFound):
    """No such object, or no such generation of it."""

    code = "missing_object"


class NotCurrent(MissingObject):
    """The version is there, but this store can show so large an object for reading only while it is current."""

    code = "not_current"


class TooLargeToCopy(InvalidInput):
    """The version is larger than what may be copied for reading, and there is no other way to read it here."""

    code = "too_large_to_copy"


class Retained(Conflict):
    """The version may not be deleted yet: the bucket's retention or a hold forbids it."""

    code = "retained"


# --------------------------------------------------------------------------------------------------------- objects


class Bucket(StrEnum):
    """The two stores of bytes: what instruments sent, and what was made from it."""

    RAW = "raw"
    DERIVED = "derived"


@dataclass(frozen=True, slots=True)
class ObjectRef:
    """One version of an object, and the file name that a reader should see it under."""

    name: str
    generation: int
    file_name: str


class ObjectStore(Protocol):
    """Immutable versions of named bytes in one bucket.

    * A write makes a new version with a generation greater than every earlier one of the whole bucket, also across
      deletion of the name. A version's bytes never change. The current version of a name is its newest one; where that
      one is deleted, the name has no current version until the next write. Older versions stay readable by generation.
    * `if_generation` makes a write conditional on the name's current generation: 0 = the name must have no current
      version (create only), n = it must be n, None = whatever it is.
    * A version is visible completely or not at all. In the raw bucket, each new version causes at least one
      `object.finalized` event and each deletion an `object.deleted` event; the derived bucket causes none.
    """

    bucket: str

    def stat(self, name: str, generation: int | None = None) -> StoredObject | None:
        """The version `generation` of `name`, or its current one; None where there is none."""

    def write(
        self,
        name: str,
        data: bytes | Path,
        *,
        if_generation: int | None = None,
        content_type: str = "application/octet-stream",
        metadata: Mapping[str, str] | None = None,
    ) -> StoredObject:
        """Store `data` (bytes, or a file that is copied) as a new version. Raises PreconditionFailed.

        Names have 1 to 1,024 bytes without line breaks and are not `.` or `..`: InvalidInput
        (`invalid_object_name`).
        """

    def create_upload(
        self,
        name: str,
        *,
        size: int,
        if_generation: int,
        content_type: str = "application/octet-stream",
        metadata: Mapping[str, str] | None = None,
    ) -> str:
        """Open a resumable upload of exactly `size` bytes and return its URL, which is a secret.

        The URL speaks the resumable protocol (`scopeline_logger/resumable.py`) and lives a week. The precondition is
        checked when the last byte arrives: 412 then, and nothing is stored. Where the version that came first has the
        same bytes, the answer may also be that version. A store may also check it now: PreconditionFailed.
        """

    def open(self, name: str, generation: int) -> BinaryIO:
        """The bytes of a version, readable and seekable. Raises MissingObject."""

    def local_folder(self, objects: Sequence[ObjectRef]) -> AbstractContextManager[Path]:
        """A folder in which each object stands under its `file_name`, for readers that want paths.

        The files must not be written. They stay readable to the end of the context, also where a version is deleted
        meanwhile; then the folder is gone. Raises MissingObject, and InvalidInput (`invalid_file_name`) where a
        `file_name` is not a plain name or stands twice. A store that cannot copy an object of that size shows it only
        while it is current: NotCurrent, at the beginning or, where that changed meanwhile, at the end of the context;
        one that can show it in no way: TooLargeToCopy. Of no objects, it is an empty folder that may be written.
        """

    def delete(self, name: str, generation: int) -> bool:
        """Delete one version; False where it was not there. Raises Retained."""

    def list(self, prefix: str = "", *, after: str = "") -> Iterator[StoredObject]:
        """The current versions of the names that start with `prefix` and come after `after`, by name."""

    def versions(self, prefix: str) -> Iterator[StoredObject]:
        """All versions, current or not, of the names that start with `prefix`, by name and generation."""

    def check_writable(self) -> None:
        """Raise Unavailable (`disk_full`, `read_only`) where it is known, without writing, that writes would fail."""

    def download_url(self, name: str, generation: int, file_name: str, expires: timedelta) -> str | None:
        """A URL that lets its holder read the version for that long; None where the API must send the bytes itself."""


# --------------------------------------------------------------------------------------------------------- catalog

D = TypeVar("D", bound=Document)


@dataclass(frozen=True, slots=True)
class Stored(Generic[D]):
    """A document and the revision that it had when it was read."""

    document: D
    revision: str


@dataclass(frozen=True, slots=True)
class Query:
    """A question that the code asks the catalog. Every one stands in `QUERIES`, from which indexes are made.

    `equal` fields must equal the given values (None: the field is null; a field may also be given a list of at most
    `MAX_ALTERNATIVES`: any of them); results are ordered by `order` and then by key, null before everything else,
    all of it backwards where `descending`. `since` of `Catalog.find` bounds the first `order` field from below,
    `before` from above; a null field is outside of both.
    """

    name: str
    collection: str  # "files", or "files/{parent}/versions"
    equal: tuple[str, ...] = ()
    order: tuple[str, ...] = ()
    descending: bool = False


SESSIONS = Query("sessions", "sessions", (), ("start.received",), descending=True)
SESSIONS_OF_INSTRUMENT = Query(
    "sessions_of_instrument", "sessions", ("instrument",), ("start.received",), descending=True
)
SESSIONS_IN_STATE = Query("sessions_in_state", "sessions", ("state",), ("start.received",))
RECORDS_NEVER_PUBLISHED = Query(
    "records_never_published", "sessions", ("state", "handling", "record.published_at"), ("start.received",)
)
SESSIONS_CHANGED = Query("sessions_changed", "sessions", ("state",), ("updated_at",))
RECORDS_BEHIND = Query("records_behind", "sessions", (), ("changes.behind_since",))
FILES_OF_SESSION = Query("files_of_session", "files", ("session",), ("updated_at",))
FILES_OF_SESSION_IN_STATUS = Query("files_of_session_in_status", "files", ("session", "status"), ("updated_at",))
UNASSIGNED_FILES = Query("unassigned_files", "files", ("instrument", "session"), ("first_seen",))
VERSIONS_OF_FILE = Query("versions_of_file", "files/{parent}/versions", (), ("generation",))
NEWEST_VERSIONS = Query("newest_versions", "files/{parent}/versions", (), ("generation",), descending=True)
FILES = Query("files", "files", (), ())
FILES_IN_STATUS = Query("files_in_status", "files", ("status",), ("updated_at",))
RECORD_VERSIONS = Query("record_versions", "records/{parent}/versions", (), ("version",))
INSTRUMENTS = Query("instruments", "instruments", (), ())
CLIENTS = Query("clients", "clients", (), ())
TOKENS = Query("tokens", "tokens", (), ())
SWEEPS = Query("sweeps", "sweeps", (), ())
FINDINGS = Query("findings", "findings", (), ("since",))
TOMBSTONES = Query("tombstones", "tombstones", (), ("at",))

QUERIES = (
    SESSIONS,
    SESSIONS_OF_INSTRUMENT,
    SESSIONS_IN_STATE,
    RECORDS_NEVER_PUBLISHED,
    SESSIONS_CHANGED,
    RECORDS_BEHIND,
    FILES_OF_SESSION,
    FILES_OF_SESSION_IN_STATUS,
    UNASSIGNED_FILES,
    FILES,
    FILES_IN_STATUS,
    VERSIONS_OF_FILE,
    NEWEST_VERSIONS,
    RECORD_VERSIONS,
    INSTRUMENTS,
    CLIENTS,
    TOKENS,
    SWEEPS,
    FINDINGS,
    TOMBSTONES,
)


@dataclass(frozen=True, slots=True)
class Page(Generic[D]):
    """Some results of a query, and where to go on (None: that was all)."""

    items: list[D]
    cursor: str | None


# What the smallest catalog takes (https://cloud.google.com/firestore/quotas): values of one field in a query, and the
# JSON text of a document; of 1 MiB for a document, some is left for its name and the fields that queries need.
MAX_ALTERNATIVES = 30
MAX_DOCUMENT_BYTES = 1_000_000


class Catalog(Protocol):
    """Documents by key. A write is durable when the call returns. There are no transactions over documents.

    A document of over `MAX_DOCUMENT_BYTES` is refused with InvalidInput (`document_too_large`). A revision names one
    state of one document and never comes again, also across deletion.
    """

    def create(self, document: Document) -> bool:
        """Store a document whose key is free; False (and nothing written) where the key is taken."""

    def get(self, kind: type[D], key: str) -> Stored[D] | None:
        """The document at `key`, or None."""

    def update(self, document: Document, revision: str) -> str:
        """Replace the document if its revision is still `revision`; the new revision. Raises PreconditionFailed."""

    def delete(self, key: str) -> bool:
        """Remove a document; False where it was not there."""

    def find(
        self,
        kind: type[D],
        query: Query,
        *,
        where: Mapping[str, Any] | None = None,
        parent: str | None = None,
        since: Any = None,
        before: Any = None,
        limit: int = 500,
        cursor: str | None = None,
    ) -> Page[D]:
        """One page of the query's results. `where` gives a value for each field of `query.equal`.

        `since` is inclusive, `before` exclusive; moments are given as datetimes. A cursor of another query or form
        raises InvalidInput (`invalid_cursor`), a limit outside 1 to 500 `invalid_limit`, a query that is not in
        `QUERIES` or lacks its values or parent `invalid_query`.
        """

    def count(self, query: Query, *, where: Mapping[str, Any] | None = None, parent: str | None = None) -> int:
        """How many documents the query would find."""


def find_all(
    catalog: Catalog,
    kind: type[D],
    query: Query,
    *,
    where: Mapping[str, Any] | None = None,
    parent: str | None = None,
    since: Any = None,
) -> Iterator[D]:
    """All results of a query, page by page."""
    cursor: str | None = None
    while True:
        page = catalog.find(kind, query, where=where, parent=parent, since=since, cursor=cursor)
        yield from page.items
        if page.cursor is None:
            return
        cursor = page.cursor


# ---------------------------------------------------------------------------------------------------------- events


# The longest time in which calls are joined (design section 5).
LONGEST_WINDOW = timedelta(hours=1)


# What else is to be done when a delivery gives up, before it is parked; may be called again for the same one. It is
# given the event, the error's code and its words.
OnParked = Callable[[Event, str, str], None]


@dataclass(frozen=True, slots=True)
class Parked:
    """A delivery that gave up after its attempts: kept with its reason until it is replayed or superseded.

    `since` is its first failure, also where it was replayed in between. `transient`: its last error may pass by itself.
    """

    id: str
    event: Event
    reason: str
    code: str
    attempts: int
    since: datetime
    transient: bool


class Events(Protocol):
    """Messages from one part to another, delivered at least once, in no promised order.

    A handler that returns acknowledges; one that raises is tried again with growing pauses, and parked after the
    adapter's number of attempts with the error's code and words. An error that is not transient is parked at once;
    errors of the operating system (OSError, MemoryError) count as transient.

    A delivery that succeeds removes what is parked of the same topic and key, was accepted before it, and is answered
    by its event (`Event.answers`).

    A clock that is set back holds up nothing but deliveries with a `not_before`.
    """

    def publish(self, event: Event, *, not_before: datetime | None = None) -> None:
        """Accept `event` for delivery, durably, before returning; deliver it not before that moment."""

    def coalesce(self, event: Event, window: timedelta) -> None:
        """Accept `event`, joining it with others of its type and key.

        However often it is called in a window, there is one delivery, at least 2 s after the window's end; every call
        is followed by a delivery that starts after the call. The delivered data are those of one of the calls. A
        window longer than `LONGEST_WINDOW` counts as that.
        """

    def parked(self, *, since: datetime | None = None) -> Iterable[Parked]:
        """The deliveries that gave up, by their first failure, oldest first; from that moment of it on, inclusive."""

    def replay(self, parked_id: str) -> bool:
        """Deliver a parked event again, with fresh attempts; False where there is none of that id."""

    def discard(self, parked_id: str) -> bool:
        """Forget a parked delivery; False where there is none of that id."""

    def check_reachable(self) -> None:
        """Return where events can be published now, as far as asking tells; else raise what publishing would."""

    def maintain(self, on_parked: OnParked) -> None:
        """Do what cannot be done while an event is delivered: release what is due, park what nobody answered for.

        To be called every minute or so (`services/sweep.py`); an adapter that does all by itself does nothing.
        """
