"""From bytes to typed bodies and queries; everything that is not exactly JSON of the right form is refused."""

from __future__ import annotations

import json
import math
from typing import Any, NoReturn, TypeVar

from flask import Request
from pydantic import BaseModel, ValidationError

from scopeline.api.problems import InvalidBody
from scopeline.domain.errors import InvalidInput

M = TypeVar("M", bound=BaseModel)

MAX_DEPTH = 32
_CHARSETS = ("utf-8", "utf8")


def read_body(request: Request, model: type[M]) -> M:
    """The request's JSON as `model`.

    Raises InvalidInput (415 `unsupported_media_type`, 400 `invalid_json`), InvalidBody (422), RequestEntityTooLarge.
    """
    charset = request.mimetype_params.get("charset", "utf-8").lower()
    if request.mimetype != "application/json" or charset not in _CHARSETS:
        raise InvalidInput(
            f"Content-Type is {request.content_type!r}. Expected application/json in UTF-8.",
            code="unsupported_media_type",
            status=415,
        )
    try:
        return model.model_validate(parse_json(request.get_data(cache=False)))
    except ValidationError as error:
        raise InvalidBody.from_validation("body", error) from None


def read_query(request: Request, model: type[M]) -> M:
    """The request's query parameters as `model`. Raises InvalidBody, also where a parameter stands twice."""
    given: dict[str, str] = {}
    for name in model.model_fields:
        values = request.args.getlist(name)
        if len(values) > 1:
            raise InvalidBody(
                f"Query parameter {name} is given {len(values)} times. Give it once.",
                [{"field": name, "expected": "one value", "found": f"{len(values)} values"}],
            )
        if values:
            given[name] = values[0]
    try:
        return model.model_validate(given)
    except ValidationError as error:
        raise InvalidBody.from_validation("query", error) from None


def parse_json(raw: bytes) -> Any:
    """JSON values of UTF-8 text; no NaN, no infinity, no deep nesting. Raises InvalidInput (400 `invalid_json`)."""
    try:
        value = json.loads(raw.decode("utf-8"), parse_constant=_no_number, parse_float=_finite)
    except (ValueError, RecursionError) as error:
        raise InvalidInput(
            f"The body is not JSON in UTF-8: {error}. Send one JSON object.", code="invalid_json", status=400
        ) from None
    if _deeper_than(value, MAX_DEPTH):
        raise InvalidInput(
            f"The body is nested more than {MAX_DEPTH} levels deep. Send flatter JSON.", code="invalid_json", status=400
        )
    return value


def _no_number(name: str) -> NoReturn:
    raise ValueError(f"{name} is not a number in JSON")


def _finite(text: str) -> float:
    number = float(text)
    if not math.isfinite(number):
        raise ValueError(f"number {text[:40]} is out of range")
    return number


def _deeper_than(value: Any, depth: int) -> bool:
    level = [value]
    for _ in range(depth + 1):
        level = [
            child
            for item in level
            if isinstance(item, dict | list)
            for child in (item.values() if isinstance(item, dict) else item)
        ]
        if not level:
            return False
    return True
