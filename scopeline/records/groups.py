"""The record's activities: which datasets, what they share, and what to call them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

from scopeline.domain.activities import STATE, TRAITS, Acquisition, cluster
from scopeline.domain.files import DatasetType
from scopeline.records.inputs import DatasetInput, FileInput, ParameterInput, RecordInputs

# The parameters that the record adds to the vocabulary's.
TITLE, TECHNIQUE, DIMENSIONS = "Title", "Technique", "Data Dimensions"

_NOUNS = {
    DatasetType.IMAGE.value: ("image", "images"),
    DatasetType.SPECTRUM.value: ("spectrum", "spectra"),
    DatasetType.SPECTRUM_IMAGE.value: ("spectrum image", "spectrum images"),
    DatasetType.DIFFRACTION.value: ("diffraction pattern", "diffraction patterns"),
    DatasetType.NOTES.value: ("note", "notes"),
    DatasetType.MISC.value: ("other dataset", "other datasets"),
    DatasetType.UNKNOWN.value: ("unread file", "unread files"),
}
_TITLE_PARTS = 3


@dataclass(frozen=True, slots=True)
class Member:
    """A dataset of an activity with its file, and the parameters that the others do not share.

    A series is the member of its first file; `files` are all of it, `last` is the last one.
    """

    file: FileInput
    dataset: DatasetInput
    parameters: dict[str, ParameterInput]
    files: int = 1
    last: Member | None = None


@dataclass(frozen=True, slots=True)
class Activity:
    """Datasets acquired in one go: `setup` is what all of them share."""

    number: int
    title: str
    start: datetime | None
    sample: str | None
    setup: dict[str, ParameterInput]
    members: tuple[Member, ...]


def group(inputs: RecordInputs) -> list[Activity]:
    """The activities of the record, in order of time, numbered from 1."""
    pairs = {dataset.id: (file, dataset) for file in inputs.files for dataset in file.datasets}
    clusters = cluster(_acquisition(file, dataset) for file, dataset in pairs.values())
    moved = _with_moves(clusters, [dataset for _, dataset in pairs.values()])
    return [_activity(number, [pairs[i] for i in ids]) for number, ids in enumerate(moved, start=1)]


def _acquisition(file: FileInput, dataset: DatasetInput) -> Acquisition:
    return Acquisition(
        id=dataset.id,
        file=file.id,
        index=dataset.index,
        name=file.path,
        time=dataset.time,
        sample=file.sample,
        # An unread file says nothing of the set-up.
        type=None if dataset.type == DatasetType.UNKNOWN else dataset.type,
        technique=dataset.technique,
        parameters={name: p.value for name, p in dataset.parameters.items() if name in TRAITS or name in STATE},
    )


def _with_moves(clusters: list[list[str]], datasets: Iterable[DatasetInput]) -> list[list[str]]:
    """The clusters after people's moves; an activity that loses all its datasets is gone."""
    place = {identity: number for number, ids in enumerate(clusters) for identity in ids}
    original = dict(place)
    for dataset in datasets:
        if dataset.joins in original:
            place[dataset.id] = original[dataset.joins]
    order = [identity for ids in clusters for identity in ids]
    moved: list[list[str]] = [[] for _ in clusters]
    for identity in order:
        moved[place[identity]].append(identity)
    return [ids for ids in moved if ids]


def _activity(number: int, pairs: Sequence[tuple[FileInput, DatasetInput]]) -> Activity:
    described = [(file, dataset, _parameters(dataset)) for file, dataset in pairs]
    setup = _shared([own for _, dataset, own in described if own and dataset.type != DatasetType.NOTES])
    times = [dataset.time for _, dataset in pairs if dataset.time]
    return Activity(
        number=number,
        title=_title([dataset for _, dataset in pairs]),
        start=min(times) if times else None,
        sample=pairs[0][0].sample,
        setup=setup,
        members=tuple(
            Member(file, dataset, {n: p for n, p in parameters.items() if n not in setup})
            for file, dataset, parameters in described
        ),
    )


def _parameters(dataset: DatasetInput) -> dict[str, ParameterInput]:
    """The dataset's parameters and what the record says like them, by name."""
    found = dict(dataset.parameters)
    if dataset.shape:
        found.setdefault(DIMENSIONS, ParameterInput(" × ".join(map(str, dataset.shape))))
    if dataset.technique:
        found.setdefault(TECHNIQUE, ParameterInput(dataset.technique))
    if dataset.title and dataset.title not in (dataset.name, dataset.name.rpartition(".")[0]):
        found.setdefault(TITLE, ParameterInput(dataset.title))
    return {name: found[name] for name in sorted(found)}


def _shared(all_parameters: Sequence[dict[str, ParameterInput]]) -> dict[str, ParameterInput]:
    """The parameters that all have with the same value and unit."""
    if not all_parameters:
        return {}
    first, *others = all_parameters
    return {name: value for name, value in first.items() if all(other.get(name) == value for other in others)}


def _title(datasets: Sequence[DatasetInput]) -> str:
    """What was done, in words: `STEM HAADF images`, `EDS spectrum images and STEM images`."""
    detectors: dict[tuple[str, str], set[str]] = {}
    counts: Counter[tuple[str, str]] = Counter()
    for dataset in datasets:
        kind = (dataset.technique or "", dataset.type)
        counts[kind] += 1
        detector = dataset.parameters.get("Detector")
        detectors.setdefault(kind, set()).add(str(detector.value) if detector else "")
    measured = [kind for kind in counts if kind[1] not in (DatasetType.UNKNOWN, DatasetType.NOTES)]
    read = measured or [kind for kind in counts if kind[1] != DatasetType.UNKNOWN] or list(counts)
    ordered = sorted(read, key=lambda kind: (-counts[kind], kind))
    parts = [_phrase(*kind, counts[kind], detectors[kind]) for kind in ordered[:_TITLE_PARTS]]
    if len(ordered) > _TITLE_PARTS:
        parts.append("more")
    text = ", ".join(parts[:-1]) + " and " + parts[-1] if len(parts) > 1 else parts[0]
    return text[:1].upper() + text[1:]


def _phrase(technique: str, kind: str, count: int, detectors: set[str]) -> str:
    noun = _NOUNS[kind][count != 1]
    words = [technique] if technique.lower() not in noun.split() else []
    # The detector names a scanned picture (HAADF, BF, SE); of a camera or spectrometer it is not what was done.
    detector = next(iter(detectors)) if len(detectors) == 1 else ""
    if (kind == DatasetType.IMAGE and "STEM" in technique) or "SEM" in technique:
        words.extend(word for word in [detector] if word and word not in words)
    return " ".join([*filter(None, words), noun])
