"""How the catalog stands in Firestore, and what it does when Firestore's answers are errors or get lost."""

from __future__ import annotations

import json
import uuid
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from google.api_core import exceptions as google_errors
from google.auth.credentials import AnonymousCredentials
from google.cloud import firestore

from scopeline.adapters.gcp import catalog as google_catalog
from scopeline.adapters.gcp.calls import RETRY
from scopeline.adapters.gcp.catalog import GoogleCatalog
from scopeline.bootstrap import embedded
from scopeline.domain.errors import Unavailable
from scopeline.domain.files import Dataset, DatasetType, File, FileStatus, FileVersion, Parameter
from scopeline.domain.instruments import Instrument
from scopeline.domain.sessions import Session, Stamp
from scopeline.formats.results import Extracted
from scopeline.ports import FILES_OF_SESSION, MAX_DOCUMENT_BYTES, PreconditionFailed
from scopeline.services.derived import store_result
from scopeline.settings import load_settings

NOW = datetime(2026, 2, 6, 12, tzinfo=UTC)


@pytest.fixture
def client(emulators: object) -> Iterator[firestore.Client]:
    project = f"catalog-{uuid.uuid4().hex[:12]}"
    with closing(firestore.Client(project=project, credentials=AnonymousCredentials())) as client:
        yield client


@pytest.fixture
def catalog(client: firestore.Client) -> GoogleCatalog:
    return GoogleCatalog(client)


