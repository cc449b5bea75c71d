"""Which event goes through which Pub/Sub topic to which function: the one list, also for Terraform.

A flow has a topic, a push subscription to its function, and a topic and pull subscription for what gave up; all four
names follow from the flow's. The raw bucket sends its notifications to the topic of `extract`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from scopeline.domain.events import Topic

# The time that a function has for one delivery: Pub/Sub's longest (seconds). What takes longer is delivered a second
# time meanwhile, which services bear.
ACK_DEADLINE = 600
# Pauses between attempts (seconds); Pub/Sub chooses in between, longer each time.
FIRST_PAUSE, LONGEST_PAUSE = 1, 600
# How long an undelivered message is kept (seconds). What gave up is drained each minute; its time is Pub/Sub's longest,
# for a project whose sweep stands still.
KEPT, DEAD_LETTERS_KEPT = 7 * 86400, 31 * 86400
# Pub/Sub takes 5 to 100 attempts (https://cloud.google.com/pubsub/docs/handling-failures#maximum_delivery_attempts).
LEAST_ATTEMPTS, MOST_ATTEMPTS = 5, 100
# What the raw bucket tells. OBJECT_ARCHIVE: somebody deleted a version without naming it.
NOTIFICATIONS = ("OBJECT_FINALIZE", "OBJECT_DELETE", "OBJECT_ARCHIVE")


@dataclass(frozen=True, slots=True)
class Flow:
    """One way of events: `name` is part of the resources' names, `function` the entry point in functions/main.py."""

    name: str
    function: str
    events: tuple[Topic, ...]

    def topic(self, prefix: str) -> str:
        """The id of the topic; the push subscription has the same."""
        return f"{prefix}-{self.name}"

    def dead_letters(self, prefix: str) -> str:
        """The id of the topic, and of its pull subscription, for what gave up."""
        return f"{prefix}-{self.name}-dead"


EXTRACT = Flow("extract", "extract", (Topic.OBJECT_FINALIZED, Topic.OBJECT_DELETED, Topic.OBJECT_CHANGED))
BUILD = Flow("build", "build_session", (Topic.SESSION_ENDED, Topic.SESSION_CHANGED))
PUBLISH = Flow("publish", "publish_record", (Topic.RECORD_BUILT, Topic.SESSION_ERASED))
FLOWS = (EXTRACT, BUILD, PUBLISH)
FLOW_OF = {topic: flow for flow in FLOWS for topic in flow.events}


def delivery_attempts(attempts: int) -> int:
    """After how many attempts Pub/Sub moves a message to the dead letters, where the setting is `attempts`."""
    return max(LEAST_ATTEMPTS, min(attempts, MOST_ATTEMPTS))


def as_data(prefix: str, attempts: int) -> dict[str, Any]:
    """All topics and subscriptions as JSON values, for what makes them in the cloud; times in seconds.

    Subscriptions never expire.
    """
    return {
        "ack_deadline": ACK_DEADLINE,
        "first_pause": FIRST_PAUSE,
        "longest_pause": LONGEST_PAUSE,
        "kept": KEPT,
        "dead_letters_kept": DEAD_LETTERS_KEPT,
        "attempts": delivery_attempts(attempts),
        "notifications": {"topic": EXTRACT.topic(prefix), "events": list(NOTIFICATIONS)},
        "flows": [
            {
                "name": flow.name,
                "function": flow.function,
                "events": [str(event) for event in flow.events],
                "topic": flow.topic(prefix),
                "dead_letters": flow.dead_letters(prefix),
            }
            for flow in FLOWS
        ],
    }
