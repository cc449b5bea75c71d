"""A server that is slow, wrong, strict or not the one that was meant; and secrets that stay secret."""

import os
import re
import unittest

from logger_case import LoggerCase, wait_for

from scopeline_logger.sync import LONGEST_PAUSE, Pause
from wire_server import TOKEN


class Nonsense(LoggerCase):
    def assert_waits(self, answer, word, reachable=False):
        """With that answer the START stays queued, the person reads `word`, and later it is sent."""
        self.server.faults["*"] = lambda handler: answer(handler) or True
        code, lines = self.call("start")
        self.assertEqual(code, 0)
        self.assertIn(word, " ".join(lines))
        self.assertEqual(self.status()["calls"]["waiting"], 1)
        self.assertEqual(self.status()["server"]["reachable"], reachable)
        self.assertEqual(self.call("status")[0], 1)
        del self.server.faults["*"]
        self.call("end")
        self.assertEqual(len(self.server.sessions), 1)
        self.assertEqual(self.status()["calls"]["waiting"], 0)
        self.assertEqual(self.call("status")[0], 0)

    def test_a_page_of_a_proxy_is_not_believed(self):
        self.assert_waits(lambda h: h.send(200, b"<html>Log in</html>", "text/html"), "not a Scopeline server")

    def test_json_that_is_something_else_is_not_believed(self):
        self.assert_waits(lambda h: h.send(200, ["hello"]), "not JSON")
        self.assertEqual(self.status()["session"]["user"], "Ada")

    def test_an_answer_without_the_session_is_not_believed(self):
        self.assert_waits(lambda h: h.send(200, {"ok": True}), "has no id")

    def test_an_answer_about_another_session_is_not_believed(self):
        self.assert_waits(lambda h: h.send(200, {"id": "x", "local_id": "y", "server_time": "z"}), "another session")

    def test_broken_json_is_not_believed(self):
        self.assert_waits(lambda h: h.send(200, b'{"id": '), "not JSON")

    def test_a_huge_answer_is_not_read(self):
        self.assert_waits(lambda h: h.send(200, b" " * 5000000), "HTTPException")

    def test_a_redirect_is_not_followed_with_the_token(self):
        moved = [("Location", "http://127.0.0.1:1/v1/sessions")]
        self.assert_waits(lambda h: h.send(307, b"", headers=moved), "another address")

    def test_a_missing_page_without_a_reason_is_not_a_refusal(self):
        self.assert_waits(lambda h: h.send(404, b"not here", "text/plain"), "status 404")

    def test_a_token_that_is_not_accepted_keeps_everything_waiting(self):
        refuse = lambda h: h.problem(401, "invalid_token")  # noqa: E731
        self.assert_waits(refuse, "does not accept the token", reachable=True)

    def test_status_says_that_the_server_is_there_when_only_the_token_is_wrong(self):
        self.server.faults["*"] = lambda h: h.problem(401, "invalid_token") or True
        code, lines = self.call("status")
        self.assertEqual(code, 1)
        self.assertIn("The server %s is there." % self.server.url, lines)
        self.assertIn("This PC is not let in: 127.0.0.1 does not accept the token (invalid_token).", " ".join(lines))
        self.assertIs(self.status()["server"]["accepts_token"], False)

    def test_status_says_when_there_is_no_server(self):
        self.stop_server()
        code, lines = self.call("status")
        self.assertEqual(code, 1)
        self.assertTrue(any(line.startswith("The server cannot be used now: ") for line in lines), lines)
        self.assertIsNone(self.status()["server"]["accepts_token"])

    def test_status_says_as_what_the_server_knows_this_pc(self):
        code, lines = self.call("status")
        self.assertEqual(code, 0)
        self.assertIn("It knows this PC as pc, for titan.", lines)
        server = self.status()["server"]
        self.assertEqual((server["client"], server["instruments"]), ("pc", ["titan"]))

    def test_a_server_that_hangs_up_is_tried_again(self):
        self.assert_waits(lambda h: h.connection.close() or setattr(h, "close_connection", True), "127.0.0.1")

    def test_a_server_that_never_answers_does_not_hold_a_person_up(self):
        self.configure(url="http://127.0.0.1:%d" % _silent_port(self))
        with open(self.config) as file:
            text = file.read()
        with open(self.config, "w") as file:
            file.write(text.replace("timeout = 10", "timeout = 1"))
        code, lines = self.call("start")
        self.assertEqual(code, 0)
        self.assertIn("does not answer in time", lines[0])

    def test_a_running_sync_does_not_ask_in_a_rush(self):
        self.server.faults["*"] = lambda handler: handler.send(500, {}) or True
        self.call("start")
        before = len(self.server.calls)
        process = self.process("sync")
        wait_for(lambda: len(self.server.calls) >= before + 2, "two tries")
        self.stop_process(process)
        self.assertLessEqual(len(self.server.calls), before + 5)
        self.assertEqual(process.returncode, 0)