@pytest.fixture
def lose_answers(client: firestore.Client, monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Let the answer of the next write get lost: Firestore does it, then `and_then` happens, then the call fails."""
    api = client._firestore_api
    commit = api.commit

    def lose(and_then: Callable[[], object] = lambda: None) -> None:
        def write_and_fail(*given: Any, **named: Any) -> Any:
            monkeypatch.setattr(api, "commit", commit)
            commit(*given, **named)
            and_then()
            raise google_errors.ServiceUnavailable("The connection was reset")

        monkeypatch.setattr(api, "commit", write_and_fail)

    return lose


def titan(name: str = "Titan") -> Instrument:
    return Instrument(id="titan", name=name)


def revision_of(catalog: GoogleCatalog, key: str = "instruments/titan") -> str:
    found = catalog.get(Instrument, key)
    assert found is not None
    return found.revision


# ----------------------------------------------------------------------------------------------------- stored form


def test_a_document_is_its_text_and_copies_of_what_queries_name(
    catalog: GoogleCatalog, client: firestore.Client
) -> None:
    stamp = Stamp(at=NOW, sent=NOW, received=NOW)
    session = Session(
        id="20260206-titan-7f3k2a", instrument="titan", local_id="0d5ef1c0-0000-4000-8000-000000000001",
        client="pc", start=stamp, updated_at=NOW,
    )  # fmt: skip
    catalog.create(session)
    stored = client.document("sessions/20260206-titan-7f3k2a").get().to_dict()
    assert json.loads(stored.pop("body")) == session.to_json()
    assert len(stored.pop("write")) == 16
    assert {name: stored[name] for name in ("instrument", "state", "start_received")} == {
        "instrument": "titan",
        "state": "open",
        "start_received": "2026-02-06T12:00:00.000000Z",
    }


def test_a_version_stands_below_its_file(catalog: GoogleCatalog, client: firestore.Client) -> None:
    catalog.create(FileVersion(file="f", generation=2**60, size=1, md5="", crc32c="", stored_at=NOW))
    assert client.document(f"files/f/versions/{2**60}").get().get("generation") == 2**60
    assert not client.document("files/f").get().exists


def test_a_document_of_the_greatest_size_is_taken(catalog: GoogleCatalog) -> None:
    size = MAX_DOCUMENT_BYTES - len(json.dumps(titan("").to_json(), ensure_ascii=False, separators=(",", ":")))
    assert catalog.create(titan("x" * size))
    found = catalog.get(Instrument, "instruments/titan")
    assert found is not None
    assert found.document == titan("x" * size)


def test_a_result_that_is_too_large_for_a_document_is_a_summary_beside_an_object(
    catalog: GoogleCatalog, tmp_path: Path
) -> None:
    parameters = {f"Parameter {n}": Parameter(value="µ" * 100) for n in range(10_000)}
    dataset = Dataset(index=0, type=DatasetType.IMAGE, title="Large", parameters=parameters)
    extracted = Extracted(
        file="a.dm3",
        status=FileStatus.EXTRACTED,
        reader="dm",
        reader_version=1,
        datasets=[dataset],
        metadata=[{"a": 1}],
    )
    version = FileVersion(file="f", generation=1, size=1, md5="", crc32c="", stored_at=NOW)
    with embedded(load_settings(data_dir=tmp_path / "data")) as parts:
        backend = replace(parts.backend, catalog=catalog)
        version.extraction = store_result(backend, version, "inputs", {}, extracted, tmp_path)
        assert catalog.create(version)
        stored = catalog.get(FileVersion, version.key)
        assert stored is not None
        read = stored.document.extraction
        assert read is not None
        assert (read.datasets[0].title, read.datasets[0].parameters) == ("Large", {})
        whole = backend.derived.stat(read.metadata_object or "")
        assert whole is not None
        with backend.derived.open(whole.name, whole.generation) as body:
            assert len(json.loads(body.read())[0]["scopeline"]["parameters"]) == 10_000


# ---------------------------------------------------------------------------------------------------- lost answers


def test_a_creation_whose_answer_was_lost_is_recognised(
    catalog: GoogleCatalog, lose_answers: Callable[..., None]
) -> None:
    lose_answers()
    assert catalog.create(titan()) is True
    assert catalog.create(titan()) is False


def test_a_creation_is_not_taken_for_that_of_another(
    catalog: GoogleCatalog, client: firestore.Client, lose_answers: Callable[..., None]
) -> None:
    lose_answers(and_then=lambda: client.document("instruments/titan").update({"write": "another"}))
    assert catalog.create(titan()) is False


def test_an_update_whose_answer_was_lost_gives_its_revision(
    catalog: GoogleCatalog, lose_answers: Callable[..., None]
) -> None:
    catalog.create(titan())
    lose_answers()
    revision = catalog.update(titan("Titan 2"), revision_of(catalog))
    assert revision == revision_of(catalog)
    catalog.update(titan("Titan 3"), revision)


def test_an_update_that_another_one_followed_is_to_be_read_again(
    catalog: GoogleCatalog, lose_answers: Callable[..., None]
) -> None:
    catalog.create(titan())
    lose_answers(and_then=lambda: catalog.update(titan("Other"), revision_of(catalog)))
    with pytest.raises(PreconditionFailed):
        catalog.update(titan("Titan 2"), revision_of(catalog))


def test_a_deletion_whose_answer_was_lost_has_deleted(
    catalog: GoogleCatalog, lose_answers: Callable[..., None]
) -> None:
    catalog.create(titan())
    lose_answers()
    assert catalog.delete("instruments/titan") is True
    assert catalog.delete("instruments/titan") is False


# ----------------------------------------------------------------------------------------------------------- errors

CALLS: dict[str, Callable[[GoogleCatalog], object]] = {
    "create": lambda catalog: catalog.create(titan()),
    "get": lambda catalog: catalog.get(Instrument, "instruments/titan"),
    "update": lambda catalog: catalog.update(titan(), "1.000000000"),
    "delete": lambda catalog: catalog.delete("instruments/titan"),
    "find": lambda catalog: catalog.find(File, FILES_OF_SESSION, where={"session": "s"}),
    "count": lambda catalog: catalog.count(FILES_OF_SESSION, where={"session": "s"}),
}


@pytest.fixture
def answer_with(client: firestore.Client, monkeypatch: pytest.MonkeyPatch) -> Callable[[list[Exception]], None]:
    """Let the next calls fail with these errors, and all later ones reach Firestore."""
    api = client._firestore_api

    def fail_first(ask: Callable[..., Any], errors: list[Exception]) -> Callable[..., Any]:
        def call(*given: Any, **named: Any) -> Any:
            if errors:
                raise errors.pop(0)
            return ask(*given, **named)

        return call

    def prepare(errors: list[Exception]) -> None:
        for name in ("commit", "batch_get_documents", "run_query", "run_aggregation_query"):
            monkeypatch.setattr(api, name, fail_first(getattr(api, name), errors))

    return prepare


PASSING_ERRORS = [
    google_errors.ResourceExhausted("Quota exceeded"),
    google_errors.ServiceUnavailable("Try again"),
    google_errors.DeadlineExceeded("Too slow"),
    google_errors.InternalServerError("Oops"),
    google_errors.Cancelled("The stream was reset"),
    google_errors.Aborted("Too much contention"),
]
# What Firestore says where Terraform was not applied, or an index is not ready yet.
NO_INDEX = google_errors.FailedPrecondition(
    "The query requires an index. That index is currently building and cannot be used yet. See its status here: https://x"
)
NO_INDEX_AT_ALL = google_errors.FailedPrecondition("The query requires an index. You can create it here: https://x")
NO_DATABASE = google_errors.NotFound(
    "The database (default) does not exist for project p Please visit https://x to add a Cloud Firestore database."
)


@pytest.mark.parametrize("name", [name for name in CALLS if name != "update"])
def test_errors_that_pass_are_waited_for(
    catalog: GoogleCatalog, answer_with: Callable[[list[Exception]], None], monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.setattr(google_catalog, "RETRY", RETRY.with_delay(initial=0.001, maximum=0.001))
    expected = {"create": True, "get": None, "delete": True, "count": 0}
    left = list(PASSING_ERRORS)
    answer_with(left)
    result = CALLS[name](catalog)
    assert left == []
    assert name not in expected or result == expected[name]


@pytest.mark.parametrize("name", CALLS)
@pytest.mark.parametrize(
    ("error", "code"),
    [
        (google_errors.ResourceExhausted, "google_unavailable"),
        (google_errors.ServiceUnavailable, "google_unavailable"),
        (google_errors.DeadlineExceeded, "google_unavailable"),
        (google_errors.PermissionDenied, "not_permitted"),
        (google_errors.Unauthenticated, "not_permitted"),
    ],
)
def test_errors_that_stay_are_told_with_their_code(
    catalog: GoogleCatalog,
    answer_with: Callable[[list[Exception]], None],
    monkeypatch: pytest.MonkeyPatch,
    name: str,
    error: type[Exception],
    code: str,
) -> None:
    for retry in ("RETRY", "_RETRY_UPDATE"):
        quick = getattr(google_catalog, retry).with_delay(initial=0.001, maximum=0.001).with_timeout(0.05)
        monkeypatch.setattr(google_catalog, retry, quick)
    answer_with([error("No") for _ in range(10_000)])
    with pytest.raises(Unavailable) as told:
        CALLS[name](catalog)
    assert told.value.code == code


@pytest.mark.parametrize("name", CALLS)
@pytest.mark.parametrize(
    ("error", "code"), [(NO_INDEX, "no_index"), (NO_INDEX_AT_ALL, "no_index"), (NO_DATABASE, "no_database")]
)
def test_what_terraform_has_not_made_yet_is_said_and_waited_for(
    catalog: GoogleCatalog,
    answer_with: Callable[[list[Exception]], None],
    name: str,
    error: Exception,
    code: str,
) -> None:
    answer_with([error])
    with pytest.raises(Unavailable, match="Terraform") as told:
        CALLS[name](catalog)
    assert told.value.code == code


def test_a_document_that_another_one_changed_or_removed_is_no_missing_index_or_database(
    catalog: GoogleCatalog, client: firestore.Client
) -> None:
    catalog.create(titan())
    revision = revision_of(catalog)
    catalog.update(titan("Titan 2"), revision)
    with pytest.raises(PreconditionFailed):
        catalog.update(titan("Titan 3"), revision)
    gone = revision_of(catalog)
    assert catalog.delete("instruments/titan")
    with pytest.raises(PreconditionFailed):
        catalog.update(titan("Titan 3"), gone)
    assert catalog.delete("instruments/the database does not exist") is False


def test_an_update_that_met_another_one_is_not_repeated_as_it_is(
    catalog: GoogleCatalog, answer_with: Callable[[list[Exception]], None]
) -> None:
    catalog.create(titan())
    revision = revision_of(catalog)
    answer_with([google_errors.Aborted("Too much contention")])
    with pytest.raises(PreconditionFailed):
        catalog.update(titan("Titan 2"), revision)
    assert catalog.update(titan("Titan 2"), revision) == revision_of(catalog)


def test_an_answer_without_content_is_no_missing_document(
    catalog: GoogleCatalog, client: firestore.Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    catalog.create(titan())
    api = client._firestore_api
    answers: list[Any] = [iter([])]
    ask = api.batch_get_documents
    monkeypatch.setattr(api, "batch_get_documents", lambda **named: answers.pop() if answers else ask(**named))
    assert catalog.get(Instrument, "instruments/titan") is not None
