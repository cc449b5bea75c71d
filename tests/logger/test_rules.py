"""The pure rules: names, times, patterns, and which session a file belongs to."""

import datetime
import os
import sys
import time
import unittest

from logger_case import LoggerCase

from scopeline_logger import clock, paths
from scopeline_logger.ignore import DEFAULT, IgnoreList
from scopeline_logger.listing import FILE, _by_listdir, list_folder
from scopeline_logger.lock import Lock
from scopeline_logger.open_files import OpenFiles
from scopeline_logger.sessions import Session, session_of
from scopeline_logger.status import is_older


class Names(unittest.TestCase):
    def test_that_the_server_would_refuse_get_a_reason(self):
        for name in ("a\u2028b", "a\x00b", "a\rb", "a\x9fb", "C:a", "x\\y", "\udcff", "\xe4" * 128):
            self.assertIsNotNone(paths.complaint(name), ascii(name))

    def test_that_are_only_unusual_go(self):
        for name in ("-a b.dm3", "\u30c7\u30fc\u30bf/\xb5m.dm3", "CON", "a.", " a", "\xe4" * 127, "ab:c"):
            self.assertIsNone(paths.complaint(name), ascii(name))

    def test_are_readable_whatever_they_are(self):
        for name in ("\udcff\n\x1b[2J", "plain", "\u202egpj.exe"):
            shown = paths.readable(name)
            self.assertTrue(shown.isprintable(), ascii(shown))
            shown.encode("utf-8")

    def test_of_windows_folders_get_the_long_form(self):
        self.assertEqual(paths.extended("C:\\Data\\", "nt"), "\\\\?\\C:\\Data")
        self.assertEqual(paths.extended("\\\\server\\share\\x", "nt"), "\\\\?\\UNC\\server\\share\\x")
        self.assertEqual(paths.extended("\\\\?\\C:\\Data", "nt"), "\\\\?\\C:\\Data")


class Moments(unittest.TestCase):
    def test_are_read_as_they_are_written(self):
        for seconds in (0.0, 1542153600.25, 1e9, -1e9, 4e9):
            self.assertAlmostEqual(clock.parse_moment(clock.moment_text(seconds)), seconds, places=5)

    def test_are_read_in_every_form_that_servers_write(self):
        expected = datetime.datetime(2026, 2, 6, 11, tzinfo=datetime.timezone.utc).timestamp()
        for text in ("2026-02-06T11:00:00Z", "2026-02-06T12:00:00.000000+01:00", "2026-02-06T06:30:00-0430"):
            self.assertEqual(clock.parse_moment(text), expected)

    def test_that_are_none_are_refused(self):
        for text in ("2026-02-06T11:00:00", "yesterday", "", None, 7, "2026-02-31T11:00:00Z", "2026-02-06T25:00:00Z"):
            with self.assertRaises(ValueError):
                clock.parse_moment(text)

    def test_that_are_past_are_read_as_people_type_them(self):
        current = time.mktime((2026, 2, 6, 12, 0, 0, 0, 0, -1))
        for text, before in (("11:59", 60), ("9:00", 3 * 3600), ("12:00", 0), ("12:01", 24 * 3600 - 60)):
            self.assertEqual(clock.parse_past(text, current), current - before, text)
        self.assertEqual(clock.parse_past("2026-01-01T00:00:00Z", current), 1767225600)
        for text in ("24:00", "9:60", "soon", clock.moment_text(current + 1)):
            with self.assertRaises(ValueError):
                clock.parse_past(text, current)

    def test_of_files_are_written_even_when_they_are_nonsense(self):
        for nanoseconds in (0, -(10**30), 10**30, -11644473600 * 10**9):
            clock.parse_moment(clock.file_time_text(nanoseconds))


class Patterns(unittest.TestCase):
    def test_match_names_without_regard_to_case(self):
        ignore = IgnoreList(list(DEFAULT))
        for name in ("THUMBS.DB", "~$report.docx", "x.TMP", ".DS_Store", "desktop.ini", "copy.part"):
            self.assertTrue(ignore.matches("folder/" + name, name), name)
        for name in ("image.dm3", "a.db3", "tmp", "image~1.dm3"):
            self.assertFalse(ignore.matches("folder/" + name, name), name)

    def test_with_a_slash_match_the_path(self):
        ignore = IgnoreList(["raw/*"])
        self.assertTrue(ignore.matches("raw/a.dm3", "a.dm3"))
        self.assertFalse(ignore.matches("b/raw.dm3", "raw.dm3"))

    def test_may_be_none(self):
        self.assertFalse(IgnoreList([]).matches("a", "a"))


