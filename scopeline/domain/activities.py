"""Which datasets were acquired in one go under one set-up. docs/activities.md explains it to microscopists.

Files are put in order of time, and between each file and the next one two things are weighed: the pause, against the
rhythm of the pauses around it, and the change of set-up. Together they reach 1 where a new activity starts. One pass
over the ordered files with a bounded look to both sides: O(n log n) for the sorting, and the same result for any order
of the input. Notes and files that nobody could read say nothing of the set-up: they join what is nearest in time.
"""

from __future__ import annotations

import bisect
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from itertools import pairwise

from scopeline.domain.files import DatasetType

Value = str | int | float | bool

NOTES, IMAGE = DatasetType.NOTES.value, DatasetType.IMAGE.value
MAP, SPECTRUM = DatasetType.SPECTRUM_IMAGE.value, DatasetType.SPECTRUM.value


@dataclass(frozen=True, slots=True)
class Acquisition:
    """What the clustering needs to know of one dataset.

    Datasets of one `file` stay together, in the order of `index`. `time` orders the files (None: not known), then
    `name`. `parameters` are those of the common vocabulary, in its units; only the ones in `TRAITS` count.
    """

    id: str
    file: str
    index: int = 0
    name: str = ""
    time: datetime | None = None
    sample: str | None = None
    type: str | None = None
    technique: str | None = None
    parameters: Mapping[str, Value] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Trait:
    """A parameter that characterises a set-up, and how much its change counts (1: starts an activity by itself).

    Numbers differ where one is more than about `factor` times the other.
    """

    weight: float
    factor: float = 1.05


# Stage, focus, stigmators, exposure and beam shifts are missing on purpose: they change from picture to picture.
TRAITS: Mapping[str, Trait] = {
    "Operation Mode": Trait(1.0),
    "Illumination Mode": Trait(1.0),
    "Imaging Mode": Trait(1.0),
    "Tecnai Mode": Trait(0.6),
    "Accelerating Voltage": Trait(1.0),
    "Landing Voltage": Trait(1.0),
    "Ion Species": Trait(1.0),
    "Detector": Trait(0.5),
    "Camera Length": Trait(0.6),
    "Convergence Semi-angle": Trait(0.6, factor=1.2),
    "Magnification": Trait(0.4, factor=4.0),
    "Energy Dispersion": Trait(0.4),
    "Spot Size": Trait(0.3),
}
TYPE_WEIGHT = 0.5
TECHNIQUE_WEIGHT = 0.6

# A pause of this many times the rhythm starts an activity under an unchanged set-up.
PAUSE_FACTOR = 5.0
# Shorter pauses never start an activity by themselves: nobody prepares anything new in that time.
SHORTEST_BREAK = 180.0
# People are not metronomes: a rhythm is never taken to be quicker than this.
QUICKEST_RHYTHM = 30.0
# A picture so many seconds before a spectrum image, or a spectrum so many after its start, belongs to it.
AROUND_A_MAP = 180.0
# How many pauses before and after a pause tell the rhythm, and how many files may lie between two of one set-up for it
# to count as recurring.
UNKNOWN_RHYTHM = 120.0
ENOUGH_PAUSES = 4
PAUSES_BEFORE = 8
PAUSES_AFTER = 4
RECURRENCE = 4
# The state of the microscope that stays while a region is mapped, and by how much it may differ.
STATE: Mapping[str, float] = {
    "Illumination Mode": 0.0,
    "Accelerating Voltage": 1.0,
    "Camera Length": 5.0,
    "Stage X": 1.0,
    "Stage Y": 1.0,
    "Stage Z": 1.0,
    "Stage Alpha": 0.5,
    "Stage Beta": 0.5,
}
# What a change in the mix of set-ups counts, where the set-up itself recurs.
MIX_WEIGHT = 0.6

# Type, technique and the values of TRAITS: text as it is, numbers in steps of 2 %, so that a jittering value stays one.
SetUp = tuple[str | int | None, ...]
STEPS = 50


def cluster(acquisitions: Iterable[Acquisition]) -> list[list[str]]:
    """The ids of the datasets by activity: activities in order of time, and the datasets in each.

    Files without a time come last, in an activity of their own. A change of sample always starts an activity.
    """
    files = _files_in_order(acquisitions)
    asides = [number for number, file in enumerate(files) if _is_aside(file)]
    if not asides or len(asides) == len(files):
        groups = [list(range(start, end)) for start, end in _spans(files)]
    else:
        groups = _with_asides(files, asides)
    return [[dataset.id for number in group for dataset in files[number].datasets] for group in groups]


def _is_aside(file: _File) -> bool:
    """Whether the file says nothing of a set-up: notes, and files that could not be read."""
    for dataset in file.datasets:
        if dataset.type is not None:
            if dataset.type != NOTES:
                return False
        elif dataset.technique is not None or not TRAITS.keys().isdisjoint(dataset.parameters):
            return False
    return True


