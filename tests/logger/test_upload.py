"""One file on its way: interrupted, changed, damaged, refused."""

import hashlib
import os
import unittest

from logger_case import MIB, LoggerCase, wait_for


def times(count, answer):
    """A fault that happens the first `count` times."""
    left = [count]

    def fault(handler):
        if not left[0]:
            return False
        left[0] -= 1
        handler.rfile.read(int(handler.headers.get("Content-Length") or 0)) if handler.command == "PUT" else None
        return answer(handler)

    return fault


def problem(status, code):
    def answer(handler):
        handler.problem(status, code)
        return True

    return answer


class AnUpload(LoggerCase):
    def setUp(self):
        super(AnUpload, self).setUp()
        self.call("start")

    def test_goes_on_after_a_kill_without_sending_bytes_twice(self):
        data = os.urandom(MIB) * 24
        self.write("big.dm4", data)
        process = self.process("sync")
        try:
            wait_for(lambda: self.server.received > 4 * MIB, "the first chunks")
        finally:
            process.kill()
            process.communicate()
        arrived = [spool.stored for spool in self.server.spools.values()]
        self.assertTrue(0 < arrived[0] < len(data), arrived)
        code, lines = self.call("sync", until_done=True)
        self.assertEqual(code, 0, lines)
        self.assertEqual(hashlib.md5(self.server.content("big.dm4")).digest(), hashlib.md5(data).digest())
        # Only the chunk on its way at the kill may have gone twice.
        self.assertLessEqual(self.server.received - len(data), MIB)
        self.assertEqual(len(self.server.times("upload")), 1)

    def test_ten_kills_lose_no_file_and_send_none_twice(self):
        for number in range(60):
            self.write("%02d.tif" % number, os.urandom(1000 + 20000 * (number % 7)))
        for _ in range(10):
            before = len(self.server.calls)
            process = self.process("sync")
            try:
                wait_for(lambda before=before: len(self.server.calls) > before + 7, "some calls")
            finally:
                process.kill()
                process.communicate()
        code, lines = self.call("end", wait=True)
        self.assertEqual(code, 0, lines)
        self.assertEqual(self.names_stored(), ["%02d.tif" % number for number in range(60)])
        self.assertEqual({len(versions) for versions in self.server.objects.values()}, {1})
        self.assertEqual(self.server.sessions.popitem()[1]["end"]["announced"], 60)

    def test_a_note_is_sent_between_the_chunks_of_a_big_file(self):
        self.write("big.dm4", b"x" * (8 * MIB))
        seen = []

        def note_meanwhile(handler):
            if not seen:
                seen.append("noted")
                # The server is away for this other process; the note reaches the queue only.
                self.server.faults["*"] = problem(503, "unavailable")
                self.call("note", text="while sending")
                del self.server.faults["*"]
            return False

        self.server.faults["put"] = note_meanwhile
        self.call("sync", until_done=True)
        names = [name for name, _ in self.server.calls]
        self.assertEqual(self.server.sessions.popitem()[1]["events"][0]["text"], "while sending")
        self.assertLess(names.index("event"), names.index("confirm"))

    def test_an_upload_that_the_server_forgot_begins_again(self):
        self.server.faults["put"] = times(1, problem(410, "gone"))
        self.write("a.dm3", b"image")
        self.assertEqual(self.call("sync", until_done=True)[0], 0)
        self.assertEqual(self.server.content("a.dm3"), b"image")
        self.assertEqual(len(self.server.times("upload")), 2)

    def test_another_version_that_came_first_means_asking_again(self):
        self.server.faults["put"] = times(1, problem(412, "precondition_failed"))
        self.write("a.dm3", b"image")
        self.assertEqual(self.call("sync", until_done=True)[0], 0)
        self.assertEqual(self.server.content("a.dm3"), b"image")

    def test_a_wrong_offset_means_asking_for_the_status(self):
        self.server.faults["put"] = times(1, problem(416, "wrong_offset"))
        self.write("a.dm3", b"image")
        self.assertEqual(self.call("sync", until_done=True)[0], 0)
        self.assertEqual(len(self.server.times("upload")), 1)

    def test_a_store_that_is_busy_is_asked_again_later(self):
        self.server.faults["put"] = times(1, problem(503, "unavailable"))
        self.write("a.dm3", b"image")
        self.assertEqual(self.call("sync", until_done=True)[0], 0)
        self.assertEqual(len(self.server.times("upload")), 1)
        self.assertEqual(self.server.content("a.dm3"), b"image")

    def test_an_upload_that_the_store_cannot_take_does_not_hold_up_the_files_behind_it(self):
        tried = []

        def stuck(handler):
            spool = self.server.spools[handler.path.split("/")[-1]]
            if not spool.name.endswith("/a.dm3"):
                return False
            handler.rfile.read(int(handler.headers.get("Content-Length") or 0))
            tried.append(True)
            handler.problem(503, "read_only")
            return True

        self.server.faults["put"] = stuck
        self.write("a.dm3", b"first")
        process = self.process("sync")
        try:
            wait_for(lambda: tried, "the first try")
            self.write("b.dm3", b"second")
            self.write("c.dm3", b"third")
            wait_for(lambda: self.names_stored() == ["b.dm3", "c.dm3"], "the files behind it")
            del self.server.faults["put"]
            wait_for(lambda: self.server.content("a.dm3") == b"first", "the file whose upload stood still")
        finally:
            self.stop_process(process)

    def test_a_file_that_changes_on_its_way_never_becomes_a_torn_object(self):
        old, new = b"a" * (4 * MIB), b"b" * (4 * MIB + 5)
        path = self.write("a.dm3", old)
        changed = []

        def change(handler):
            if not changed and self.server.received >= MIB:
                changed.append(True)
                with open(path, "wb") as file:
                    file.write(new)
            return False

        self.server.faults["put"] = change
        self.assertEqual(self.call("sync", until_done=True)[0], 0)
        self.assertEqual([v["data"] for versions in self.server.objects.values() for v in versions], [new])
        self.assertEqual(len(self.server.times("upload")), 2)
        self.assertEqual(self.server.content("a.dm3"), new)

    def test_a_file_that_shrinks_on_its_way_is_sent_as_it_is_then(self):
        path = self.write("a.dm3", b"a" * (4 * MIB))
        changed = []

        def change(handler):
            if not changed and self.server.received >= MIB:
                changed.append(True)
                with open(path, "wb") as file:
                    file.write(b"short")
            return False

        self.server.faults["put"] = change
        self.assertEqual(self.call("sync", until_done=True)[0], 0)
        self.assertEqual(self.server.content("a.dm3"), b"short")

    def test_a_file_that_is_deleted_on_its_way_is_withdrawn(self):
        path = self.write("a.dm3", b"a" * (4 * MIB))

        def delete(handler):
            if self.server.received >= MIB and os.path.exists(path):
                os.unlink(path)
            return False

        self.server.faults["put"] = delete
        self.assertEqual(self.call("sync", until_done=True)[0], 0)
        self.call("end", wait=True)
        self.assertEqual(self.server.objects, {})
        self.assertEqual([path for _, path in self.server.withdrawn], ["a.dm3"])
        self.assertEqual(self.server.sessions.popitem()[1]["end"]["announced"], 0)

    def test_bytes_that_arrived_damaged_are_sent_again(self):
        self.server.faults["confirm"] = times(1, problem(409, "md5_mismatch"))
        self.write("a.dm3", b"image")
        self.assertEqual(self.call("sync", until_done=True)[0], 0)
        self.assertEqual(self.server.content("a.dm3"), b"image")

    def test_bytes_that_always_arrive_damaged_are_reported_and_not_sent_for_ever(self):
        def damage(handler):
            for versions in self.server.objects.values():
                versions[-1]["data"] = b"damaged"
            return False

        self.server.faults["confirm"] = damage
        self.write("a.dm3", b"image")
        code, lines = self.call("sync", until_done=True)
        self.assertEqual(code, 1)
        self.assertIn("md5_mismatch", lines[-1])
        self.assertEqual(len(self.server.times("upload")), 3)
        self.assertIn("md5_mismatch", self.status()["refused"][0]["reason"])
        self.server.faults.clear()
        self.assertEqual(self.call("sync", until_done=True, again=True)[0], 0)
        self.assertEqual(self.server.content("a.dm3"), b"image")

    def test_a_refused_file_is_kept_with_its_reason_and_stops_no_other(self):
        def refuse(handler):
            body = handler.server.calls[-1][1]
            return body["path"] == "bad.dm3" and problem(413, "file_too_large")(handler)

        self.server.faults["upload"] = refuse
        self.write("bad.dm3", b"1")
        self.write("good.dm3", b"2")
        self.assertEqual(self.call("sync", until_done=True)[0], 1)
        self.assertEqual(self.names_stored(), ["good.dm3"])
        (refused,) = self.status()["refused"]
        self.assertEqual(refused["path"], "bad.dm3")
        self.assertIn("file_too_large", refused["reason"])

    def test_a_file_that_the_announcement_refuses_is_not_sent(self):
        self.write("x.refuse", b"1")
        self.call("sync", until_done=True)
        self.assertEqual(self.server.times("upload"), [])
        self.assertEqual([f["path"] for f in self.status()["ignored"]], ["x.refuse"])

    def test_announcements_that_are_refused_as_a_whole_stop_no_file(self):
        self.server.faults["announce"] = problem(403, "not_your_session")
        self.write("a.dm3", b"1")
        self.assertEqual(self.call("sync", until_done=True)[0], 0)
        self.assertEqual(self.names_stored(), ["a.dm3"])

    def test_a_full_server_keeps_the_file_waiting(self):
        self.server.faults["upload"] = times(1, problem(507, "disk_full"))
        self.write("a.dm3", b"image")
        code, lines = self.call("sync", until_done=True)
        self.assertEqual(code, 0)
        self.assertTrue(any("disk_full" in line for line in lines), lines)
        self.assertEqual(self.server.content("a.dm3"), b"image")

    def test_upload_addresses_less_safe_than_the_server_are_not_used(self):
        def other(handler):
            handler.send(201, {"already": False, "object": "x", "upload_url": "ftp://elsewhere.example/x"})
            return True

        self.server.faults["upload"] = times(1, other)
        self.write("a.dm3", b"image")
        code, lines = self.call("sync", until_done=True)
        self.assertEqual(code, 0)
        self.assertTrue(any("less safe" in line for line in lines), lines)


if __name__ == "__main__":
    unittest.main()
