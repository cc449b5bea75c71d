"""Documents of the catalog -> the inputs of a record."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Sequence
from datetime import datetime

from scopeline.domain.files import File
from scopeline.domain.instruments import Instrument
from scopeline.domain.records import Overlay
from scopeline.domain.sessions import EventKind, Project, Sample, Session
from scopeline.records.edits import SESSION_TARGET, Edits
from scopeline.records.gather_files import GatheredFiles
from scopeline.records.inputs import NoteInput, RecordInputs, SampleInput
from scopeline.records.times import Bounds

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
    """The inputs of the session's record. The order of `files` does not matter, and no file is kept: there are many.

    Companions belong to the dataset that they were read with and are no dataset; files that never arrived or are gone
    are named in a note.
    """
    edits = Edits(overlay)
    own = edits.of(SESSION_TARGET)
    bounds = Bounds.of(session)
    samples = _Samples(session)
    gathered = GatheredFiles(bounds, edits, samples.at)
    for file in files:
        gathered.add(file)
    reservation = session.reservation
    ended = ["The session ended by itself: nothing came any more."] if session.is_forgotten else []
    remarks = [*ended, *_remarks_on(gathered), *(f"An edit is not shown: {reason}" for reason in edits.refused)]
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
        files=gathered.inputs(),
        notes=(*_notes(session, own.get("notes")), *(NoteInput(text, source="Scopeline") for text in remarks)),
    )


# ------------------------------------------------------------------------------------------------------------- notes


def _notes(session: Session, added: str | None) -> list[NoteInput]:
    notes = [
        NoteInput(event.text, source=event.person or "Session", at=event.stamp.moment)
        for event in sorted(session.events, key=lambda event: (event.stamp.moment, event.id))
        if event.text and event.sample is None
    ]
    return [*notes, NoteInput(added, source="Added to the record")] if added else notes


def _remarks_on(files: GatheredFiles) -> list[str]:
    remarks = []
    if files.announced:
        remarks.append(
            f"{_count(len(files.announced), 'announced file')} never arrived: {_listed(sorted(files.announced))}."
        )
    if files.deleted:
        remarks.append(
            f"{_count(len(files.deleted), 'file')} deleted before the record was made: "
            f"{_listed(sorted(files.deleted))}."
        )
    if files.mostly_outside:
        remarks.append(
            f"{files.outside} of the {files.timed} files that say when they were acquired name a time outside the "
            "session. The order and the activities therefore follow the times at which the files were saved."
        )
    if files.hidden:
        remarks.append(f"{_count(files.hidden, 'dataset')} hidden by people.")
    return remarks


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
