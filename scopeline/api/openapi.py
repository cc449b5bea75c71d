"""The OpenAPI 3.1 document, made of the same calls and models that the routes are made of."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from functools import cache
from http import HTTPStatus
from typing import Any, Literal

from flask import Response
from pydantic import BaseModel
from pydantic.json_schema import models_json_schema

from scopeline.api.answers import Problem
from scopeline.api.auth import BY_PEOPLE, PUBLIC, RIGHTS
from scopeline.api.calls import Ask, Call, Media
from scopeline.api.problems import PROBLEM_TYPE
from scopeline.domain.instruments import TokenKind

_Mode = Literal["validation", "serialization"]
_References = Mapping[tuple[Any, _Mode], dict[str, Any]]

_PATH_PARAMETERS: dict[str, dict[str, Any]] = {
    "session": {"type": "string", "minLength": 1, "description": "A session's id or its local_id"},
    "failure": {"type": "string", "minLength": 1, "description": "A failure's id"},
    "file": {"type": "string", "minLength": 1, "description": "A file's id"},
    "dataset": {"type": "integer", "minimum": 0, "maximum": 999_999, "description": "A dataset's index, from 0"},
}


def call_for(calls: Sequence[Call]) -> Call:
    """The call that answers with the document of `calls` and of itself."""

    def openapi(ask: Ask) -> Response:
        """This document."""
        return Response(document(), content_type="application/json")

    own = Call("openapi", "GET", "/v1/openapi.json", openapi, {200: Media("application/json")})

    @cache
    def document() -> str:
        return json.dumps(make_document([*calls, own]))

    return own


def make_document(calls: Sequence[Call]) -> dict[str, Any]:
    """The OpenAPI document of the calls, as JSON values."""
    references, components = _schemas(calls)
    paths: dict[str, dict[str, Any]] = {}
    for each in calls:
        paths.setdefault(each.path, {})[each.method.lower()] = _operation(each, references)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Scopeline",
            "version": "1",
            "description": "From saved files on instrument PCs to records that people can find.",
            "license": {"name": "GPL-3.0-or-later", "identifier": "GPL-3.0-or-later"},
        },
        "paths": paths,
        "components": {
            "schemas": components,
            "securitySchemes": {"token": {"type": "http", "scheme": "bearer", "description": "sl_{id}_{secret}"}},
        },
    }


def error_statuses(each: Call) -> set[int]:
    """Every error status that a call may answer with."""
    statuses = set(each.problems)
    if each.name not in PUBLIC:
        statuses |= {400, 401, 403, 503}
    if each.parameters:
        statuses |= {404}
    if "session" in each.parameters:
        statuses |= {410}
    if each.query is not None:
        statuses |= {422}
    if each.body is not None:
        statuses |= {400, 413, 415, 422, 507}
    if each.if_match:
        statuses |= {412, 428}
    return statuses


def _schemas(calls: Sequence[Call]) -> tuple[_References, dict[str, Any]]:
    """References to the schemas of all bodies and answers, and the schemas themselves."""
    wanted: list[tuple[type[BaseModel], _Mode]] = [(Problem, "serialization")]
    for each in calls:
        if each.body is not None:
            wanted.append((each.body, "validation"))
        wanted += [(a, "serialization") for a in each.answers.values() if isinstance(a, type)]
    references, definitions = models_json_schema(
        list(dict.fromkeys(wanted)), ref_template="#/components/schemas/{model}"
    )
    return references, definitions["$defs"]


def _operation(each: Call, references: _References) -> dict[str, Any]:
    summary, _, description = each.summary.partition("\n\n")
    operation: dict[str, Any] = {
        "operationId": each.name,
        "summary": summary,
        "parameters": [*_path_parameters(each), *_header_parameters(each), *_query_parameters(each)],
        "responses": {
            **{str(status): _answer(status, answer, references) for status, answer in each.answers.items()},
            **{
                str(status): _described(status, PROBLEM_TYPE, references[Problem, "serialization"])
                for status in sorted(error_statuses(each))
            },
        },
    }
    if description:
        operation["description"] = description
    if each.name not in PUBLIC:
        operation["security"] = [{"token": []}]
        operation["x-scopeline-tokens"] = sorted(RIGHTS[each.name])
    if each.body is not None:
        schema = references[each.body, "validation"]
        operation["requestBody"] = {"required": True, "content": {"application/json": {"schema": schema}}}
    return operation


def _answer(status: int, answer: type[BaseModel] | Media | None, references: _References) -> dict[str, Any]:
    if answer is None:
        return {"description": HTTPStatus(status).phrase}
    if isinstance(answer, Media):
        schema: dict[str, Any] = {} if answer.type == "application/json" else {"type": "string"}
        return _described(status, answer.type, schema)
    return _described(status, "application/json", references[answer, "serialization"])


def _described(status: int, media: str, schema: Any) -> dict[str, Any]:
    return {"description": HTTPStatus(status).phrase, "content": {media: {"schema": schema}}}


def _path_parameters(each: Call) -> list[dict[str, Any]]:
    return [_parameter("path", name, True, _PATH_PARAMETERS[name]) for name in each.parameters]


def _header_parameters(each: Call) -> list[dict[str, Any]]:
    found = []
    if each.if_match:
        found.append(
            _parameter("header", "If-Match", True, {"type": "string", "description": "ETag that was read, or *"})
        )
    if each.name in BY_PEOPLE:
        text = "The acting person, percent-encoded UTF-8; required with site tokens"
        found.append(_parameter("header", "X-Scopeline-User", False, {"type": "string", "description": text}))
    if TokenKind.HUB in RIGHTS.get(each.name, ()):
        text = "The client that a hub or an administrator acts for"
        found.append(_parameter("header", "X-Scopeline-Client", False, {"type": "string", "description": text}))
    return found


def _query_parameters(each: Call) -> list[dict[str, Any]]:
    if each.query is None:
        return []
    schema = each.query.model_json_schema()
    definitions = schema.get("$defs", {})
    required = schema.get("required", [])
    return [
        _parameter("query", name, name in required, _not_null(value, definitions))
        for name, value in schema["properties"].items()
    ]


def _not_null(schema: dict[str, Any], definitions: dict[str, Any]) -> dict[str, Any]:
    """A query parameter's schema in place; a parameter may be left out, but null cannot be written in a query."""
    kinds = [kind for kind in schema.get("anyOf", [schema]) if kind.get("type") != "null"]
    own = dict(kinds[0])
    if "$ref" in own:
        own = dict(definitions[own["$ref"].rsplit("/", 1)[-1]])
    if schema.get("default") is not None:
        own["default"] = schema["default"]
    return own


def _parameter(place: str, name: str, required: bool, schema: dict[str, Any]) -> dict[str, Any]:
    description = schema.get("description", "")
    plain = {key: value for key, value in schema.items() if key not in ("description", "title")}
    return {
        "in": place,
        "name": name,
        "required": required,
        "schema": plain,
        **({"description": description} if description else {}),
    }
