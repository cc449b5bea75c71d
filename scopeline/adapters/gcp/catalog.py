"""The catalog of the Google Cloud edition: documents in Firestore, as docs/adr/0010 says."""

from __future__ import annotations

import json
import re
import secrets
from collections.abc import Mapping
from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar

from google.api_core import exceptions as google_errors
from google.api_core.retry import Retry
from google.cloud.firestore import And, FieldFilter, Or
from google.cloud.firestore import Query as FirestoreQuery
from google.protobuf.timestamp_pb2 import Timestamp

from scopeline.adapters.gcp.calls import (
    CALL_SECONDS,
    RETRY,
    google_problems,
    is_passing,
    lacks_database,
    lacks_index,
)
from scopeline.adapters.gcp.indexes import BODY, WRITE, field_name, fields_of
from scopeline.adapters.questions import (
    MAX_PAGE,
    KeyPlace,
    Question,
    Value,
    body_of,
    find_place,
    make_cursor,
    place_of,
    pose,
)
from scopeline.domain.documents import Document
from scopeline.ports import Page, PreconditionFailed, Query, Stored

if TYPE_CHECKING:
    from google.cloud.firestore import Client, DocumentReference, DocumentSnapshot
    from google.cloud.firestore_v1.base_query import BaseFilter

    Snapshot = DocumentSnapshot[DocumentReference]

D = TypeVar("D", bound=Document)

_NAME = "__name__"
# `RETRY` stands around whole calls instead of the client's own way, which tells nobody that it tried again.
_ONCE = Retry(predicate=lambda error: False)
_ONE_CALL: dict[str, Any] = {"retry": _ONCE, "timeout": CALL_SECONDS}
# An update that met another one is not repeated as it is: its caller reads the document again.
_RETRY_UPDATE = RETRY.with_predicate(lambda error: is_passing(error) and not isinstance(error, google_errors.Aborted))
_REVISION = re.compile(r"([0-9]{1,10})\.([0-9]{9})")


class GoogleCatalog:
    """`ports.Catalog` on Firestore. A revision is the document's update time, in seconds with nine decimals."""

    def __init__(self, client: Client) -> None:
        self._client = client

    def create(self, document: Document) -> bool:
        """See the port. Raises InvalidInput (`document_too_large`, `invalid_key`)."""
        reference, content = self._reference(place_of(document)), _content(document)
        errors: list[Exception] = []
        with google_problems(f"Creating {document.key}"):
            try:
                RETRY(partial(reference.create, content, **_ONE_CALL), on_error=errors.append)()
            except google_errors.AlreadyExists:
                return bool(errors) and self._after_lost_answer(reference, content) is not None
        return True

    def get(self, kind: type[D], key: str) -> Stored[D] | None:
        """See the port. What no document can be called is not there."""
        place = find_place(key)
        if place is None:
            return None
        with google_problems(f"Reading {key}"):
            snapshot = RETRY(partial(self._read, self._reference(place)))()
        if not snapshot.exists:
            return None
        return Stored(_document(kind, snapshot), _revision(snapshot.update_time))

    def update(self, document: Document, revision: str) -> str:
        """See the port. Raises InvalidInput (`document_too_large`, `invalid_key`)."""
        reference, content = self._reference(place_of(document)), _content(document)
        overtaken = PreconditionFailed(
            f"Document {document.key} is no longer at revision {revision!r}, or is gone. "
            "Read it again, then repeat the change."
        )
        written_at = _time(revision)
        if written_at is None:
            raise overtaken
        option = self._client.write_option(last_update_time=written_at)
        errors: list[Exception] = []
        with google_problems(f"Updating {document.key}"):
            try:
                call = partial(reference.update, content, option=option, **_ONE_CALL)
                return _revision(_RETRY_UPDATE(call, on_error=errors.append)().update_time)
            except (google_errors.FailedPrecondition, google_errors.NotFound, google_errors.Aborted) as error:
                if lacks_index(error) or lacks_database(error):
                    raise
                written = self._after_lost_answer(reference, content) if errors else None
                if written is None:
                    raise overtaken from error
                return _revision(written.update_time)

    def delete(self, key: str) -> bool:
        """See the port. Where an answer was lost and the document is gone, this call is taken to have removed it."""
        place = find_place(key)
        if place is None:
            return False
        option = self._client.write_option(exists=True)
        errors: list[Exception] = []
        with google_problems(f"Deleting {key}"):
            try:
                RETRY(partial(self._reference(place).delete, option=option, **_ONE_CALL), on_error=errors.append)()
            except google_errors.NotFound as error:
                if lacks_database(error):
                    raise
                return bool(errors)
        return True

    def find(
        self,
        kind: type[D],
        query: Query,
        *,
        where: Mapping[str, Any] | None = None,
        parent: str | None = None,
        since: Any = None,
        before: Any = None,
        limit: int = MAX_PAGE,
        cursor: str | None = None,
    ) -> Page[D]:
        """See the port."""
        question = pose(query, where, parent, since=since, before=before, limit=limit, cursor=cursor)
        asked = self._as_query(question)
        if asked is None:
            return Page([], None)
        with google_problems(f"Asking {query.name}"):
            snapshots: list[Snapshot] = RETRY(partial(asked.limit(limit + 1).get, **_ONE_CALL))()
        page = snapshots[:limit]
        more = make_cursor(query, _position(query, page[-1])) if len(snapshots) > limit else None
        return Page([_document(kind, snapshot) for snapshot in page], more)

    def count(self, query: Query, *, where: Mapping[str, Any] | None = None, parent: str | None = None) -> int:
        """See the port. The order stays in the question: the fields have no index but the query's own."""
        asked = self._as_query(pose(query, where, parent))
        if asked is None:
            return 0
        with google_problems(f"Counting {query.name}"):
            answer: list[Any] = RETRY(partial(asked.count().get, **_ONE_CALL))()
        return int(answer[0][0].value)

    def _reference(self, place: KeyPlace) -> DocumentReference:
        return self._client.document(*_path(place.collection, place.parent), place.id)

    def _read(self, reference: DocumentReference) -> Snapshot:
        """One document. `DocumentReference.get` would take an answer without content for a missing document."""
        found = list(self._client.get_all([reference], **_ONE_CALL))
        if not found:
            raise ConnectionError(f"Firestore's answer about {reference.path} is empty")
        return found[0]

    def _after_lost_answer(self, reference: DocumentReference, content: Mapping[str, Any]) -> Snapshot | None:
        """The document where it stands as this very call wrote it, before its answer was lost; else None."""
        snapshot = RETRY(partial(self._read, reference))()
        return snapshot if snapshot.exists and snapshot.get(WRITE) == content[WRITE] else None

    def _as_query(self, question: Question) -> FirestoreQuery | None:
        """The question in Firestore's language; None where nothing can answer it."""
        query = question.query
        if question.parent is not None and find_place(f"x/{question.parent}") is None:
            return None
        filters: list[BaseFilter] = []
        for name, value in question.equal:
            condition = _equal(field_name(name), value)
            if condition is None:
                return None
            filters.append(condition)
        filters += [
            FieldFilter(field_name(query.order[0]), compare, bound)
            for bound, compare in ((question.since, ">="), (question.before, "<"))
            if bound is not None
        ]
        collection = self._client.collection(*_path(query.collection, question.parent))
        asked: FirestoreQuery = collection.where(filter=And(filters)) if filters else FirestoreQuery(collection)
        direction = FirestoreQuery.DESCENDING if query.descending else FirestoreQuery.ASCENDING
        for name in (*query.order, _NAME):
            asked = asked.order_by(name if name == _NAME else field_name(name), direction=direction)
        if question.last is not None:
            *values, key = question.last
            fields = dict(zip((field_name(name) for name in query.order), values, strict=True))
            asked = asked.start_after({**fields, _NAME: collection.document(str(key).rpartition("/")[2])})
        return asked


