"""Files of the catalog -> what a record shows of them, one file after the other.

A session may have 20,000 files with 30 kB of document each, and the process that builds its record 1 GiB: what no
record shows is dropped with each file, and what many files say alike is kept once.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import datetime
from functools import lru_cache
from math import copysign
from mimetypes import MimeTypes

from scopeline.domain.files import Dataset, DatasetType, File, FileStatus, Parameter
from scopeline.domain.names import dataset_id
from scopeline.records.edits import Edits
from scopeline.records.inputs import DatasetInput, FileInput, ParameterInput
from scopeline.records.times import Bounds, has_own_time, is_outside, ordering_time

# Parameters that are looked through for an equal one: those of some hundred files.
PARAMETERS_COMPARED = 10_000

Parameters = dict[str, ParameterInput]


class GatheredFiles:
    """The files of one session, as far as its record shows them."""

    def __init__(self, bounds: Bounds, edits: Edits, sample_at: Callable[[datetime | None], str | None]) -> None:
        self.announced: list[str] = []  # the paths of files that never arrived
        self.deleted: list[str] = []  # and of those that are gone
        self.hidden = 0  # datasets that people hid
        self.timed = 0  # files with an acquisition time of their own
        self.outside = 0  # those of them whose time lies outside the session
        self._edits = edits
        self._sample_at = sample_at
        self._once = _Once()
        # Whether most files miss the session is known when all were seen: until then both ways are kept, mostly as the
        # same objects.
        self._bounds = replace(bounds, missed=False)
        self._bounds_missed = replace(bounds, missed=True)
        self._shown: list[FileInput] = []
        self._shown_missed: list[FileInput] = []

    @property
    def mostly_outside(self) -> bool:
        """Whether most files, and more than one, name a time outside the session."""
        return self.outside > 1 and 2 * self.outside > self.timed

    def add(self, file: File) -> None:
        """Take in what the record shows of the file."""
        if file.status is FileStatus.ANNOUNCED:
            self.announced.append(file.path)
        elif file.status is FileStatus.DELETED:
            self.deleted.append(file.path)
        self.timed += any(map(has_own_time, file.datasets))
        self.outside += any(is_outside(dataset, self._bounds) for dataset in file.datasets)
        identity = file.id
        indexes = [dataset.index for dataset in file.datasets] or [0]
        self.hidden += sum(bool(self._edits.of(dataset_id(identity, index)).get("hidden")) for index in indexes)
        if file.generation is None or file.companion_of is not None:
            return
        parameters = [self._once.parameters(dataset) for dataset in file.datasets]
        shown = self._file_input(file, self._bounds, parameters)
        if shown.datasets:
            shown_missed = self._file_input(file, self._bounds_missed, parameters)
            self._shown.append(shown)
            self._shown_missed.append(shown if shown_missed == shown else shown_missed)

    def inputs(self) -> tuple[FileInput, ...]:
        """The files with something to show, by path."""
        shown = self._shown_missed if self.mostly_outside else self._shown
        return tuple(sorted(shown, key=lambda file: (file.path, file.id)))

    def _file_input(self, file: File, bounds: Bounds, parameters: Sequence[Parameters]) -> FileInput:
        many = len(file.datasets)
        names = [file.name] if many == 1 else [f"{file.name} ({number} of {many})" for number in range(1, many + 1)]
        made = [
            self._dataset_input(file, dataset, name, bounds, own)
            for dataset, name, own in zip(file.datasets, names, parameters, strict=True)
        ] or [self._unread_input(file, bounds)]
        datasets = tuple(dataset for dataset in made if dataset is not None)
        times = [dataset.time for dataset in datasets if dataset.time]
        return FileInput(
            id=file.id,
            path=file.path,
            generation=file.generation or 0,
            format=self._once.text(file.reader or _media_type(file.name)),
            sample=self._sample_at(min(times) if times else None),
            datasets=datasets,
        )

    def _dataset_input(
        self, file: File, dataset: Dataset, name: str, bounds: Bounds, parameters: Parameters
    ) -> DatasetInput | None:
        identity = dataset_id(file.id, dataset.index)
        edited = self._edits.of(identity)
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
            technique=self._once.text(dataset.technique),
            shape=tuple(dataset.shape),
            time=ordering_time(file, dataset, bounds),
            acquired=dataset.acquired.value if dataset.acquired else None,
            doubtful_time=outside or bool(dataset.acquired and dataset.acquired.source == "file"),
            parameters=parameters,
            warnings=tuple(dict.fromkeys(warnings)),
            preview=dataset.preview is not None,
            description=edited.get("description"),
            notes=edited.get("notes"),
            rating=edited.get("rating"),
            featured=edited.get("featured"),
            joins=edited.get("activity"),
        )

    def _unread_input(self, file: File, bounds: Bounds) -> DatasetInput | None:
        identity = dataset_id(file.id, 0)
        edited = self._edits.of(identity)
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


class _Once:
    """Equal texts and parameters as one object. What one object stands for also is of one type and sign."""

    def __init__(self) -> None:
        self._texts: dict[str, str] = {}
        self._parameter = lru_cache(maxsize=PARAMETERS_COMPARED, typed=True)(ParameterInput)

    def text(self, text: str | None) -> str | None:
        return None if text is None else self._texts.setdefault(text, text)

    def parameters(self, dataset: Dataset) -> Parameters:
        known = self._texts.setdefault
        return {known(name, name): self._parameter_input(p) for name, p in dataset.parameters.items()}

    def _parameter_input(self, parameter: Parameter) -> ParameterInput:
        value, unit = parameter.value, self.text(parameter.unit)
        if value == 0 and isinstance(value, float) and copysign(1, value) < 0:
            # It equals the zero without a sign, and is written otherwise.
            return ParameterInput(value, unit, parameter.warning)
        return self._parameter(value, unit, parameter.warning)


_REASONS = {
    FileStatus.STORED: "This file has not been read yet.",
    FileStatus.EXTRACTED: "No signal was found in this file.",
    FileStatus.UNSUPPORTED: "No reader knows this format.",
    FileStatus.UNREADABLE: "This file cannot be read.",
    FileStatus.FAILED: "Reading this file failed.",
}


@lru_cache(maxsize=1)
def _media_types() -> MimeTypes:
    # The language's own table, without the machine's: the same everywhere.
    return MimeTypes()


def _media_type(name: str) -> str | None:
    return _media_types().guess_type(name)[0]
