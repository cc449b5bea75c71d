"""XML from outside: no parser expands an entity, loads something, or grows without bounds."""

from __future__ import annotations

import ast
import bz2
import pyexpat
import re
import socket
import threading
import tracemalloc
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
from lxml import etree

from cdcs_connector.site import record_xml
from scopeline.bootstrap import reader_pool
from scopeline.domain.files import FileStatus
from scopeline.formats import xmltext
from scopeline.formats.extract import extract_file
from scopeline.formats.results import ExtractRequest, Unreadable
from scopeline.records.schema import RecordInvalid, check_record
from scopeline.settings import load_settings

REPOSITORY = Path(__file__).resolve().parents[2]
MEGABYTE = 1 << 20
SECRET = "what stands in a file of the server"

# Where XML is parsed. Another place needs a row in `PARSERS`, or to use one that is there.
PLACES = {
    "cdcs_connector/site/publishing.py",  # the schema that CDCS keeps, by record_xml.hardened_parser
    "cdcs_connector/site/record_xml.py",
    "cdcs_connector/site/stylesheets.py",  # stylesheets that CDCS keeps, by the same parser
    "scopeline/formats/xmltext.py",
    "scopeline/records/schema.py",
}
PARSING = {
    "fromstring",
    "fromstringlist",
    "parse",
    "XML",
    "iterparse",
    "XMLParser",
    "XMLPullParser",
    "HTML",
    "parseString",
}
MODULES = ("xml.", "lxml", "defusedxml", "xmltodict", "expat", "bs4", "html5lib")

parse_format: Callable[[bytes], Any] = lambda xml: xmltext.parse(xml, "It")  # noqa: E731
PARSERS: dict[str, tuple[Callable[[bytes], Any], type[Exception]]] = {
    "formats": (parse_format, Unreadable),
    "records": (check_record, RecordInvalid),
    "site": (record_xml.parse, record_xml.InvalidRecord),
}


def laughs(levels: int = 9) -> str:
    """A text that grows tenfold a level, in an element and in an attribute."""
    entities = "".join(f'<!ENTITY l{n} "{f"&l{n - 1};" * 10}">' for n in range(1, levels))
    return f'<!DOCTYPE a [<!ENTITY l0 "ha">{entities}]><a b="&l{levels - 1};">&l{levels - 1};</a>'


def quadratic() -> str:
    return f'<!DOCTYPE a [<!ENTITY l "{"x" * 100_000}">]><a>{"&l;" * 10_000}</a>'


@pytest.fixture
def listener() -> Iterator[tuple[str, list[bytes]]]:
    """An address that notes who asks it for something."""
    asked: list[bytes] = []
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(0.05)
        ended = threading.Event()

        def serve() -> None:
            while not ended.is_set():
                try:
                    connection, _ = server.accept()
                except TimeoutError:
                    continue
                with connection:
                    asked.append(b"somebody")

        thread = threading.Thread(target=serve)
        thread.start()
        yield f"http://127.0.0.1:{server.getsockname()[1]}", asked
        ended.set()
        thread.join()


def hostile_texts(folder: Path, address: str) -> dict[str, str]:
    (folder / "secret.txt").write_text(SECRET)
    (folder / "declared.dtd").write_text(f'<!ENTITY leak "{SECRET}">')
    local, declared = (folder / "secret.txt").as_uri(), (folder / "declared.dtd").as_uri()
    return {
        "billion laughs": laughs(),
        "quadratic growth": quadratic(),
        "entity of a file": f'<!DOCTYPE a [<!ENTITY leak SYSTEM "{local}">]><a>&leak;</a>',
        "entity of the network": f'<!DOCTYPE a [<!ENTITY leak SYSTEM "{address}/x">]><a>&leak;</a>',
        "parameter entity": f'<!DOCTYPE a [<!ENTITY % p SYSTEM "{address}/x.dtd"> %p;]><a>&leak;</a>',
        "declaration in a file": f'<!DOCTYPE a SYSTEM "{declared}"><a>&leak;</a>',
        "declaration on the network": f'<!DOCTYPE a PUBLIC "x" "{address}/x.dtd"><a>&leak;</a>',
        "internal entity": f'<!DOCTYPE a [<!ENTITY leak "{SECRET}">]><a>&leak;</a>',
    }


