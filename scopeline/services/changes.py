"""Read, change, write if unchanged: the one way in which services alter a document."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from tenacity import Retrying, retry_if_exception_type, stop_after_attempt, wait_random_exponential

from scopeline.domain.documents import Document
from scopeline.domain.errors import NotFound, Unavailable
from scopeline.ports import Catalog, PreconditionFailed

D = TypeVar("D", bound=Document)

ATTEMPTS = 12


def change(catalog: Catalog, kind: type[D], key: str, edit: Callable[[D], bool | None]) -> D:
    """Apply `edit` to the document at `key` and store it; again from the start where somebody else was quicker.

    `edit` changes the document in place and returns False where there is nothing to write. It may be called several
    times. Returns the document as it now stands. Raises NotFound, or Unavailable (`contended`) after 12 attempts.
    """
    try:
        for attempt in Retrying(
            retry=retry_if_exception_type(PreconditionFailed),
            stop=stop_after_attempt(ATTEMPTS),
            wait=wait_random_exponential(multiplier=0.005, max=0.5),
            reraise=True,
        ):
            with attempt:
                return _change_once(catalog, kind, key, edit)
    except PreconditionFailed as error:
        raise Unavailable(
            f"{key} was changed by others {ATTEMPTS} times while it was written. Try again.", code="contended"
        ) from error
    raise AssertionError("Retrying ends by a return or an exception")


def _change_once(catalog: Catalog, kind: type[D], key: str, edit: Callable[[D], bool | None]) -> D:
    stored = catalog.get(kind, key)
    if stored is None:
        raise NotFound(f"{key} is not in the catalog.", code="missing_document")
    if edit(stored.document) is not False:
        catalog.update(stored.document, stored.revision)
    return stored.document
