"""Putting a record on the site and taking it off: one transaction each, one CDCS record per session."""

from __future__ import annotations

import threading
from dataclasses import dataclass
from typing import Any

from core_main_app.components.data.models import Data
from core_main_app.components.template.models import Template
from core_main_app.components.workspace.models import Workspace
from django.core.files.base import ContentFile
from django.core.files.storage import default_storage
from django.db import transaction
from django.utils import timezone
from lxml import etree

from cdcs_connector.site import record_xml
from cdcs_connector.site.lxml_threads import once_per_thread
from cdcs_connector.site.models import PublishedRecord, RecordFile

TEMPLATE_TITLE = "Nexus Experiment"
MAX_TITLE = 200  # of CDCS core's records
# Each thread has a schema of its own, with its list of problems; compiling and using them stays with one at a time.
_ONE_AT_A_TIME = threading.Lock()


class StaleVersion(Exception):
    """A newer version of the record is published already."""


class NotInitialised(Exception):
    """The site has no schema or workspace yet."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a publication did."""

    session: str
    version: int
    created: bool
    unchanged: bool


def publish(session: str, version: int, input_hash: str, xml: bytes, user: Any) -> Outcome:
    """Make `xml` the record of `session`; nothing is written where the same hash is published already.

    Raises InvalidRecord, StaleVersion, NotInitialised.
    """
    known = PublishedRecord.objects.filter(pk=session).first()
    if known is not None and known.input_hash == input_hash:
        return Outcome(session, known.version, created=False, unchanged=True)
    template = current_template()
    root = record_xml.parse(xml)
    with _ONE_AT_A_TIME:
        record_xml.check_schema(root, _schema(template.pk, template.file.name))
    record_xml.check_session(root, session)
    facts = record_xml.facts(root, session)
    with transaction.atomic():
        known = _locked(session)
        if known is not None:
            if known.input_hash == input_hash:
                return Outcome(session, known.version, created=False, unchanged=True)
            if version < known.version:
                raise StaleVersion(
                    f"Version {version} of session {session} is below the published version {known.version}; "
                    "build the record anew."
                )
        data = known.data if known is not None else Data(user_id=str(user.id), workspace=_workspace())
        _write_body(data, template, facts.title[:MAX_TITLE], f"{session}.xml", xml)
        _write_row(known, session, data, version, input_hash, facts)
    return Outcome(session, version, created=known is None, unchanged=False)


def withdraw(session: str) -> bool:
    """Remove the session's record, its XML and its row; False where there is none."""
    with transaction.atomic():
        known = _locked(session)
        if known is None:
            return False
        data = known.data
        default_storage.delete(data.file.name)
        data.delete()
    return True


def current_template() -> Template:
    """The schema that records are made with. Raises NotInitialised."""
    template = Template.objects.filter(version_manager__title=TEMPLATE_TITLE, is_current=True).first()
    if template is None:
        raise NotInitialised("The site has no record schema yet: run `python -m cdcs_connector.site init`.")
    return template


@once_per_thread
def _schema(template_id: int, body_name: str) -> etree.XMLSchema:
    """This thread's copy of the schema in that stored body. A changed schema is another template."""
    with default_storage.open(body_name) as file:
        return etree.XMLSchema(etree.fromstring(file.read(), record_xml.hardened_parser()))


def _locked(session: str) -> PublishedRecord | None:
    # On SQLite the transaction itself holds the write lock; elsewhere the row is locked.
    found: PublishedRecord | None = PublishedRecord.objects.select_for_update().filter(pk=session).first()
    return found


def _workspace() -> Workspace:
    workspace = Workspace.objects.filter(owner=None, is_public=True).first()
    if workspace is None:
        raise NotInitialised("The site has no public workspace yet: run `python -m cdcs_connector.site init`.")
    return workspace


def _write_body(data: Data, template: Template, title: str, name: str, xml: bytes) -> None:
    """Store the XML and CDCS core's index of it.

    A new body takes the place of the one before (the back end keeps all versions): a reader has found the record's row
    and with it the body's name, and may read the body any time later.
    """
    data.template = template
    data.title = title
    data.content = xml.decode("utf-8")
    data.convert_to_dict()
    if data.pk:
        default_storage.replace(data.file.name, xml)
    else:
        data.file.save(name, ContentFile(xml), save=False)
    data.save_object()


def _write_row(
    known: PublishedRecord | None,
    session: str,
    data: Data,
    version: int,
    input_hash: str,
    facts: record_xml.RecordFacts,
) -> None:
    row = known or PublishedRecord(session=session)
    row.data, row.version, row.input_hash = data, version, input_hash
    row.published_at = timezone.now()
    for name in (
        *("title", "instrument", "people", "started", "started_at", "datasets", "attention"),
        *("types", "samples", "project", "motivation", "thumbnails", "search_text"),
    ):
        setattr(row, name, getattr(facts, name))
    row.save(force_insert=known is None)
    RecordFile.objects.filter(record=row).exclude(file__in=facts.files).delete()
    RecordFile.objects.bulk_create([RecordFile(record=row, file=f) for f in sorted(facts.files)], ignore_conflicts=True)