def _with_asides(files: Sequence[_File], asides: Sequence[int]) -> list[list[int]]:
    """The files' numbers by activity: each aside goes to the file of its sample that is nearest in time."""
    aside = frozenset(asides)
    others = [number for number in range(len(files)) if number not in aside]
    groups = [others[start:end] for start, end in _spans([files[number] for number in others])]
    group_of = {number: group for group in groups for number in group}
    alone: dict[str | None, list[int]] = {}
    by_sample: dict[str | None, list[int]] = {}
    for number in others:
        by_sample.setdefault(files[number].sample, []).append(number)
    for number in asides:
        near = _nearest(files, by_sample.get(files[number].sample, []), number)
        if near is None:
            alone.setdefault(files[number].sample, []).append(number)
        else:
            group_of[near].append(number)
    return sorted(sorted(group) for group in [*groups, *alone.values()])


def _nearest(files: Sequence[_File], others: Sequence[int], number: int) -> int | None:
    """The number among `others` (rising) of the file nearest in time to file `number`, the earlier one of two.

    None where there is none, or where one has a time and the other has not.
    """
    place = bisect.bisect(others, number)
    time = files[number].time
    known = [n for n in others[max(0, place - 1) : place + 1] if math.isinf(files[n].time) == math.isinf(time)]
    return min(known, key=lambda n: 0.0 if math.isinf(time) else abs(files[n].time - time), default=None)


class _File:
    """The datasets of one file: they were saved together and stay together. `time` is in seconds."""

    __slots__ = ("datasets", "sample", "time")

    def __init__(self, datasets: list[Acquisition]) -> None:
        if len(datasets) > 1:
            datasets.sort(key=lambda dataset: (dataset.index, dataset.id))
        self.datasets = datasets
        self.sample = datasets[0].sample
        self.time = math.inf
        for dataset in datasets:
            if dataset.time is not None:
                self.time = min(self.time, dataset.time.timestamp())


def _files_in_order(acquisitions: Iterable[Acquisition]) -> list[_File]:
    by_file: dict[str, list[Acquisition]] = {}
    for acquisition in acquisitions:
        by_file.setdefault(acquisition.file, []).append(acquisition)
    files = [_File(datasets) for datasets in by_file.values()]
    files.sort(key=lambda file: (file.time, file.datasets[0].name, file.datasets[0].file))
    return files


def _spans(files: Sequence[_File]) -> list[tuple[int, int]]:
    """The first and one-past-last positions of each activity."""
    if not files:
        return []
    changes = _Changes(files)
    # Files of one moment (several detectors, copies) and files without a time have no pause between them.
    pauses = [0.0]
    for before, after in pairwise(files):
        pauses.append(after.time - before.time if before.time != after.time else 0.0)
    starts = [0]
    for position in range(1, len(files)):
        if _starts_activity(files, changes, pauses, starts[-1], position):
            starts.append(position)
    return list(zip(starts, [*starts[1:], len(files)], strict=True))


def _starts_activity(
    files: Sequence[_File], changes: _Changes, pauses: Sequence[float], start: int, position: int
) -> bool:
    """Whether the file at `position` ends the activity that began at `start`."""
    if files[position].sample != files[position - 1].sample:
        return True
    pause = pauses[position]
    if pause == 0.0:
        return False
    if math.isinf(pause):
        return True
    change = changes.at(position, start)
    if change > 0.0 and pause < AROUND_A_MAP and _around_a_map(files[position - 1], files[position]):
        return False
    if change >= 1.0:
        return True
    if (pause < SHORTEST_BREAK and change == 0.0) or pause <= QUICKEST_RHYTHM:
        return False
    rhythm = _rhythm(pauses, start, position)
    if pause <= rhythm:
        return False
    evidence = math.log(pause / rhythm) / math.log(PAUSE_FACTOR)
    if evidence + change >= 1.0:
        return True
    return evidence + MIX_WEIGHT >= 1.0 and evidence + MIX_WEIGHT * changes.of_mix(position, start) >= 1.0


def _around_a_map(before: _File, after: _File) -> bool:
    """Whether a survey picture is followed by its spectrum image, or that by a spectrum, all else being the same."""
    first, second = ({dataset.type for dataset in file.datasets} for file in (before, after))
    survey = IMAGE in first and MAP in second
    spectrum = MAP in first and SPECTRUM in second
    if not survey and not spectrum:
        return False
    ours, theirs = before.datasets[0].parameters, after.datasets[0].parameters
    return all(_unmoved(ours.get(name), theirs.get(name), most) for name, most in STATE.items())


