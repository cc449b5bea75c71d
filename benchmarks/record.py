"""How long a record takes to build, how large it is, and how much memory that needs.

    python -m benchmarks.record [--files N ...]

Each made session has files with 30 parameters, of which 24 are the same in a whole activity. Reading the catalog is not
part of the times; gathering, hashing, grouping, writing and validating are. Memory is the peak of RssAnon of a process
of its own that is given one page of the catalog's documents after the other, as JSON text.
"""

from __future__ import annotations

import argparse
import json
import statistics
import time
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime, timedelta
from multiprocessing import get_context

from scopeline.domain.files import Acquired, Dataset, DatasetType, File, FileStatus, Parameter, Preview
from scopeline.domain.instruments import Instrument
from scopeline.domain.sessions import Sample, Session, SessionState, Stamp
from scopeline.records.builder import build_xml
from scopeline.records.gather import make_inputs
from scopeline.records.schema import check_record, load_schema

START = datetime(2026, 2, 6, 8, 0, tzinfo=UTC)
SECONDS_BETWEEN_FILES = 20
FILES_IN_ACTIVITY = 50
FILES_IN_PAGE = 500
MEMORY_BUDGET_MIB = 250


def stamp(moment: datetime) -> Stamp:
    return Stamp(at=moment, sent=moment, received=moment)


def made_session(files: int) -> Session:
    """A session long enough for that many files, which change their mode every 50."""
    end = START + timedelta(seconds=SECONDS_BETWEEN_FILES * files)
    return Session(
        id="20260206-titan-7f3k2a",
        instrument="titan",
        local_id="0d5ef1c0-0000-4000-8000-000000000001",
        client="titan-pc",
        start=stamp(START),
        end=stamp(end),
        samples=[Sample(name="Lamella 3", elements=["Ni", "Al"])],
        state=SessionState.ENDED,
        updated_at=end,
    )


def made_file(session: str, number: int) -> File:
    """A file as ingest leaves it."""
    at = START + timedelta(seconds=SECONDS_BETWEEN_FILES * number)
    name = f"image_{number:06d}.dm3"
    mode = ("TEM", "STEM")[number // FILES_IN_ACTIVITY % 2]
    own = {f"Stage {axis}": Parameter(value=0.001 * number, unit="µm") for axis in ("X", "Y", "Z")}
    own |= {f"Lens {n}": Parameter(value=44.717 + number % 97 / 1000, unit="%", origin="tags") for n in range(3)}
    shared = {f"Shared Parameter {n}": Parameter(value=n / 4, unit="nm", origin="tags") for n in range(21)}
    dataset = Dataset(
        index=0,
        type=DatasetType.IMAGE,
        technique=mode,
        shape=[2048, 2048],
        acquired=Acquired(value=at, source="utc"),
        parameters={
            "Accelerating Voltage": Parameter(value=300, unit="kV"),
            "Operation Mode": Parameter(value=mode),
            "Magnification": Parameter(value=13000),
            **shared,
            **own,
        },
        preview=Preview(object=f"{number}.png", width=512, height=512),
    )
    return File(
        bucket="raw",
        object=f"titan/{session}/titan-pc/data/{name}",
        session=session,
        instrument="titan",
        client="titan-pc",
        root="data",
        path=name,
        generation=1_770_000_000_000_000 + number,
        mtime=at,
        status=FileStatus.EXTRACTED,
        reader="DigitalMicrograph",
        datasets=[dataset],
        updated_at=at,
    )


def pages(session: str, files: int) -> Iterator[File]:
    """The files as the catalog gives them: page by page, each document from its own JSON text."""
    for begin in range(0, files, FILES_IN_PAGE):
        numbers = range(begin, min(begin + FILES_IN_PAGE, files))
        texts = [json.dumps(made_file(session, number).to_json()) for number in numbers]
        yield from [File.from_json(json.loads(text)) for text in texts]


def build(session: Session, files: Iterable[File]) -> bytes:
    """The record's XML, as a build makes it, not yet validated."""
    inputs = make_inputs(session, Instrument(id="titan", name="FEI Titan", zone="Europe/Berlin"), files, None)
    inputs.digest()
    return build_xml(inputs)


def time_build(files: int, rounds: int) -> tuple[float, float, int]:
    """The median seconds of gathering to XML and of validating, and the bytes."""
    session = made_session(files)
    documents = [made_file(session.id, number) for number in range(files)]
    load_schema()
    building, checking = [], []
    xml = b""
    for _ in range(rounds):
        begin = time.perf_counter()
        xml = build(session, documents)
        built = time.perf_counter()
        check_record(xml)
        building.append(built - begin)
        checking.append(time.perf_counter() - built)
    return statistics.median(building), statistics.median(checking), len(xml)


def build_from_pages(files: int) -> None:
    session = made_session(files)
    check_record(build(session, pages(session.id, files)))


def peak_of_build(files: int) -> float:
    """The peak of RssAnon in MiB of a process that builds and validates the record."""
    from benchmarks.extract import Watch

    process = get_context("spawn").Process(target=build_from_pages, args=(files,))
    process.start()
    assert process.pid is not None
    with Watch(process.pid) as watch:
        process.join()
    if process.exitcode:
        raise SystemExit(f"Building a record of {files} files ended with exit code {process.exitcode}.")
    return watch.peak_kib / 1024


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--files", type=int, nargs="*", default=[56, 1_000, 20_000])
    given = parser.parse_args()
    print(f"Budget: 1,000 files in 0.5 s; 20,000 under 5 MB, in {MEMORY_BUDGET_MIB} MiB")
    print("files    build     validate  size         memory")
    for files in given.files:
        seconds, check, size = time_build(files, rounds=3 if files < 5_000 else 1)
        peak = peak_of_build(files)
        print(
            f"{files:6d} {seconds:7.3f} s {check:7.3f} s {size / 1e6:7.2f} MB {peak:7.0f} MiB  "
            f"{size / files:6.0f} bytes a dataset"
        )


if __name__ == "__main__":
    main()
