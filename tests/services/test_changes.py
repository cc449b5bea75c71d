"""Read, change, write if unchanged."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from scopeline.domain.errors import NotFound, Unavailable
from scopeline.domain.instruments import Instrument
from scopeline.ports import PreconditionFailed
from scopeline.services import changes
from scopeline.services.changes import change

KEY = "instruments/titan"


def name_of(desk: Any) -> str:
    stored = desk.backend.catalog.get(Instrument, KEY)
    assert stored is not None
    return str(stored.document.name)


def rename(to: str) -> Callable[[Instrument], None]:
    def edit(instrument: Instrument) -> None:
        instrument.name = to

    return edit


def test_document_is_changed_and_returned_as_it_stands(desk: Any) -> None:
    changed = change(desk.backend.catalog, Instrument, KEY, rename("New"))
    assert (changed.name, name_of(desk)) == ("New", "New")


def test_edit_that_finds_nothing_to_do_writes_nothing(desk: Any) -> None:
    before = desk.backend.catalog.get(Instrument, KEY)

    def edit(instrument: Instrument) -> bool:
        instrument.name = "never stored"
        return False

    change(desk.backend.catalog, Instrument, KEY, edit)
    after = desk.backend.catalog.get(Instrument, KEY)
    assert (after.document.name, after.revision) == (before.document.name, before.revision)


def test_change_of_somebody_else_is_kept_and_the_edit_is_made_again(desk: Any) -> None:
    seen = []

    def edit(instrument: Instrument) -> None:
        seen.append(instrument.location)
        if len(seen) == 1:
            change(desk.backend.catalog, Instrument, KEY, lambda other: setattr(other, "location", "Room 3"))
        instrument.name = "New"

    changed = change(desk.backend.catalog, Instrument, KEY, edit)
    assert seen == [None, "Room 3"]
    assert (changed.name, changed.location) == ("New", "Room 3")


def test_document_that_others_never_leave_alone_is_contended(desk: Any) -> None:
    calls = []

    def edit(instrument: Instrument) -> None:
        calls.append(1)
        change(desk.backend.catalog, Instrument, KEY, rename(f"other {len(calls)}"))
        instrument.name = "mine"

    with pytest.raises(Unavailable) as raised:
        change(desk.backend.catalog, Instrument, KEY, edit)
    assert (raised.value.code, raised.value.transient) == ("contended", True)
    assert isinstance(raised.value.__cause__, PreconditionFailed)
    assert len(calls) == changes.ATTEMPTS
    assert name_of(desk) == f"other {changes.ATTEMPTS}"


def test_error_of_the_edit_ends_the_change(desk: Any) -> None:
    def edit(instrument: Instrument) -> None:
        instrument.name = "never stored"
        raise NotFound("no")

    with pytest.raises(NotFound):
        change(desk.backend.catalog, Instrument, KEY, edit)
    assert name_of(desk) == "Titan"


def test_missing_document_is_not_made(desk: Any) -> None:
    with pytest.raises(NotFound) as raised:
        change(desk.backend.catalog, Instrument, "instruments/none", rename("New"))
    assert raised.value.code == "missing_document"
    assert desk.backend.catalog.get(Instrument, "instruments/none") is None