def session(name, started, ended=None):
    return Session(name, "titan", "Ada", None, started, ended, None, None, None)


class TheSessionOfAFile(unittest.TestCase):
    MORNING, NOON = session("morning", 100.0, 200.0), session("noon", 300.0)
    BOTH = [NOON, MORNING]

    def of(self, written, last_look, now, sessions):
        found = session_of(written, last_look, now, sessions, 10.0)
        return found.local_id if found else None

    def test_is_the_one_in_which_it_was_written(self):
        self.assertEqual(self.of(150.0, 90.0, 400.0, self.BOTH), "morning")
        self.assertEqual(self.of(350.0, 90.0, 400.0, self.BOTH), "noon")

    def test_is_none_between_two_sessions(self):
        self.assertIsNone(self.of(250.0, 90.0, 400.0, self.BOTH))

    def test_may_be_missed_by_some_seconds_of_grace(self):
        self.assertEqual(self.of(205.0, 90.0, 400.0, self.BOTH), "morning")
        self.assertEqual(self.of(295.0, 90.0, 400.0, self.BOTH), "noon")
        self.assertEqual(self.of(199.0, 90.0, 400.0, [session("next", 201.0), self.MORNING]), "morning")

    def test_of_a_copy_with_an_old_time_is_the_one_that_runs(self):
        self.assertEqual(self.of(5.0, 350.0, 400.0, self.BOTH), "noon")

    def test_of_a_copy_with_an_old_time_is_the_one_that_ended_since_the_last_look(self):
        self.assertEqual(self.of(5.0, 150.0, 400.0, [self.MORNING]), "morning")
        self.assertIsNone(self.of(5.0, 250.0, 400.0, [self.MORNING]))

    def test_at_the_first_look_needs_a_time_in_it(self):
        self.assertEqual(self.of(350.0, None, 400.0, self.BOTH), "noon")
        self.assertIsNone(self.of(5.0, None, 400.0, self.BOTH))

    def test_survives_a_clock_that_was_put_back(self):
        self.assertEqual(self.of(50.0, 340.0, 50.0, [self.NOON]), "noon")
        self.assertEqual(self.of(52.0, 50.0, 53.0, [self.NOON]), "noon")

    def test_of_a_time_in_the_future_is_the_one_that_runs(self):
        self.assertEqual(self.of(9e9, 350.0, 400.0, self.BOTH), "noon")


class TheSystem(LoggerCase):
    def test_lists_the_same_with_and_without_scandir(self):
        self.write("a.dm3", b"123", mtime=1542153600)
        self.write("inner/b.dm3", b"1")
        os.symlink(self.root, self.path("link"))
        fast, slow = sorted(list_folder(self.root)), sorted(_by_listdir(self.root))
        self.assertEqual(fast, slow)
        self.assertEqual(fast[0], ("a.dm3", FILE, 3, 1542153600 * 10**9))

    @unittest.skipUnless(sys.platform.startswith("linux"), "only Linux and Windows can tell")
    def test_tells_who_writes_and_not_who_reads(self):
        import subprocess

        path = self.write("a.dm3", b"1")
        for mode, expected in (("ab", True), ("rb", False)):
            code = "import sys; f = open(sys.argv[1], '%s'); print('open', flush=True); sys.stdin.read()" % mode
            process = subprocess.Popen(
                [sys.executable, "-c", code, path], stdin=subprocess.PIPE, stdout=subprocess.PIPE
            )
            try:
                process.stdout.readline()
                self.assertEqual(OpenFiles().has_writer(path), expected)
            finally:
                process.communicate(b"")

    def test_gives_a_lock_to_one_and_frees_it(self):
        path = os.path.join(self.folder, "lock")
        first, second = Lock(path), Lock(path)
        self.assertFalse(second.is_taken())
        self.assertTrue(first.take())
        self.assertTrue(second.is_taken())
        self.assertFalse(second.take())
        first.release()
        self.assertTrue(second.take())
        second.release()

    def test_versions_are_compared_as_numbers(self):
        self.assertTrue(is_older("0.9.0", "0.10.0"))
        self.assertFalse(is_older("0.10.0", "0.9.0"))
        self.assertFalse(is_older("0.1.0", None))


if __name__ == "__main__":
    unittest.main()
