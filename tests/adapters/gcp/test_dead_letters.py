"""What Pub/Sub gave up becomes a parked delivery, whoever ends in between."""

from __future__ import annotations

from typing import Any

import pytest
from google_deliveries import GoogleDeliveries, Killed
from out_of_range import OUT_OF_RANGE

from scopeline.adapters.gcp.failures import KEPT_BYTES
from scopeline.adapters.gcp.messages import Outgoing, PushedMessage, to_outgoing
from scopeline.adapters.gcp.receiver import Outcome
from scopeline.adapters.gcp.topics import BUILD, EXTRACT, Flow
from scopeline.domain.errors import Unavailable
from scopeline.domain.events import Event, Topic

MARKS = {"CloudPubSubDeadLetterSourceDeliveryCount": "8", "CloudPubSubDeadLetterSourceSubscription": "scopeline-build"}


def changed(deliveries: GoogleDeliveries, **data: Any) -> Event:
    return Event(type=Topic.SESSION_CHANGED, key="20260206-titan-7f3k2a", at=deliveries.now(), data=data)


def give_up(deliveries: GoogleDeliveries, message: Outgoing, flow: Flow = BUILD) -> None:
    """Do as Pub/Sub does after the last attempt."""
    topic = flow.dead_letters(deliveries.settings.topic_prefix)
    path = deliveries.clients.publisher.topic_path(deliveries.settings.project, topic)
    deliveries.clients.publisher.publish(path, message.data, **{**message.attributes, **MARKS}).result(timeout=10)


def waiting_letters(deliveries: GoogleDeliveries) -> int:
    return len(deliveries.events.pubsub.dead_letters(BUILD))


def test_a_letter_whose_failures_are_known_is_parked_with_their_reason(deliveries: GoogleDeliveries) -> None:
    outgoing = to_outgoing(changed(deliveries), id="x")

    def fail(event: Event) -> None:
        raise Unavailable("the site is away", code="site_away")

    message = PushedMessage("1", outgoing.data, outgoing.attributes, deliveries.now())
    assert deliveries.receiver({Topic.SESSION_CHANGED: fail}).receive(message) is Outcome.AGAIN
    failed = deliveries.now()
    give_up(deliveries, outgoing)
    deliveries.advance(600)
    deliveries.maintain()
    (parked,) = deliveries.events.parked()
    assert (parked.code, parked.reason, parked.attempts) == ("site_away", "the site is away", 8)
    assert parked.since < failed
    assert [code for _, code, _ in deliveries.gave_up] == ["site_away"]


def test_a_letter_that_comes_twice_is_parked_once(deliveries: GoogleDeliveries) -> None:
    outgoing = to_outgoing(changed(deliveries), id="x")
    for _ in range(2):
        give_up(deliveries, outgoing)
        deliveries.advance(600)
        deliveries.maintain()
    (parked,) = deliveries.events.parked()
    assert (parked.code, parked.attempts) == ("no_answer", 8)
    assert len(deliveries.gave_up) == 1
    assert waiting_letters(deliveries) == 0


def test_attempts_that_pubsub_did_not_count_are_counted(deliveries: GoogleDeliveries) -> None:
    outgoing = to_outgoing(changed(deliveries), id="x")
    deliveries.events.attempts = 20

    def fail(event: Event) -> None:
        raise Unavailable("the site is away", code="site_away")

    for attempt in range(1, 10):
        message = PushedMessage("1", outgoing.data, outgoing.attributes, deliveries.now(), attempt=attempt)
        assert deliveries.receiver({Topic.SESSION_CHANGED: fail}).receive(message) is Outcome.AGAIN
    give_up(deliveries, outgoing)
    deliveries.maintain()
    assert [parked.attempts for parked in deliveries.events.parked()] == [9]


def test_a_letter_that_nobody_understands_is_parked_for_a_person(deliveries: GoogleDeliveries) -> None:
    give_up(deliveries, Outgoing(b"cake", {"a": "b"}), EXTRACT)
    deliveries.maintain()
    (parked,) = deliveries.events.parked()
    assert (parked.code, parked.transient, parked.event.data["body"]) == ("bad_message", False, "cake")
    assert deliveries.gave_up == []


def test_letters_that_firestore_cannot_take_are_parked_with_their_beginning(deliveries: GoogleDeliveries) -> None:
    # When a letter was published, Pub/Sub says.
    letters = [message for name, message in OUT_OF_RANGE.items() if "published" not in name]
    for letter in letters:
        give_up(deliveries, Outgoing(letter.data, letter.attributes))
    deliveries.maintain()
    parked = list(deliveries.events.parked())
    assert {(one.code, one.transient, one.attempts) for one in parked} == {("bad_message", False, 8)}
    assert {one.event.data["body"] for one in parked} == {letter.data[:KEPT_BYTES].decode() for letter in letters}
    assert waiting_letters(deliveries) == 0


def test_a_notification_that_asks_for_nothing_is_dropped(deliveries: GoogleDeliveries) -> None:
    give_up(deliveries, Outgoing(b"{}", {"eventType": "OBJECT_METADATA_UPDATE"}), EXTRACT)
    deliveries.maintain()
    assert list(deliveries.events.parked()) == []


def test_many_letters_are_all_drained_at_once(deliveries: GoogleDeliveries) -> None:
    for n in range(60):
        give_up(deliveries, to_outgoing(changed(deliveries, n=n), id=str(n)))
    deliveries.maintain()
    assert sorted(parked.event.data["n"] for parked in deliveries.events.parked()) == list(range(60))
    assert waiting_letters(deliveries) == 0


@pytest.mark.parametrize("step", ["failures.find", "failures.record", "pubsub.acknowledge"])
def test_a_sweep_that_ended_loses_no_letter(
    deliveries: GoogleDeliveries, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    letter = to_outgoing(changed(deliveries), id="x")
    give_up(deliveries, letter)
    target, method = step.split(".")
    part = getattr(deliveries.events, target)
    done = getattr(part, method)

    def last(*args: Any) -> None:
        done(*args)
        raise Killed

    with monkeypatch.context() as patch:
        patch.setattr(part, method, last)
        with pytest.raises(Killed):
            deliveries.maintain()
    if step != "pubsub.acknowledge":
        # The letter comes again when its deadline is over; here, at once.
        give_up(deliveries, letter)
    deliveries.maintain()
    assert len(list(deliveries.events.parked())) == 1


def test_a_letter_that_cannot_be_written_down_holds_up_no_other(
    deliveries: GoogleDeliveries, monkeypatch: pytest.MonkeyPatch
) -> None:
    for n in range(3):
        give_up(deliveries, to_outgoing(changed(deliveries, n=n), id=str(n)))
    record = deliveries.events.failures.record

    def refuse_one(message: PushedMessage, *more: Any) -> None:
        if message.attributes["id"] == "0":
            raise Unavailable("Firestore is away")
        record(message, *more)

    with monkeypatch.context() as patch:
        patch.setattr(deliveries.events.failures, "record", refuse_one)
        with pytest.raises(Unavailable):
            deliveries.maintain()
    assert sorted(parked.event.data["n"] for parked in deliveries.events.parked()) == [1, 2]


def test_a_letter_too_large_for_a_document_is_parked_with_its_beginning(deliveries: GoogleDeliveries) -> None:
    give_up(deliveries, to_outgoing(changed(deliveries, words="a" * 2_000_000), id="x"))
    deliveries.maintain()
    (parked,) = deliveries.events.parked()
    assert (parked.code, parked.event.type) == ("no_answer", Topic.SESSION_CHANGED)
