"""Finding records by words."""

from __future__ import annotations

from typing import Any

from django.db.models import QuerySet

from cdcs_connector.site import access
from cdcs_connector.site.models import PublishedRecord

MAX_WORDS = 12


def records(user: Any, words: str = "") -> QuerySet[PublishedRecord]:
    """The records that `user` may read and that have all of `words` somewhere, newest session first."""
    found = access.readable(user)
    for word in words.casefold().split()[:MAX_WORDS]:
        found = found.filter(search_text__contains=word)
    return found.order_by("-started_at", "session")