def _path(collection: str, parent: str | None) -> list[str]:
    return [parent or "" if part == "{parent}" else part for part in collection.split("/")]


def _content(document: Document) -> dict[str, Any]:
    """The document's fields in Firestore: its text, copies of what queries name, and the id of this write."""
    copies = _copies(document.to_json(), fields_of(place_of(document).collection))
    return {**copies, BODY: body_of(document), WRITE: secrets.token_hex(8)}


def _copies(body: Mapping[str, Any], names: tuple[str, ...]) -> dict[str, Any]:
    return {field_name(name): _value_at(body, name) for name in names}


def _value_at(body: Any, name: str) -> Any:
    for part in name.split("."):
        body = body.get(part) if isinstance(body, Mapping) else None
    return body


def _document(kind: type[D], snapshot: Snapshot) -> D:
    return kind.from_json(json.loads(snapshot.get(BODY)))


def _position(query: Query, snapshot: Snapshot) -> tuple[Value, ...]:
    """What a cursor keeps of a result: its order fields and its key."""
    return (*(snapshot.get(field_name(name)) for name in query.order), snapshot.reference.path)


def _equal(name: str, value: Value | tuple[Value, ...]) -> BaseFilter | None:
    """A field's condition; None where no value would be right."""
    if not isinstance(value, tuple):
        return FieldFilter(name, "==", value)
    known = [one for one in dict.fromkeys(value) if one is not None]
    either: list[BaseFilter] = [FieldFilter(name, "in", known)] if known else []
    either += [FieldFilter(name, "==", None)] if len(known) < len(set(value)) else []
    if not either:
        return None
    return either[0] if len(either) == 1 else Or(either)


def _revision(moment: Any) -> str:
    stamp = moment.timestamp_pb()
    return f"{stamp.seconds}.{stamp.nanos:09d}"


def _time(revision: str) -> Timestamp | None:
    """The update time that a revision names; None where it names none."""
    match = _REVISION.fullmatch(revision)
    return Timestamp(seconds=int(match[1]), nanos=int(match[2])) if match else None
