"""Validation of records against the project's own schema, `nexus-experiment.xsd` beside this file."""

from __future__ import annotations

import threading
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from scopeline.domain.errors import ScopelineError

if TYPE_CHECKING:
    from lxml.etree import XMLSchema

SCHEMA_FILE = Path(__file__).with_name("nexus-experiment.xsd")
PROBLEMS_SHOWN = 3
# libxml2 makes its built-in types at the first schema, which two threads may not do at once; and threads that use one
# schema share its list of problems.
_ONE_AT_A_TIME = threading.Lock()


class RecordInvalid(ScopelineError):
    """A record does not follow the schema, which is a defect of Scopeline: the record is kept back."""

    code = "record_invalid"
    status = 500


def check_record(xml: bytes) -> None:
    """Raise RecordInvalid, with line, element and what was expected, where `xml` does not follow the schema."""
    from lxml import etree

    if b"<!DOCTYPE" in xml:
        # Entities in attributes are expanded whatever the parser is told, and a large record needs its limits lifted.
        raise RecordInvalid("The record has a document type declaration. Report this with the session's id.")
    try:
        tree = etree.fromstring(xml, etree.XMLParser(resolve_entities=False, no_network=True, huge_tree=True))
    except etree.XMLSyntaxError as error:
        raise RecordInvalid(f"The record is no XML: {error}. Report this with the session's id.") from error
    with _ONE_AT_A_TIME:
        schema = load_schema()
        if schema.validate(tree):
            return
        log: Any = schema.error_log  # a sequence, which its stubs do not say
        problems = [f"line {log[n].line}: {log[n].message}" for n in range(min(len(log), PROBLEMS_SHOWN))]
    raise RecordInvalid(
        f"The record does not follow {SCHEMA_FILE.name}: {' '.join(problems)} Report this with the session's id."
    )


@lru_cache(maxsize=1)
def load_schema() -> XMLSchema:
    """The project's schema, parsed once."""
    from lxml import etree

    return etree.XMLSchema(file=str(SCHEMA_FILE))
