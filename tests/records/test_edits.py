"""What people may edit."""

from __future__ import annotations

from typing import Any

import pytest

from scopeline.domain.errors import InvalidInput
from scopeline.records.edits import check_edit


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("rating", 1),
        ("rating", 5),
        ("featured", False),
        ("hidden", True),
        ("role", "Derived"),
        ("type", "SpectrumImage"),
        ("name", "x"),
        ("activity", "abc.0"),
        ("description", None),
    ],
)
def test_dataset_takes_what_a_record_can_show(field: str, value: Any) -> None:
    check_edit("abc.0", field, value)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("rating", 0),
        ("rating", 6),
        ("rating", True),
        ("rating", 4.5),
        ("role", "Boss"),
        ("type", 3),
        ("featured", "yes"),
        ("name", ["x"]),
        ("description", "x" * 10_001),
    ],
)
def test_values_that_a_record_cannot_show_are_refused(field: str, value: Any) -> None:
    with pytest.raises(InvalidInput, match="Expected") as refused:
        check_edit("abc.0", field, value)
    assert refused.value.code == "invalid_edit"


@pytest.mark.parametrize(("target", "field"), [("session", "rating"), ("abc.0", "motivation"), ("abc.0", "")])
def test_fields_that_are_not_there_are_refused(target: str, field: str) -> None:
    with pytest.raises(InvalidInput) as refused:
        check_edit(target, field, "x")
    assert refused.value.code == "unknown_field"
