"""Reading a record's XML: safely, against the schema, and the facts that lists and searches show."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import islice
from typing import Any

from lxml import etree

NAMESPACE = "https://data.nist.gov/od/dm/nexus/experiment/v1.0"
NX = {"nx": NAMESPACE}
THUMBNAILS = 4
MAX_MESSAGES = 5  # of the schema, in one answer
MAX_SEARCH_CHARACTERS = 200_000
# Of the datasets' own parameters, those that people look for.
SEARCHED = ("Technique", "Detector", "Camera", "Microscope", "Elements", "Title", "Description", "Notes")
_FILE = re.compile(r"/files/([a-z0-9]{1,64})/\d+/")


class InvalidRecord(Exception):
    """The XML is not a record that the site can show; the message says where and why."""


@dataclass(frozen=True, slots=True)
class RecordFacts:
    """What lists, searches and permission checks need of a record."""

    title: str
    instrument: str
    people: str
    started: str  # ISO 8601 as in the record, with the instrument's offset; empty where no time is known
    started_at: datetime | None
    datasets: int
    attention: int
    types: list[list[Any]]
    samples: list[str]
    project: str
    motivation: str
    thumbnails: list[str]
    files: set[str]
    search_text: str


def hardened_parser() -> etree.XMLParser:
    """A parser that expands no entity, loads nothing and keeps libxml2's limits."""
    return etree.XMLParser(resolve_entities=False, no_network=True, load_dtd=False, huge_tree=False)


def parse(xml: bytes) -> Any:
    """The root element of a record. Raises InvalidRecord for XML that is malformed, has a DTD or is something else."""
    try:
        root = etree.fromstring(xml, hardened_parser())
    except etree.XMLSyntaxError as error:
        raise InvalidRecord(f"The XML cannot be read: {error}.") from None
    document: Any = root.getroottree()
    if document.docinfo.doctype:
        raise InvalidRecord("The XML has a document type declaration; a record has none. Leave it out.")
    if root.tag != f"{{{NAMESPACE}}}Experiment":
        raise InvalidRecord(f"The root element is {root.tag!r}; expected Experiment of the namespace {NAMESPACE}.")
    return root


def check_schema(root: Any, schema: etree.XMLSchema) -> None:
    """Raise InvalidRecord with the schema's first messages where the record does not fit."""
    if schema.validate(root):
        return
    log: Any = schema.error_log
    problems = [f"line {entry.line}: {entry.message}" for entry in islice(log, MAX_MESSAGES)]
    raise InvalidRecord("The record does not fit the schema: " + "; ".join(problems))


def check_session(root: Any, session: str) -> None:
    """Raise InvalidRecord where the record's pid is of another session."""
    pid = root.get("pid")
    if pid and not pid.endswith(session):
        raise InvalidRecord(f"The record's pid {pid!r} does not name session {session!r}; publish it under its own.")


def facts(root: Any, session: str) -> RecordFacts:
    """The facts of a record that `parse` accepted, in one pass over its datasets."""
    datasets = root.findall("nx:acquisitionActivity/nx:dataset", NX)
    samples = [_text(s, "nx:name") or s.get("id") or "" for s in root.findall("nx:sample", NX)]
    experimenters = _texts(root, "nx:summary/nx:experimenter")
    people = ", ".join(experimenters + _texts(root, "nx:summary/nx:collaborator"))
    instrument = root.find("nx:summary/nx:instrument", NX)
    instrument_name = "" if instrument is None else (_own_text(instrument) or instrument.get("pid") or "")
    started = _text(root, "nx:summary/nx:reservationStart") or _text(root, "nx:acquisitionActivity/nx:startTime")
    types = Counter(d.get("type") or "Unknown" for d in datasets)
    shown = [p for d in datasets if (p := _text(d, "nx:preview")) and not _needs_look(d)]
    return RecordFacts(
        title=_text(root, "nx:title") or f"Session {session}",
        instrument=instrument_name,
        people=people,
        started=started,
        started_at=_moment(started),
        datasets=len(datasets),
        attention=sum(1 for d in datasets if _needs_look(d)),
        types=[[name, count] for name, count in types.most_common()],
        samples=[s for s in samples if s],
        project=_text(root, "nx:project/nx:name") or _text(root, "nx:project/nx:project_id"),
        motivation=_text(root, "nx:summary/nx:motivation"),
        thumbnails=_spread(shown, THUMBNAILS),
        files=set(_files(datasets)),
        search_text=_search_text(root, session, datasets),
    )


def _needs_look(dataset: Any) -> bool:
    return dataset.find("nx:description", NX) is not None


def _files(datasets: list[Any]) -> Iterator[str]:
    for dataset in datasets:
        match = _FILE.match(_text(dataset, "nx:location"))
        if match:
            yield match.group(1)


def _spread(items: list[str], count: int) -> list[str]:
    """`count` of the items, evenly from first to last."""
    if len(items) <= count:
        return items
    return [items[round(i * (len(items) - 1) / (count - 1))] for i in range(count)]


def _search_text(root: Any, session: str, datasets: list[Any]) -> str:
    """What a search looks in: everything but the datasets' own parameters other than SEARCHED; each text once."""
    words = [session, root.get("pid") or ""]
    for child in root:
        if child.tag == f"{{{NAMESPACE}}}acquisitionActivity":
            for part in child:
                if part.tag != f"{{{NAMESPACE}}}dataset":
                    words.extend(part.itertext())
        elif isinstance(child.tag, str):
            words.extend(child.itertext())
            words.extend(etree.QName(e).localname for e in child.iterfind("nx:elements/*", NX))
    for dataset in datasets:
        words.append(_text(dataset, "nx:name"))
        words.append(dataset.get("type") or "")
        words.extend(m.text or "" for m in dataset.iterfind("nx:meta", NX) if m.get("name") in SEARCHED)
    unique = dict.fromkeys(w for word in words if (w := " ".join(word.split()).casefold()))
    return "\n".join(unique)[:MAX_SEARCH_CHARACTERS]


def _moment(text: str) -> datetime | None:
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return None
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def _own_text(element: Any) -> str:
    return " ".join((element.text or "").split())


def _text(element: Any, path: str) -> str:
    found = element.find(path, NX)
    return "" if found is None else _own_text(found)


def _texts(element: Any, path: str) -> list[str]:
    return [t for e in element.findall(path, NX) if (t := _own_text(e))]
