"""What is done about the files of a watched folder: growing, renamed, deleted, oddly named, out of reach."""

import os
import sys
import threading
import unittest

from logger_case import LoggerCase, wait_for

from scopeline_logger import commands
from scopeline_logger.memory import Memory
from scopeline_logger.seen import VANISHED, WAITING
from scopeline_logger.settings import Settings
from scopeline_logger.watch import Watcher


class AFolder(LoggerCase):
    def setUp(self):
        super(AFolder, self).setUp()
        self.memory = Memory(Settings(self.config))
        self.addCleanup(self.memory.close)
        self.watcher = Watcher(Settings(self.config), self.memory)

    def waiting(self):
        return sorted("/".join(p for p in (f.folder, f.name) if p) for f in self.memory.seen.waiting())

    def test_what_is_there_at_the_first_look_is_left_alone(self):
        self.write("old.dm3", b"1")
        self.watcher.look()
        self.assertEqual(self.waiting(), [])
        self.write("new.dm3", b"1")
        self.watcher.look()
        self.assertEqual(self.waiting(), ["new.dm3"])

    def test_a_quick_look_finds_new_files_in_old_and_new_folders(self):
        self.write("a/old.dm3", b"1")
        self.watcher.look()
        self.write("a/new.dm3", b"1")
        self.write("b/c/new.dm3", b"1")
        self.watcher.look(full=False)
        self.assertEqual(self.waiting(), ["a/new.dm3", "b/c/new.dm3"])

    def test_a_quick_look_sees_a_file_grow_in_place(self):
        self.watcher.look()
        path = self.write("movie.mrc", b"1")
        self.watcher.look(full=False)
        with open(path, "ab") as file:
            file.write(b"23")
        self.watcher.look(full=False)
        self.assertEqual([f.size for f in self.memory.seen.waiting()], [3])

    def test_a_full_look_sees_an_old_file_change_in_place(self):
        path = self.write("old.dm3", b"1", mtime=1542153600)
        self.watcher.look()
        with open(path, "ab") as file:
            file.write(b"2")
        self.watcher.look(full=True)
        self.assertEqual(self.waiting(), ["old.dm3"])

    def test_a_file_that_changes_is_steady_only_after_the_set_time(self):
        self.configure(stability="3600")
        watcher = Watcher(Settings(self.config), self.memory)
        watcher.look()
        self.write("a.dm3", b"1")
        watcher.look()
        (file,) = self.memory.seen.waiting()
        self.assertFalse(watcher.is_steady(file.id))
        self.watcher.look()
        self.assertTrue(self.watcher.is_steady(file.id))

    def test_a_deleted_file_is_waited_for_no_more(self):
        self.watcher.look()
        path = self.write("a/b.dm3", b"1")
        self.watcher.look()
        os.unlink(path)
        os.rmdir(os.path.dirname(path))
        self.watcher.look(full=False)
        self.assertEqual(self.memory.seen.counts()[VANISHED], 1)

    def test_a_deleted_file_that_comes_back_is_new(self):
        self.watcher.look()
        path = self.write("a.dm3", b"1")
        self.watcher.look()
        os.unlink(path)
        self.watcher.look()
        self.write("a.dm3", b"1")
        self.watcher.look()
        self.assertEqual(self.waiting(), ["a.dm3"])

    def test_a_drive_that_is_away_takes_no_file_back(self):
        self.watcher.look()
        self.write("a.dm3", b"1")
        self.watcher.look()
        os.rename(self.root, self.root + ".away")
        self.watcher.look()
        self.assertIn("data", self.watcher.away)
        self.assertEqual(self.memory.seen.counts()[WAITING], 1)
        os.rename(self.root + ".away", self.root)
        self.watcher.look(full=False)
        self.assertEqual(self.waiting(), ["a.dm3"])
        self.assertEqual(self.watcher.away, {})

    @unittest.skipUnless(hasattr(os, "mkfifo"), "this system has no pipes with names")
    def test_links_and_pipes_are_named_and_not_followed(self):
        self.watcher.look()
        outside = os.path.join(self.folder, "secret")
        os.mkdir(outside)
        with open(os.path.join(outside, "s.dm3"), "w") as file:
            file.write("not yours")
        os.symlink(outside, self.path("folder"))
        os.symlink(os.path.join(outside, "s.dm3"), self.path("file.dm3"))
        os.symlink(self.root, self.path("loop"))
        os.mkfifo(self.path("pipe"))
        self.watcher.look()
        self.assertEqual(self.waiting(), [])
        refused = [item["path"] for item in self.status()["refused"]]
        self.assertEqual(sorted(refused), ["file.dm3", "folder", "loop", "pipe"])

    @unittest.skipUnless(sys.platform.startswith("linux"), "other systems do not have such names")
    def test_names_that_cannot_be_sent_are_shown_with_the_reason(self):
        self.watcher.look()
        for name in (b"bad\xff.dm3", b"line\nbreak.dm3", b"back\\slash.dm3", b"C:drive.dm3", b"good \xc2\xb5.dm3"):
            with open(os.path.join(os.fsencode(self.root), name), "wb") as file:
                file.write(b"1")
        self.watcher.look()
        self.watcher.look()
        self.assertEqual(self.waiting(), ["good \xb5.dm3"])
        refused = {item["path"]: item["reason"] for item in self.status()["refused"]}
        self.assertEqual(sorted(refused), ["C:drive.dm3", "back\\slash.dm3", "bad\\udcff.dm3", "line\\nbreak.dm3"])
        self.assertIn("Rename the file", refused["line\\nbreak.dm3"])
        self.assertEqual(self.call("sync", until_done=True)[0], 1)
        self.assertEqual(self.names_stored(), ["good \xb5.dm3"])

    def test_names_are_sent_composed_and_read_as_they_are(self):
        self.watcher.look()
        self.write("Mu\u0308ller.dm3", b"1")
        self.call("sync", until_done=True)
        self.assertEqual(self.names_stored(), ["M\xfcller.dm3"])

    @unittest.skipUnless(sys.platform.startswith("linux"), "other systems take both for one name")
    def test_of_two_spellings_of_one_name_only_one_is_sent(self):
        self.watcher.look()
        self.write("Mu\u0308ller.dm3", b"1")
        self.write("M\xfcller.dm3", b"2")
        self.call("sync", once=True)
        self.assertEqual(self.names_stored(), ["M\xfcller.dm3"])
        self.assertEqual(len(self.status()["refused"]), 1)
        self.call("sync", once=True)
        self.assertEqual(len(self.server.times("upload")), 1)

    def test_the_loggers_own_folder_is_never_sent(self):
        self.configure(data_folder=os.path.join(self.root, "logger"))
        self.assertEqual(self.command("start", "--user", "Ada")[0], 0)
        self.write("a.dm3", b"1")
        self.call("end", wait=True)
        self.assertEqual(self.names_stored(), ["a.dm3"])

    def test_patterns_of_the_setting_are_ignored_too(self):
        self.configure(ignore="*.bak, raw/*")
        self.call("start")
        for name in ("a.dm3", "a.BAK", "raw/b.dm3", "x.db"):
            self.write(name, b"1")
        self.call("end", wait=True)
        self.assertEqual(self.names_stored(), ["a.dm3"])