def _unmoved(one: Value | None, other: Value | None, most: float) -> bool:
    if one is None or other is None or one == other:
        return True
    return not isinstance(one, str) and not isinstance(other, str) and abs(one - other) <= most


def _rhythm(pauses: Sequence[float], start: int, position: int) -> float:
    """The pause in seconds that is usual on the quicker side of `position`, where enough is known of it.

    Before, it is the longest but one of the last pauses of the activity: one long pause does not make a rhythm. After,
    it is the longest of the next ones: so the last pause of a slow series is not yet measured by a quick one after it.
    """
    before = sorted(filter(None, pauses[max(start + 1, position - PAUSES_BEFORE) : position]))
    after = list(filter(None, pauses[position + 1 : position + 1 + PAUSES_AFTER]))
    if len(before) < ENOUGH_PAUSES:
        return max([*before, *after, UNKNOWN_RHYTHM])
    usual = before[-2]
    if len(after) == PAUSES_AFTER:
        usual = min(usual, max(after))
    return max(usual, QUICKEST_RHYTHM)


class _Changes:
    """How much the set-up changes from file to file, from 0 (not at all) to 1 (starts an activity by itself)."""

    def __init__(self, files: Sequence[_File]) -> None:
        self._files = files
        numbers: dict[SetUp, int] = {}
        step_of = _Steps().__getitem__

        def number(dataset: Acquisition) -> int:
            values = map(step_of, map(dataset.parameters.get, TRAITS))
            return numbers.setdefault((dataset.type, dataset.technique, *values), len(numbers))

        self._set_ups = [[number(dataset) for dataset in file.datasets] for file in files]
        self._values = list(numbers)
        self._known: dict[tuple[int, int], float] = {}

    def at(self, position: int, start: int) -> float:
        """The change to the file at `position`, 0 where its set-up and the one before alternate."""
        set_ups = self._set_ups
        if set_ups[position - 1] == set_ups[position]:
            return 0.0
        change = self._between(position - 1, position)
        if change == 0.0 or self._alternates(position, start, change / 2):
            return 0.0
        return change

    def _alternates(self, position: int, start: int, same: float) -> bool:
        """Whether the set-up was there before in this activity, or both it and the one before come again soon.

        Set-ups that differ by less than `same` are one.
        """
        for earlier in range(position - 2, max(start, position - 1 - RECURRENCE) - 1, -1):
            if self._between(earlier, position) < same:
                return True
        old_returns = new_returns = False
        for later in range(position + 1, min(len(self._files), position + 1 + RECURRENCE)):
            if self._files[later].sample != self._files[position].sample:
                break
            old_returns = old_returns or self._between(position - 1, later) < same
            # What follows at once is no return.
            new_returns = new_returns or (old_returns and self._between(position, later) < same)
        return old_returns and new_returns

    def of_mix(self, position: int, start: int) -> float:
        """The change to the most foreign set-up among the next files, seen from the last ones, or the reverse."""
        before = self._set_ups_of(max(start, position - RECURRENCE), position)
        after = self._set_ups_of(position, position + RECURRENCE)
        gone = max(min(self._of(left, right) for right in after) for left in before)
        new = max(min(self._of(left, right) for left in before) for right in after)
        return max(gone, new)

    def _set_ups_of(self, first: int, end: int) -> set[int]:
        return {number for numbers in self._set_ups[first:end] for number in numbers}

    def _between(self, left: int, right: int) -> float:
        """The smallest change between any set-up of one file and any of the other."""
        ours, theirs = self._set_ups[left], self._set_ups[right]
        if len(ours) == len(theirs) == 1:
            return self._of(ours[0], theirs[0])
        return min(self._of(a, b) for a in ours for b in theirs)

    def _of(self, a: int, b: int) -> float:
        if a == b:
            return 0.0
        known = self._known.get((a, b))
        if known is None:
            known = self._known[a, b] = self._known[b, a] = _change(self._values[a], self._values[b])
        return known


class _Steps(dict[Value | None, str | int | None]):
    """The step of each value, worked out once."""

    def __missing__(self, value: Value | None) -> str | int | None:
        if value is None or isinstance(value, str):
            step: str | int | None = value
        elif 0 < value < math.inf:
            step = round(STEPS * math.log(value))
        else:
            step = str(float(value))
        self[value] = step
        return step


_WEIGHTS = (
    (TYPE_WEIGHT, 0.0),
    (TECHNIQUE_WEIGHT, 0.0),
    *((trait.weight, STEPS * math.log(trait.factor)) for trait in TRAITS.values()),
)


def _change(a: SetUp, b: SetUp) -> float:
    total = 0.0
    for left, right, (weight, steps) in zip(a, b, _WEIGHTS, strict=True):
        if left == right or left is None or right is None:
            continue
        if isinstance(left, str) or isinstance(right, str) or abs(left - right) > steps:
            total += weight
    return min(total, 1.0)
