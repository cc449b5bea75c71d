"""One message delivers for all calls of its window."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from google.api_core.exceptions import ServiceUnavailable
from google_deliveries import GoogleDeliveries

from scopeline.adapters.gcp.messages import PushedMessage
from scopeline.adapters.gcp.tickets import Tickets
from scopeline.domain.events import Event, Topic

NOON = datetime(2026, 2, 6, 12, tzinfo=UTC)
WINDOW = timedelta(seconds=30)
DUE = NOON + timedelta(seconds=32)
# The emulator's times may be rounded.
SLACK = timedelta(milliseconds=1)


def message(id_: str, seconds: float = 0) -> PushedMessage:
    return PushedMessage(id_, b"", {}, NOON + timedelta(seconds=seconds))


def event(key: str = "s", topic: Topic = Topic.SESSION_CHANGED) -> Event:
    return Event(type=topic, key=key, at=NOON)


def test_the_first_message_of_a_window_has_its_ticket_at_every_delivery(deliveries: GoogleDeliveries) -> None:
    def claim(message: PushedMessage) -> tuple[bool, datetime]:
        ticket = deliveries.events.tickets.claim(event(), message, WINDOW)
        return ticket.mine, ticket.due

    assert claim(message("1")) == (True, DUE)
    assert claim(message("2", 29.9)) == (False, DUE)
    assert claim(message("1")) == (True, DUE)
    assert claim(message("3", 30)) == (True, DUE + WINDOW)


def test_the_time_that_is_left_is_told_by_firestores_clock(deliveries: GoogleDeliveries) -> None:
    """The first answer comes from a write, the others from reads; the emulator's clock is this machine's."""
    tickets = Tickets(deliveries.clients.firestore)
    for _ in range(2):
        before = datetime.now(UTC)
        ticket = tickets.claim(event(), message("1"), WINDOW)
        assert before - SLACK <= ticket.told <= datetime.now(UTC) + SLACK
        assert ticket.left == DUE - ticket.told


@pytest.mark.parametrize("key", ["s", "a/b", "..", "__x__", "s µ", "a%2fb", "x" * 400])
def test_keys_and_topics_of_any_form_have_their_own_tickets(deliveries: GoogleDeliveries, key: str) -> None:
    claim = deliveries.events.tickets.claim
    assert claim(event(key), message("1"), WINDOW).mine
    assert claim(event(key + "0"), message("2"), WINDOW).mine
    assert claim(event(key, Topic.SESSION_ENDED), message("3"), WINDOW).mine
    assert not claim(event(key), message("4"), WINDOW).mine


def test_a_ticket_whose_answer_was_lost_is_known_again(
    deliveries: GoogleDeliveries, monkeypatch: pytest.MonkeyPatch
) -> None:
    api = deliveries.clients.firestore._firestore_api
    commit, calls = api.commit, []

    def lose_the_first_answer(*args: object, **named: object) -> object:
        answer = commit(*args, **named)
        calls.append(1)
        if len(calls) == 1:
            raise ServiceUnavailable("the answer was lost")
        return answer

    monkeypatch.setattr(api, "commit", lose_the_first_answer)
    with pytest.raises(Exception, match="lost"):
        deliveries.events.tickets.claim(event(), message("1"), WINDOW)
    assert deliveries.events.tickets.claim(event(), message("1"), WINDOW).mine


def test_a_ticket_says_when_firestore_may_delete_it(deliveries: GoogleDeliveries) -> None:
    deliveries.events.tickets.claim(event(), message("1"), WINDOW)
    (ticket,) = deliveries.clients.firestore.collection("tickets").get()
    assert ticket.id == f"session.changed-s-30-{int(NOON.timestamp()) // 30}"
    assert ticket.get("expires") - ticket.get("due") > timedelta(days=7)
