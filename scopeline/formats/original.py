"""A format's original metadata as JSON values: complete, bounded, never silently shortened."""

from __future__ import annotations

import base64
import math
from collections.abc import Mapping
from typing import Any

MAX_ARRAY = 64  # values of an array that are kept; longer ones are summarised
MAX_TEXT = 20_000  # characters
MAX_BYTES = 256
MAX_DEPTH = 40
MAX_VALUES = 100_000


def json_values(metadata: Any) -> dict[str, Any]:
    """`metadata` as JSON values.

    NaN and infinities become text. Long arrays become {"shape", "dtype", "first"}, long text {"text", "characters"},
    bytes {"bytes", "base64"}; what is left out beyond MAX_VALUES or MAX_DEPTH is said in its place.
    """
    converted = _Converter().convert(metadata, 0)
    return converted if isinstance(converted, dict) else {"value": converted}


def whole_text(text: str) -> str:
    """`text` with its surrogate pairs joined; a lone surrogate, which no UTF-8 can hold, becomes U+FFFD.

    Readers that decode UTF-16 unit by unit make pairs of every character beyond U+FFFF.
    """
    if text.isascii():
        return text
    return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")


class _Converter:
    def __init__(self) -> None:
        self.left = MAX_VALUES

    def convert(self, value: Any, depth: int) -> Any:
        self.left -= 1
        if self.left < 0:
            return f"left out: more than {MAX_VALUES} values"
        if value is None or isinstance(value, bool):
            return value
        if isinstance(value, str):
            return self._text(value)
        if isinstance(value, int):
            return int(value)  # also of an enumeration
        if isinstance(value, float):
            return float(value) if math.isfinite(value) else _not_finite(value)
        if isinstance(value, bytes | bytearray | memoryview):
            return self._bytes(bytes(value))
        if isinstance(value, complex):
            return {"real": self.convert(value.real, depth), "imaginary": self.convert(value.imag, depth)}
        if depth >= MAX_DEPTH:
            return f"left out: nested more than {MAX_DEPTH} levels deep"
        return self._container(value, depth)

    def _container(self, value: Any, depth: int) -> Any:
        if isinstance(value, Mapping):
            return {self._key(key): self.convert(item, depth + 1) for key, item in value.items()}
        if hasattr(value, "to_dict"):
            return self.convert(value.to_dict(), depth)
        if hasattr(value, "dtype") and hasattr(value, "shape"):
            return self._array(value, depth)
        if isinstance(value, list | tuple | set | frozenset):
            return self._sequence(list(value), depth)
        if hasattr(value, "isoformat"):
            return str(value.isoformat())
        return self._text(str(value))

    def _sequence(self, items: list[Any], depth: int) -> Any:
        plain = all(isinstance(item, int | float | str | bool) or item is None for item in items)
        if plain and len(items) > MAX_ARRAY:
            first = [self.convert(item, depth + 1) for item in items[:MAX_ARRAY]]
            return {"shape": [len(items)], "first": first}
        return [self.convert(item, depth + 1) for item in items]

    def _array(self, array: Any, depth: int) -> Any:
        size = math.prod(array.shape)
        if size > MAX_ARRAY:
            # `[...]` of one row after the other keeps a lazy or mapped array from being read whole.
            rows = array
            while len(rows.shape) > 1:
                rows = rows[0]
            head = self._computed(rows[:MAX_ARRAY])
            return {
                "shape": [int(n) for n in array.shape],
                "dtype": str(array.dtype),
                "first": [self.convert(item, depth + 1) for item in head.tolist()],
            }
        return self.convert(self._computed(array).tolist(), depth + 1)

    @staticmethod
    def _computed(array: Any) -> Any:
        return array.compute() if hasattr(array, "compute") else array

    def _text(self, text: str) -> Any:
        clean = whole_text(text)
        if len(clean) <= MAX_TEXT:
            return clean
        return {"text": clean[:MAX_TEXT], "characters": len(clean)}

    def _bytes(self, data: bytes) -> Any:
        stripped = data.rstrip(b"\x00")
        try:
            text = stripped.decode("utf-8")
        except UnicodeDecodeError:
            pass
        else:
            if all(c.isprintable() or c in "\r\n\t" for c in text[:MAX_TEXT]):
                return self._text(text)
        return {"bytes": len(data), "base64": base64.b64encode(data[:MAX_BYTES]).decode("ascii")}

    def _key(self, key: Any) -> str:
        if isinstance(key, bytes):
            key = key.decode("utf-8", "replace")
        return whole_text(str(key))[:500]


def _not_finite(value: float) -> str:
    if math.isnan(value):
        return "NaN"
    return "Infinity" if value > 0 else "-Infinity"
