"""What the record page shows and its stylesheet cannot work out, written into the record's tree before the transform.

Attributes and elements of the namespace `PAGE`, which no record has. Each dataset is visited a fixed number of times.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import date, datetime, timedelta
from typing import Any

from cdcs_connector.site import moments, quantities, timeline
from cdcs_connector.site.record_xml import NAMESPACE, NX

PAGE = "urn:scopeline:page"
MANY = 200  # datasets from which on the browser draws activities only when they come into view
ACQUIRED, LAST_ACQUIRED = "Acquisition Time", "Last Acquisition Time"
OUTSIDE = "This time lies outside the session."
SAVED = "The file has no acquisition time of its own; this is when it was saved."
SHORTEST = timedelta(minutes=1)  # of a session with a timeline
# A time in an activity's last file counts within this time of the activity's start.
LONGEST_ACTIVITY = timedelta(hours=12)
CLOCKS = 4  # parts of the timeline that have a time at their edges
TYPES = {"SpectrumImage": "Spectrum image", "Misc": "Other", "Unknown": "Not read", "": "Not read"}
_NOTE_TIME = re.compile(r"(\d{1,2}) ([A-Z][a-z]+) (\d{4}), (\d\d:\d\d) \(UTC([+-]\d\d:\d\d)\)")
_FILE = re.compile(r"/files/([^/]+)/[^/]+/(?:(\d+)/)?")


def mark(root: Any) -> None:
    """Write into the record's tree what its page needs."""
    activities = [_Activity(n, e) for n, e in enumerate(root.iterfind("nx:acquisitionActivity", NX), 1)]
    # Where no activity starts with a sound acquisition, starts are files' times. Where acquisitions lie before them, as
    # with files of an earlier day, one that happens to follow a start says nothing of its end.
    saved = bool(activities) and not any(a.start in a.sound for a in activities)
    apart = saved and any(a.start and a.sound and min(a.sound) < a.start for a in activities)
    for activity, following in zip(activities, [*activities[1:], None], strict=False):
        activity.end = activity.latest(following.start if following else None, files_only=apart)
    begun = moments.parse(root.findtext("nx:summary/nx:reservationStart", None, NX))
    ended = moments.parse(root.findtext("nx:summary/nx:reservationEnd", None, NX))
    timed = [a for a in activities if a.start and a.end]
    data = (min(a.start for a in timed if a.start), max(a.end for a in timed if a.end)) if timed else None
    session = (begun, ended or begun) if begun else data
    day = session[0].date() if session else None
    if session:
        _set(root, "day", moments.long_day(session[0]))
        _set(root, "clocks", moments.between(session[0], session[1] or session[0], session[0].date()))
        _set(root, "zone", moments.zone(session[0]))
    if data:
        _set(root, "data", moments.between(*data, day))
        first = min(timed, key=lambda a: a.start or data[0])
        _set(root, "data-label", "Data acquired" if first.start in first.sound else "Files saved")
    for activity in activities:
        if activity.start:
            said = moments.between(activity.start, activity.end or activity.start, day)
            _set(activity.element, "times", f"saved {said}" if saved else said)
    for element in root.iter(f"{{{NAMESPACE}}}meta", f"{{{NAMESPACE}}}param"):
        _mark_value(element, day)
    _mark_anchors(activities)
    _mark_chips(root, activities)
    _mark_samples(root, activities)
    notes = _mark_notes(root, day)
    if data and len(activities) > 1 and data[1] - data[0] >= SHORTEST:
        _mark_timeline(root, timed, data, notes, day)
    if sum(len(a.datasets) for a in activities) > MANY:
        _set(root, "many", "true")


