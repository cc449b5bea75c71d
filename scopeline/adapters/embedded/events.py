"""The queue of the local edition: deliveries in the database.

A delivery is a row until it is acknowledged. The lease on it is its `owner`, the opening of the database whose worker
has it: the data folder's lock lets one process at a time work here, so an owner of another opening is dead, and no time
is needed to find that out.
"""

from __future__ import annotations

import json
import logging
import random
import re
import sqlite3
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from scopeline.adapters.embedded.database import Database, Transaction, microseconds
from scopeline.adapters.embedded.delivery import Delivery, back_off
from scopeline.adapters.judging import Failing, judge, log_parked
from scopeline.domain.events import Event, Topic
from scopeline.ports import LONGEST_WINDOW, OnParked, Parked

Handler = Callable[[Event], None]
Handlers = Mapping[Topic, Handler]

SECOND = 1_000_000
# Design section 5: a coalesced delivery starts at least this long after its window's end.
AFTER_WINDOW = timedelta(seconds=2)
# Nothing without a promised time is due later than this; where it is, the clock was ahead when it was written.
LATEST_DUE = LONGEST_WINDOW + AFTER_WINDOW

# What SQLite can take as a row id.
_DELIVERY_ID = re.compile(r"[0-9]{1,18}")

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class QueueState:
    """How much of one topic waits; `oldest_due` is when the first of it was or will be due, now where it is at once."""

    topic: Topic
    waiting: int
    running: int
    parked: int
    oldest_due: datetime | None


def enqueue(
    database: Database,
    transaction: Transaction,
    event: Event,
    *,
    due: int = 0,
    timed: bool = False,
    coalesced: bool = False,
) -> None:
    """Add a delivery to a transaction; workers hear of it when the transaction is durable.

    It is due at once, whatever the clock says, or from `due` on; `timed` promises that it does not come earlier.
    """
    transaction.connection.execute(
        "INSERT INTO deliveries (topic, key, body, due, timed, coalesced) VALUES (?, ?, ?, ?, ?, ?)",
        (event.type, event.key, _to_text(event), due, timed, coalesced),
    )
    transaction.after_commit.append(lambda: database.arrivals.announce(event.type))


