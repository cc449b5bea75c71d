"""`scopeline extract`: what the files hold, and their previews."""

from __future__ import annotations

import json
import logging
import os
import shutil
import sys
import tempfile
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from scopeline.formats.pool import ReaderPool
    from scopeline.formats.results import Extracted

WRONG_USE = 2
LISTED_FAILURES = 1
_MOST_WORKERS = 4
_PARAMETERS_SHOWN = 6  # of a dataset, for people; --json has them all
_LINE_SEPARATORS = "\x85\u2028\u2029"  # those that JSON leaves as they are
_LONGEST_STEM = 200  # bytes of a file's name in its previews' names


def extract(
    files: Annotated[list[Path], typer.Argument(metavar="FILE...", help="Files to read.")],
    as_json: Annotated[bool, typer.Option("--json", help="One JSON line per file, with all metadata.")] = False,
    preview_dir: Annotated[
        Path | None, typer.Option(metavar="FOLDER", help="Write the previews there, as {file name}.{dataset}.png.")
    ] = None,
    workers: Annotated[
        int | None, typer.Option(metavar="N", min=1, help="Files to read at a time.", show_default=False)
    ] = None,
    zone: Annotated[str, typer.Option(help="The instrument's time zone, for times without one.")] = "UTC",
    day_first: Annotated[bool, typer.Option("--day-first", help="Dates as text are 31/12, not 12/31.")] = False,
) -> None:
    """Read microscope files: signals, parameters, times, previews.

    Files that belong together (.ser and .emi, .tif and .hdr) are found beside each other. The exit status is 0 where
    all files were read, 1 where some were not, 2 for wrong use.
    """
    _check(files, preview_dir, zone)
    logging.getLogger("scopeline").addHandler(logging.NullHandler())  # each file's reason is printed below
    from scopeline.formats.pool import PRELOAD, ReaderPool

    many = min(workers or min(_MOST_WORKERS, os.cpu_count() or 1), len(files))
    # One worker that reads one file imports what it needs by itself, sooner than a server would for many.
    pool = ReaderPool(many, preload=PRELOAD if len(files) > many else ())
    if pool.warning:
        typer.echo(pool.warning, err=True)
    jobs = _jobs(files, preview_dir, zone, day_first)
    # The pool is closed first, so that an interrupted command does not wait for the files that are being read.
    with ThreadPoolExecutor(many) as threads, pool:
        failures = _print(jobs, threads.map(lambda job: job.run(pool), jobs), as_json=as_json)
    raise typer.Exit(LISTED_FAILURES if failures else 0)


def _check(files: Sequence[Path], preview_dir: Path | None, zone: str) -> None:
    """End with a sentence where the command was called wrongly."""
    for file in files:
        if file.is_dir():
            _wrong_use(f"{_shown(file)} is a folder. Name the files in it, for example {_shown(file / '*')}.")
        if not file.exists():
            _wrong_use(f"There is no file {_shown(file)}.")
    if preview_dir is not None:
        try:
            preview_dir.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            _wrong_use(f"--preview-dir {_shown(preview_dir)} cannot be made: {error.strerror}.")
    from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

    try:
        ZoneInfo(zone)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        _wrong_use(f"--zone {zone!r} is no known time zone. Use an IANA name such as Europe/Berlin.")


def _wrong_use(words: str) -> None:
    typer.echo(words, err=True)
    raise typer.Exit(WRONG_USE)


@dataclass(frozen=True, slots=True)
class _Job:
    """One file to read, and the stem of its previews' names in the folder for previews."""

    file: Path
    stem: str
    preview_dir: Path | None
    zone: str
    day_first: bool

    def run(self, pool: ReaderPool) -> dict[str, Any]:
        """Read the file; the line of `--json`."""
        from scopeline.domain.errors import ScopelineError

        name = self.file.name
        if name != _encodable(name):
            return _not_read(_encodable(name), "unreadable", "The file's name is not valid UTF-8. Rename the file.")
        try:
            return _line(self._extracted(pool))
        except ScopelineError as error:
            return _not_read(name, "failed", str(error))
        except OSError as error:
            return _not_read(name, "failed", f"The previews cannot be written: {error.strerror} ({error.filename}).")

    def _extracted(self, pool: ReaderPool) -> Extracted:
        from scopeline.formats.results import ExtractRequest

        request = ExtractRequest(
            folder=self.file.absolute().parent, file_name=self.file.name, zone=self.zone, day_first=self.day_first
        )
        if self.preview_dir is None:
            return pool.extract(request)
        folder = Path(tempfile.mkdtemp(prefix=".extract-", dir=self.preview_dir.absolute()))
        try:
            result = pool.extract(request.model_copy(update={"preview_dir": folder}))
            for preview in filter(None, [*(each.preview for each in result.datasets), result.placeholder]):
                final = f"{self.stem}.{preview.object}"
                (folder / preview.object).replace(self.preview_dir / final)
                preview.object = final
        finally:
            shutil.rmtree(folder, ignore_errors=True)
        return result


