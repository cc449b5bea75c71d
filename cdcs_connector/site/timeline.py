"""Where the activities' blocks stand on the record page's timeline: true to time, but never over one another."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

NARROWEST = 848  # pixels that the timeline has at least; narrower windows do not show it
DIGIT, LETTER, PADDING = 7.0, 6.6, 10.0  # pixels of the labels' type
GAP = 0.35  # per cent between blocks


@dataclass(frozen=True, slots=True)
class Block:
    """One activity: left edge and width in per cent, and what fits in it: its `name`, its `number` or nothing."""

    left: float
    width: float
    label: str


def blocks(spans: Sequence[tuple[float, float]], names: Sequence[str]) -> list[Block]:
    """The blocks of activities from and to these parts (0 to 1) of the timeline, in the given order.

    A block is wide enough for its number as long as all have room. Where blocks would overlap, later ones move to the
    right, and back to the left as far as the timeline's end asks for it.
    """
    count = len(spans)
    if not count:
        return []
    wanted = _percent(len(str(count)) * DIGIT + PADDING)
    gap = min(GAP, 100 / count / 4)
    least = min(wanted, 100 / count - gap)
    order = sorted(range(count), key=lambda n: spans[n])
    lefts = [spans[n][0] * 100 for n in order]
    widths = [max((end - begin) * 100, 0.0) for begin, end in (spans[n] for n in order)]
    # A block ends where the next one begins, at the latest.
    nexts = [*lefts[1:], 100 + gap]
    widths = [max(least, min(w, n - left - gap)) for w, left, n in zip(widths, lefts, nexts, strict=True)]
    room, surplus = 100 - gap * (count - 1) - least * count, sum(widths) - least * count
    if surplus > room:
        widths = [least + (w - least) * room / surplus for w in widths]
    edge = 0.0
    for i in range(count):
        lefts[i] = max(lefts[i], edge)
        edge = lefts[i] + widths[i] + gap
    edge = 100.0
    for i in reversed(range(count)):
        lefts[i] = max(min(lefts[i], edge - widths[i]), 0.0)
        edge = lefts[i] - gap
    placed = dict(zip(order, zip(lefts, widths, strict=True), strict=True))
    return [Block(*placed[n], _label(n + 1, names[n], placed[n][1])) for n in range(count)]


def _label(number: int, name: str, width: float) -> str:
    """What fits in a block: the number with the name, the number, or nothing."""
    if width >= _percent((len(name) + len(str(number)) + 3) * LETTER + 2 * PADDING):
        return "name"
    return "number" if width >= _percent(len(str(number)) * DIGIT + 4) else ""


def _percent(pixels: float) -> float:
    return pixels / NARROWEST * 100
