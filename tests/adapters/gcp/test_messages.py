"""What Pub/Sub, Eventarc and a bucket's notifications send."""

from __future__ import annotations

import base64
import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from out_of_range import OUT_OF_RANGE, own_event

from scopeline.adapters.gcp.messages import PUBSUB_EVENT, PushedMessage, decode_push, to_event, to_outgoing
from scopeline.domain.errors import InvalidInput
from scopeline.domain.events import Event, StoredObject, Topic
from scopeline.domain.names import file_id

NOON = datetime(2026, 2, 6, 12, tzinfo=UTC)
TIME = "2026-02-06T12:00:00.123456789Z"
MOMENT = NOON + timedelta(microseconds=123456)
EVENT = Event(type=Topic.SESSION_CHANGED, key="20260206-titan-7f3k2a", at=NOON, data={"why": "µ"})

# As in https://cloud.google.com/storage/docs/json_api/v1/objects#resource-representations, shortened.
OBJECT = {
    "kind": "storage#object",
    "bucket": "raw-b",
    "name": "titan/s/pc/data/a.dm3",
    "generation": "1770379200123456",
    "size": "5",
    "md5Hash": "XUFAKrxLKna5cZ2REBfFkg==",
    "crc32c": "mnG7TA==",
    "contentType": "image/x",
    "timeCreated": "2026-02-06T12:00:00.123Z",
    "metadata": {"session": "s"},
}


def push(data: bytes, attributes: dict[str, str] | None = None, **more: Any) -> dict[str, Any]:
    message = {
        "data": base64.b64encode(data).decode(),
        "attributes": attributes or {},
        "messageId": "136969346945",
        "message_id": "136969346945",
        "publishTime": TIME,
        "publish_time": TIME,
    }
    return {"message": message, "subscription": "projects/p/subscriptions/s", **more}


def notification(kind: str, body: dict[str, Any] | None = None, **attributes: str) -> PushedMessage:
    given = {"eventType": kind, "payloadFormat": "JSON_API_V1", "bucketId": "raw-b", **attributes}
    return PushedMessage("1", json.dumps(body or OBJECT).encode(), given, NOON)


class TestRequests:
    def test_a_push_is_its_message(self) -> None:
        body = json.dumps(push(b"x\x00", {"a": "b"}, deliveryAttempt=3)).encode()
        assert decode_push({"Content-Type": "application/json"}, body) == PushedMessage(
            "136969346945", b"x\x00", {"a": "b"}, MOMENT, 3
        )

    def test_a_push_of_the_emulator_has_no_attempt_and_perhaps_no_attributes(self) -> None:
        body = push(b"x")
        del body["message"]["attributes"]
        message = decode_push({}, json.dumps(body).encode())
        assert (message.attributes, message.attempt) == ({}, None)

    @pytest.mark.parametrize("attempt", [0, -1, 100_000, 2**63, 10**25])
    def test_a_count_of_attempts_that_cannot_be_one_is_none(self, attempt: int) -> None:
        assert decode_push({}, json.dumps(push(b"x", deliveryAttempt=attempt)).encode()).attempt is None

    def test_a_structured_cloud_event_of_pubsub_is_its_message(self) -> None:
        event = {"specversion": "1.0", "id": "1", "source": "//pubsub", "type": PUBSUB_EVENT, "data": push(b"x")}
        headers = {"content-type": "application/cloudevents+json; charset=utf-8"}
        assert decode_push(headers, json.dumps(event).encode()).data == b"x"

    def test_a_binary_cloud_event_of_pubsub_is_its_message(self) -> None:
        headers = {"Ce-Specversion": "1.0", "Ce-Id": "1", "Ce-Source": "//pubsub", "Ce-Type": PUBSUB_EVENT}
        message = decode_push(headers, json.dumps(push(b"x", {"a": "b"}, deliveryAttempt=2)).encode())
        assert (message.data, message.attributes, message.attempt) == (b"x", {"a": "b"}, 2)

    @pytest.mark.parametrize(
        ("kind", "topic"), [("finalized", Topic.OBJECT_FINALIZED), ("deleted", Topic.OBJECT_DELETED)]
    )
    @pytest.mark.parametrize("structured", [False, True])
    def test_a_cloud_event_of_storage_is_an_object_event(self, kind: str, topic: Topic, structured: bool) -> None:
        context = {"specversion": "1.0", "id": "7", "type": f"google.cloud.storage.object.v1.{kind}", "time": TIME}
        if structured:
            body = {**context, "source": "//storage", "data": OBJECT}
            message = decode_push({"Content-Type": "application/cloudevents+json"}, json.dumps(body).encode())
        else:
            headers = {f"ce-{name}": value for name, value in context.items()}
            message = decode_push({**headers, "Content-Type": "application/json"}, json.dumps(OBJECT).encode())
        event = to_event(message)
        assert event is not None
        assert (message.id, event.type, event.at, event.data["generation"]) == ("7", topic, MOMENT, 1770379200123456)

    @pytest.mark.parametrize(
        ("headers", "body", "expected"),
        [
            ({}, b"", "Pub/Sub push"),
            ({}, b"{}", "Pub/Sub push"),
            ({}, b"[" * 100_000, "Pub/Sub push"),
            (
                {},
                json.dumps({"message": {"messageId": "1", "publishTime": TIME, "data": "no base64"}}).encode(),
                "base64",
            ),
            ({}, json.dumps({"message": {"messageId": "1", "publishTime": "noon"}}).encode(), "publishTime"),
            (
                {},
                json.dumps({"message": {"messageId": "1", "publishTime": "0001-01-01T00:00:00+05:00"}}).encode(),
                "time",
            ),
            (
                {},
                json.dumps({"message": {"messageId": "1", "publishTime": TIME, "attributes": {"a": 1}}}).encode(),
                "a",
            ),
            ({}, b'{"message": {"messageId": "\\ud800", "publishTime": "2026-02-06T12:00:00Z"}}', "Pub/Sub push"),
            ({"ce-type": PUBSUB_EVENT}, b"{}", "CloudEvent"),
            ({"ce-type": "x.y", "ce-id": "1", "ce-specversion": "1.0"}, b"{}", "x.y"),
            # It does not say whether the version was deleted, or has a successor.
            (
                {
                    "ce-type": "google.cloud.storage.object.v1.archived",
                    "ce-id": "1",
                    "ce-specversion": "1.0",
                    "ce-time": TIME,
                },
                json.dumps(OBJECT).encode(),
                "object.v1.archived",
            ),
            ({"content-type": "application/cloudevents+json"}, b"{}", "CloudEvent"),
        ],
    )
    def test_what_cannot_be_understood_says_what_was_expected(
        self, headers: dict[str, str], body: bytes, expected: str
    ) -> None:
        with pytest.raises(InvalidInput, match="expected") as caught:
            decode_push(headers, body)
        assert caught.value.code == "bad_message"
        assert expected in str(caught.value)


