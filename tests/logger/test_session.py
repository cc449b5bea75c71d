"""A session from START to END, as people at the instrument have it."""

import os
import unittest

from logger_case import LoggerCase

from scopeline_logger import clock


class ASession(LoggerCase):
    def test_files_of_a_session_reach_the_server_with_its_notes(self):
        self.write("before.dm3", b"old")
        code, lines = self.call("start", title="Grain boundaries", sample=["S1"], project="P7", motivation="why")
        self.assertEqual(code, 0, lines)
        self.write("a.dm3", b"first image")
        self.write("deep/er/-b 1.dm3", b"second image" * 1000)
        self.write("empty.emi", b"")
        self.write("notes.tmp", b"left behind")
        self.assertEqual(self.call("note", text="Tip is bent")[0], 0)
        self.assertEqual(self.call("note", sample="S2")[0], 0)
        code, lines = self.call("end", wait=True)
        self.assertEqual(code, 0, lines)
        self.assertEqual(self.names_stored(), ["a.dm3", "deep/er/-b 1.dm3", "empty.emi"])
        self.assertEqual(self.server.content("-b 1.dm3"), b"second image" * 1000)
        (session,) = self.server.sessions.values()
        self.assertEqual([p["person"] for p in session["people"]], ["Ada"])
        self.assertEqual(session["samples"], [{"name": "S1"}])
        said = [(e["kind"], e.get("text"), e.get("sample")) for e in session["events"]]
        self.assertEqual(said, [("note", "Tip is bent", None), ("sample", None, {"name": "S2"})])
        self.assertEqual(session["end"]["announced"], 3)
        self.assertTrue(all(session["id"] in name for name in self.server.objects))

    def test_files_are_announced_before_end_is_said(self):
        self.call("start")
        self.write("a.dm3", b"1")
        self.call("end")
        names = [name for name, _ in self.server.calls]
        self.assertLess(names.index("announce"), names.index("end"))
        self.assertNotIn("upload", names)

    def test_a_copy_that_keeps_its_old_time_belongs_to_the_session_that_runs(self):
        self.call("start")
        self.write("copy.dm3", b"1", mtime=1542153600)
        self.call("end", wait=True)
        self.assertEqual(self.names_stored(), ["copy.dm3"])
        self.assertEqual(self.server.times("upload")[0]["mtime"][:10], "2018-11-14")

    def test_a_file_that_changed_later_is_sent_again_as_a_new_version(self):
        self.call("start")
        self.write("a.dm3", b"first")
        self.call("sync", until_done=True)
        self.write("a.dm3", b"second, longer")
        self.call("sync", once=True)
        self.assertEqual(self.server.content("a.dm3"), b"second, longer")
        self.assertEqual([len(v) for v in self.server.objects.values()], [2])

    def test_a_file_that_only_got_a_new_time_is_not_sent_again(self):
        self.call("start")
        path = self.write("a.dm3", b"first")
        self.call("sync", until_done=True)
        before = self.server.received
        os.utime(path, (1542153600, 1542153600))
        self.call("sync", once=True)
        self.assertEqual(self.server.received, before)
        self.assertEqual(self.status()["files"]["waiting"], 0)

    def test_a_file_overwritten_in_the_next_session_belongs_to_that_one(self):
        self.call("start", user="Ada")
        self.write("test.dm3", b"Ada's")
        self.call("end", wait=True)
        self.call("start", user="Grace")
        self.write("test.dm3", b"Grace's own")
        self.call("end", wait=True)
        contents = sorted(v[-1]["data"] for v in self.server.objects.values())
        self.assertEqual(contents, [b"Ada's", b"Grace's own"])

    def test_a_file_without_a_session_is_sent_without_one(self):
        self.call("sync", once=True)
        self.write("alone.dm3", b"1")
        self.call("sync", once=True)
        (upload,) = self.server.times("upload")
        self.assertIsNone(upload["session"])
        self.assertEqual(self.names_stored(), ["alone.dm3"])

    def test_files_without_a_session_stay_here_where_the_setting_says_so(self):
        self.configure(without_session="skip")
        self.call("sync", once=True)
        self.write("alone.dm3", b"1")
        self.call("sync", once=True)
        self.assertEqual(self.server.times("upload"), [])

    def test_files_from_before_the_logger_are_sent_only_when_asked_for(self):
        self.write("old.dm3", b"1", mtime=1542153600)
        self.call("sync", once=True)
        self.assertEqual(self.names_stored(), [])
        self.call("sync", once=True, all=True)
        self.assertEqual(self.names_stored(), ["old.dm3"])

    def test_a_second_start_says_who_is_at_the_instrument(self):
        self.call("start", user="Ada")
        code, _, errors = self.command("start", "--user", "Grace")
        self.assertEqual(code, 2)
        self.assertIn("A session of Ada on titan runs since", errors)
        self.assertEqual(self.call("start", user="Grace", end_open=True)[0], 0)
        ends = [s["end"] for s in self.server.sessions.values()]
        self.assertEqual(sum(end is not None for end in ends), 1)

    def test_a_start_and_a_note_can_be_told_late(self):
        self.call("sync", once=True)
        self.write("a.dm3", b"1")
        self.call("sync", once=True)
        began = clock.moment_text(clock.now() - 3600)
        self.assertEqual(self.call("start", at=began)[0], 0)
        noted = clock.moment_text(clock.now() - 1800)
        self.assertEqual(self.call("note", text="Forgot this", at=noted)[0], 0)
        (session,) = self.server.sessions.values()
        self.assertEqual(session["at"][:19], began[:19])
        self.assertEqual(session["events"][0]["at"][:19], noted[:19])

    def test_a_start_told_late_is_past_and_after_the_last_session(self):
        code, _, errors = self.command("start", "--user", "Ada", "--at", clock.moment_text(clock.now() + 3600))
        self.assertEqual((code, "is still to come" in errors), (2, True), errors)
        code, _, errors = self.command("start", "--user", "Ada", "--at", "yesterday")
        self.assertEqual((code, "Write 09:14" in errors), (2, True), errors)
        self.call("start")
        self.call("end")
        code, _, errors = self.command("start", "--user", "Ada", "--at", clock.moment_text(clock.now() - 3600))
        self.assertEqual((code, "lasted until" in errors), (2, True), errors)

    def test_an_end_told_late_leaves_later_files_to_no_session(self):
        now = clock.now()
        self.call("sync", once=True)
        self.call("start", at=clock.moment_text(now - 7200))
        self.write("during.dm3", b"1", mtime=now - 5400)
        self.write("after.dm3", b"2")
        ended = clock.moment_text(now - 3600)
        self.assertEqual(self.call("end", at=ended, wait=True)[0], 0)
        (session,) = self.server.sessions.values()
        self.assertEqual(session["end"]["at"][:19], ended[:19])
        self.assertEqual(session["end"]["announced"], 1)
        self.call("sync", until_done=True)
        sessions = {u["path"]: u["session"] for u in self.server.times("upload")}
        self.assertEqual(sessions, {"during.dm3": session["local_id"], "after.dm3": None})

    def test_an_end_told_late_lets_later_files_stay_where_the_setting_says_so(self):
        self.configure(without_session="skip")
        now = clock.now()
        self.call("sync", once=True)
        self.call("start", at=clock.moment_text(now - 7200))
        self.write("after.dm3", b"2")
        self.call("end", at=clock.moment_text(now - 3600), wait=True)
        self.call("sync", until_done=True)
        self.assertEqual(self.names_stored(), [])

    def test_an_end_told_late_is_past_and_after_the_start(self):
        self.call("start")
        code, _, errors = self.command("end", "--at", clock.moment_text(clock.now() + 3600))
        self.assertEqual((code, "is still to come" in errors), (2, True), errors)
        code, _, errors = self.command("end", "--at", clock.moment_text(clock.now() - 3600))
        self.assertEqual((code, "cannot have ended before" in errors), (2, True), errors)
        self.assertEqual(self.call("end")[0], 0)

    def test_two_thousand_small_files_arrive(self):
        self.call("start")
        for number in range(2000):
            self.write("run %d/%04d.tif" % (number % 20, number), b"%d" % number)
        code, lines = self.call("end", wait=True)
        self.assertEqual(code, 0, lines[-3:])
        self.assertEqual(len(self.names_stored()), 2000)
        (session,) = self.server.sessions.values()
        self.assertEqual(session["end"]["announced"], 2000)
        self.assertLessEqual(max(len(b["files"]) for b in self.server.times("announce")), 500)