class _Activity:
    """An activity's element, and its moments."""

    def __init__(self, number: int, element: Any) -> None:
        self.element = element
        self.anchor = f"#activity-{number}"
        self.datasets = element.findall("nx:dataset", NX)
        self.start = moments.parse(element.findtext("nx:startTime", None, NX))
        self.end: datetime | None = None
        self.sample = (element.findtext("nx:sampleID", None, NX) or "").strip()
        self.sound: set[datetime] = set()  # acquisition times that nothing is wrong with
        self._saved: list[datetime] = []  # when files without an acquisition time were saved
        self._moments: list[datetime] = []
        for meta in element.iterfind("nx:dataset/nx:meta", NX):
            if meta.get("name") in (ACQUIRED, LAST_ACQUIRED) and (moment := moments.parse(meta.text)):
                self._moments.append(moment)
                if not _doubtful(meta):
                    self.sound.add(moment)
                elif _doubt(meta) == SAVED:
                    self._saved.append(moment)

    def latest(self, following: datetime | None, *, files_only: bool) -> datetime | None:
        """The latest acquisition (`files_only`: of those that are files' times) between this start and the next one's.

        Files can carry the time of another year; then the record is ordered by the files' own times.
        """
        start = self.start
        if start is None:
            return None
        limit = following if following is not None else start + LONGEST_ACTIVITY
        counted = self._saved if files_only else self._moments
        return max((m for m in counted if start <= m <= limit), default=start)

    def parameter(self, name: str) -> str:
        """The value of a parameter of the set-up."""
        return next((p.text or "" for p in self.element.iterfind("nx:setup/nx:param", NX) if p.get("name") == name), "")


def _mark_value(element: Any, day: date | None) -> None:
    name, text = element.get("name") or "", element.text or ""
    if name in (ACQUIRED, LAST_ACQUIRED):
        moment = moments.parse(text)
        if moment is None:
            return
        _set(element, "shown", moments.at(moment, day, seconds=True))
        if name == ACQUIRED and _doubtful(element):
            _set(element, "doubt", _doubt(element))
        return
    unit = element.get("unit") or ""
    shown = quantities.shown(name, text, unit)
    if shown is None:
        return
    _set(element, "shown", shown)
    whole = quantities.whole(text, unit)
    if _bare(shown) != _bare(whole):
        _set(element, "whole", whole)


def _bare(value: str) -> str:
    """The value without what only makes it easier to read."""
    return "".join(value.split()).replace("−", "-").replace("μ", "µ")


def _mark_anchors(activities: list[_Activity]) -> None:
    """Each dataset's anchor, from its file and index: the same in every version of the record."""
    taken: set[str] = set()
    for number, dataset in enumerate(d for a in activities for d in a.datasets):
        preview = _FILE.match(dataset.findtext("nx:preview", "", NX).strip())
        location = _FILE.match(dataset.findtext("nx:location", "", NX).strip())
        if preview and preview[2]:
            anchor = f"d-{preview[1]}-{preview[2]}"
            _set(dataset, "metadata", f"?dataset={preview[2]}")
        else:
            anchor = f"d-{location[1]}" if location else f"d{number + 1}"
        while anchor in taken:
            anchor = f"{anchor}-{number + 1}"
        taken.add(anchor)
        _set(dataset, "anchor", anchor)


def _mark_chips(root: Any, activities: list[_Activity]) -> None:
    """One chip for each technique, and for the types of the datasets without one: how many, and where the first is."""
    counts: dict[str, int] = {}
    targets: dict[str, str] = {}
    rank: dict[str, int] = {}  # techniques, types, what was not read
    for activity in activities:
        shared = activity.parameter("Technique").strip()
        for dataset in activity.datasets:
            kind = dataset.get("type") or ""
            own = next((m.text or "" for m in dataset.iterfind("nx:meta", NX) if m.get("name") == "Technique"), "")
            technique = own.strip() or (shared if kind != "Unknown" else "")
            chip = technique or TYPES.get(kind, kind)
            rank[chip] = 0 if technique else 2 if chip == TYPES["Unknown"] else 1
            counts[chip] = counts.get(chip, 0) + 1
            whole = shared == technique and dataset is activity.datasets[0]
            targets.setdefault(chip, activity.anchor if whole else f"#{dataset.get(f'{{{PAGE}}}anchor')}")
    for chip in sorted(counts, key=lambda c: rank[c]):
        _add(root, "chip", text=chip, count=str(counts[chip]), href=targets[chip])


def _mark_samples(root: Any, activities: list[_Activity]) -> None:
    """Where each sample first was in the microscope."""
    firsts: dict[str, str] = {}
    for activity in activities:
        firsts.setdefault(activity.sample, activity.anchor)
    for sample in root.iterfind("nx:sample", NX):
        if sample.get("id") in firsts:
            _set(sample, "href", firsts[sample.get("id")])


