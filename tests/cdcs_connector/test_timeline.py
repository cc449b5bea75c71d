"""The timeline's blocks: readable, apart from one another, inside the page."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cdcs_connector.site import timeline

PART = st.floats(min_value=0, max_value=1)
SPANS = st.lists(st.tuples(PART, PART).map(lambda pair: (min(pair), max(pair))), max_size=60)


@given(SPANS)
def test_blocks_lie_apart_and_inside(spans: list[tuple[float, float]]) -> None:
    found = timeline.blocks(spans, ["images"] * len(spans))
    assert len(found) == len(spans)
    placed = sorted((b.left, b.left + b.width) for b in found)
    assert all(left >= -1e-6 and right <= 100 + 1e-6 for left, right in placed)
    assert all(after[0] > before[1] for before, after in pairwise(placed))


@given(SPANS.filter(lambda spans: 0 < len(spans) <= 30))
def test_up_to_thirty_blocks_all_show_their_numbers(spans: list[tuple[float, float]]) -> None:
    assert all(b.label for b in timeline.blocks(spans, ["images"] * len(spans)))


def test_blocks_with_room_stand_at_their_times() -> None:
    found = timeline.blocks([(0, 0.25), (0.5, 1)], ["TEM images", "A name that is longer than its block" * 3])
    assert [b.left for b in found] == [0, 50]
    assert [b.width for b in found] == [25, pytest.approx(50, abs=0.5)]
    assert [b.label for b in found] == ["name", "number"]


def test_blocks_at_one_moment_stand_side_by_side_at_the_end() -> None:
    found = timeline.blocks([(0, 0.1), (1, 1), (1, 1)], ["a", "b", "c"])
    assert found[1].left + found[1].width < found[2].left
    assert found[2].left + found[2].width == pytest.approx(100)


def test_nothing_has_no_blocks() -> None:
    assert timeline.blocks([], []) == []
