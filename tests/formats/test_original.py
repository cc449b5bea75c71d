"""Original metadata as bounded JSON values."""

from __future__ import annotations

import enum
import json
import math
from datetime import datetime
from typing import Any

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from scopeline.formats import original
from scopeline.formats.original import json_values

LEAVES = (
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=10) | st.binary(max_size=20)
    | st.complex_numbers() | st.just(np.float32(1.5)) | st.just(np.arange(3)) | st.just(np.int64(7))
)  # fmt: skip
TREES = st.recursive(
    LEAVES, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=5), inner, max_size=4)
)


class Compression(enum.IntEnum):
    LZW = 5


@given(TREES)
def test_anything_becomes_strict_json(tree: Any) -> None:
    json.dumps(json_values(tree), allow_nan=False).encode("utf-8")


def test_values_are_kept_as_they_are() -> None:
    values = {"a": 1, "b": 0.1, "c": "µm", "d": None, "e": [1, 2], "f": {"g": True}}
    assert json_values(values) == values


def test_what_json_has_not_becomes_text() -> None:
    found = json_values({
        "n": math.nan, "i": -math.inf, "np": np.float64(2.5), "arr": np.array([1, 2]), "t": (1, "x"),
        "when": datetime(2018, 11, 13), "enum": Compression.LZW, "b": b"text\x00\x00", "raw": b"\xff\xd8\x00\x01",
        "nan array": np.array([np.nan]), 5: "number as key",
    })  # fmt: skip
    assert found == {
        "n": "NaN", "i": "-Infinity", "np": 2.5, "arr": [1, 2], "t": [1, "x"], "when": "2018-11-13T00:00:00", "enum": 5,
        "b": "text", "raw": {"bytes": 4, "base64": "/9gAAQ=="}, "nan array": ["NaN"], "5": "number as key",
    }  # fmt: skip


def test_long_arrays_are_summarised_not_dropped() -> None:
    found = json_values({"a": np.zeros((100, 200), "uint8"), "l": list(range(1000)), "s": "x" * 50_000})
    assert found["a"] == {"shape": [100, 200], "dtype": "uint8", "first": [0] * original.MAX_ARRAY}
    assert found["l"] == {"shape": [1000], "first": list(range(original.MAX_ARRAY))}
    assert found["s"]["characters"] == 50_000


def test_a_large_mapped_array_is_not_read(tmp_path: Any) -> None:
    mapped = np.memmap(tmp_path / "x", "uint8", "w+", shape=(4096, 4096))
    assert json_values({"a": mapped})["a"]["shape"] == [4096, 4096]


def test_too_deep_and_too_many_is_said() -> None:
    deep: Any = 1
    for _ in range(original.MAX_DEPTH + 5):
        deep = {"d": deep}
    assert "levels deep" in json.dumps(json_values(deep))
    many = {str(i): [i] for i in range(original.MAX_VALUES)}
    assert "left out: more than" in json.dumps(json_values(many))


def test_surrogate_pairs_are_joined_and_lone_ones_replaced() -> None:
    halves = "𝛼-Fe 🔬".encode("utf-16-le")
    unit_by_unit = "".join(chr(int.from_bytes(halves[i : i + 2], "little")) for i in range(0, len(halves), 2))
    assert original.whole_text(unit_by_unit) == "𝛼-Fe 🔬"
    assert original.whole_text("a\ud835") == "a\ufffd"
    assert json_values({"\ud83d\udd2c": ["\ud83d\udd2c", "\udd2c"]}) == {"🔬": ["🔬", "\ufffd"]}


@given(st.text(st.characters(), max_size=20))
def test_any_text_can_be_stored(text: str) -> None:
    whole = original.whole_text(text)
    assert whole.encode("utf-8").decode("utf-8") == original.whole_text(whole)
