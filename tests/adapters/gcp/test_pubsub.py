"""What asking Pub/Sub whether it can be reached tells."""

from __future__ import annotations

from typing import Any

import pytest
from google.api_core.exceptions import Forbidden, PermissionDenied, ServiceUnavailable, Unauthenticated
from google_deliveries import google_deliveries

from scopeline.adapters.gcp.pubsub import PubSub
from scopeline.domain.errors import Unavailable


class Refusing:
    """A publisher whose question for a topic is answered with an error."""

    def __init__(self, error: Exception) -> None:
        self._error = error

    def topic_path(self, project: str, topic: str) -> str:
        return f"projects/{project}/topics/{topic}"

    def get_topic(self, **_asked: Any) -> None:
        raise self._error


def ask(error: Exception) -> None:
    publisher: Any = Refusing(error)
    PubSub(publisher, publisher, "lab", "scopeline").check_reachable()


def test_who_may_publish_and_not_look_at_topics_has_an_answer() -> None:
    ask(PermissionDenied("no pubsub.topics.get"))


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (ServiceUnavailable("away"), "google_unavailable"),
        (Unauthenticated("no credentials"), "not_permitted"),
        (Forbidden("by a proxy"), "not_permitted"),
    ],
)
def test_what_publishing_would_raise_is_raised(error: Exception, code: str) -> None:
    with pytest.raises(Unavailable) as refused:
        ask(error)
    assert refused.value.code == code


def test_a_topic_that_is_missing_is_told(emulators: Any) -> None:
    with google_deliveries() as cloud:
        cloud.events.check_reachable()
        nothing = PubSub(cloud.clients.publisher, cloud.clients.subscriber, cloud.settings.project, "nothing")
        with pytest.raises(Unavailable) as refused:
            nothing.check_reachable()
    assert refused.value.code == "no_topic"
