"""Pictures of signals: what a microscopist wants to see of a file at first sight, drawn with Pillow.

`draw` makes the picture of a signal, `placeholder` the one of a file without signals. The same input gives the same
bytes. Nothing here holds more of a large array in memory than one block of it.
"""

from scopeline.formats.preview.drawing import draw
from scopeline.formats.preview.picture import Picture
from scopeline.formats.preview.placeholders import placeholder

__all__ = ["Picture", "draw", "placeholder"]
