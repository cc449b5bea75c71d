"""The suite of Events on Google's edition, with the emulators of Pub/Sub and Firestore."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager
from typing import Any

import pytest
from events_contract import EventsContract
from google_deliveries import GoogleDeliveries, google_deliveries

pytestmark = pytest.mark.usefixtures("emulators")


class TestGoogleEvents(EventsContract):
    # The emulators take longer than a file; the local edition plays more rounds.
    model_examples = 10

    @pytest.fixture
    def deliveries(self, emulators: Any) -> Iterator[GoogleDeliveries]:
        with google_deliveries() as deliveries:
            yield deliveries

    def fresh_deliveries(self) -> AbstractContextManager[GoogleDeliveries]:
        return google_deliveries()
