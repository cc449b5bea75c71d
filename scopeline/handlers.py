"""Which service handles which event: the one table that every edition's deliveries use."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial

from scopeline.domain.events import Event, Topic
from scopeline.services import build, erase, ingest, publish
from scopeline.services.backend import Backend

Handler = Callable[[Event], None]

# Codes of events that are about nothing of this back end: no file of it waits for them.
NOT_OURS = frozenset({"bad_event", "foreign_bucket"})
# What needs the web site; all else goes on without it.
WITH_SITE = frozenset({Topic.RECORD_BUILT, Topic.SESSION_ERASED})


def handlers(backend: Backend, reader: ingest.FileReader, site: publish.RecordSite | None) -> Mapping[Topic, Handler]:
    """The handlers of an edition; without a web site, records stay in the catalog."""
    handle: Mapping[Topic, Handler] = {
        Topic.OBJECT_FINALIZED: partial(ingest.object_finalized, backend, reader),
        Topic.OBJECT_DELETED: partial(ingest.object_deleted, backend),
        Topic.OBJECT_CHANGED: partial(ingest.object_changed, backend, reader),
        Topic.SESSION_ENDED: partial(build.build_session, backend),
        Topic.SESSION_CHANGED: partial(build.build_session, backend),
        Topic.RECORD_BUILT: partial(publish.publish_record, backend, site) if site else _keep,
    }
    return {
        **{topic: partial(erase.unless_erased, backend, handler) for topic, handler in handle.items()},
        Topic.SESSION_ERASED: partial(erase.erase_session, backend, site),
    }


def gave_up(backend: Backend, event: Event, code: str, reason: str) -> None:
    """What follows when a delivery is parked: a file that is not read says why, and its session need not wait."""
    if event.type in (Topic.OBJECT_FINALIZED, Topic.OBJECT_CHANGED) and code not in NOT_OURS:
        erase.unless_erased(backend, lambda given_up: ingest.object_gave_up(backend, given_up, reason), event)


def _keep(event: Event) -> None:
    """Without a web site there is nothing to do: the record stands in the catalog."""