def _silent_port(case):
    import socket

    listener = socket.socket()
    case.addCleanup(listener.close)
    listener.bind(("127.0.0.1", 0))
    listener.listen(5)
    return listener.getsockname()[1]


class Pauses(unittest.TestCase):
    def test_grow_up_to_a_minute_and_end_when_it_works(self):
        pause = Pause()
        lengths = []
        for _ in range(12):
            pause.failed()
            lengths.append(pause.left())
        self.assertLessEqual(lengths[0], 1)
        self.assertGreater(lengths[-1], LONGEST_PAUSE / 2 - 1)
        self.assertLessEqual(max(lengths), LONGEST_PAUSE)
        pause.worked()
        self.assertEqual(pause.left(), 0)

    def test_are_as_long_as_the_server_asks_within_reason(self):
        pause = Pause()
        pause.failed(120)
        self.assertGreater(pause.left(), 110)
        pause.failed(10**9)
        self.assertLess(pause.left(), 601)


class Secrets(LoggerCase):
    def test_neither_token_nor_upload_address_is_in_any_output_or_log(self):
        outputs = list(self.command("start", "--user", "Ada")[1:])
        self.write("a.dm3", b"x" * 3000000)
        self.server.faults["confirm"] = lambda handler: handler.problem(409, "md5_mismatch") or True
        outputs += self.command("sync", "--until-done")[1:]
        self.server.faults["*"] = lambda handler: handler.problem(401, "invalid_token") or True
        for arguments in (["status"], ["status", "--json"], ["end"], ["note", "x"]):
            outputs += self.command(*arguments)[1:]
        self.stop_server()
        outputs += self.command("status")[1:]
        folder = os.path.dirname(self.config)
        logs = [name for name in os.listdir(folder) if ".log" in name]
        self.assertEqual(len(logs), 2)
        for name in logs:
            with open(os.path.join(folder, name)) as file:
                outputs.append(file.read())
        text = "\n".join(outputs)
        self.assertIn("md5_mismatch", text)
        self.assertNotIn(TOKEN, text)
        self.assertNotIn("verysecretword", text)
        self.assertIsNone(re.search("/upload/", text))

    @unittest.skipUnless(os.name == "posix", "modes are POSIX's")
    def test_the_queue_is_for_its_owner_only(self):
        self.call("start")
        folder = os.path.dirname(self.config)
        for name in os.listdir(folder):
            if name.startswith("logger.sqlite3"):
                self.assertEqual(os.stat(os.path.join(folder, name)).st_mode & 0o077, 0, name)

    def test_the_log_leaves_out_what_looks_like_a_secret(self):
        import logging

        from scopeline_logger.log import close_log, open_log

        folder = os.path.dirname(self.config)
        open_log(folder, "test.log")
        logging.getLogger("scopeline_logger.x").error("%s at %s", TOKEN, "https://store.example/upload?id=1")
        close_log()
        with open(os.path.join(folder, "test.log")) as file:
            self.assertIn("(left out) at (left out)", file.read())


class Clocks(LoggerCase):
    def test_a_clock_a_day_off_is_shown_and_changes_nothing_else(self):
        self.server.offset = 86400.0
        self.call("start")
        self.write("a.dm3", b"1")
        self.assertEqual(self.call("end", wait=True)[0], 0)
        self.assertAlmostEqual(self.status()["server"]["clock_offset"], 86400, delta=5)
        self.assertIn("This PC's clock is 24 hours behind the server's.", self.call("status")[1])
        self.assertEqual(self.names_stored(), ["a.dm3"])
        (session,) = self.server.sessions.values()
        self.assertRegex(session["at"], r"^\d{4}-\d\d-\d\dT[\d:.]+[+-]\d\d:\d\d$")
        self.assertGreaterEqual(session["sent"], session["at"])

    def test_a_clock_that_is_put_back_in_a_session_loses_no_file(self):
        self.call("start")
        self.server.received = 0
        self.write("a.dm3", b"1", mtime=os.stat(self.config).st_mtime - 86400)
        self.assertEqual(self.call("end", wait=True)[0], 0)
        self.assertIsNotNone(self.server.times("upload")[0]["session"])


if __name__ == "__main__":
    unittest.main()