def _jobs(files: Sequence[Path], preview_dir: Path | None, zone: str, day_first: bool) -> list[_Job]:
    """One job per file. Equal names from different folders get previews with different stems."""
    jobs: list[_Job] = []
    seen: dict[str, int] = {}
    for file in files:
        stem = _encodable(file.name).encode()[:_LONGEST_STEM].decode("utf-8", "ignore")
        times = seen[stem.lower()] = seen.get(stem.lower(), 0) + 1
        jobs.append(_Job(file, stem if times == 1 else f"{stem}-{times}", preview_dir, zone, day_first))
    return jobs


def _line(result: Extracted) -> dict[str, Any]:
    """The result as `--json` has it: each dataset with its original metadata."""
    line: dict[str, Any] = json.loads(result.model_dump_json(by_alias=True))
    for dataset, metadata in zip(line["datasets"], line.pop("metadata"), strict=True):
        dataset["metadata"] = metadata
    return line


def _not_read(name: str, status: str, reason: str) -> dict[str, Any]:
    nothing: dict[str, Any] = {"reader": None, "datasets": [], "warnings": [], "seconds": 0.0}
    return {"file": name, "status": status, "reason": reason, **nothing}


def _print(jobs: Sequence[_Job], results: Iterator[dict[str, Any]], *, as_json: bool) -> int:
    """Print each result as it comes; how many files were not read."""
    failures = 0
    progress = sys.stderr.isatty() and len(jobs) > 1
    for number, (job, line) in enumerate(zip(jobs, results, strict=True), start=1):
        failures += line["status"] != "extracted"
        if progress:
            typer.echo("\r\x1b[K", nl=False, err=True)
        typer.echo(_json(line) if as_json else _summary(job.file, line))
        if progress and number < len(jobs):
            typer.echo(f"{number} of {len(jobs)} files", nl=False, err=True)
    return failures


def _json(line: dict[str, Any]) -> bytes:
    """The line as UTF-8, on one line for every reader: also for those that take U+2028 for an end of line."""
    text = json.dumps(line, ensure_ascii=False)
    for separator in _LINE_SEPARATORS:
        text = text.replace(separator, f"\\u{ord(separator):04x}")
    return text.encode()


def _summary(file: Path, line: dict[str, Any]) -> str:
    """The result as lines for people."""
    head = f"{_shown(file)}: {line['status']}"
    if line["reader"]:
        head += f", read as {line['reader']} in {line['seconds']:.2f} s"
    lines = [head]
    if line["reason"]:
        lines.append(f"  {line['reason']}")
    if line.get("companion_of"):
        lines.append(f"  Belongs to {line['companion_of']}.")
    for dataset in line["datasets"]:
        lines += _dataset_lines(dataset)
    if line.get("placeholder"):
        lines.append(f"  picture: {line['placeholder']['object']}")
    lines += [f"  warning: {warning}" for warning in line["warnings"]]
    return "\n".join(lines)


def _dataset_lines(dataset: dict[str, Any]) -> list[str]:
    shape = " × ".join(str(n) for n in dataset["shape"])
    facts = [dataset["type"], dataset["technique"], f"{shape} {dataset['dtype'] or ''}".strip(), dataset["title"]]
    lines = [f"  [{dataset['index']}] {', '.join(fact for fact in facts if fact)}"]
    if dataset["acquired"]:
        acquired = dataset["acquired"]
        lines.append(f"      acquired {acquired['value']} (from the file's {acquired['source']} time)")
    lines += _parameter_lines(dataset["parameters"])
    if dataset["preview"]:
        preview = dataset["preview"]
        caption = f" ({preview['caption']})" if preview["caption"] else ""
        lines.append(f"      preview: {preview['object']}{caption}")
    lines += [f"      warning: {warning}" for warning in dataset["warnings"]]
    return lines


def _parameter_lines(parameters: dict[str, dict[str, Any]]) -> list[str]:
    """The first parameters on one line, and how many more there are."""
    words = [f"{name} {p['value']}{' ' + p['unit'] if p['unit'] else ''}" for name, p in parameters.items()]
    if len(words) > _PARAMETERS_SHOWN:
        words = [*words[:_PARAMETERS_SHOWN], f"{len(words) - _PARAMETERS_SHOWN} more parameters"]
    return [f"      {', '.join(words)}"] if words else []


def _shown(path: Path) -> str:
    """The path on one line, for a terminal: control characters are escaped."""
    text = _encodable(str(path))
    return "".join(letter if letter.isprintable() else letter.encode("unicode_escape").decode() for letter in text)


def _encodable(text: str) -> str:
    return text.encode("utf-8", "backslashreplace").decode()