@pytest.mark.parametrize("parser", PARSERS)
def test_a_declaration_is_refused_before_it_does_anything(
    parser: str, tmp_path: Path, listener: tuple[str, list[bytes]]
) -> None:
    parse, refusal = PARSERS[parser]
    address, asked = listener
    for name, text in hostile_texts(tmp_path, address).items():
        tracemalloc.start()
        with pytest.raises(refusal) as raised:
            parse(text.encode())
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert SECRET not in str(raised.value), name
        assert peak < 16 * MEGABYTE, name
    assert asked == []


@pytest.mark.parametrize("element", ["include", "fallback"])
def test_no_parser_follows_an_inclusion(element: str, tmp_path: Path, listener: tuple[str, list[bytes]]) -> None:
    address, asked = listener
    (tmp_path / "secret.txt").write_text(SECRET)
    for target in ((tmp_path / "secret.txt").as_uri(), f"{address}/x"):
        text = f'<a xmlns:i="http://www.w3.org/2001/XInclude"><i:{element} href="{target}" parse="text"/></a>'
        assert SECRET not in str(xmltext.as_dict(xmltext.parse(text, "It")))
        with pytest.raises(record_xml.InvalidRecord, match="root element"):
            record_xml.parse(text.encode())
    assert asked == []


def test_a_stylesheet_reads_and_writes_nothing(tmp_path: Path, listener: tuple[str, list[bytes]]) -> None:
    """The rules of `cdcs_connector.site.stylesheets`, whose module needs the whole site."""
    address, asked = listener
    (tmp_path / "secret.xml").write_text(f"<s>{SECRET}</s>")
    access: Any = etree.XSLTAccessControl
    for target in ((tmp_path / "secret.xml").as_uri(), f"{address}/x"):
        sheet = (
            '<xsl:stylesheet version="1.0" xmlns:xsl="http://www.w3.org/1999/XSL/Transform"><xsl:template match="/">'
            f"<o><xsl:copy-of select=\"document('{target}')\"/></o></xsl:template></xsl:stylesheet>"
        )
        compiled = etree.XSLT(etree.fromstring(sheet, record_xml.hardened_parser()), access_control=access.DENY_ALL)
        try:
            shown = str(compiled(etree.fromstring("<a/>")))
        except etree.XSLTApplyError as error:
            shown = str(error)
        assert SECRET not in shown
    assert asked == []
    source = (REPOSITORY / "cdcs_connector/site/stylesheets.py").read_text(encoding="utf-8")
    assert "record_xml.hardened_parser()), access_control=access.DENY_ALL)" in source


# --------------------------------------------------------------------------------------------- readers of other people


def ome_tiff(path: Path, text: str) -> None:
    tifffile.imwrite(path, np.zeros((4, 4), np.uint8), description=f'<?xml version="1.0"?>{text}<!-- OME -->')


def in_place(data: bytes, text: str) -> bytes:
    """`data` with its XML document's beginning written over: the container around it stays as it is."""
    at = data.index(b"<?xml")
    hostile = b'<?xml version="1.0"?>' + text.encode()
    return data[:at] + hostile + data[at + len(hostile) :]


