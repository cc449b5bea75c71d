"""What a call is: its address, what goes in and comes out. The routes and the OpenAPI document are made of these."""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import get_type_hints

from flask import Request, Response
from pydantic import BaseModel

from scopeline.api.decoding import read_body, read_query
from scopeline.services.access import Caller
from scopeline.services.backend import Backend
from scopeline.services.health import StoreProbes


@dataclass(frozen=True, slots=True)
class Ask:
    """One request, its caller known."""

    backend: Backend
    request: Request
    stores: StoreProbes
    identity: Caller | None = None

    @property
    def caller(self) -> Caller:
        """Who calls; every call but the public ones has a caller."""
        if self.identity is None:
            raise RuntimeError("a public call asked for its caller")
        return self.identity

    @property
    def if_match(self) -> str | None:
        """The revision in `If-Match` (`*`: any, None: no such header)."""
        header = self.request.headers.get("If-Match")
        return None if header is None else header.strip().removeprefix("W/").strip('"')


@dataclass(frozen=True, slots=True)
class Reply:
    """A JSON answer."""

    body: BaseModel
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Media:
    """An answer that is not JSON: its media type."""

    type: str


Handler = Callable[..., Reply | Response]


@dataclass(frozen=True, slots=True)
class Call:
    """One call of the API.

    `answers` gives the model or media type of each status that is no error; `problems` are the error statuses beyond
    those that follow from the call's form (`openapi.statuses`). `if_match` says that the call requires that header.
    """

    name: str
    method: str
    path: str  # `/v1/sessions/{session}/end`
    handler: Handler
    answers: Mapping[int, type[BaseModel] | Media | None]
    problems: tuple[int, ...] = ()
    if_match: bool = False
    body: type[BaseModel] | None = None
    query: type[BaseModel] | None = None

    @property
    def rule(self) -> str:
        """The path as Flask writes it."""
        return re.sub(r"\{(\w+)\}", r"<\1>", self.path)

    @property
    def parameters(self) -> list[str]:
        """The names in the path."""
        return re.findall(r"\{(\w+)\}", self.path)

    @property
    def summary(self) -> str:
        """The handler's documentation."""
        return inspect.getdoc(self.handler) or ""

    def run(self, ask: Ask, path: Mapping[str, str]) -> Reply | Response:
        """Decode the request and call the handler with what it takes."""
        given: dict[str, object] = dict(path)
        if self.query is not None:
            given["query"] = read_query(ask.request, self.query)
        if self.body is not None:
            given["body"] = read_body(ask.request, self.body)
        return self.handler(ask, **given)


def call(
    method: str,
    path: str,
    answers: Mapping[int, type[BaseModel] | Media | None],
    *,
    problems: tuple[int, ...] = (),
    if_match: bool = False,
) -> Callable[[Handler], Call]:
    """Make a handler a call. Its parameters `body` and `query`, where it has them, name their models."""

    def declare(handler: Handler) -> Call:
        hints = get_type_hints(handler)
        return Call(
            name=handler.__name__,
            method=method,
            path=path,
            handler=handler,
            answers=answers,
            problems=problems,
            if_match=if_match,
            body=hints.get("body"),
            query=hints.get("query"),
        )

    return declare
