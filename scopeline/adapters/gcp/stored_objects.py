"""What Cloud Storage says of a version, as the port's StoredObject."""

from __future__ import annotations

import base64
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from google.api_core import exceptions as google_errors

from scopeline.domain.events import StoredObject

if TYPE_CHECKING:
    from google.cloud.storage import Blob

# In an object's metadata, names the write that made it, so that a write whose answer was lost recognises itself.
WRITE = "scopeline-write"
# A hold has no end until somebody lifts it.
UNTIL_LIFTED = datetime(9999, 12, 31, tzinfo=UTC)
# Reasons in the errors of the JSON API (https://cloud.google.com/storage/docs/json_api/v1/status-codes).
_RETENTION_REASONS = frozenset({"retentionPolicyNotMet", "objectUnderActiveHold"})
_RETENTION_WORDS = ("retention policy", "object retention", "under active")


def stored_object(blob: Blob) -> StoredObject:
    """The version that `blob` was loaded with; `md5` is empty for objects that were composed of others."""
    return StoredObject(
        bucket=blob.bucket.name,
        name=blob.name,
        generation=blob.generation,
        size=blob.size,
        md5=base64.b64decode(blob.md5_hash).hex() if blob.md5_hash else "",
        crc32c=blob.crc32c or "",
        content_type=blob.content_type or "application/octet-stream",
        metadata={name: value for name, value in (blob.metadata or {}).items() if name != WRITE},
        stored_at=blob.time_created,
        retained_until=_retained_until(blob),
    )


def is_retained(error: google_errors.Forbidden) -> bool:
    """Whether a refusal comes from retention or a hold, rather than from missing rights."""
    reasons = {str(detail.get("reason")) for detail in error.errors if isinstance(detail, dict)}
    words = (error.message or "").lower()
    return bool(reasons & _RETENTION_REASONS) or any(known in words for known in _RETENTION_WORDS)


def _retained_until(blob: Blob) -> datetime | None:
    """The end of the bucket's retention, of the object's own, or of a hold, whichever is the latest."""
    if blob.temporary_hold or blob.event_based_hold:
        return UNTIL_LIFTED
    ends = (blob.retention_expiration_time, blob.retention.retain_until_time)
    return max((end for end in ends if end is not None), default=None)
