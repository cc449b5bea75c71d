"""Sizes and colours that all pictures share: quiet lines on near-black, as on the record page."""

from __future__ import annotations

LONG_SIDE = 1024  # no picture is longer, in pixels
SHORT_ENOUGH = 512  # smaller images are enlarged to about this, by a whole factor
GAP = 8  # between the panels of one picture

Colour = tuple[int, int, int]

STAGE: Colour = (16, 19, 21)
GRID: Colour = (38, 45, 50)
AXIS: Colour = (84, 94, 102)
TEXT: Colour = (174, 182, 189)
INK: Colour = (232, 232, 228)
LINE: Colour = (127, 214, 220)
FILL: Colour = (24, 45, 49)
AMBER: Colour = (240, 178, 107)

# Of the lines in a map of elements; all three together are white.
MAP_COLOURS: dict[str, Colour] = {"red": (255, 62, 62), "green": (66, 226, 86), "blue": (84, 124, 255)}