class AFolderThatCannotBeRead(LoggerCase):
    def setUp(self):
        super(AFolderThatCannotBeRead, self).setUp()
        self.sentence = "Folder %s of root data cannot be read: No such file or directory." % self.root

    def test_is_in_status_which_fails(self):
        self.assertIsNone(self.status()["roots"][0]["unreadable"])
        os.rename(self.root, self.root + ".away")
        code, lines = self.call("status")
        self.assertEqual(code, 1)
        self.assertEqual(lines.count(self.sentence), 1, lines)
        self.assertEqual(self.status()["roots"][0]["unreadable"], "No such file or directory")

    def test_is_told_once_when_it_goes_and_once_when_it_is_back(self):
        lines = []
        work = commands.Commands(Settings(self.config), lines.append, threading.Event())
        self.addCleanup(work.close)
        sync = work._make_sync()
        for where, back in ((self.root, self.root + ".away"), (self.root + ".away", self.root)):
            os.rename(where, back)
            looks = iter(range(5))
            sync.run(is_done=lambda looks=looks: next(looks, None) is None)
        self.assertEqual(lines, [self.sentence, "Folder %s of root data can be read again." % self.root])

    def test_fails_a_sync_that_ends(self):
        os.rename(self.root, self.root + ".away")
        code, lines = self.call("sync", once=True)
        self.assertEqual((code, lines), (1, [self.sentence]))


