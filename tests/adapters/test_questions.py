"""Questions that are refused before a catalog's own database is asked."""

from __future__ import annotations

import pytest

from scopeline.adapters.questions import pose
from scopeline.domain.errors import InvalidInput
from scopeline.ports import FILES_OF_SESSION_IN_STATUS, MAX_ALTERNATIVES


def ask(sessions: int, statuses: int) -> None:
    where = {"session": [f"s{n}" for n in range(sessions)], "status": [f"x{n}" for n in range(statuses)]}
    pose(FILES_OF_SESSION_IN_STATUS, where, None)


@pytest.mark.parametrize(("sessions", "statuses"), [(1, MAX_ALTERNATIVES), (5, 6), (0, MAX_ALTERNATIVES)])
def test_lists_whose_combinations_are_few_are_taken_together(sessions: int, statuses: int) -> None:
    ask(sessions, statuses)


@pytest.mark.parametrize(("sessions", "statuses"), [(2, 16), (MAX_ALTERNATIVES, 2), (0, MAX_ALTERNATIVES + 1)])
def test_lists_with_too_many_combinations_are_refused(sessions: int, statuses: int) -> None:
    """Firestore makes one condition of each combination, and takes as many as of one list."""
    with pytest.raises(InvalidInput, match=f"at most {MAX_ALTERNATIVES}") as refused:
        ask(sessions, statuses)
    assert refused.value.code == "invalid_query"