@pytest.mark.parametrize("kind", ["tif", "ome.tif", "bcf", "elid", "spx", "xml", "emi"])
def test_a_hostile_text_in_a_file_costs_its_reader_nothing(
    kind: str, shared_data: Path, tmp_path: Path, listener: tuple[str, list[bytes]]
) -> None:
    """Some libraries parse by themselves: by expat, which limits growth from 2.4.1 on and loads nothing for them."""
    address, asked = listener
    formats = shared_data / "formats"
    for name, text in hostile_texts(tmp_path, address).items():
        if name == "quadratic growth" and kind in ("bcf", "elid"):
            continue  # longer than the text that it would replace
        path = tmp_path / f"{name.replace(' ', '-')}.{kind}"
        if kind.endswith("tif"):
            ome_tiff(path, text)
        elif kind == "bcf":
            path.write_bytes(in_place((formats / "bruker/P45_the_default_job.bcf").read_bytes(), text))
        elif kind == "elid":
            whole = bz2.decompress((formats / "phenom/Elid2Version2.elid").read_bytes())
            path.write_bytes(bz2.compress(in_place(whole, text)))
        else:
            path.write_text(f'<?xml version="1.0"?>{text}')
        tracemalloc.start()
        result = extract_file(ExtractRequest(folder=tmp_path, file_name=path.name, preview_dir=None))
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert SECRET not in repr(result), (name, kind)
        assert peak < 64 * MEGABYTE, (name, kind)
        if kind in ("bcf", "elid", "spx", "xml", "emi"):
            assert result.status in (FileStatus.UNREADABLE, FileStatus.UNSUPPORTED), (name, kind)
    assert asked == []


def test_a_reader_that_would_grow_ends_at_its_limits(shared_data: Path, tmp_path: Path) -> None:
    """What no parser stops, the worker's limits stop; the pool reads on."""
    whole = (shared_data / "formats/bruker/P45_the_default_job.bcf").read_bytes()
    (tmp_path / "hostile.bcf").write_bytes(in_place(whole, laughs(30)))
    (tmp_path / "good.txt").write_text("Seen today: nothing.")
    settings = load_settings(data_dir=tmp_path, readers=1, reader_memory=512 * MEGABYTE, reader_seconds=20)
    with reader_pool(settings) as pool:
        bad, good = (
            pool.extract(ExtractRequest(folder=tmp_path, file_name=name, preview_dir=None))
            for name in ("hostile.bcf", "good.txt")
        )
    assert bad.status in (FileStatus.UNREADABLE, FileStatus.FAILED)
    assert good.status is FileStatus.EXTRACTED


def test_expat_limits_growth() -> None:
    assert pyexpat.version_info >= (2, 4, 1)


# ------------------------------------------------------------------------------------------------------- the source


def sources() -> Iterator[Path]:
    for package in ("scopeline", "cdcs_connector", "logger/scopeline_logger", "functions"):
        yield from sorted((REPOSITORY / package).rglob("*.py"))


def parses_xml(path: Path) -> bool:
    """Whether the module imports an XML library and calls one of its parsers."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    imported = [
        alias.name if isinstance(node, ast.Import) else f"{node.module}.{alias.name}"
        for node in ast.walk(tree)
        if isinstance(node, ast.Import | ast.ImportFrom)
        for alias in node.names
    ]
    if not any(name.startswith(MODULES) or ".expat" in name for name in imported):
        return False
    called = {
        node.func.attr for node in ast.walk(tree) if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute)
    }
    return bool(called & PARSING)


def test_xml_is_parsed_in_the_known_places_only() -> None:
    assert {path.relative_to(REPOSITORY).as_posix() for path in sources() if parses_xml(path)} == PLACES


def test_every_parser_of_lxml_is_told_to_load_nothing() -> None:
    made = [
        (path.name, {keyword.arg: ast.literal_eval(keyword.value) for keyword in node.keywords})
        for path in sources()
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == "XMLParser"
    ]
    assert {name for name, _ in made} == {"record_xml.py", "schema.py"}
    for _, options in made:
        assert options["resolve_entities"] is False
        assert options["no_network"] is True
        assert options.get("load_dtd", False) is False
        assert options.get("dtd_validation", False) is False


def test_every_lock_has_an_lxml_that_is_closed_by_default() -> None:
    pinned = {
        path.name: tuple(map(int, match[1].split(".")))
        for path in (REPOSITORY / "requirements").glob("*.lock")
        if (match := re.search(r"^lxml==([0-9.]+)", path.read_text(encoding="utf-8"), re.MULTILINE))
    }
    assert pinned.keys() >= {"dev.lock", "functions.lock", "local.lock"}
    assert min(pinned.values()) >= (6, 1)