class AwayServer(LoggerCase):
    def test_a_session_without_the_server_is_told_later_in_order(self):
        port = self.server.server_address[1]
        self.stop_server()
        code, lines = self.call("start", user="Ada")
        self.assertEqual(code, 0)
        self.assertTrue(any("queued" in line for line in lines), lines)
        self.write("a.dm3", b"image")
        self.call("note", text="alone")
        self.assertEqual(self.call("end")[0], 0)
        self.assertFalse(self.status()["server"]["reachable"])
        self.start_server(port)
        code, lines = self.call("sync", until_done=True)
        self.assertEqual(code, 0, lines)
        names = [name for name, _ in self.server.calls if name in ("start", "event", "announce", "end", "upload")]
        self.assertEqual(names, ["start", "event", "announce", "end", "upload"])
        self.assertEqual(self.names_stored(), ["a.dm3"])

    def test_a_call_whose_answer_was_lost_has_its_effect_once(self):
        def lose_the_answer(handler, times=[0]):  # noqa: B006
            if times[0]:
                return False
            times[0] = 1
            body = handler.server.calls[-1][1]
            handler.server.sessions[body["local_id"]] = dict(body, id="20260206-titan-aaaaaa", end=None, events=[])
            handler.send(502, {})
            return True

        self.server.faults["start"] = lose_the_answer
        self.assertEqual(self.call("start")[0], 0)
        self.assertEqual(self.status()["session"]["id"], None)
        self.call("note", text="x")
        self.assertEqual(len(self.server.sessions), 1)
        self.assertEqual(self.status()["session"]["id"], "20260206-titan-aaaaaa")

    def test_a_server_that_lost_the_session_is_told_again(self):
        self.call("start")
        self.server.sessions.clear()
        self.write("a.dm3", b"image")
        code, lines = self.call("end", wait=True)
        self.assertEqual(code, 0, lines)
        self.assertEqual(self.names_stored(), ["a.dm3"])
        (session,) = self.server.sessions.values()
        self.assertIsNotNone(session["end"])

    def test_a_refused_start_is_reported_and_its_files_are_still_sent(self):
        def refuse(handler):
            handler.problem(403, "not_your_instrument")
            return True

        self.server.faults["start"] = refuse
        code, lines = self.call("start")
        self.assertEqual(code, 1)
        self.assertIn("not_your_instrument", lines[0])
        self.write("a.dm3", b"image")
        code, lines = self.call("sync", until_done=True)
        self.assertEqual(code, 1)
        self.assertEqual(self.names_stored(), ["a.dm3"])
        self.assertIsNone(self.server.times("upload")[0]["session"])

    def refuse_titna(self):
        self.server.faults["start"] = lambda handler: (
            handler.server.calls[-1][1]["instrument"] == "titna"
            and (handler.problem(403, "not_your_instrument") or True)
        )

    def test_a_refused_start_leaves_no_session_behind(self):
        self.refuse_titna()
        self.assertEqual(self.call("start", instrument="titna")[0], 1)
        code, _, errors = self.command("note", "x")
        self.assertEqual((code, "No session is running" in errors), (2, True), errors)
        self.assertEqual([r["kind"] for r in self.status()["refused"]], ["start"])
        code, lines = self.call("status")
        self.assertEqual((code, sum("not_your_instrument" in line for line in lines)), (1, 1), lines)
        self.assertEqual(self.call("start")[0], 0)
        self.assertEqual(self.status()["refused"], [])
        self.assertEqual(self.call("note", text="x")[0], 0)
        self.assertEqual(self.call("end")[0], 0)
        self.assertEqual(self.call("status")[0], 0)

    def test_a_session_refused_later_is_listed_once_and_its_files_are_sent(self):
        port = self.server.server_address[1]
        self.stop_server()
        self.call("start", instrument="titna")
        self.write("a.dm3", b"image")
        self.call("note", text="x")
        self.call("end")
        self.start_server(port)
        self.refuse_titna()
        self.call("sync", until_done=True)
        self.assertEqual([r["kind"] for r in self.status()["refused"]], ["start"])
        self.assertEqual(self.names_stored(), ["a.dm3"])
        with self.assertLogs("scopeline_logger", "WARNING") as logged:
            self.call("start")
        self.assertIn("kept here only: x", logged.output[-1])

    def test_a_refused_start_that_is_taken_at_another_try_runs(self):
        self.refuse_titna()
        self.call("start", instrument="titna")
        del self.server.faults["start"]
        self.assertEqual(self.call("sync", until_done=True, again=True)[0], 0)
        self.assertEqual(self.call("end")[0], 0)
        (session,) = self.server.sessions.values()
        self.assertIsNotNone(session["end"])

    def test_a_refused_start_that_is_taken_after_another_began_is_ended(self):
        self.refuse_titna()
        self.call("start", instrument="titna")
        port = self.server.server_address[1]
        self.stop_server()
        self.call("start", instrument="titna")
        self.start_server(port)
        self.call("sync", until_done=True, again=True)
        ends = [s["end"] is not None for s in sorted(self.server.sessions.values(), key=lambda s: s["at"])]
        self.assertEqual(ends, [True, False])


if __name__ == "__main__":
    unittest.main()
