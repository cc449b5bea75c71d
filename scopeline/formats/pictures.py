"""Draw the previews of a file that was read. A picture that fails never costs the file its metadata."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import TYPE_CHECKING

from scopeline.domain.files import FileStatus, Preview
from scopeline.formats.results import Extracted, Signal
from scopeline.formats.source import of_this_computer

if TYPE_CHECKING:
    from scopeline.formats.preview import Picture

_log = logging.getLogger(__name__)


def draw_previews(folder: Path, result: Extracted, signals: list[Signal]) -> None:
    """Write `{index}.png` for each dataset, or `placeholder.png` for a file without any, and note them in `result`."""
    from scopeline.formats.preview import placeholder

    if not signals:
        reason = result.reason
        if result.companion_of is not None:
            reason = f"Read together with {result.companion_of}."
        result.placeholder = _saved(placeholder(result.file, result.status, reason), folder, "placeholder.png")
    for dataset, signal in zip(result.datasets, signals, strict=True):
        picture, problem = _drawn(result.file, signal)
        if problem is not None:
            dataset.warnings = [*dataset.warnings, problem]
        dataset.preview = _saved(picture, folder, f"{dataset.index}.png")


def _drawn(file_name: str, signal: Signal) -> tuple[Picture, str | None]:
    """The picture, and what went wrong."""
    from scopeline.formats.preview import draw

    try:
        return draw(signal), None
    except MemoryError:
        raise
    except OSError as error:
        if of_this_computer(error):
            raise
        return _failed(file_name, error)
    except Exception as error:  # noqa: BLE001 - pixels are decoded here for the first time: damage in them shows itself now
        return _failed(file_name, error)


def _failed(file_name: str, error: Exception) -> tuple[Picture, str]:
    from scopeline.formats.preview import placeholder

    _log.warning("no preview of %r", file_name, exc_info=error)
    problem = "There is no preview: the data cannot be read, the file may be damaged."
    return placeholder(file_name, FileStatus.UNREADABLE, problem), problem


def _saved(picture: Picture, folder: Path, name: str) -> Preview:
    picture.save(folder / name)
    return Preview(object=name, width=picture.width, height=picture.height, caption=picture.caption)
