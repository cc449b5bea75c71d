"""What the service says of itself: whether it can work."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from scopeline.domain.errors import Unavailable
from scopeline.services import health


class FullStore:
    """A store that can be read and takes no writes."""

    def __init__(self, store: Any) -> None:
        self._store = store

    def __getattr__(self, name: str) -> Any:
        return getattr(self._store, name)

    def check_writable(self) -> None:
        raise Unavailable("The disk is full.", code="disk_full", status=507)


@pytest.mark.parametrize("bucket", ["raw", "derived"])
def test_service_is_not_ready_where_a_store_takes_no_writes(desk: Any, bucket: str) -> None:
    health.ask_stores(desk.backend)
    full = replace(desk.backend, **{bucket: FullStore(getattr(desk.backend, bucket))})
    with pytest.raises(Unavailable) as refused:
        health.ask_stores(full)
    assert refused.value.code == "disk_full"
