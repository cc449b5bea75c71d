"""The queue when the disk is full, damaged or not to be written."""

import os
import sqlite3
import unittest

from logger_case import LoggerCase

from scopeline_logger.database import Database
from scopeline_logger.errors import QueueFailure
from scopeline_logger.outbox import EVENT, Outbox


class TheQueue(LoggerCase):
    def queue(self):
        database = Database(os.path.join(self.folder, "queue.sqlite3"))
        self.addCleanup(database.close)
        return database

    def test_a_full_disk_is_a_sentence_and_loses_nothing_that_was_queued(self):
        database = self.queue()
        outbox = Outbox(database)
        outbox.add("s", EVENT, {"n": 1})
        pages = database.number("PRAGMA page_count")
        database.run("PRAGMA max_page_count = %d" % (pages + 1))
        with self.assertRaises(QueueFailure) as caught:
            for _ in range(100):
                outbox.add("s", EVENT, {"text": "x" * 5000})
        self.assertIn("Free some space", str(caught.exception))
        self.assertEqual(outbox.next().body, {"n": 1})

    @unittest.skipUnless(os.name == "posix", "limits are POSIX's")
    def test_a_command_on_a_full_disk_ends_with_a_sentence(self):
        import resource

        self.call("start")
        size = os.path.getsize(os.path.join(os.path.dirname(self.config), "logger.sqlite3"))
        before = resource.getrlimit(resource.RLIMIT_FSIZE)
        resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
        try:
            code, _, errors = self.command("note", "x" * 100000)
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, before)
        self.assertEqual(code, 1)
        self.assertIn("Free some space", errors)
        self.assertNotIn("Traceback", errors)
        self.assertEqual(self.call("note", text="later")[0], 0)

    def test_a_damaged_queue_is_a_sentence(self):
        with open(os.path.join(os.path.dirname(self.config), "logger.sqlite3"), "wb") as file:
            file.write(b"no database at all, but longer than a hundred bytes " * 50)
        code, _, errors = self.command("status")
        self.assertEqual(code, 1)
        self.assertIn("Move the file away", errors)
        self.assertNotIn("Traceback", errors)

    def test_a_queue_of_a_newer_logger_is_not_touched(self):
        path = os.path.join(self.folder, "newer.sqlite3")
        connection = sqlite3.connect(path)
        connection.execute("PRAGMA user_version = 99")
        connection.close()
        with self.assertRaises(QueueFailure) as caught:
            Database(path)
        self.assertIn("newer logger", str(caught.exception))

    def test_a_data_folder_that_cannot_be_made_is_a_sentence(self):
        self.configure(data_folder=os.path.join(self.config, "below a file"))
        code, _, errors = self.command("status")
        self.assertEqual(code, 1)
        self.assertIn("cannot be made", errors)

    def test_what_fails_halfway_leaves_nothing(self):
        database = self.queue()
        outbox = Outbox(database)
        with self.assertRaises(ValueError):
            with database.transaction():
                outbox.add("s", EVENT, {})
                raise ValueError()
        self.assertEqual(outbox.waiting(), 0)


if __name__ == "__main__":
    unittest.main()
