"""No thread uses what another one compiled, and libxml2's types are there before the second thread."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

THREADS = 3
TOKEN = "fedcba9876543210fedcba9876543210fedcba98"


def in_threads(work: Callable[[int], Any]) -> list[Any]:
    """What the work gives in each of some threads that live at the same time."""
    from django.db import connection

    done: list[Any] = []
    together = threading.Barrier(THREADS)

    def run(number: int) -> None:
        together.wait(timeout=30)
        try:
            done.append(work(number))
        finally:
            connection.close()
            together.wait(timeout=60)

    threads = [threading.Thread(target=run, args=(n,)) for n in range(THREADS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=90)
    return done


def test_a_stylesheet_is_used_by_the_thread_that_compiled_it_only(
    put: Any, samples: Any, session_id: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    from django.test import Client

    from cdcs_connector.site import stylesheets

    compile_sheet = stylesheets.compile_sheet
    used: list[tuple[int, int]] = []  # threads: of the compilation, of the use

    def noting(source: bytes) -> Any:
        sheet, compiled_in = compile_sheet(source), threading.get_ident()

        def transform(root: Any) -> Any:
            used.append((compiled_in, threading.get_ident()))
            return sheet(root)

        return transform

    put(session_id, samples.record_xml(12, session=session_id))
    monkeypatch.setattr(stylesheets, "compile_sheet", noting)
    answers = in_threads(lambda _: [Client().get(f"/record/{session_id}").content for _ in range(2)])
    assert len({page.split(b"<article")[1] for pages in answers for page in pages}) == 1
    assert len(used) == 2 * THREADS
    assert len({use for _, use in used}) == THREADS
    assert all(compilation == use for compilation, use in used)


def test_a_schema_is_used_by_one_thread_only(
    put: Any, samples: Any, session_id: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    from cdcs_connector.site import record_xml

    check = record_xml.check_schema
    used: list[tuple[Any, int]] = []

    def noting(root: Any, schema: Any) -> None:
        used.append((schema, threading.get_ident()))
        check(root, schema)

    monkeypatch.setattr(record_xml, "check_schema", noting)
    sessions = [f"{session_id[:-1]}{letter}" for letter in "xyz"[:THREADS]]

    def publish(number: int) -> list[int]:
        session = sessions[number]
        xml = samples.record_xml(2, session=session)
        return [put(session, xml, version=n, input_hash=str(n)).status_code for n in (1, 2)]

    assert in_threads(publish) == [[201, 200]] * THREADS
    schemas = {id(schema): {thread for other, thread in used if other is schema} for schema, _ in used}
    assert [len(threads) for threads in schemas.values()] == [1] * THREADS


def test_what_is_kept_is_made_once_in_each_thread(site: Any) -> None:
    from cdcs_connector.site.lxml_threads import KEPT, once_per_thread

    made: list[int] = []

    @once_per_thread
    def thing(name: int) -> object:
        made.append(name)
        return object()

    first = thing(0)
    assert thing(0) is first
    assert len({id(first), *map(id, in_threads(lambda _: thing(0)))}) == THREADS + 1
    assert made == [0] * (THREADS + 1)
    for name in range(1, KEPT + 1):
        thing(name)
    assert thing(0) is not first, "older ones are dropped"


SETTING_UP = """
import threading
from lxml import etree

make = etree.XMLSchema

def noting(*arguments, **options):
    print("made in", threading.current_thread().name)
    return make(*arguments, **options)

etree.XMLSchema = noting
import django
django.setup()
"""


def test_libxml2_makes_its_types_while_the_process_has_one_thread(tmp_path: Path, samples: Any) -> None:
    (tmp_path / "secret_key").write_text("x" * 50)
    values = {**os.environ, **samples.environment(tmp_path, "http://127.0.0.1:9", TOKEN)}
    done = subprocess.run(
        [sys.executable, "-c", SETTING_UP], env=values, capture_output=True, text=True, timeout=60, check=True
    )
    assert done.stdout == "made in MainThread\n"
