"""The picture of a file that has no signal to show."""

from __future__ import annotations

from PIL import Image, ImageDraw

from scopeline.domain.files import FileStatus
from scopeline.formats.preview.picture import Picture
from scopeline.formats.preview.style import AMBER, AXIS, INK, STAGE, TEXT, Colour
from scopeline.formats.preview.text import font, shortened, wrapped, write

_SIZE = (768, 512)
_MARGIN = 56
_TEXT_LINES = 13

_WORDS: dict[FileStatus, tuple[str, Colour]] = {
    FileStatus.EXTRACTED: ("No signal to show", TEXT),
    FileStatus.UNSUPPORTED: ("No preview for this kind of file", TEXT),
    FileStatus.UNREADABLE: ("Unreadable", AMBER),
    FileStatus.FAILED: ("Reading failed", AMBER),
}


def placeholder(file_name: str, status: FileStatus, reason: str | None) -> Picture:
    """A card with the file's name, what became of it and why."""
    title, colour = _WORDS.get(status, (f"The file is {status}", TEXT))
    image = Image.new("RGB", _SIZE, STAGE)
    draw = ImageDraw.Draw(image)
    room = _SIZE[0] - 2 * _MARGIN
    _sheet(draw, _MARGIN, 84, colour)
    write(draw, (_MARGIN, 216), title, font(38, bold=True), INK)
    write(draw, (_MARGIN, 272), shortened(file_name, font(26), room), font(26), TEXT)
    for line, words in enumerate(wrapped(reason or "", font(22), room, 5)):
        write(draw, (_MARGIN, 326 + 30 * line), words, font(22), TEXT)
    return Picture(image, f"{title}: {reason}" if reason else title)


def text_page(text: str, title: str | None) -> Picture:
    """The first lines of a text, as on a page."""
    image = Image.new("RGB", _SIZE, STAGE)
    draw = ImageDraw.Draw(image)
    face = font(20)
    room = _SIZE[0] - 2 * _MARGIN
    if title:
        write(draw, (_MARGIN, 48), shortened(title, font(26, bold=True), room), font(26, bold=True), INK)
    lines = text.replace("\t", "    ").splitlines()
    shown = [part for line in lines[:_TEXT_LINES] for part in wrapped(line, face, room, 3) or [""]][:_TEXT_LINES]
    for number, line in enumerate(shown):
        write(draw, (_MARGIN, 100 + 27 * number), line, face, TEXT)
    return Picture(image, f"The first of {len(lines):,} lines" if len(lines) > _TEXT_LINES else None)


def _sheet(draw: ImageDraw.ImageDraw, left: int, top: int, colour: Colour) -> None:
    """A sheet of paper with a folded corner."""
    right, bottom, fold = left + 72, top + 92, 22
    draw.line(
        [(left, top), (right - fold, top), (right, top + fold), (right, bottom), (left, bottom), (left, top)],
        fill=colour,
        width=4,
        joint="curve",
    )
    draw.line([(right - fold, top), (right - fold, top + fold), (right, top + fold)], fill=colour, width=4)
    for step in (36, 52, 68):
        draw.line([(left + 16, top + step), (right - 16, top + step)], fill=AXIS, width=4)
