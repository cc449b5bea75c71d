"""What the tests of the Google Cloud adapters share."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from google_deliveries import GoogleDeliveries


@pytest.fixture
def deliveries(emulators: object) -> Iterator[GoogleDeliveries]:
    """Events of a project of the test's own, under a clock that the test moves."""
    from google_deliveries import google_deliveries

    with google_deliveries() as deliveries:
        yield deliveries