class TestEvents:
    @pytest.mark.parametrize("number", [0, -1.5, 1e300, 2**63 - 1, -(2**63 - 1), True])
    def test_a_number_that_every_store_can_take_passes(self, number: float) -> None:
        event = to_event(own_event(data={"a": [{"b": number}]}))
        assert event is not None
        assert event.data == {"a": [{"b": number}]}

    @pytest.mark.parametrize("key", ["k" * 1024, "é" * 170])
    def test_a_key_that_firestore_can_take_passes(self, key: str) -> None:
        message = own_event(key=key)
        event = to_event(message)
        assert event is not None
        assert event.key == key

    def test_an_event_of_our_own_comes_back_whole(self) -> None:
        outgoing = to_outgoing(EVENT, id="x", window="30")
        message = PushedMessage("1", outgoing.data, outgoing.attributes, NOON)
        assert to_event(message) == EVENT
        assert message.window == timedelta(seconds=30)
        assert outgoing.attributes["type"] == "session.changed"

    def test_a_stored_version_has_all_that_the_notification_says(self) -> None:
        event = to_event(notification("OBJECT_FINALIZE"))
        assert event is not None
        assert event.key == file_id("raw-b", OBJECT["name"])
        assert StoredObject.model_validate(event.data) == StoredObject(
            bucket="raw-b",
            name="titan/s/pc/data/a.dm3",
            generation=1770379200123456,
            size=5,
            md5="5d41402abc4b2a76b9719d911017c592",
            crc32c="mnG7TA==",
            content_type="image/x",
            metadata={"session": "s"},
            stored_at=datetime(2026, 2, 6, 12, 0, 0, 123000, tzinfo=UTC),
        )

    def test_a_deletion_without_checksums_is_one(self) -> None:
        event = to_event(notification("OBJECT_DELETE", {"bucket": "b", "name": "n", "generation": "3", "size": "0"}))
        assert event is not None
        assert (event.type, event.data["generation"]) == (Topic.OBJECT_DELETED, 3)

    def test_a_version_that_became_old_without_a_successor_is_deleted(self) -> None:
        event = to_event(notification("OBJECT_ARCHIVE"))
        assert event is not None
        assert event.type is Topic.OBJECT_DELETED

    @pytest.mark.parametrize(
        "message",
        [notification("OBJECT_ARCHIVE", overwrittenByGeneration="9"), notification("OBJECT_METADATA_UPDATE")],
    )
    def test_a_replaced_version_and_new_metadata_ask_for_nothing(self, message: PushedMessage) -> None:
        assert to_event(message) is None

    def test_another_buckets_event_stays_one(self) -> None:
        event = to_event(notification("OBJECT_FINALIZE", {**OBJECT, "bucket": "stranger"}))
        assert event is not None
        assert event.data["bucket"] == "stranger"

    @pytest.mark.parametrize("name", ["a/../b", "a//b", "%2e%2e/a", "a\nb", "__x__", "日本 µ", ".", "a" * 1024])
    def test_names_of_any_form_pass_unharmed(self, name: str) -> None:
        event = to_event(notification("OBJECT_FINALIZE", {**OBJECT, "name": name}))
        assert event is not None
        assert event.data["name"] == name
        assert event.key == file_id("raw-b", name)

    @pytest.mark.parametrize(
        "message",
        [
            PushedMessage("1", b"", {}, NOON),
            PushedMessage("1", b'{"type": "cake.baked", "key": "k", "at": "2026-02-06T12:00:00Z"}', {}, NOON),
            PushedMessage("1", json.dumps(EVENT.to_json()).encode(), {"window": "soon"}, NOON),
            PushedMessage("1", json.dumps(EVENT.to_json()).encode(), {"accepted": "noon"}, NOON),
            PushedMessage("1", b"{}", {"eventType": "OBJECT_EATEN", "payloadFormat": "JSON_API_V1"}, NOON),
            PushedMessage("1", b"{}", {"eventType": "OBJECT_FINALIZE", "payloadFormat": "NONE"}, NOON),
            notification("OBJECT_FINALIZE", {**OBJECT, "generation": "newest"}),
            PushedMessage("1", json.dumps(EVENT.to_json()).replace(json.dumps("µ"), "1e999").encode(), {}, NOON),
            *OUT_OF_RANGE.values(),
        ],
    )
    def test_unknown_messages_are_refused(self, message: PushedMessage) -> None:
        with pytest.raises(InvalidInput) as caught:
            to_event(message)
        assert caught.value.code == "bad_message"


