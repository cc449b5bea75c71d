"""The API holds what its OpenAPI document says, for data that fit the document and for data that do not."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone
from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from schemathesis.config import (
    ChecksConfig,
    GenerationConfig,
    PositiveDataAcceptanceConfig,
    ProjectConfig,
    ProjectsConfig,
    SchemathesisConfig,
)
from schemathesis.generation import GenerationMode

from scopeline.api.application import CALLS
from scopeline.api.auth import RIGHTS
from scopeline.domain.instruments import TokenKind

LOCAL_ID = "7d9f1f54-9d5a-4d0f-8f55-0d9ad0b7d3f1"
EXAMPLES = 20

# What the document cannot say: what there is, whose it is, its revision, the client's roots and the ignored patterns.
SEMANTIC = ["2xx", "3xx", "403", "404", "409", "410", "412", "413", "422"]

# The API takes moments of the years in which there are electronic files.
MOMENTS = st.builds(
    lambda moment, minutes: moment.replace(tzinfo=timezone(timedelta(minutes=minutes))).isoformat(),
    st.datetimes(min_value=datetime(1971, 1, 1), max_value=datetime(2198, 1, 1)),
    st.integers(-14 * 60, 14 * 60),
)


class Closing:
    """Closes each answer as servers do; schemathesis does not."""

    def __init__(self, application: Any) -> None:
        self.application = application

    def __call__(self, environ: Any, start_response: Any) -> list[bytes]:
        answer = self.application(environ, start_response)
        try:
            return [b"".join(answer)]
        finally:
            answer.close()


@pytest.fixture(scope="module")
def known(module_lab: Any) -> dict[str, Any]:
    """What there is in the laboratory: a session with a file that was read."""
    session = module_lab.start().get_json()
    grant = module_lab.call("POST", "/v1/uploads", module_lab.upload_body()).get_json()
    generation = module_lab.read(grant["object"])
    return {"session": session["id"], "file": grant["file"], "object": grant["object"], "generation": generation}


@pytest.fixture(scope="module")
def api(module_lab: Any) -> Any:
    schemathesis.openapi.format("date-time", MOMENTS)
    generation = GenerationConfig(deterministic=True, with_security_parameters=False)
    checks = ChecksConfig(positive_data_acceptance=PositiveDataAcceptanceConfig(expected_statuses=SEMANTIC))
    project = ProjectConfig(generation=generation, checks=checks)
    config = SchemathesisConfig(projects=ProjectsConfig(default=project))
    return schemathesis.openapi.from_wsgi("/v1/openapi.json", Closing(module_lab.http.application), config=config)


@pytest.mark.parametrize(
    ("name", "mode"),
    [(call.name, GenerationMode.POSITIVE) for call in CALLS]
    # Where there is neither a body nor a query, nothing can be wrong but the address.
    + [(call.name, GenerationMode.NEGATIVE) for call in CALLS if call.body or call.query],
)
def test_call_keeps_to_its_document(
    api: Any, module_lab: Any, known: dict[str, Any], name: str, mode: GenerationMode
) -> None:
    operation = api.find_operation_by_id(name)
    headers = {"Authorization": f"Bearer {module_lab.tokens['admin']}"}
    if TokenKind.HUB in RIGHTS.get(name, ()):
        headers["X-Scopeline-Client"] = "titan-pc"

    @settings(
        max_examples=EXAMPLES, derandomize=True, deadline=None, database=None, suppress_health_check=list(HealthCheck)
    )
    @given(case=operation.as_strategy(generation_mode=mode), real=st.booleans())
    def check(case: Any, real: bool) -> None:
        if real and mode is GenerationMode.POSITIVE:
            _use_what_there_is(case, known)
        response = case.call_and_validate(headers=headers)
        if mode is GenerationMode.POSITIVE and response.status_code == 422:
            assert response.json()["code"] != "invalid_body", response.text

    check()


def _use_what_there_is(case: Any, known: dict[str, Any]) -> None:
    """Put ids that exist where the case has made-up ones, so that calls get beyond the look-up."""
    for name in case.path_parameters or {}:
        case.path_parameters[name] = known.get(name, 0)
    if case.query and "session" in case.query:
        case.query["session"] = known["session"]
    if case.query and "generation" in case.query:
        case.query["generation"] = known["generation"]
    if case.headers and "If-Match" in case.headers:
        case.headers["If-Match"] = "*"
    if isinstance(case.body, dict):
        real = {"session": LOCAL_ID, "instrument": "titan", "root": "data", "object": known["object"]}
        for part in [case.body, *(f for f in case.body.get("files", []) if isinstance(f, dict))]:
            part.update({name: value for name, value in real.items() if name in part})
