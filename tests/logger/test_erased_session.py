"""A session that a person had erased: the logger stops, says so, and leaves the files where they are."""

import contextlib
import os
import sqlite3
import unittest

from logger_case import LoggerCase

from scopeline_logger import settings


class ErasedSession(LoggerCase):
    def erase(self, *calls):
        """From now on the server answers these calls as it does for an erased session."""
        for call in calls:
            self.server.faults[call] = lambda handler: handler.problem(410, "session_erased") or True

    def assert_forgotten(self, count):
        """Nothing waits or is refused, the files are here, and status says what has happened."""
        state = self.status()
        self.assertEqual((state["calls"], state["refused"], state["held"]), ({"waiting": 0, "refused": 0}, [], []))
        self.assertEqual((state["files"]["waiting"], state["files"]["left"]), (0, count))
        self.assertIn("session_erased", state["session"]["erased"])
        code, lines = self.call("status")
        self.assertEqual(code, 0, lines)
        self.assertIn("It was erased on the server: nothing more of it is sent. Its files on this PC stay.", lines)
        self.assertFalse(any(line.startswith("Record:") for line in lines), lines)
        self.assertEqual(len([n for n in os.listdir(self.root) if n.endswith(".dm3")]), count)

    def test_its_files_are_not_sent_any_more_and_stay(self):
        self.call("start")
        self.write("a.dm3", b"1")
        self.write("b.dm3", b"22")
        self.erase("announce", "upload")
        self.call("sync", until_done=True)
        self.assert_forgotten(2)
        asked = len(self.server.calls)
        self.write("a.dm3", b"saved again")
        self.call("sync", until_done=True)
        self.call("sync", until_done=True, all=True, again=True)
        names = [name for name, _ in self.server.calls[asked:]]
        self.assertEqual(set(names) - {"me", "heartbeat"}, set())
        self.assertEqual(self.server.objects, {})
        self.assert_forgotten(2)

    def test_an_upload_alone_tells_it_too(self):
        self.call("start")
        self.write("a.dm3", b"1")
        self.write("b.dm3", b"22")
        self.erase("upload")
        self.call("sync", until_done=True)
        self.assert_forgotten(2)
        self.assertEqual(len(self.server.times("upload")), 1)

    def test_end_and_notes_are_told_at_once_and_given_up(self):
        self.call("start")
        self.erase("event", "end", "announce")
        code, lines = self.call("note", text="x")
        self.assertEqual(code, 1)
        self.assertIn("Nothing more of this session is sent. session_erased", lines[0])
        self.assert_forgotten(0)
        code, _, errors = self.command("end")
        self.assertEqual((code, "No session is running" in errors), (2, True), errors)

    def test_what_was_queued_while_the_server_was_away_is_given_up(self):
        self.call("start")
        port = self.server.server_address[1]
        self.stop_server()
        self.call("note", text="x")
        self.write("a.dm3", b"1")
        self.call("end")
        self.start_server(port)
        self.erase("start", "event", "end", "announce", "upload")
        self.call("sync", until_done=True)
        self.assert_forgotten(1)

    def test_a_start_that_is_said_again_tells_it_too(self):
        self.call("start")
        self.write("a.dm3", b"1")
        self.server.sessions.clear()
        self.erase("start")
        self.call("sync", until_done=True)
        self.assert_forgotten(1)
        self.assertEqual(self.server.objects, {})

    def test_a_queue_that_knew_no_erased_sessions_learns_of_them(self):
        self.call("start")
        self.write("a.dm3", b"1")
        with contextlib.closing(sqlite3.connect(settings.Settings(self.config).database)) as connection:
            connection.executescript("DROP TABLE erased; PRAGMA user_version = 1;")
        self.erase("upload")
        self.call("sync", until_done=True)
        self.assert_forgotten(1)

    def test_the_next_session_is_not_concerned(self):
        self.call("start")
        self.write("a.dm3", b"1")
        self.erase("announce", "upload")
        self.call("sync", until_done=True)
        self.server.faults.clear()
        self.call("start")
        self.write("b.dm3", b"2")
        code, lines = self.call("end", wait=True)
        self.assertEqual(code, 0, lines)
        self.assertEqual(self.names_stored(), ["b.dm3"])
        self.assertIsNone(self.status()["session"]["erased"])


if __name__ == "__main__":
    unittest.main()
