"""XML of unknown origin."""

from __future__ import annotations

import pytest

from scopeline.formats import xmltext
from scopeline.formats.results import Unreadable

DECLARED = '<?xml version="1.0"?><!DOCTYPE a [<!ENTITY b "c">]><a>&b;</a>'


def test_text_becomes_nested_dictionaries() -> None:
    root = xmltext.parse('<a><b unit="nm">5</b><c><d>x</d><d>y</d></c><e/></a>', "It")
    assert xmltext.as_dict(root) == {"b": {"@unit": "nm", "#text": "5"}, "c": {"d": ["x", "y"]}, "e": ""}


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be"])
def test_a_declaration_is_refused_in_every_encoding(encoding: str) -> None:
    with pytest.raises(Unreadable, match=r"declares entities|encoding that is not read"):
        xmltext.parse(DECLARED.encode(encoding), "It")


@pytest.mark.parametrize("text", ["", "<a>", "<a></b>", "no xml", "<a>\x00</a>"])
def test_what_is_not_well_formed_is_said_so(text: str) -> None:
    with pytest.raises(Unreadable, match=r"well formed|encoding"):
        xmltext.parse(text, "It")


def test_a_text_in_utf_16_with_its_mark_is_read() -> None:
    assert xmltext.parse('<?xml version="1.0" encoding="utf-16"?><a>µ</a>'.encode("utf-16"), "It").text == "µ"


def test_deep_nesting_ends_somewhere() -> None:
    deep = xmltext.as_dict(xmltext.parse("<a>" * 500 + "</a>" * 500, "It"))
    assert "levels deep" in str(deep)
