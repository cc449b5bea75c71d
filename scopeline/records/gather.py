"""Documents of the catalog -> the inputs of a record."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import datetime
from functools import lru_cache
from mimetypes import MimeTypes

from scopeline.domain.files import Dataset, DatasetType, File, FileStatus
from scopeline.domain.instruments import Instrument
from scopeline.domain.names import dataset_id
from scopeline.domain.records import Overlay
from scopeline.domain.sessions import EventKind, Project, Sample, Session
from scopeline.records.edits import SESSION_TARGET, Edits
from scopeline.records.inputs import DatasetInput, FileInput, NoteInput, ParameterInput, RecordInputs, SampleInput
from scopeline.records.times import Bounds, is_outside, mostly_outside, ordering_time

# Files named in one note; the others are counted.
NAMES_IN_NOTE = 20


def make_inputs(
    session: Session,
    instrument: Instrument | None,
    files: Iterable[File],
    overlay: Overlay | None,
    *,
    pid_prefix: str = "",
) -> RecordInputs:
    """The inputs of the session's record. The order of `files` does not matter.

    Companions belong to the dataset that they were read with and are no dataset; files that never arrived or are gone
    are named in a note.
    """
    files = sorted(files, key=lambda file: (file.path, file.id))
    edits = Edits(overlay)
    own = edits.of(SESSION_TARGET)
    bounds = Bounds.of(session)
    outside, known = mostly_outside(files, bounds)
    bounds = replace(bounds, missed=outside > 1 and 2 * outside > known)
    samples = _Samples(session)
    reservation = session.reservation
    shown = [
        _file_input(file, samples, edits, bounds)
        for file in files
        if file.generation is not None and file.companion_of is None
    ]
    remarks = [
        *_remarks_on_files(files),
        *([_outside_remark(outside, known)] if bounds.missed else []),
        *([_hidden_remark(files, edits)] if _hidden(files, edits) else []),
        *(f"An edit is not shown: {reason}" for reason in edits.refused),
    ]
    return RecordInputs(
        id=session.id,
        pid=pid_prefix + session.id,
        title=own.get("title") or session.title,
        zone=instrument.zone if instrument else "UTC",
        instrument=instrument.name if instrument else session.instrument,
        instrument_pid=(instrument.pid if instrument else None) or session.instrument,
        experimenters=tuple(p.person for p in session.people if p.role == "experimenter"),
        collaborators=tuple(p.person for p in session.people if p.role != "experimenter"),
        start=reservation.start if reservation else bounds.start,
        end=reservation.end if reservation else bounds.end,
        reservation_ref=reservation.ref if reservation else None,
        motivation=own.get("motivation") or session.motivation,
        samples=samples.inputs(),
        projects=_projects(session),
        files=tuple(file for file in shown if file.datasets),
        notes=(*_notes(session, own.get("notes")), *(NoteInput(text, source="Scopeline") for text in remarks)),
    )


# ------------------------------------------------------------------------------------------------ files and datasets


def _file_input(file: File, samples: _Samples, edits: Edits, bounds: Bounds) -> FileInput:
    datasets: list[DatasetInput] = []
    many = len(file.datasets)
    for position, dataset in enumerate(file.datasets, start=1):
        name = file.name if many == 1 else f"{file.name} ({position} of {many})"
        made = _dataset_input(file, dataset, name, edits, bounds)
        datasets.extend([made] if made else [])
    if not file.datasets:
        made = _unread_input(file, edits, bounds)
        datasets.extend([made] if made else [])
    times = [dataset.time for dataset in datasets if dataset.time]
    return FileInput(
        id=file.id,
        path=file.path,
        generation=file.generation or 0,
        format=file.reader or _media_type(file.name),
        sample=samples.at(min(times) if times else None),
        datasets=tuple(datasets),
    )


def _dataset_input(file: File, dataset: Dataset, name: str, edits: Edits, bounds: Bounds) -> DatasetInput | None:
    identity = dataset_id(file.id, dataset.index)
    edited = edits.of(identity)
    if edited.get("hidden"):
        return None
    outside = not bounds.missed and is_outside(dataset, bounds)
    warnings = [*file.warnings, *dataset.warnings]
    if outside:
        warnings.append("The acquisition time lies outside the session; the file's time orders this dataset.")
    return DatasetInput(
        id=identity,
        index=dataset.index,
        name=edited.get("name") or name,
        type=edited.get("type") or dataset.type.value,
        role=edited.get("role") or "Experimental",
        title=dataset.title,
        technique=dataset.technique,
        shape=tuple(dataset.shape),
        time=ordering_time(file, dataset, bounds),
        acquired=dataset.acquired.value if dataset.acquired else None,
        doubtful_time=outside or bool(dataset.acquired and dataset.acquired.source == "file"),
        parameters={n: ParameterInput(p.value, p.unit, p.warning) for n, p in dataset.parameters.items()},
        warnings=tuple(dict.fromkeys(warnings)),
        preview=dataset.preview is not None,
        description=edited.get("description"),
        notes=edited.get("notes"),
        rating=edited.get("rating"),
        featured=edited.get("featured"),
        joins=edited.get("activity"),
    )


_REASONS = {
    FileStatus.STORED: "This file has not been read yet.",
    FileStatus.EXTRACTED: "No signal was found in this file.",
    FileStatus.UNSUPPORTED: "No reader knows this format.",
    FileStatus.UNREADABLE: "This file cannot be read.",
    FileStatus.FAILED: "Reading this file failed.",
}


def _unread_input(file: File, edits: Edits, bounds: Bounds) -> DatasetInput | None:
    identity = dataset_id(file.id, 0)
    edited = edits.of(identity)
    if edited.get("hidden") or file.status in (FileStatus.ANNOUNCED, FileStatus.DELETED):
        return None
    return DatasetInput(
        id=identity,
        index=0,
        name=edited.get("name") or file.name,
        type=edited.get("type") or DatasetType.UNKNOWN.value,
        role=edited.get("role") or "Experimental",
        time=ordering_time(file, None, bounds),
        warnings=tuple(dict.fromkeys([file.reason or _REASONS[file.status], *file.warnings])),
        preview=file.placeholder is not None,
        description=edited.get("description"),
        notes=edited.get("notes"),
        rating=edited.get("rating"),
        featured=edited.get("featured"),
        joins=edited.get("activity"),
    )


@lru_cache(maxsize=1)
def _media_types() -> MimeTypes:
    # The language's own table, without the machine's: the same everywhere.
    return MimeTypes()


def _media_type(name: str) -> str | None:
    return _media_types().guess_type(name)[0]


# ------------------------------------------------------------------------------------------------------------- notes


def _notes(session: Session, added: str | None) -> list[NoteInput]:
    notes = [
        NoteInput(event.text, source=event.person or "Session", at=event.stamp.moment)
        for event in sorted(session.events, key=lambda event: (event.stamp.moment, event.id))
        if event.text and event.sample is None
    ]
    return [*notes, NoteInput(added, source="Added to the record")] if added else notes


def _remarks_on_files(files: Sequence[File]) -> list[str]:
    missing = [file.path for file in files if file.status is FileStatus.ANNOUNCED]
    deleted = [file.path for file in files if file.status is FileStatus.DELETED]
    remarks = []
    if missing:
        remarks.append(f"{_count(len(missing), 'announced file')} never arrived: {_listed(missing)}.")
    if deleted:
        remarks.append(f"{_count(len(deleted), 'file')} deleted before the record was made: {_listed(deleted)}.")
    return remarks


def _outside_remark(outside: int, known: int) -> str:
    return (
        f"{outside} of the {known} files that say when they were acquired name a time outside the session. "
        "The order and the activities therefore follow the times at which the files were saved."
    )


def _hidden(files: Sequence[File], edits: Edits) -> int:
    return sum(
        bool(edits.of(dataset_id(file.id, index)).get("hidden"))
        for file in files
        for index in ([dataset.index for dataset in file.datasets] or [0])
    )


def _hidden_remark(files: Sequence[File], edits: Edits) -> str:
    return f"{_count(_hidden(files, edits), 'dataset')} hidden by people."


def _count(number: int, what: str) -> str:
    return f"{number} {what}" if number == 1 else f"{number} {what}s"


def _listed(names: Sequence[str]) -> str:
    listed = ", ".join(names[:NAMES_IN_NOTE])
    return f"{listed} and {len(names) - NAMES_IN_NOTE} more" if len(names) > NAMES_IN_NOTE else listed


# ----------------------------------------------------------------------------------------------- samples and projects


class _Samples:
    """A session's samples in order of appearance. One name is one sample, whoever names it how often."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self._by_name: dict[str, list[Sample]] = {}
        self._notes: dict[str, list[NoteInput]] = {}
        for sample in session.samples:
            self._by_name.setdefault(sample.name, []).append(sample)
        for event in sorted(session.events, key=lambda event: (event.stamp.moment, event.id)):
            if event.sample is not None:
                self._by_name.setdefault(event.sample.name, []).append(event.sample)
                if event.text:
                    note = NoteInput(event.text, source=event.person or "Session", at=event.stamp.moment)
                    self._notes.setdefault(event.sample.name, []).append(note)
        self._ids = {name: f"sample-{number}" for number, name in enumerate(self._by_name, start=1)}
        # Between two changes the sample is one: it is asked for once.
        self._changes = sorted(event.stamp.moment for event in session.events if event.kind is EventKind.SAMPLE)
        self._between: dict[int, str | None] = {}

    def at(self, moment: datetime | None) -> str | None:
        """The id of the sample in the microscope at the moment (None: the session's first)."""
        moment = moment or self._session.start.moment
        interval = bisect_right(self._changes, moment)
        if interval not in self._between:
            sample = self._session.sample_at(moment)
            self._between[interval] = self._ids[sample.name] if sample else None
        return self._between[interval]

    def inputs(self) -> tuple[SampleInput, ...]:
        """Each sample with all that was said of it."""
        return tuple(
            SampleInput(
                id=self._ids[name],
                name=name,
                descriptions=tuple(dict.fromkeys(sample.description for sample in said if sample.description)),
                elements=tuple(dict.fromkeys(element for sample in said for element in sample.elements)),
                notes=tuple(self._notes.get(name, ())),
            )
            for name, said in self._by_name.items()
        )


def _projects(session: Session) -> tuple[Project, ...]:
    changes = [e for e in session.events if e.kind is EventKind.PROJECT]
    found = [session.project, *(e.project for e in sorted(changes, key=lambda e: (e.stamp.moment, e.id)))]
    distinct: list[Project] = []
    for project in found:
        if project is not None and project not in distinct:
            distinct.append(project)
    return tuple(distinct)
