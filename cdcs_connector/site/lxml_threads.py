"""What threads may not share of libxml2, and what one thread has to do before there are others."""

from __future__ import annotations

import threading
from collections.abc import Callable
from functools import lru_cache, wraps
from typing import Any, TypeVar

from lxml import etree

KEPT = 4  # results of one function in each thread
Made = TypeVar("Made")


def once_per_thread(make: Callable[..., Made]) -> Callable[..., Made]:
    """`make`, whose latest results are kept for the thread that they were made in, and for no other.

    For what lxml compiles: a stylesheet or schema keeps its names in the dictionary of the thread that compiled it,
    which that thread goes on filling with each document that it parses. libxml2 does not lock it: the process dies
    where another thread looks a name up meanwhile.
    """
    results = _Results(make)

    @wraps(make)
    def made(*arguments: Any) -> Made:
        found: Made = results.get(*arguments)
        return found

    return made


class _Results(threading.local):
    """Made anew, with the same argument, in each thread that looks at it."""

    def __init__(self, make: Callable[..., Any]) -> None:
        self.get = lru_cache(maxsize=KEPT)(make)


def make_schema_types() -> None:
    """Have libxml2 make its built-in types, which it does at a process's first schema, without a lock.

    Where two threads do it at once, schemas and records that are sound are refused for the rest of the process. CDCS
    core makes schemas in the threads of requests.
    """
    etree.XMLSchema(etree.Element("{http://www.w3.org/2001/XMLSchema}schema"))