class ARunningSync(LoggerCase):
    def test_a_growing_file_goes_once_when_it_is_finished(self):
        self.configure(stability="0.4")
        self.call("start")
        process = self.process("sync")
        try:
            path = self.write("movie.mrc", b"")
            for piece in range(1, 9):
                with open(path, "ab") as file:
                    file.write(b"frame" * 100)
                wait_for(
                    lambda size=piece * 500: self.size_seen("movie.mrc") == size, "the logger to see the file grow"
                )
            wait_for(lambda: self.server.content("movie.mrc") is not None, "the file")
        finally:
            self.stop_process(process)
        self.assertEqual(self.server.content("movie.mrc"), b"frame" * 800)
        self.assertEqual([len(v) for v in self.server.objects.values()], [1])

    def size_seen(self, name):
        memory = Memory(Settings(self.config))
        try:
            return memory.database.number("SELECT size FROM files WHERE name = ?", name)
        finally:
            memory.close()

    def test_a_renamed_file_goes_under_its_new_name_only(self):
        self.configure(stability="0.5")
        self.call("start")
        process = self.process("sync")
        try:
            path = self.write("saving.dm3", b"image")
            wait_for(lambda: self.server.announced, "the announcement")
            os.rename(path, self.path("final.dm3"))
            wait_for(lambda: self.names_stored() == ["final.dm3"], "the file")
            wait_for(lambda: self.server.withdrawn, "the withdrawal")
        finally:
            self.stop_process(process)
        self.assertEqual([path for _, path in self.server.announced], ["final.dm3"])
        self.assertEqual([path for _, path in self.server.withdrawn], ["saving.dm3"])

    @unittest.skipUnless(sys.platform.startswith("linux"), "only Linux and Windows can tell")
    def test_a_file_that_is_held_open_waits_until_it_is_closed(self):
        self.call("start")
        process = self.process("sync")
        try:
            with open(self.path("movie.mrc"), "wb") as file:
                file.write(b"1234")
                file.flush()
                wait_for(lambda: self.status()["held"], "the reason")
                self.assertIn("open for writing", self.status()["held"][0]["reason"])
                self.assertEqual(self.server.times("upload"), [])
            wait_for(lambda: self.server.content("movie.mrc") == b"1234", "the file")
        finally:
            self.stop_process(process)

    def test_only_one_runs_and_it_ends_when_told(self):
        process = self.process("sync")
        try:
            wait_for(lambda: self.status()["sync_running"], "sync")
            code, _, errors = self.command("sync", "--once")
            self.assertEqual(code, 2)
            self.assertIn("running already", errors)
        finally:
            self.stop_process(process)
        self.assertEqual(process.returncode, 0)
        self.assertFalse(self.status()["sync_running"])

    def test_end_waits_for_the_sync_that_runs(self):
        self.configure(stability="0.3")
        self.call("start")
        process = self.process("sync")
        try:
            wait_for(lambda: self.status()["sync_running"], "sync")
            self.write("a.dm3", b"image")
            code, lines = self.call("end", wait=True)
        finally:
            self.stop_process(process)
        self.assertEqual(code, 0, lines)
        self.assertEqual(self.names_stored(), ["a.dm3"])


if __name__ == "__main__":
    unittest.main()
