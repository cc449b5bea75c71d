"""Messages that can be read, but neither reckoned with nor written to Firestore."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

from scopeline.adapters.gcp.messages import PushedMessage

NOON = datetime(2026, 2, 6, 12, tzinfo=UTC)
NOTIFICATION = {"eventType": "OBJECT_FINALIZE", "payloadFormat": "JSON_API_V1"}


def own_event(attributes: dict[str, str] | None = None, *, published: datetime = NOON, **changes: Any) -> PushedMessage:
    """A message with an event of our own, and what is to be different in it."""
    body = {"type": "session.changed", "schema": 1, "key": "s", "at": "2026-02-06T12:00:00Z", **changes}
    return PushedMessage("1", json.dumps(body).encode(), attributes or {}, published)


def finalized(**changes: str) -> PushedMessage:
    """A bucket's notification of a new version, and what is to be different in it."""
    stored = {"bucket": "raw-b", "name": "a.dm3", "generation": "1", "size": "5", **changes}
    return PushedMessage("1", json.dumps(stored).encode(), NOTIFICATION, NOON)


OUT_OF_RANGE = {
    "long key": own_event(key="k" * 1025),
    "key that is long in %-escapes": own_event(key="é" * 512),
    "huge key": own_event(key="k" * 900_000),
    "long key with a window": own_event({"window": "30"}, key="k" * 1600),
    "generation": finalized(generation=str(2**70)),
    "size": finalized(size=str(2**63)),
    "generation of our own event": own_event(type="object.deleted", data={"generation": 2**70}),
    "size of our own event": own_event(type="object.finalized", data={"generation": 1, "size": 2**63}),
    "400 digits in our own event": own_event(data={"a": [{"b": -(10**400)}]}),
    "no number": own_event(data={"a": [1, {"b": float("nan")}]}),
    "infinite number": own_event(data={"a": float("-inf")}),
    "published in 9999": own_event({"window": "999999"}, published=datetime(9999, 12, 31, 23, 59, 59, tzinfo=UTC)),
    "published in 1": own_event({"window": "5"}, published=datetime(1, 1, 1, tzinfo=UTC)),
    "accepted in 9999": own_event({"accepted": "9999-12-31T23:59:59Z"}),
    "failed first in 1": own_event({"since": "0001-01-01T00:00:00Z"}),
}
