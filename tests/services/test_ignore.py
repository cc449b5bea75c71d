from __future__ import annotations

import pytest

from scopeline.domain.instruments import Instrument
from scopeline.services.ignore import DEFAULT_IGNORE, ignore_patterns, matching_pattern, shared_patterns


@pytest.mark.parametrize(
    ("path", "ignored"),
    [
        ("test_ignore.db", True),
        ("a/Thumbs.DB", True),
        ("a/~$notes.docx", True),
        ("$RECYCLE.BIN/S-1/a.dm3", True),
        (".DS_Store", True),
        ("image.dm3", False),
        ("db/image.dm3", False),
        ("image.db.dm3", False),
        ("test_include.emi", False),
        ("image.hdr", False),
    ],
)
def test_the_default_patterns_leave_out_what_programs_leave_behind(path: str, ignored: bool) -> None:
    assert (matching_pattern(path, DEFAULT_IGNORE) is not None) is ignored


def test_a_pattern_with_a_slash_is_compared_with_the_whole_path() -> None:
    assert matching_pattern("cache/a.dm3", ["cache/*"])
    assert not matching_pattern("deep/cache/a.dm3", ["cache/*"])


def test_a_client_of_several_instruments_leaves_out_what_all_of_them_do() -> None:
    default = Instrument(id="a", name="A")
    own = Instrument(id="b", name="B", ignore=["*.db", "*.bak"])
    assert ignore_patterns(own) == ("*.db", "*.bak")
    assert shared_patterns([default, own]) == ["*.db"]
    assert shared_patterns([]) == list(DEFAULT_IGNORE)
