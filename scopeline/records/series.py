"""Many like files of one run as one dataset, where a record would otherwise be too large to read.

A session of some thousand files keeps each of them. Above that, no person looks at single files of a run, and a record
that lists them all is slow to open everywhere.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import replace

from scopeline.records.groups import Activity, Member
from scopeline.records.inputs import ParameterInput
from scopeline.records.text import value_text

# Records with more datasets than this show series.
LARGE_RECORD = 2_000
# Fewer files stay single.
SHORTEST_SERIES = 20

_LAST_NUMBER = re.compile(r"\d+(?=\D*$)")


def with_series(activities: Sequence[Activity]) -> list[Activity]:
    """The activities, with series for their like files where all together have more than 2,000 datasets."""
    if sum(len(activity.members) for activity in activities) <= LARGE_RECORD:
        return list(activities)
    return [replace(activity, members=tuple(_collapsed(activity.members))) for activity in activities]


def _collapsed(members: Iterable[Member]) -> list[Member]:
    runs: dict[object, list[Member]] = {}
    for member in members:
        runs.setdefault(_likeness(member), []).append(member)
    collapsed: list[Member] = []
    for run in runs.values():
        collapsed.extend([_series(run)] if len(run) >= SHORTEST_SERIES else run)
    return sorted(collapsed, key=_order)


def _likeness(member: Member) -> object:
    """What the files of one series have in common; something of its own where people or a warning single one out."""
    file, dataset = member.file, member.dataset
    said = (dataset.description, dataset.notes, dataset.rating, dataset.featured, dataset.joins)
    doubtful = dataset.doubtful_time or any(parameter.warning for parameter in member.parameters.values())
    if len(file.datasets) > 1 or dataset.warnings or doubtful or any(value is not None for value in said):
        return dataset.id
    stem, _, suffix = file.path.rpartition(".")
    return (
        _LAST_NUMBER.sub("#", stem),
        suffix,
        file.format,
        dataset.type,
        dataset.role,
        dataset.technique,
        dataset.shape,
        dataset.preview,
    )


def _series(run: Sequence[Member]) -> Member:
    """The run as one dataset at its first file; its parameters are one value, or from the least to the most."""
    first, last = run[0], run[-1]
    parameters: dict[str, ParameterInput] = {}
    for name, own in first.parameters.items():
        others = [member.parameters.get(name) for member in run]
        shown = _range(own, [parameter for parameter in others if parameter is not None])
        if shown is not None and None not in others:
            parameters[name] = shown
    return Member(first.file, first.dataset, parameters, files=len(run), last=last)


def _range(own: ParameterInput, all_of_them: Sequence[ParameterInput]) -> ParameterInput | None:
    """The parameter of a whole series; None where its values are no numbers of one unit, or no single value."""
    if all(parameter == own for parameter in all_of_them):
        return own
    values = [p.value for p in all_of_them if isinstance(p.value, int | float) and p.unit == own.unit]
    if len(values) < len(all_of_them):
        return None
    return ParameterInput(f"{value_text(min(values))} to {value_text(max(values))}", own.unit)


def _order(member: Member) -> tuple[bool, float, str, int]:
    time = member.dataset.time
    return (time is None, time.timestamp() if time else 0.0, member.file.path, member.dataset.index)
