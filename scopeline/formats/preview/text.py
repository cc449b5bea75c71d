"""Words and numbers on pictures: the font, units, and text that fits its place."""

from __future__ import annotations

import math
import re
from functools import lru_cache
from importlib.resources import as_file, files

from PIL import Image, ImageDraw, ImageFont

from scopeline.formats.preview.style import STAGE, TEXT, Colour

Font = ImageFont.FreeTypeFont

# Source Sans Pro has Greek, Å, µ and the superscript digits, but no superscript
# minus: units are written with a slash.
_PACKAGE = "font_source_sans_pro"
_FACES = {False: "SourceSansPro-Regular.ttf", True: "SourceSansPro-Semibold.ttf"}

_PLATE = 0.72  # how much of what is under a plate is hidden

_PLAIN_UNITS = {
    "um": "µm",
    "μm": "µm",
    "micron": "µm",
    "microns": "µm",
    "micrometer": "µm",
    "nanometer": "nm",
    "angstrom": "Å",
    "angstroms": "Å",
    "a": "Å",
    "ev": "eV",
    "kev": "keV",
    "deg": "°",
    "degree": "°",
    "degrees": "°",
}
_NO_UNIT = frozenset({"", "none", "<undefined>", "undefined", "px", "pixel", "pixels", "channel", "channels", "a.u."})
_INVERSE = re.compile(r"^(?:1\s*/\s*(?P<slash>\S+)|(?P<power>.+?)\s*(?:\^?\s*\(?[-−]1\)?|⁻¹))$")


@lru_cache(maxsize=64)
def font(size: int, *, bold: bool = False) -> Font:
    """The pictures' font in that size (pixels). Basic layout: the same glyph positions on every machine."""
    with as_file(files(_PACKAGE) / "files" / _FACES[bold]) as path:
        return ImageFont.truetype(str(path), size, layout_engine=ImageFont.Layout.BASIC)


def unit_label(unit: str | None) -> str | None:
    """A unit as people write it (`um` is µm, `nm^-1` is 1/nm); None for none, pixels and channels."""
    if unit is None or unit.strip().lower() in _NO_UNIT:
        return None
    unit = unit.strip()
    inverse = _INVERSE.match(unit)
    if inverse:
        base = unit_label(inverse["slash"] or inverse["power"])
        return f"1/{base}" if base else None
    return _PLAIN_UNITS.get(unit.lower(), unit)


def number(value: float, step: float | None = None) -> str:
    """`value` in as many decimals as `step` needs (default: up to four significant figures), with a true minus."""
    if step is not None and 0 < step < math.inf:
        decimals = max(0, -math.floor(math.log10(step) + 1e-9))
        written = f"{value:.{decimals}f}" if abs(value) < 1e6 else f"{value:.4g}"
    else:
        written = f"{value:.4g}"
    if float(written) == 0:
        written = written.lstrip("-")
    return written.replace("-", "−")


def count(value: int, what: str) -> str:
    """`1 pixel`, `2,048 pixels`."""
    many = "spectra" if what == "spectrum" else f"{what}s"
    return f"{value:,} {what if value == 1 else many}"


def width(words: str, face: Font) -> int:
    """Pixels that the words take."""
    return math.ceil(face.getlength(drawable(words)))


def drawable(words: str) -> str:
    """The words on one line, control characters and line breaks shown as a dot."""
    return "".join(letter if letter.isprintable() else "·" for letter in words).replace("⁻", "-")


def shortened(words: str, face: Font, room: int) -> str:
    """The words, with their middle replaced by `…` where they take more than `room` pixels."""
    words = drawable(words)
    if width(words, face) <= room:
        return words
    # Bisection on how many characters stay: width grows with every character.
    low, high = 0, len(words)
    while low < high:
        middle = (low + high + 1) // 2
        if width(_without_middle(words, middle), face) <= room:
            low = middle
        else:
            high = middle - 1
    return _without_middle(words, low)


def _without_middle(words: str, keep: int) -> str:
    head = (keep + 1) // 2
    tail = keep - head
    return f"{words[:head]}…{words[len(words) - tail :] if tail else ''}"


def wrapped(words: str, face: Font, room: int, lines: int) -> list[str]:
    """The words on at most `lines` lines of `room` pixels; what does not fit ends in `…`."""
    result: list[str] = []
    line = ""
    for word in drawable(words).split():
        longer = f"{line} {word}".strip()
        if width(longer, face) <= room:
            line = longer
            continue
        if line:
            result.append(line)
        line = word
    result.append(line)
    if len(result) > lines:
        result = [*result[: lines - 1], " ".join(result[lines - 1 :])]
    return [shortened(each, face, room) for each in result if each]


def paint(image: Image.Image, colour: Colour) -> Colour | int:
    """The colour as `image` takes it: a grey image takes its brightness."""
    if image.mode != "L":
        return colour
    red, green, blue = colour
    return round(0.299 * red + 0.587 * green + 0.114 * blue)


def plate(image: Image.Image, box: tuple[int, int, int, int]) -> ImageDraw.ImageDraw:
    """Darken the box, so that words in it can be read on any image, which shines through a little."""
    shade = Image.new(image.mode, (box[2] - box[0], box[3] - box[1]), paint(image, STAGE))
    image.paste(Image.blend(image.crop(box), shade, _PLATE), box[:2])
    return ImageDraw.Draw(image)


def write(
    draw: ImageDraw.ImageDraw,
    at: tuple[float, float],
    words: str,
    face: Font,
    colour: Colour | int = TEXT,
    anchor: str = "la",
) -> None:
    """Write one line; `anchor` as Pillow has it (horizontal l, m, r; vertical a, m, s, d)."""
    draw.text(at, drawable(words), font=face, fill=colour, anchor=anchor)


def write_power(
    draw: ImageDraw.ImageDraw, at: tuple[float, float], exponent: int, size: int, colour: Colour = TEXT, lead: str = ""
) -> None:
    """Write `10` to the `exponent`, ending at `at` (right, middle), with `lead` before it."""
    base, raised = font(size), font(max(9, round(size * 0.72)))
    power = str(exponent).replace("-", "−")
    x, y = at
    write(draw, (x, y - size * 0.32), power, raised, colour, "rm")
    write(draw, (x - width(power, raised), y), f"{lead}10", base, colour, "rm")
