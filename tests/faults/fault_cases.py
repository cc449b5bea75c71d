"""What goes wrong between a shutter and a page. An edition subclasses the cases and gives them `lab`."""

from __future__ import annotations

import random
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from datetime import UTC, datetime, timedelta

import pytest
from laboratory import Laboratory, as_another, of_topic, wait_until
from record_site import TROUBLES, http_site
from trouble import PowerCut, outages, power_cuts, with_fuse

from scopeline.domain.errors import InvalidInput, ScopelineError, Unavailable
from scopeline.domain.events import Event, Topic
from scopeline.domain.files import File, FileStatus
from scopeline.domain.names import file_id
from scopeline.domain.sessions import Session, SessionState
from scopeline.formats.results import Extracted, ExtractRequest
from scopeline.services.erase import request_erasure
from scopeline.services.replay import replay_transient
from scopeline.services.tombstones import SessionErased, find_tombstone

UUID = "7d9f1f54-9d5a-4d0f-8f55-0d9ad0b7d3f1"


class FaultyReader:
    """A reader with a mistake."""

    def extract(self, request: ExtractRequest) -> Extracted:
        """See `FileReader`."""
        raise InvalidInput(f"{request.file_name} is too much for it.", code="faulty")


def recorded(lab: Laboratory, text: str = "one") -> str:
    """A session of one file with its record on the site."""
    session = lab.start()
    lab.send(session, "a.txt", text)
    lab.end(session)
    lab.settle()
    return session


