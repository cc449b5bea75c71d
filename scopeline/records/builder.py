"""A record's inputs -> its XML, after the Nexus Experiment schema (design section 7)."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any
from urllib.parse import quote
from zoneinfo import ZoneInfo

from scopeline.records.groups import Activity, Member, group
from scopeline.records.inputs import NoteInput, ParameterInput, RecordInputs, SampleInput
from scopeline.records.series import with_series
from scopeline.records.text import (
    day_words,
    moment_text,
    moment_words,
    paragraphs,
    prose,
    token,
    uri,
    value_text,
)

if TYPE_CHECKING:
    from lxml.etree import _Element as Element

    from scopeline.domain.sessions import Project

NAMESPACE = "https://data.nist.gov/od/dm/nexus/experiment/v1.0"
XSI = "http://www.w3.org/2001/XMLSchema-instance"

_NAMESPACES: dict[Any, str] = {None: NAMESPACE, "xsi": XSI}

# Names of the parameters that are the record's own.
ACTIVITY, ACQUISITION_TIME, DESCRIPTION, NOTES = "Activity", "Acquisition Time", "Description", "Notes"
FILES, LAST_ACQUISITION_TIME = "Files", "Last Acquisition Time"

# The symbols of the periodic table, as the schema has them.
SYMBOLS = (
    "H", "He", "Li", "Be", "B", "C", "N", "O", "F", "Ne", "Na", "Mg", "Al", "Si", "P", "S", "Cl", "Ar",
    "K", "Ca", "Sc", "Ti", "V", "Cr", "Mn", "Fe", "Co", "Ni", "Cu", "Zn", "Ga", "Ge", "As", "Se", "Br", "Kr",
    "Rb", "Sr", "Y", "Zr", "Nb", "Mo", "Tc", "Ru", "Rh", "Pd", "Ag", "Cd", "In", "Sn", "Sb", "Te", "I", "Xe",
    "Cs", "Ba", "La", "Ce", "Pr", "Nd", "Pm", "Sm", "Eu", "Gd", "Tb", "Dy", "Ho", "Er", "Tm", "Yb", "Lu", "Hf",
    "Ta", "W", "Re", "Os", "Ir", "Pt", "Au", "Hg", "Tl", "Pb", "Bi", "Po", "At", "Rn", "Fr", "Ra", "Ac", "Th",
    "Pa", "U", "Np", "Pu", "Am", "Cm", "Bk", "Cf", "Es", "Fm", "Md", "No", "Lr", "Rf", "Db", "Sg", "Bh", "Hs",
    "Mt", "Ds", "Rg", "Cn", "Nh", "Fl", "Mc", "Lv", "Ts", "Og",
)  # fmt: skip


def build_xml(inputs: RecordInputs) -> bytes:
    """The record as UTF-8 XML with a declaration. The same inputs give the same bytes."""
    from lxml import etree

    root = _Builder(inputs).experiment()
    etree.indent(root, space=" ")
    return etree.tostring(root, xml_declaration=True, encoding="UTF-8") + b"\n"


class _Builder:
    def __init__(self, inputs: RecordInputs) -> None:
        from lxml import etree

        self._inputs = inputs
        self._zone = ZoneInfo(inputs.zone)
        self._sub = etree.SubElement
        self._root = etree.Element(f"{{{NAMESPACE}}}Experiment", nsmap=_NAMESPACES)

    def experiment(self) -> Element:
        inputs, root = self._inputs, self._root
        root.set("pid", token(inputs.pid))
        title = inputs.title and token(inputs.title)
        start = day_words(inputs.start, self._zone)
        self._add(root, "title", title or f"Session on {token(inputs.instrument)}, {start}")
        self._add(root, "id", token(inputs.id))
        self._summary()
        for sample in inputs.samples:
            self._sample(sample)
        for project in inputs.projects:
            self._project(project)
        for activity in with_series(group(inputs)):
            self._activity(activity)
        self._notes(root, inputs.notes)
        return root

    def _add(self, parent: Element, name: str, text: str | None = None, /, **attributes: str) -> Element:
        element = self._sub(parent, f"{{{NAMESPACE}}}{name}", attributes)
        element.text = text
        return element

    def _tokens(self, parent: Element, name: str, texts: Iterable[str | None]) -> None:
        for text in texts:
            written = token(text) if text else ""
            if written:
                self._add(parent, name, written)

    def _summary(self) -> None:
        inputs = self._inputs
        summary = self._add(self._root, "summary")
        if inputs.reservation_ref:
            summary.set("ref", uri(inputs.reservation_ref))
        self._tokens(summary, "experimenter", inputs.experimenters)
        self._tokens(summary, "collaborator", inputs.collaborators)
        self._add(summary, "instrument", token(inputs.instrument), pid=token(inputs.instrument_pid))
        self._add(summary, "reservationStart", moment_text(inputs.start, self._zone))
        if inputs.end:
            self._add(summary, "reservationEnd", moment_text(inputs.end, self._zone))
        if inputs.motivation:
            self._add(summary, "motivation", prose(inputs.motivation))

    def _sample(self, sample: SampleInput) -> None:
        element = self._add(self._root, "sample", id=sample.id)
        self._tokens(element, "name", [sample.name])
        for description in sample.descriptions:
            self._tokens(element, "description", paragraphs(description))
        known = [symbol for symbol in SYMBOLS if symbol in sample.elements]
        others = [name for name in sample.elements if name not in SYMBOLS]
        if others:
            self._tokens(element, "description", [f"Elements as given: {', '.join(others)}"])
        self._notes(element, sample.notes)
        if known:
            elements = self._add(element, "elements")
            for symbol in known:
                self._add(elements, symbol)

    def _project(self, project: Project) -> None:
        element = self._add(self._root, "project")
        self._tokens(element, "name", [project.name])
        self._tokens(element, "division", [project.division])
        self._tokens(element, "group", [project.group])
        self._tokens(element, "project_id", [project.id])
        if project.ref:
            self._add(element, "ref", uri(project.ref))

    def _activity(self, activity: Activity) -> None:
        element = self._add(self._root, "acquisitionActivity", seqno=str(activity.number - 1))
        if activity.start:
            self._add(element, "startTime", moment_text(activity.start, self._zone))
        if activity.sample:
            self._add(element, "sampleID", activity.sample)
        setup = self._add(element, "setup")
        self._parameter(setup, "param", ACTIVITY, ParameterInput(activity.title))
        for name, parameter in activity.setup.items():
            self._parameter(setup, "param", name, parameter)
        doubts = [_doubt(name, parameter) for name, parameter in activity.setup.items() if parameter.warning]
        self._notes(element, [NoteInput(doubt, source="Scopeline") for doubt in doubts])
        for member in activity.members:
            self._dataset(element, member)

    def _dataset(self, parent: Element, member: Member) -> None:
        file, dataset = member.file, member.dataset
        element = self._add(parent, "dataset", type=dataset.type, role=dataset.role)
        base = f"/files/{file.id}/{file.generation}"
        self._add(element, "name", prose(_name(member)))
        file_name = file.path.rsplit("/", 1)[-1]
        self._add(element, "location", f"{base}/{quote(file_name, safe='', errors='replace')}")
        if file.format:
            self._add(element, "format", prose(file.format))
        doubts = [_doubt(name, parameter) for name, parameter in member.parameters.items() if parameter.warning]
        for warning in [*dataset.warnings, *doubts]:
            self._add(element, "description", prose(warning))
        if dataset.preview:
            self._add(element, "preview", f"{base}/{dataset.index}/preview")
        self._meta(element, member)
        if dataset.rating is not None or dataset.featured is not None:
            curation = self._add(element, "curation")
            if dataset.rating is not None:
                self._add(curation, "rating", str(dataset.rating))
            if dataset.featured is not None:
                self._add(curation, "featured", value_text(dataset.featured))

    def _meta(self, element: Element, member: Member) -> None:
        dataset = member.dataset
        if dataset.acquired:
            doubt = "The time is doubtful." if dataset.doubtful_time else None
            when = ParameterInput(moment_text(dataset.acquired, self._zone), warning=doubt)
            self._parameter(element, "meta", ACQUISITION_TIME, when)
        if member.last:
            self._parameter(element, "meta", FILES, ParameterInput(member.files))
            if member.last.dataset.acquired:
                end = moment_text(member.last.dataset.acquired, self._zone)
                self._parameter(element, "meta", LAST_ACQUISITION_TIME, ParameterInput(end))
        for name, text in ((DESCRIPTION, dataset.description), (NOTES, dataset.notes)):
            if text:
                self._parameter(element, "meta", name, ParameterInput(text))
        for name, parameter in member.parameters.items():
            self._parameter(element, "meta", name, parameter)

    def _parameter(self, parent: Element, kind: str, name: str, parameter: ParameterInput) -> None:
        text = value_text(parameter.value)
        if not text:
            return
        attributes = {"name": token(name)}
        if parameter.unit:
            attributes["unit"] = token(parameter.unit)
        if parameter.warning:
            attributes["warning"] = "true"
        self._add(parent, kind, text, **attributes)

    def _notes(self, parent: Element, notes: Iterable[NoteInput]) -> None:
        for note in notes:
            element = self._add(parent, "notes", source=token(note.source))
            entry = self._add(element, "entry", **_type("TextEntry"))
            if note.at:
                self._add(entry, "p", moment_words(note.at, self._zone))
            for paragraph in paragraphs(note.text) or [""]:
                self._add(entry, "p", paragraph)


def _type(name: str) -> dict[str, Any]:
    return {f"{{{XSI}}}type": name}


def _name(member: Member) -> str:
    if member.last is None:
        return member.dataset.name
    return f"{member.dataset.name} to {member.last.dataset.name} ({member.files} files)"


def _doubt(name: str, parameter: ParameterInput) -> str:
    return f"{name}: {parameter.warning}"
