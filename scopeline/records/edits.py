"""What people may edit in a record, and the forms that each edit takes."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from scopeline.domain.errors import InvalidInput
from scopeline.domain.files import DatasetType
from scopeline.domain.records import Overlay

SESSION_TARGET = "session"
ROLES = ("Experimental", "MasterCalibration", "UserCalibration", "Derived")
MAX_TEXT = 10_000


def _text(value: Any) -> bool:
    return isinstance(value, str) and len(value) <= MAX_TEXT


def _whether(value: Any) -> bool:
    return isinstance(value, bool)


def _rating(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 1 <= value <= 5


Rule = tuple[Callable[[Any], bool], str]
_TEXT: Rule = (_text, f"text of at most {MAX_TEXT} characters")
_WHETHER: Rule = (_whether, "true or false")

# Field -> its rule. A null takes the edit back: what the file or the session says shows again.
SESSION_FIELDS: Mapping[str, Rule] = {"title": _TEXT, "motivation": _TEXT, "notes": _TEXT}
DATASET_FIELDS: Mapping[str, Rule] = {
    "name": _TEXT,
    "type": (lambda value: value in tuple(DatasetType), f"one of {', '.join(DatasetType)}"),
    "role": (lambda value: value in ROLES, f"one of {', '.join(ROLES)}"),
    "description": _TEXT,
    "notes": _TEXT,
    "rating": (_rating, "a whole number from 1 to 5"),
    "featured": _WHETHER,
    "hidden": _WHETHER,
    "activity": (_text, "the id of a dataset: this one moves to that one's activity"),
}


def check_edit(target: str, field: str, value: Any) -> None:
    """Raise InvalidInput (`unknown_field`, `invalid_edit`) where a record could not show the edit."""
    fields = SESSION_FIELDS if target == SESSION_TARGET else DATASET_FIELDS
    rule = fields.get(field)
    if rule is None:
        raise InvalidInput(
            f"Field {field[:60]!r} of {target[:60]!r} cannot be edited. Expected: {', '.join(sorted(fields))}.",
            code="unknown_field",
        )
    fits, expected = rule
    if value is not None and not fits(value):
        raise InvalidInput(
            f"Field {field} of {target[:60]!r} has the value {str(value)[:60]!r}. Expected {expected}, or null.",
            code="invalid_edit",
        )


class Edits:
    """The edits of an overlay that hold: the last one of each field; `refused` are those that no record can show."""

    def __init__(self, overlay: Overlay | None) -> None:
        self._values: dict[str, dict[str, Any]] = {}
        self.refused: list[str] = []
        for edit in overlay.edits if overlay else ():
            try:
                check_edit(edit.target, edit.field, edit.value)
            except InvalidInput as error:
                self.refused.append(str(error))
                continue
            self._values.setdefault(edit.target, {})[edit.field] = edit.value

    def of(self, target: str) -> dict[str, Any]:
        """The edited fields of a dataset or of the session, without those that were taken back."""
        return {field: value for field, value in self._values.get(target, {}).items() if value is not None}
