from __future__ import annotations

from typing import Any

from scopeline.api.application import CALLS
from scopeline.api.auth import PUBLIC


def test_the_document_lists_exactly_the_routes(module_lab: Any) -> None:
    document = module_lab.call("GET", "/v1/openapi.json", token=None).get_json()
    assert document["openapi"].startswith("3.1")
    listed = {(method.upper(), path) for path, methods in document["paths"].items() for method in methods}
    routes = {
        (method, rule.rule.replace("<", "{").replace(">", "}"))
        for rule in module_lab.http.application.url_map.iter_rules()
        for method in rule.methods - {"HEAD", "OPTIONS"}
    }
    assert listed == routes
    assert len(listed) == len(CALLS) + 1


def test_every_call_that_needs_a_token_says_so(module_lab: Any) -> None:
    document = module_lab.call("GET", "/v1/openapi.json", token=None).get_json()
    operations = {op["operationId"]: op for methods in document["paths"].values() for op in methods.values()}
    for name, operation in operations.items():
        assert ("security" in operation) == (name not in PUBLIC)
        assert operation["summary"].strip()
        assert ("401" in operation["responses"]) == (name not in PUBLIC)


def test_every_reference_has_its_schema(module_lab: Any) -> None:
    document = module_lab.call("GET", "/v1/openapi.json", token=None).get_json()
    found: set[str] = set()

    def look(value: Any) -> None:
        if isinstance(value, dict):
            if "$ref" in value:
                found.add(value["$ref"])
            for item in value.values():
                look(item)
        elif isinstance(value, list):
            for item in value:
                look(item)

    look(document)
    assert {ref.rsplit("/", 1)[-1] for ref in found} <= set(document["components"]["schemas"])