ANY_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=8,
)
TIMES = st.datetimes(timezones=st.timezones()).map(lambda moment: moment.isoformat()) | st.just(TIME)
MESSAGES = st.fixed_dictionaries(
    {"messageId": st.just("1") | ANY_JSON, "publishTime": TIMES | ANY_JSON},
    optional={
        "data": st.binary().map(lambda data: base64.b64encode(data).decode()) | ANY_JSON,
        "attributes": st.dictionaries(
            st.sampled_from(["eventType", "payloadFormat", "window", "accepted", "since"]),
            st.sampled_from(["OBJECT_FINALIZE", "JSON_API_V1", "30", TIME]) | st.text() | TIMES,
        )
        | ANY_JSON,
    },
)
CLOUD_EVENTS = st.fixed_dictionaries(
    {
        "specversion": st.just("1.0"),
        "id": st.just("1") | ANY_JSON,
        "type": st.sampled_from([PUBSUB_EVENT, "google.cloud.storage.object.v1.finalized"]) | ANY_JSON,
    },
    optional={"time": TIMES | ANY_JSON, "data": ANY_JSON, "data_base64": ANY_JSON},
)


class TestAnything:
    @given(st.binary() | ANY_JSON.map(lambda value: json.dumps(value).encode()))
    @example(b'{"message": {"messageId": "1", "publishTime": 1e400}}')
    def test_any_body_is_a_message_or_refused(self, body: bytes) -> None:
        self.check({}, body)

    @given(st.dictionaries(st.text(), ANY_JSON, min_size=1))
    def test_any_data_can_be_told_as_json_or_are_refused(self, data: dict[str, Any]) -> None:
        try:
            event = to_event(own_event(data=data))
        except InvalidInput as error:
            assert error.code == "bad_message"  # noqa: PT017 (anything else is let through)
        else:
            assert event is not None
            json.dumps(event.data, allow_nan=False)

    @given(MESSAGES)
    def test_any_push_is_an_event_or_refused(self, message: Any) -> None:
        self.check({}, json.dumps({"message": message}).encode())

    @given(CLOUD_EVENTS)
    def test_any_structured_cloud_event_is_an_event_or_refused(self, event: Any) -> None:
        self.check({"Content-Type": "application/cloudevents+json"}, json.dumps(event).encode())

    @given(st.dictionaries(st.sampled_from(["ce-id", "ce-type", "ce-specversion", "ce-time"]), st.text()), st.binary())
    def test_any_binary_cloud_event_is_an_event_or_refused(self, headers: dict[str, str], body: bytes) -> None:
        self.check(headers, body)

    def check(self, headers: dict[str, str], body: bytes) -> None:
        try:
            message = decode_push(headers, body)
            assert isinstance(message, PushedMessage)
            assert message.published.tzinfo is UTC
            assert to_event(message) is None or isinstance(to_event(message), Event)
        except InvalidInput as error:
            assert error.code == "bad_message"  # noqa: PT017 (anything else is let through)
