"""What an error means for its delivery."""

from __future__ import annotations

import pytest

from scopeline.adapters.judging import Failing, judge
from scopeline.domain.errors import InvalidInput, Unavailable


@pytest.mark.parametrize(
    ("error", "attempt", "failing"),
    [
        (Unavailable("away", code="site_away"), 1, Failing("site_away", "away", True, False)),
        (Unavailable("away", code="site_away"), 4, Failing("site_away", "away", True, True)),
        (Unavailable("away", code="site_away"), 9, Failing("site_away", "away", True, True)),
        (InvalidInput("no", code="no_thing"), 1, Failing("no_thing", "no", False, True)),
        (KeyError("axes"), 3, Failing("unexpected_error", "KeyError: 'axes'", False, False)),
        (OSError("full"), 4, Failing("unexpected_error", "OSError: full", True, True)),
        (MemoryError("large"), 1, Failing("unexpected_error", "MemoryError: large", True, False)),
    ],
)
def test_the_last_attempt_and_an_error_that_never_passes_give_up(
    error: Exception, attempt: int, failing: Failing
) -> None:
    assert judge(error, attempt, 4) == failing


def test_the_words_of_an_error_hold_no_secret() -> None:
    failing = judge(ValueError("GET https://s/x?upload_id=ABCDEFGHIJ answered 404"), 1, 4)
    assert "ABCDEFGHIJ" not in failing.reason


def test_the_words_of_an_error_can_be_written_down() -> None:
    assert judge(InvalidInput("a\udcff.dm3"), 1, 4).reason == "a?.dm3"
