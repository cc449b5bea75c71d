"""The table of formats, and which files belong together."""

from __future__ import annotations

import importlib
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scopeline.formats import registry
from scopeline.formats.registry import companions_of, leaders_of
from scopeline.formats.table import markdown

NAMES = st.text(st.characters(blacklist_characters="/\x00", blacklist_categories=["Cs"]), min_size=1, max_size=20)


@pytest.mark.parametrize("row", registry.FORMATS, ids=lambda row: row.id)
def test_a_row_names_a_module_with_a_reader_or_a_reason(row: registry.Format) -> None:
    if row.refused is not None and not row.module:
        return
    assert callable(importlib.import_module(f"scopeline.formats.{row.module}").read)


def test_rows_have_ids_of_their_own_and_versions() -> None:
    ids = [row.id for row in registry.FORMATS]
    assert len(ids) == len(set(ids))
    assert all(row.version >= 1 and row.extensions for row in registry.FORMATS)


@pytest.mark.parametrize(
    ("leader", "companion"),
    [
        ("scan_001_1.ser", "scan_001.emi"), ("scan_001_12.SER", "Scan_001.EMI"), ("a.tif", "a.hdr"),
        ("a.TIFF", "a.hdr"),
        ("map.rpl", "map.raw"), ("4d.mib", "4d.hdr"), ("map4x4.xml", "scan_x4_y4.raw"), ("m_000.tvips", "m_001.tvips"),
        ("a[1]*_1.ser", "a[1]*.emi"), ("line\nbreak_1.ser", "line\nbreak.emi"), ("測定_2.ser", "測定.emi"),
        ("run_movie.mrc", "run_info.txt"),
    ],
)  # fmt: skip
def test_files_that_belong_together_find_each_other(leader: str, companion: str) -> None:
    folder = [leader, companion, "other_1.ser", "other.emi", "b.tif", "note.txt"]
    assert companions_of(leader, folder) == [companion]
    assert leader in leaders_of(companion, folder)


@pytest.mark.parametrize("name", ["scan_001_1.ser", "image.dm3", "a.emd", ".hidden", "noextension", "a.hdr"])
def test_a_file_alone_has_no_relatives(name: str) -> None:
    assert companions_of(name, [name]) == []
    assert leaders_of(name, [name]) == []


def test_two_series_share_one_description() -> None:
    assert leaders_of("s.emi", ["s_1.ser", "s_2.ser", "t_1.ser", "s.emi"]) == ["s_1.ser", "s_2.ser"]


@given(NAMES, st.lists(NAMES, max_size=5))
def test_leaders_and_companions_are_one_relation(name: str, others: list[str]) -> None:
    for other in others:
        assert (other in companions_of(name, others)) == (name != other and name in leaders_of(other, [name]))


@given(NAMES, st.integers(1, 99))
def test_any_name_of_a_series_finds_its_description(stem: str, number: int) -> None:
    leader, companion = f"{stem}_{number}.ser", f"{stem}.emi"
    assert companions_of(leader, [companion]) == [companion]


def test_the_registry_imports_nothing_heavy() -> None:
    heavy = ("numpy", "rsciio", "h5py", "dask", "PIL", "pydantic")
    code = f"import sys, scopeline.formats.registry; print([m for m in {heavy} if m in sys.modules])"
    shown = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60)
    assert shown.stdout.strip() == "[]"


def test_the_documentation_has_the_present_table() -> None:
    text = (Path(__file__).resolve().parents[2] / "docs" / "formats.md").read_text("utf-8")
    assert text.split("<!-- table -->\n")[1].split("<!-- end -->")[0] == markdown()


@pytest.mark.parametrize("name", ["a.dm3", "a.tif", "a.unknown"])
def test_a_change_of_the_vocabulary_means_to_read_every_file_again(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    before = registry.versions_text(name)
    monkeypatch.setattr(registry, "VOCABULARY_VERSION", registry.VOCABULARY_VERSION + 1)
    assert registry.versions_text(name) != before
