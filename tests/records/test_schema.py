"""The project's schema refuses what no record may be, and says where."""

from __future__ import annotations

import re
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from lxml import etree

from scopeline.records.builder import SYMBOLS
from scopeline.records.schema import SCHEMA_FILE, RecordInvalid, check_record, load_schema

NAMESPACE = "https://data.nist.gov/od/dm/nexus/experiment/v1.0"


def experiment(body: str) -> bytes:
    return f'<Experiment xmlns="{NAMESPACE}">\n{body}\n</Experiment>'.encode()


def test_smallest_record_is_accepted() -> None:
    check_record(experiment("<summary/>"))


@pytest.mark.parametrize(
    ("body", "told"),
    [
        ("<title>x</title>", "line 1: .*summary"),
        (
            "<summary/>\n<acquisitionActivity><dataset type='Cake'><name/><location/></dataset></acquisitionActivity>",
            "line 3: .*Cake",
        ),
        ("<summary><reservationStart>13.11.2018</reservationStart></summary>", "line 2: .*reservationStart"),
        ("<summary/><title>x</title>", "line 2: .*title"),
    ],
)
def test_problem_names_line_and_element(body: str, told: str) -> None:
    with pytest.raises(RecordInvalid, match=told) as refused:
        check_record(experiment(body))
    assert refused.value.code == "record_invalid"


def test_what_is_no_xml_is_refused() -> None:
    with pytest.raises(RecordInvalid, match="no XML"):
        check_record(b"<Experiment>")


def test_schema_has_every_element_of_the_periodic_table() -> None:
    assert len(SYMBOLS) == 118
    body = "".join(f"<{symbol}/>" for symbol in SYMBOLS)
    check_record(experiment(f"<summary/><sample><elements>{body}</elements></sample>"))


XS = "{http://www.w3.org/2001/XMLSchema}"
# The reference says boolean without a prefix, which there is the same.
SAME = {"boolean": "xs:boolean"}
DEFAULTS = {("minOccurs", "1"), ("maxOccurs", "1")}


def meaning(element: Any) -> Any:
    """What a piece of a schema says, without words for people, defaults and the spelling."""
    attributes = {(name, SAME.get(value, value)) for name, value in element.attrib.items()} - DEFAULTS
    children = [meaning(child) for child in element if isinstance(child.tag, str) and child.tag != f"{XS}annotation"]
    unordered = element.tag in (f"{XS}all", f"{XS}complexType", f"{XS}extension")
    if (
        children
        and not attributes
        and element.tag == f"{XS}sequence"
        and all(c[0] == f"{XS}sequence" for c in children)
    ):
        return children[0]
    if element.tag == f"{XS}attribute" and children:
        # An unnamed restriction of xs:string that restricts nothing.
        attributes, children = attributes | {("type", "xs:string")}, []
    return (element.tag, tuple(sorted(attributes)), tuple(sorted(children, key=repr) if unordered else children))


def definitions(path: Path) -> dict[str, Any]:
    root = etree.parse(path).getroot()
    return {f"{e.tag} {e.get('name')}": meaning(e) for e in root if isinstance(e.tag, str) and e.get("name")}


def test_schema_means_the_same_as_the_published_one(shared_data: Path) -> None:
    theirs = definitions(shared_data / "schema" / "nexus-experiment.xsd")
    # Nothing there uses this list of one laboratory's instruments.
    del theirs[f"{XS}simpleType InstrumentName"]
    ours = definitions(SCHEMA_FILE)
    assert set(ours) == set(theirs)
    assert [name for name in ours if ours[name] != theirs[name]] == []


def test_schema_is_the_projects_own_text(shared_data: Path) -> None:
    def words(path: Path) -> set[str]:
        return {" ".join(e.text.split()) for e in etree.parse(path).iter(f"{XS}documentation")}

    assert words(SCHEMA_FILE) & words(shared_data / "schema" / "nexus-experiment.xsd") == set()


def test_threads_that_need_the_schema_first_at_once_take_turns(monkeypatch: pytest.MonkeyPatch) -> None:
    make_schema: Any = etree.XMLSchema
    at_work = threading.Lock()

    def make_slowly(**source: str) -> Any:
        assert at_work.acquire(blocking=False), "two threads parse the schema at once, which libxml2 does not stand"
        time.sleep(0.05)
        made = make_schema(**source)
        at_work.release()
        return made

    monkeypatch.setattr(etree, "XMLSchema", make_slowly)
    load_schema.cache_clear()
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(check_record, [experiment("<summary/>")] * 4))


def test_problems_of_records_that_are_checked_at_once_are_not_mixed() -> None:
    def problem(number: int) -> str:
        with pytest.raises(RecordInvalid) as refused:
            check_record(experiment(f"<wrong{number}/>"))
        return str(refused.value)

    with ThreadPoolExecutor(4) as pool:
        for number, said in enumerate(pool.map(problem, range(200))):
            assert re.findall(r"wrong\d+", said) == [f"wrong{number}"]