def _mark_notes(root: Any, day: date | None) -> list[tuple[datetime, str, str]]:
    """The moments of the notes whose first paragraph is one, each with its text and anchor."""
    found: list[tuple[datetime, str, str]] = []
    for number, entry in enumerate(root.iterfind(".//nx:notes/nx:entry", NX), 1):
        paragraphs = ["".join(p.itertext()) for p in entry.iterfind("nx:p", NX)]
        anchor = f"note-{number}"
        _set(entry, "anchor", anchor)
        moment = _note_moment(paragraphs[0]) if len(paragraphs) > 1 else None
        if moment:
            _set(entry, "time", moments.at(moment, day))
            found.append((moment, " ".join(paragraphs[1:]), f"#{anchor}"))
    return found


def _note_moment(text: str) -> datetime | None:
    match = _NOTE_TIME.fullmatch(text.strip())
    if match is None or match[2] not in moments.MONTHS:
        return None
    month = moments.MONTHS.index(match[2]) + 1
    return moments.parse(f"{match[3]}-{month:02d}-{int(match[1]):02d}T{match[4]}{match[5]}")


def _mark_timeline(
    root: Any,
    activities: list[_Activity],
    whole: tuple[datetime, datetime],
    notes: list[tuple[datetime, str, str]],
    day: date | None,
) -> None:
    begin, length = whole[0], whole[1] - whole[0]

    def place(moment: datetime) -> float:
        return (moment - begin) / length

    spans = [(place(a.start or begin), place(a.end or begin)) for a in activities]
    names = [a.parameter("Activity") or "x" * 30 for a in activities]
    placed = timeline.blocks(spans, names)
    for activity, block in zip(activities, placed, strict=True):
        _set(activity.element, "left", _percent(block.left))
        _set(activity.element, "width", _percent(block.width))
        _set(activity.element, "label", block.label)
        _set(activity.element, "side", "end" if block.left > 50 else "start")
    for moment, text, href in notes:
        if whole[0] <= moment <= whole[1]:
            _dot(root, place(moment) * 100, "note", f"{moments.at(moment, day)} {text}", href)
    for text, left, href in _sample_changes(root, activities, placed):
        _dot(root, left, "sample", text, href)
    for part in range(CLOCKS + 1):
        moment = begin + length * part / CLOCKS
        anchor = "start" if part == 0 else "end" if part == CLOCKS else "middle"
        _add(root, "clock", x=_percent(part * 100 / CLOCKS), text=moments.at(moment, day), anchor=anchor)


def _sample_changes(
    root: Any, activities: list[_Activity], placed: list[timeline.Block]
) -> Iterator[tuple[str, float, str]]:
    """The activities that have another sample than those before."""
    names = {s.get("id"): (s.findtext("nx:name", "", NX) or s.get("id")) for s in root.iterfind("nx:sample", NX)}
    before = activities[0].sample if activities else ""
    for activity, block in zip(activities, placed, strict=True):
        if activity.sample and activity.sample != before:
            yield f"Sample: {names.get(activity.sample, activity.sample)}", block.left, activity.anchor
        before = activity.sample


def _dot(root: Any, left: float, kind: str, text: str, href: str) -> None:
    side = "end" if left > 50 else "start"
    _add(root, "dot", x=_percent(left), kind=kind, text=" ".join(text.split())[:120], href=href, side=side)


def _doubtful(element: Any) -> bool:
    return element.get("warning") in ("true", "1")


def _doubt(element: Any) -> str:
    """What is wrong with a doubtful acquisition time."""
    said = (d.text or "" for d in element.getparent().iterfind("nx:description", NX))
    return OUTSIDE if any("outside the session" in d for d in said) else SAVED


def _percent(value: float) -> str:
    return f"{value:.3f}%"


def _set(element: Any, name: str, value: str) -> None:
    element.set(f"{{{PAGE}}}{name}", value)


def _add(root: Any, name: str, **attributes: str) -> None:
    root.append(root.makeelement(f"{{{PAGE}}}{name}", attributes))