class FaultCases:
    """Subclasses define the fixture `lab`."""

    many_files = 100  # of a session that is large for the edition
    burst = 100  # files that arrive at once

    @pytest.fixture
    def lab(self) -> Laboratory:
        raise NotImplementedError

    # --------------------------------------------------------------------------------------- events of one file

    @pytest.mark.parametrize("times", [2, 10])
    def test_the_same_event_many_times_at_once_is_one_result(self, lab: Laboratory, times: int) -> None:
        session = lab.start()
        lab.send(session, "a.txt", "one")
        lab.handle_at_once(lab.take() * times)
        lab.end(session)
        lab.settle()
        lab.check(session, readings=times)
        assert len(lab.records(session)) == 1

    def test_the_same_object_under_different_event_ids_is_one_result(self, lab: Laboratory) -> None:
        session = lab.start()
        lab.send(session, "a.txt", "one")
        (event,) = lab.take()
        lab.handle(event, as_another(event, 1), as_another(event, -3600))
        lab.end(session)
        lab.settle()
        lab.check(session)

    def test_generation_two_before_one_is_generation_two(self, lab: Laboratory) -> None:
        session = lab.start()
        lab.send(session, "a.txt", "one")
        first = lab.take()
        lab.send(session, "a.txt", "two")
        second = of_topic(lab.take(), Topic.OBJECT_FINALIZED)
        lab.handle(*second)
        lab.handle(*first)
        lab.end(session)
        lab.settle()
        lab.check(session)

    def test_a_file_overwritten_between_event_and_read_is_the_new_one(self, lab: Laboratory) -> None:
        session = lab.start()
        lab.send(session, "a.txt", "one")
        first = lab.take()
        lab.send(session, "a.txt", "two")
        lab.handle(*first)
        lab.end(session)
        lab.settle()
        lab.check(session)

    def test_a_file_deleted_before_its_event_is_handled_is_deleted(self, lab: Laboratory) -> None:
        session = lab.start()
        stored = lab.send(session, "a.txt", "one")
        event = lab.take()
        lab.delete(stored)
        lab.handle(*event)
        lab.end(session)
        lab.settle()
        lab.check(session)
        assert lab.file(stored.name).status is FileStatus.DELETED

    def test_a_deletion_that_comes_before_its_file_holds(self, lab: Laboratory) -> None:
        session = lab.start()
        stored = lab.send(session, "a.txt", "one")
        finalized = lab.take()
        lab.delete(stored)
        deleted = of_topic(lab.take(), Topic.OBJECT_DELETED)
        assert len(deleted) == 1
        lab.handle(*deleted, *finalized)
        lab.end(session)
        lab.settle()
        lab.check(session)

    @pytest.mark.parametrize("name", ["a/../../b.txt", "titan//a.txt", "%2e%2e/b.txt", "__x__", "x/__y__/z.txt"])
    def test_objects_of_any_name_are_files_of_no_session(self, lab: Laboratory, name: str) -> None:
        stored = lab.put(name, "one")
        lab.settle(1)
        lab.check()
        assert lab.file(stored.name).session is None

    def test_an_object_whose_name_ends_in_no_file_name_says_so(self, lab: Laboratory) -> None:
        stored = lab.backend.raw.write("x/..", b"one")
        lab.settle(1)
        assert lab.parked() == ["invalid_file_name"]
        assert lab.file(stored.name).status is FileStatus.FAILED
        assert "file name" in str(lab.file(stored.name).reason)

    def test_an_object_name_with_a_line_break_is_refused(self, lab: Laboratory) -> None:
        with pytest.raises(InvalidInput):
            lab.put("titan/a\nb.txt", "one")

    @pytest.mark.parametrize("path", ["../a.txt", "a/../../b.txt", "a//b.txt", "/etc/passwd", "a\nb.txt", "C:/x.txt"])
    def test_a_path_that_leaves_its_folder_is_refused(self, lab: Laboratory, path: str) -> None:
        session = lab.start()
        with pytest.raises(InvalidInput):
            lab.request(session, path, "one")

    def test_an_event_that_names_another_bucket_is_recorded_and_changes_nothing(self, lab: Laboratory) -> None:
        data = {"bucket": "somebody-elses", "name": "titan/x/y/a.txt", "generation": 1, "size": 3}
        lab.backend.events.publish(Event(type=Topic.OBJECT_FINALIZED, key="k" * 24, at=lab.clock(), data=data))
        lab.settle(1)
        lab.check(parked=["foreign_bucket"])

    # -------------------------------------------------------------------------------------------------- lost, erased

    def test_a_file_whose_event_was_lost_is_found_by_the_sweep(self, lab: Laboratory) -> None:
        session = lab.start()
        lab.send(session, "a.txt", "one")
        assert len(lab.take()) == 1
        lab.put("titan/somebody/else/put it here.txt", "two")
        lab.take()
        lab.forward(hours=1)
        lab.sweep()
        lab.end(session)
        lab.settle()
        lab.check(session)

    def test_a_deletion_whose_event_was_lost_is_found_by_the_sweep(self, lab: Laboratory) -> None:
        session = lab.start()
        stored = lab.send(session, "a.txt", "one")
        lab.deliver()
        lab.delete(stored)
        lab.take()
        lab.forward(hours=1)
        lab.sweep()
        lab.end(session)
        lab.settle()
        lab.check(session)

    def test_a_newer_version_whose_event_was_lost_is_found_where_an_older_one_gave_up(self, lab: Laboratory) -> None:
        session = lab.start()
        reader, lab.reader = lab.reader, FaultyReader()
        lab.send(session, "a.txt", "one")
        lab.settle(1)
        assert lab.parked() == ["faulty"]
        lab.reader = reader
        lab.send(session, "a.txt", "two")
        assert len(lab.take()) == 1
        lab.forward(hours=25)
        lab.sweep()
        lab.end(session)
        lab.settle()
        lab.check(session, parked=["faulty"])

    def test_a_late_file_whose_session_was_not_told_reaches_the_record(self, lab: Laboratory) -> None:
        session = recorded(lab)
        lab.send(session, "late.txt", "two")
        lab.handle(*lab.take())
        assert [event.type for event in lab.lose()] == [Topic.SESSION_CHANGED]
        lab.sweep()
        lab.settle()
        lab.check(session)
        assert len(lab.records(session)) == 2

    def test_an_erased_session_stays_erased_whatever_comes_later(self, lab: Laboratory) -> None:
        session = lab.start(UUID)
        lab.send(session, "a.txt", "one")
        lab.end(session)
        lab.settle()
        other = lab.start()
        lab.send(other, "a.txt", "kept")
        lab.end(other)
        stored = lab.send(session, "late.txt", "late")
        late = lab.take()
        request_erasure(lab.backend, lab.caller.token.subject, session, "asked for")
        lab.settle(1)
        lab.handle(*late)
        lab.settle()
        for ref in (session, UUID):
            with pytest.raises(SessionErased):
                lab.send(ref, "b.txt", "two")
        with pytest.raises(SessionErased):
            lab.start(UUID)
        assert lab.backend.raw.stat(stored.name, stored.generation) is None
        erased = [name for name in lab.sent if f"/{session}/" in name]
        for name in erased:
            del lab.sent[name]
            assert list(lab.backend.raw.versions(name)) == []
            key = file_id(lab.backend.raw.bucket, name)
            assert lab.backend.catalog.get(File, f"files/{key}") is None
            assert list(lab.backend.derived.versions(key)) == []
        assert list(lab.backend.derived.versions(f"records/{session}/")) == []
        assert session not in lab.site.records
        lab.check(other)

    def test_an_erasure_whose_request_is_killed_after_its_tombstone_is_done_by_the_sweep(self, lab: Laboratory) -> None:
        sessions = []
        for number, fuse in enumerate(power_cuts()):
            sessions.append(session := lab.start())
            stored = lab.send(session, "a.txt", f"text {number}")
            lab.deliver()
            with suppress(PowerCut):
                request_erasure(with_fuse(lab.backend, fuse), "facility-admin", session, "asked for")
            if number:
                del lab.sent[stored.name]
        assert number == 8
        assert {event.type for event in lab.lose()} == {Topic.SESSION_ERASED}
        lab.sweep()
        lab.settle()
        not_asked_for, *asked_for = sessions
        assert find_tombstone(lab.backend, not_asked_for) is None
        for session in asked_for:
            tombstone = find_tombstone(lab.backend, session)
            assert tombstone is not None
            assert tombstone.erased_at is not None
            assert lab.backend.catalog.get(Session, f"sessions/{session}") is None
            assert list(lab.backend.raw.versions(f"titan/{session}/")) == []
        lab.check()

    # ---------------------------------------------------------------------------------------------- confirmation

    def test_a_confirmation_before_the_file_is_read(self, lab: Laboratory) -> None:
        session = lab.start()
        stored = lab.send(session, "a.txt", "one")
        lab.confirm(stored, "one")
        lab.end(session)
        lab.settle()
        lab.check(session)

    def test_a_confirmation_after_the_file_was_read(self, lab: Laboratory) -> None:
        session = lab.start()
        stored = lab.send(session, "a.txt", "one")
        lab.end(session)
        lab.settle()
        lab.confirm(stored, "one")
        lab.settle()
        lab.check(session)
        assert len(lab.records(session)) == 1

    @pytest.mark.parametrize("read_first", [False, True])
    def test_a_version_with_a_wrong_checksum_is_none_and_is_sent_again(self, lab: Laboratory, read_first: bool) -> None:
        session = lab.start()
        stored = lab.send(session, "a.txt", "dne")
        if read_first:
            lab.deliver()
        lab.confirm(stored, "one")
        again = lab.send(session, "a.txt", "one")
        lab.confirm(again, "one")
        lab.end(session)
        lab.settle()
        lab.check(session)
        assert again.generation > stored.generation

    def test_a_wrong_checksum_found_after_the_record_takes_the_file_out(self, lab: Laboratory) -> None:
        session = lab.start()
        lab.send(session, "a.txt", "one")
        stored = lab.send(session, "b.txt", "twx")
        lab.end(session)
        lab.settle()
        lab.confirm(stored, "two")
        lab.settle()
        lab.check(session)
        assert len(lab.records(session)) == 2

    # -------------------------------------------------------------------------------------------- killed anywhere

    def test_ingest_killed_at_each_step_and_delivered_again_ends_the_same(self, lab: Laboratory) -> None:
        session = lab.start()
        for number, fuse in enumerate(power_cuts()):
            lab.send(session, f"{number}.txt", f"text {number}")
            events = lab.take()
            try:
                lab.handle(*events, backend=with_fuse(lab.backend, fuse))
            except PowerCut:
                lab.handle(*events)
        assert number >= 8
        lab.end(session)
        lab.settle()
        lab.check(session, readings=2)

    def test_build_and_publish_killed_at_each_step_and_delivered_again_end_in_one_record(self, lab: Laboratory) -> None:
        numbers = []
        for number, fuse in enumerate(power_cuts()):
            session = lab.start()
            lab.send(session, "a.txt", f"text {number}")
            lab.handle(*lab.take())
            lab.end(session)
            events = of_topic(lab.take(), Topic.SESSION_ENDED)
            numbers.append(session)
            try:
                broken = with_fuse(lab.backend, fuse)
                lab.handle(*events, backend=broken)
                built = lab.take()
                lab.handle(*built, backend=broken)
            except PowerCut:
                # Both deliveries come again: neither was acknowledged.
                lab.handle(*events)
                lab.handle(*of_topic(lab.take(), Topic.RECORD_BUILT))
        assert number >= 8
        lab.settle()
        lab.check(*numbers)
        assert all(len(lab.records(session)) == 1 for session in numbers)

    def test_a_late_file_whose_ingest_is_killed_and_whose_session_is_not_told_reaches_the_record(
        self, lab: Laboratory
    ) -> None:
        sessions = []
        for number, fuse in enumerate(power_cuts()):
            sessions.append(session := recorded(lab, f"text {number}"))
            lab.send(session, "late.txt", f"late {number}")
            events = lab.take()
            try:
                lab.handle(*events, backend=with_fuse(lab.backend, fuse))
            except PowerCut:
                lab.handle(*events)
            assert {event.type for event in lab.lose()} == {Topic.SESSION_CHANGED}
        assert number >= 8
        lab.sweep()
        lab.settle()
        lab.check(*sessions, readings=2)

    @pytest.mark.parametrize("what", ["correct", "annotate", "annotate again"])
    def test_a_person_whose_call_is_killed_at_any_step_and_not_repeated_finds_in_the_record_what_was_written(
        self, lab: Laboratory, what: str
    ) -> None:
        sessions = []
        for number, fuse in enumerate(power_cuts()):
            sessions.append(session := recorded(lab, f"text {number}"))
            if what == "annotate again":
                lab.annotate(session, "before")
                lab.settle()
            call = lab.correct if what == "correct" else lab.annotate
            with suppress(PowerCut):
                call(session, "changed", with_fuse(lab.backend, fuse))
            lab.lose()
        assert number >= 4
        lab.sweep()
        lab.settle()
        lab.check(*sessions)
        shown = [b"changed" in lab.site.records[session][2] for session in sessions]
        assert shown == sorted(shown)
        assert shown[0] is False
        assert shown[-1] is True

    # ------------------------------------------------------------------------------------- stores that do not answer

    def test_stores_that_do_not_answer_for_a_while_at_any_call_cost_nothing(self, lab: Laboratory) -> None:
        session = lab.start()
        for number, fuse in enumerate(outages()):
            lab.send(session, f"{number}.txt", f"text {number}")
            events = lab.take()
            troubled = with_fuse(lab.backend, fuse, reads=True)
            for _ in range(6):
                try:
                    lab.handle(*events, backend=troubled)
                    break
                except Unavailable:
                    continue
            else:
                raise AssertionError("It never succeeded.")
        assert number >= 10
        lab.end(session)
        lab.settle()
        lab.check(session, readings=2)

    # ---------------------------------------------------------------------------------------- sessions of all kinds

    def test_end_before_the_last_files_waits_for_those_announced(self, lab: Laboratory) -> None:
        session = lab.start()
        lab.send(session, "a.txt", "one")
        lab.end(session, announced=2)
        lab.deliver()
        lab.forward(minutes=10)
        lab.deliver()
        assert lab.session(session).record is None
        lab.send(session, "b.txt", "two")
        lab.settle(1)
        lab.check(session)
        assert len(lab.records(session)) == 1

    @pytest.mark.parametrize("late", [timedelta(hours=1), timedelta(days=3)])
    def test_files_that_come_late_make_another_version(self, lab: Laboratory, late: timedelta) -> None:
        session = lab.start()
        lab.send(session, "a.txt", "one")
        lab.end(session)
        lab.settle()
        lab.clock.now += late
        lab.send(session, "b.txt", "two")
        lab.send(session, "c.txt", "three")
        lab.settle()
        lab.check(session)
        assert len(lab.records(session)) == 2

    def test_a_file_that_never_comes_costs_no_session_its_record(self, lab: Laboratory) -> None:
        session = lab.start()
        lab.send(session, "a.txt", "one")
        lab.end(session, announced=2)
        lab.settle(4)
        lab.check(session)

    def test_a_file_that_cannot_be_read_costs_no_session_its_record(self, lab: Laboratory) -> None:
        session = lab.start()
        lab.send(session, "a.txt", "one")
        lab.send(session, "b.txt", "bad bytes")
        lab.end(session)
        lab.settle(1)
        lab.check(session)

    def test_end_twice_is_one_end(self, lab: Laboratory) -> None:
        session = lab.start()
        lab.send(session, "a.txt", "one")
        first = lab.end(session)
        lab.forward(minutes=30)
        assert lab.end(session).end == first.end
        lab.settle()
        lab.check(session)
        assert len(lab.records(session)) == 1

    def test_two_starts_are_two_sessions_each_with_its_files(self, lab: Laboratory) -> None:
        first, second = lab.start(), lab.start()
        lab.send(first, "a.txt", "one")
        lab.send(second, "a.txt", "two")
        lab.end(first)
        lab.end(second)
        lab.settle()
        lab.check(first, second)

    def test_a_start_that_is_sent_twice_is_one_session(self, lab: Laboratory) -> None:
        assert lab.start(UUID) == lab.start(UUID, at=lab.clock())

    def test_a_session_that_nobody_ends_is_ended_by_the_sweep_when_nothing_comes_any_more(
        self, lab: Laboratory
    ) -> None:
        session = lab.start()
        lab.send(session, "a.txt", "one")
        lab.settle(6)
        lab.sweep()
        lab.check()
        assert lab.session(session).state is SessionState.OPEN
        lab.forward(hours=12)
        lab.sweep()
        lab.settle()
        lab.check(session)
        assert lab.session(session).why_ended == "forgotten"

    def test_a_start_that_arrives_after_its_files_and_its_end_finds_them(self, lab: Laboratory) -> None:
        began = lab.clock()
        lab.forward(hours=1)
        seen = lab.clock()
        lab.forward(hours=1)
        ended = lab.clock()
        lab.forward(hours=20)
        lab.send(None, "a.txt", "one", first_seen=seen)
        lab.deliver()
        session = lab.start(UUID, at=began)
        lab.send(UUID, "b.txt", "two", first_seen=seen)
        lab.end(UUID, at=ended)
        lab.settle()
        lab.check(session)
        assert all(lab.file(name).session == session for name in lab.sent)

    def test_a_session_without_a_file_gets_its_record(self, lab: Laboratory) -> None:
        session = lab.start()
        lab.forward(hours=1)
        lab.end(session)
        lab.settle()
        lab.check(session)

    def test_a_session_of_many_files_in_any_order_gets_one_record(self, lab: Laboratory) -> None:
        session = lab.start()
        for n in range(self.many_files):
            lab.send(session, f"{n:05d}.txt", f"text {n}")
        events = lab.take()
        random.Random(7).shuffle(events)
        lab.handle(*events)
        lab.end(session, announced=self.many_files)
        lab.settle()
        lab.check(session)
        assert len(lab.records(session)) == 1

    def test_a_burst_of_files_is_read_whole_and_once(self, lab: Laboratory) -> None:
        session = lab.start()
        deliveries: list[Event] = []
        with lab.working(deliveries), ThreadPoolExecutor(8) as threads:
            sent = list(threads.map(lambda n: lab.send(session, f"{n}.txt", f"text {n}"), range(self.burst)))
            wait_until(lambda: lab.count(session, FileStatus.EXTRACTED) == self.burst)
        lab.end(session, announced=self.burst)
        lab.settle()
        lab.check(session)
        assert len(lab.records(session)) == 1
        told = Counter(event.data["generation"] for event in deliveries if event.type is Topic.OBJECT_FINALIZED)
        assert told.keys() == {stored.generation for stored in sent}
        assert Counter(lab.reader.read) == Counter(f"text {n}" for n in range(self.burst))
        derived = Counter(
            stored.name for stored in lab.backend.derived.list() if not stored.name.startswith("records/")
        )
        assert len(derived) == 2 * self.burst

    # -------------------------------------------------------------------------------------------------------- clocks

    @pytest.mark.parametrize("off", [timedelta(days=-1), timedelta(days=1)])
    def test_a_client_whose_clock_is_a_day_off_has_its_session_at_the_servers_time(
        self, lab: Laboratory, off: timedelta
    ) -> None:
        began = lab.clock()
        session = lab.start(at=lab.clock() + off, sent=lab.clock() + off)
        lab.send(session, "a.txt", "one")
        lab.forward(hours=2)
        lab.end(session, at=lab.clock() + off, sent=lab.clock() + off)
        lab.settle()
        lab.check(session)
        found = lab.session(session)
        assert found.started_at == began
        assert found.end is not None
        assert abs(found.end.moment - found.started_at - timedelta(hours=2)) < timedelta(seconds=1)

    def test_a_session_across_the_change_of_daylight_saving_time_keeps_its_length(self, lab: Laboratory) -> None:
        # Berlin's clocks went from 2:00 to 3:00 on 2026-03-29, at 1:00 UTC.
        lab.clock.now = datetime(2026, 3, 29, 0, 30, tzinfo=UTC)
        session = lab.start()
        lab.send(session, "a.txt", "one")
        lab.forward(hours=1)
        lab.end(session)
        lab.settle()
        lab.check(session)
        assert session.startswith("20260329-titan-")
        xml = lab.site.records[session][2].decode()
        assert "2026-03-29T01:30:00+01:00" in xml
        assert "2026-03-29T03:30:00+02:00" in xml

    # ------------------------------------------------------------------------------------------------------ the site

    @pytest.mark.parametrize("trouble", ["down", *TROUBLES])
    def test_a_site_in_trouble_for_a_day_gets_the_record_when_it_is_well(self, lab: Laboratory, trouble: str) -> None:
        with http_site() as lab.site:
            session = lab.start()
            lab.send(session, "a.txt", "one")
            lab.end(session)
            lab.site.trouble = trouble
            lab.settle(24)
            assert set(lab.parked()) == {"site_unavailable"}
            assert lab.session(session).state is SessionState.RECORDED
            lab.site.trouble = None
            assert replay_transient(lab.backend) >= 1
            lab.settle(1)
            lab.check(session)

    def test_a_site_that_refuses_the_record_for_good_is_recorded_and_other_sessions_go_on(
        self, lab: Laboratory
    ) -> None:
        first = lab.start()
        lab.end(first)
        lab.site.trouble = ScopelineError("The site refuses it.", code="refused", status=422)
        lab.settle()
        assert set(lab.parked()) == {"refused"}
        lab.site.trouble = None
        second = lab.start()
        lab.end(second)
        lab.settle()
        lab.check_record(second)
        assert set(lab.parked()) == {"refused"}
        assert first not in lab.site.records