class EmbeddedEvents:
    """`ports.Events` on the database, and the worker's side of it: claim, acknowledge, fail.

    A delivery is parked after `attempts` failures, at once where the error is not transient. `jitter` gives random
    numbers from 0 to 1 for the pauses.
    """

    def __init__(self, database: Database, *, attempts: int = 8, jitter: Callable[[], float] = random.random) -> None:
        self.database = database
        self._attempts = attempts
        self._jitter = jitter

    def publish(self, event: Event, *, not_before: datetime | None = None) -> None:
        """See the port."""
        due = 0 if not_before is None else microseconds(not_before)
        with self.database.transaction(f"Publishing {event.type} of {event.key}") as transaction:
            enqueue(self.database, transaction, event, due=due, timed=not_before is not None)

    def coalesce(self, event: Event, window: timedelta) -> None:
        """See the port. A delivery that waits is joined, one that runs or is parked is not."""
        due = self.database.now() + (min(window, LONGEST_WINDOW) + AFTER_WINDOW) // timedelta(microseconds=1)
        with self.database.transaction(f"Publishing {event.type} of {event.key}") as transaction:
            joined = transaction.connection.execute(
                # A delivery that waits for another attempt is due no later than a new one, and fails like a new one.
                "UPDATE deliveries SET body = ?, due = CASE WHEN attempts = 0 THEN due ELSE min(due, ?) END, "
                "attempts = 0, failed_at = NULL WHERE id = (SELECT id FROM deliveries WHERE topic = ? AND key = ? "
                "AND coalesced = 1 AND parked_at IS NULL AND (owner IS NULL OR owner <> ?) ORDER BY due LIMIT 1)",
                (_to_text(event), due, event.type, event.key, self.database.opening),
            ).rowcount
            if not joined:
                enqueue(self.database, transaction, event, due=due, coalesced=True)
            else:
                transaction.after_commit.append(lambda: self.database.arrivals.announce(event.type))

    def check_reachable(self) -> None:
        """See the port."""
        with self.database.reading("Asking the queue") as connection:
            connection.execute("SELECT 1 FROM deliveries LIMIT 1").fetchone()

    def parked(self, *, since: datetime | None = None) -> Iterable[Parked]:
        """See the port."""
        with self.database.reading("Reading what is parked") as connection:
            rows = connection.execute(
                "SELECT * FROM deliveries WHERE parked_at IS NOT NULL AND failed_at >= ? ORDER BY failed_at, id",
                (0 if since is None else microseconds(since),),
            ).fetchall()
        return map(_parked, rows)

    def replay(self, parked_id: str) -> bool:
        """See the port."""
        if not _DELIVERY_ID.fullmatch(parked_id):
            return False
        with self.database.transaction(f"Replaying delivery {parked_id}") as transaction:
            row = transaction.connection.execute(
                "UPDATE deliveries SET parked_at = NULL, attempts = 0, interruptions = 0, due = 0, timed = 0 "
                "WHERE id = ? AND parked_at IS NOT NULL RETURNING topic",
                (int(parked_id),),
            ).fetchone()
            if row is None:
                return False
            topic = row["topic"]
            transaction.after_commit.append(lambda: self.database.arrivals.announce(topic))
        return True

    def discard(self, parked_id: str) -> bool:
        """See the port."""
        if not _DELIVERY_ID.fullmatch(parked_id):
            return False
        with self.database.transaction(f"Forgetting delivery {parked_id}") as transaction:
            return bool(
                transaction.connection.execute(
                    "DELETE FROM deliveries WHERE id = ? AND parked_at IS NOT NULL", (int(parked_id),)
                ).rowcount
            )

    def maintain(self, on_parked: OnParked) -> None:
        """Nothing: the workers deliver what is due and park what gives up."""

    def claim(self, topics: Iterable[Topic]) -> Delivery | None:
        """Take the delivery that is due longest of some topics, or None.

        Two deliveries of one topic and key never run at once: their handlers would only get in each other's way.
        """
        row = self._take(list(topics))
        if row is None:
            return None
        self.database.fault_point("delivery.claimed")
        return Delivery(row["id"], Event.model_validate_json(row["body"]), row["attempts"], row["interruptions"])

    def acknowledge(self, delivery: Delivery) -> None:
        """The delivery is done, and with it what is parked and asked for no more than it."""
        with self.database.transaction("Acknowledging a delivery") as transaction:
            transaction.connection.execute("DELETE FROM deliveries WHERE id = ?", (delivery.id,))
            self._remove_answered(transaction.connection, delivery)
            self._announce_after(transaction, delivery)
        self.database.fault_point("delivery.acknowledged")

    def judge(self, delivery: Delivery, error: Exception) -> Failing:
        """What `error` means for the delivery: whether it is tried again or gives up."""
        return judge(error, delivery.attempt, self._attempts)

    def fail(self, delivery: Delivery, error: Exception) -> None:
        """The delivery failed: try again after a pause, or park it."""
        event, failing = delivery.event, self.judge(delivery, error)
        if failing.gives_up:
            log_parked(event, failing, delivery.attempt, str(delivery.id))
            self._park(delivery, failing)
            return
        pause = back_off(delivery.attempt, self._jitter())
        logger.warning(
            "%s of %s failed, again in %.1f s: %s: %s",
            event.type,
            event.key,
            pause.total_seconds(),
            failing.code,
            failing.reason,
        )
        now = self.database.now()
        with self.database.transaction("Postponing a delivery") as transaction:
            transaction.connection.execute(
                "UPDATE deliveries SET owner = NULL, due = ?, timed = 0, failed_at = coalesce(failed_at, ?), code = ?, "
                "reason = ?, transient = ? WHERE id = ?",
                (
                    now + pause // timedelta(microseconds=1),
                    now,
                    failing.code,
                    failing.reason,
                    failing.transient,
                    delivery.id,
                ),
            )
            self._announce_after(transaction, delivery)

    def seconds_to_next(self, topic: Topic, longest: float) -> float:
        """Seconds until a delivery of the topic is due, at most `longest`; 0 where one is."""
        with self.database.reading("Looking for due deliveries") as connection:
            row = connection.execute(
                "SELECT min(due) AS due, max(NOT timed AND due > :latest) AS ahead "  # noqa: S608
                f"FROM deliveries d WHERE topic = :topic AND {_FREE}",
                {"topic": topic, "opening": self.database.opening, "latest": self._latest()},
            ).fetchone()
        if row["due"] is None:
            return longest
        seconds: float = 0.0 if row["ahead"] else (row["due"] - self.database.now()) / SECOND
        return min(max(0.0, seconds), longest)

    def state(self) -> list[QueueState]:
        """How much waits, runs and is parked, by topic."""
        with self.database.reading("Measuring the queue") as connection:
            rows = connection.execute(
                "SELECT topic, "
                "sum(parked_at IS NULL AND (owner IS NULL OR owner <> :opening)) AS waiting, "
                "sum(parked_at IS NULL AND owner = :opening) AS running, "
                "sum(parked_at IS NOT NULL) AS parked, "
                "min(due) FILTER (WHERE parked_at IS NULL AND (owner IS NULL OR owner <> :opening)) AS oldest "
                "FROM deliveries GROUP BY topic ORDER BY topic",
                {"opening": self.database.opening},
            ).fetchall()
        return [
            QueueState(
                Topic(row["topic"]),
                row["waiting"],
                row["running"] or 0,
                row["parked"],
                None if row["oldest"] is None else _moment(row["oldest"] or self.database.now()),
            )
            for row in rows
        ]

    def _take(self, topics: list[Topic]) -> sqlite3.Row | None:
        marks = ", ".join(f":topic{n}" for n in range(len(topics)))
        values = {
            **{f"topic{n}": topic for n, topic in enumerate(topics)},
            "opening": self.database.opening,
            "now": self.database.now(),
            "latest": self._latest(),
        }
        with self.database.transaction("Taking a delivery") as transaction:
            row: sqlite3.Row | None = transaction.connection.execute(
                "UPDATE deliveries SET interruptions = interruptions + (owner IS NOT NULL), "  # noqa: S608
                "attempts = attempts + (owner IS NULL), owner = :opening WHERE id = "
                f"(SELECT id FROM deliveries d WHERE topic IN ({marks}) AND (due <= :now OR "
                f"(NOT timed AND due > :latest)) AND {_FREE} ORDER BY due, id LIMIT 1) RETURNING *",
                values,
            ).fetchone()
        return row

    def _park(self, delivery: Delivery, failing: Failing) -> None:
        now = self.database.now()
        with self.database.transaction("Parking a delivery") as transaction:
            transaction.connection.execute(
                "UPDATE deliveries SET owner = NULL, parked_at = ?, failed_at = coalesce(failed_at, ?), code = ?, "
                "reason = ?, transient = ? WHERE id = ?",
                (now, now, failing.code, failing.reason, failing.transient, delivery.id),
            )
            self._announce_after(transaction, delivery)

    def _latest(self) -> int:
        """The latest time at which something without a promised time can be due."""
        return self.database.now() + LATEST_DUE // timedelta(microseconds=1)

    def _remove_answered(self, connection: sqlite3.Connection, delivery: Delivery) -> None:
        event = delivery.event
        rows = connection.execute(
            "SELECT id, body FROM deliveries WHERE topic = ? AND key = ? AND parked_at IS NOT NULL AND id < ?",
            (event.type, event.key, delivery.id),
        ).fetchall()
        for row in rows:
            if event.answers(Event.model_validate_json(row["body"])):
                connection.execute("DELETE FROM deliveries WHERE id = ?", (row["id"],))

    def _announce_after(self, transaction: Transaction, delivery: Delivery) -> None:
        # Another delivery of the same key may have waited for this one.
        transaction.after_commit.append(lambda: self.database.arrivals.announce(delivery.event.type))


# What may be taken: not parked, in nobody's living hands, and nothing else of its topic and key running.
_FREE = (
    "d.parked_at IS NULL AND (d.owner IS NULL OR d.owner <> :opening) AND NOT EXISTS (SELECT 1 FROM deliveries r "
    "WHERE r.topic = d.topic AND r.key = d.key AND r.parked_at IS NULL AND r.owner = :opening)"
)


def _to_text(event: Event) -> str:
    return json.dumps(event.to_json())


def _moment(value: int) -> datetime:
    return datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=value)


def _parked(row: sqlite3.Row) -> Parked:
    return Parked(
        id=str(row["id"]),
        event=Event.model_validate_json(row["body"]),
        reason=row["reason"],
        code=row["code"],
        attempts=row["attempts"],
        since=_moment(row["failed_at"]),
        transient=bool(row["transient"]),
    )
