"""The settings file: what a technician writes, and what a mistake says."""

import os
import unittest

from logger_case import LoggerCase

from scopeline_logger.errors import WrongUse
from scopeline_logger.settings import MIB, Settings, default_config

GOOD = """[server]
url = https://scope.example/base/
token = sl_abc_hushhush
[logger]
instrument = titan
chunk_mib = 0.5
ignore = *.bak, raw/*
[roots]
data = %(root)s
"""


class TheSettingsFile(LoggerCase):
    def read(self, text):
        with open(self.config, "wb") as file:
            file.write(text.encode("utf-8"))
        return Settings(self.config)

    def mistake(self, old, new):
        text = GOOD % {"root": self.root}
        self.assertIn(old, text)
        with self.assertRaises(WrongUse) as caught:
            self.read(text.replace(old, new))
        self.assertNotIn("hush", str(caught.exception))
        return str(caught.exception)

    def test_is_read(self):
        known = self.read("\ufeff" + GOOD % {"root": "../instrument"})
        self.assertEqual(known.url, "https://scope.example/base")
        self.assertEqual(known.token, "sl_abc_hushhush")
        self.assertEqual(known.roots, {"data": self.root})
        self.assertEqual(known.chunk, MIB // 2)
        self.assertEqual(known.ignore, ["*.bak", "raw/*"])
        self.assertEqual((known.stability, known.poll), (10, 5))
        self.assertEqual(known.data_folder, os.path.dirname(self.config))

    def test_a_mistake_names_setting_value_and_expectation(self):
        for old, new, words in (
            ("url = https://scope.example/base/", "url = scope.example", ("url", "'scope.example'", "https://")),
            ("url = https://scope.example/base/", "", ("url", "https://")),
            ("url = https://scope.example", "url = https://me:hush@scope.example:x", ("url",)),
            ("token = sl_abc_hushhush", "token = hushhush", ("token", "sl_")),
            ("token = sl_abc_hushhush", "", ("token or token_file",)),
            ("instrument = titan", "instrument = Titan 3", ("instrument", "'Titan 3'", "lower-case")),
            ("instrument = titan", "stability = soon", ("stability", "'soon'", "0 to 3600")),
            ("instrument = titan", "stability = -1", ("stability", "'-1'")),
            ("chunk_mib = 0.5", "chunk_mib = 0.3", ("chunk_mib", "0.25")),
            ("chunk_mib = 0.5", "chunks = 3", ("chunks", "chunk_mib")),
            ("chunk_mib = 0.5", "without_session = maybe", ("without_session", "send or skip")),
            ("[roots]", "[folders]", ("[folders]", "[roots]")),
            ("data = ", "My Data = ", ("my data", "lower-case")),
            ("[logger]", "[logger", ("cannot be read",)),
            ("token = sl_abc_hushhush", "token_file = nowhere.txt", ("token_file", "nowhere.txt")),
            ("[logger]", "ca_file = nowhere.pem\n[logger]", ("ca_file", "nowhere.pem", "exists")),
        ):
            message = self.mistake(old, new)
            for word in words:
                self.assertIn(word, message)

    def test_the_loggers_own_folder_cannot_be_watched(self):
        self.assertIn("data_folder", self.mistake("data = " + self.root, "data = ."))

    def test_no_roots_is_a_mistake(self):
        self.assertIn("[roots]", self.mistake("data = " + self.root, ""))

    def test_a_missing_file_shows_how_to_write_one(self):
        code, output, errors = self.command_with("--config", os.path.join(self.folder, "none.ini"), "status")
        self.assertEqual((code, output), (2, ""))
        self.assertIn("none.ini", errors)
        self.assertIn("[roots]", errors)

    def command_with(self, *arguments):
        self.config = arguments[1]
        return self.command(*arguments[2:])

    @unittest.skipUnless(os.name == "posix", "modes are POSIX's")
    def test_a_token_file_must_be_its_owners(self):
        path = os.path.join(os.path.dirname(self.config), "token.txt")
        with open(path, "w") as file:
            file.write("sl_abc_hushhush\n")
        os.chmod(path, 0o644)
        message = self.mistake("token = sl_abc_hushhush", "token_file = token.txt")
        self.assertIn("0600", message)
        os.chmod(path, 0o600)
        text = GOOD % {"root": self.root}
        known = self.read(text.replace("token = sl_abc_hushhush", "token_file = token.txt"))
        self.assertEqual(known.token, "sl_abc_hushhush")

    def test_the_environment_names_the_file(self):
        before = os.environ.get("SCOPELINE_LOGGER_CONFIG")
        os.environ["SCOPELINE_LOGGER_CONFIG"] = "/somewhere/logger.ini"
        try:
            self.assertEqual(default_config(), "/somewhere/logger.ini")
        finally:
            del os.environ["SCOPELINE_LOGGER_CONFIG"]
            if before is not None:
                os.environ["SCOPELINE_LOGGER_CONFIG"] = before
        self.assertTrue(default_config().endswith("logger.ini"))


class TheCommandLine(LoggerCase):
    def test_wrong_use_ends_with_two(self):
        for arguments in ([], ["start"], ["fly"], ["note", "x"], ["end"], ["sync", "--once", "--until-done"]):
            code, _, errors = self.command(*arguments)
            self.assertEqual(code, 2, (arguments, errors))
            self.assertNotIn("Traceback", errors)
        self.call("start")
        self.assertEqual(self.command("note")[0], 2)

    def test_status_before_anything_happened(self):
        code, output, _ = self.command("status")
        self.assertEqual(code, 0)
        self.assertIn("No session was started on this PC.", output)

    def test_status_tells_programs_what_they_need(self):
        self.call("start", title="T")
        self.write("a.dm3", b"1")
        self.call("end", wait=True)
        state = self.status()
        self.assertEqual(state["session"]["files"], {"waiting": 0, "sent": 1, "refused": 0})
        self.assertEqual(state["session"]["page"], "http://site.example/record/" + state["session"]["id"])
        self.assertIsNotNone(state["session"]["end"])
        self.assertTrue(state["server"]["reachable"])
        self.assertEqual(state["roots"][0]["known_to_server"], True)


if __name__ == "__main__":
    unittest.main()
