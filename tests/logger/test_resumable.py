"""The server side of the resumable upload protocol. unittest only, so that the oldest Python runs it bare."""

import io
import json
import unittest

from scopeline_logger.resumable import UNIT, Problem, Spool, answer

LIMIT = 16 * UNIT


class MemorySpool(Spool):
    """A spool that keeps its bytes in memory, and what was not kept apart from what was."""

    def __init__(self, size):
        self.size = size
        self.stored = 0
        self.result = None
        self.data = bytearray()
        self.dropped = False
        self.finished = 0
        self.on_finish = None
        self.room = None

    def read(self, start, length):
        return bytes(self.data[start : start + length])

    def append(self, data):
        if self.room is not None and len(self.data) + len(data) > self.room:
            raise OSError(28, "No space left on device")
        self.data += data

    def keep(self, end):
        del self.data[end:]
        self.stored = end

    def finish(self):
        if self.on_finish is not None:
            raise self.on_finish
        self.finished += 1
        self.result = {"name": "a", "size": str(self.size)}

    def drop(self):
        self.dropped = True


class BrokenBody(object):
    """A request body whose connection breaks."""

    def __init__(self, data):
        self._stream = io.BytesIO(data)

    def read(self, length):
        data = self._stream.read(length)
        if not data:
            raise IOError("connection reset")
        return data


def pattern(length, seed=0):
    return bytes(bytearray((i * 7 + i // 251 + seed) % 256 for i in range(1024))) * (length // 1024 + 1)


class Protocol(unittest.TestCase):
    def put(self, spool, content_range, data=b"", length=None, body=None, limit=LIMIT):
        response = answer(
            spool,
            content_range,
            str(len(data)) if length is None else length,
            io.BytesIO(data) if body is None else body,
            limit,
        )
        headers = dict(response.headers)
        self.assertEqual(headers["Content-Length"], str(len(response.body)))
        return response, headers

    def check(self, response, status, code=None):
        self.assertEqual(response.status, status, response.body)
        if code is not None:
            problem = json.loads(response.body.decode("utf-8"))
            self.assertEqual(problem["code"], code)
            self.assertEqual(problem["status"], status)
            self.assertTrue(problem["detail"].endswith("."))


class WholeUploads(Protocol):
    def test_chunks_in_order_become_the_object(self):
        data = pattern(2 * UNIT)[: 2 * UNIT + 5]
        spool = MemorySpool(len(data))
        response, headers = self.put(spool, "bytes 0-%d/%d" % (UNIT - 1, len(data)), data[:UNIT])
        self.check(response, 308)
        self.assertEqual(headers["Range"], "bytes=0-%d" % (UNIT - 1))
        self.assertEqual(response.status_line, "308 Resume Incomplete")
        self.check(self.put(spool, "bytes %d-%d/%d" % (UNIT, 2 * UNIT - 1, len(data)), data[UNIT : 2 * UNIT])[0], 308)
        response, headers = self.put(spool, "bytes %d-%d/%d" % (2 * UNIT, len(data) - 1, len(data)), data[2 * UNIT :])
        self.check(response, 200)
        self.assertEqual(json.loads(response.body.decode("utf-8")), spool.result)
        self.assertEqual(headers["Content-Type"], "application/json")
        self.assertEqual(bytes(spool.data), data)
        self.assertEqual(spool.finished, 1)

    def test_one_request_without_content_range_is_the_whole_file(self):
        spool = MemorySpool(3)
        self.check(self.put(spool, None, b"abc")[0], 200)
        self.assertEqual(bytes(spool.data), b"abc")

    def test_an_empty_file_is_done_by_its_status_query(self):
        spool = MemorySpool(0)
        self.check(self.put(spool, "bytes */0")[0], 200)
        self.assertEqual(spool.finished, 1)

    def test_a_finished_upload_answers_its_result_again(self):
        spool = MemorySpool(3)
        first = self.put(spool, "bytes 0-2/3", b"abc")[0]
        for content_range, data in (("bytes */3", b""), ("bytes 0-2/3", b"abc"), ("bytes */*", b"")):
            again = self.put(spool, content_range, data)[0]
            self.check(again, 200)
            self.assertEqual(again.body, first.body)
        self.assertEqual(spool.finished, 1)

    def test_what_could_not_be_finished_is_finished_by_a_status_query(self):
        spool = MemorySpool(3)
        spool.on_finish = Problem(503, "busy", "Wait.")
        self.check(self.put(spool, "bytes 0-2/3", b"abc")[0], 503, "busy")
        self.assertEqual(spool.stored, 3)
        spool.on_finish = None
        self.check(self.put(spool, "bytes */3")[0], 200)

    def test_a_lost_precondition_is_412(self):
        spool = MemorySpool(3)
        spool.on_finish = Problem(412, "precondition_failed", "Another version came first.")
        self.check(self.put(spool, "bytes 0-2/3", b"abc")[0], 412, "precondition_failed")


class Status(Protocol):
    def test_without_bytes_there_is_no_range(self):
        for content_range in ("bytes */10", "bytes */*"):
            response, headers = self.put(MemorySpool(10), content_range)
            self.check(response, 308)
            self.assertNotIn("Range", headers)

    def test_another_size_is_refused(self):
        self.check(self.put(MemorySpool(10), "bytes */11")[0], 400, "wrong_size")

    def test_a_query_with_a_body_is_refused(self):
        self.check(self.put(MemorySpool(10), "bytes */10", b"x")[0], 400, "invalid_range")


class Offsets(Protocol):
    def setUp(self):
        self.data = pattern(4 * UNIT)[: 4 * UNIT]
        self.spool = MemorySpool(len(self.data))
        self.put(self.spool, "bytes 0-%d/%d" % (2 * UNIT - 1, len(self.data)), self.data[: 2 * UNIT])

    def send(self, first, last, data=None):
        part = self.data[first : last + 1] if data is None else data
        return self.put(self.spool, "bytes %d-%d/%d" % (first, last, len(self.data)), part)

    def test_a_gap_is_416_and_nothing_is_appended(self):
        response, headers = self.send(3 * UNIT, 4 * UNIT - 1)
        self.check(response, 416, "wrong_offset")
        self.assertEqual(headers["Range"], "bytes=0-%d" % (2 * UNIT - 1))
        self.assertEqual(bytes(self.spool.data), self.data[: 2 * UNIT])

    def test_a_repeated_chunk_is_skipped(self):
        response, headers = self.send(0, UNIT - 1)
        self.check(response, 308)
        self.assertEqual(headers["Range"], "bytes=0-%d" % (2 * UNIT - 1))
        self.assertEqual(bytes(self.spool.data), self.data[: 2 * UNIT])

    def test_an_overlap_is_skipped_and_the_rest_appended(self):
        response, headers = self.send(UNIT, 3 * UNIT - 1)
        self.check(response, 308)
        self.assertEqual(headers["Range"], "bytes=0-%d" % (3 * UNIT - 1))
        self.assertEqual(bytes(self.spool.data), self.data[: 3 * UNIT])

    def test_everything_again_from_the_beginning_is_done(self):
        self.check(self.send(0, 4 * UNIT - 1)[0], 200)
        self.assertEqual(bytes(self.spool.data), self.data)

    def test_other_bytes_in_a_repeated_range_end_the_upload(self):
        changed = bytearray(self.data[:UNIT])
        changed[-1] ^= 1
        self.check(self.send(0, UNIT - 1, bytes(changed))[0], 410, "bytes_differ")
        self.assertTrue(self.spool.dropped)
        self.assertEqual(bytes(self.spool.data), self.data[: 2 * UNIT])

    def test_a_chunk_that_breaks_off_keeps_whole_units(self):
        for broken in (io.BytesIO, BrokenBody):
            self.setUp()
            body = broken(self.data[2 * UNIT : 3 * UNIT + 100])
            response, _ = self.put(
                self.spool,
                "bytes %d-%d/%d" % (2 * UNIT, 4 * UNIT - 1, len(self.data)),
                length=str(2 * UNIT),
                body=body,
            )
            self.check(response, 400, "incomplete_body")
            self.assertEqual(bytes(self.spool.data), self.data[: 3 * UNIT])
            self.assertEqual(self.put(self.spool, "bytes */*")[1]["Range"], "bytes=0-%d" % (3 * UNIT - 1))
            self.check(self.send(3 * UNIT, 4 * UNIT - 1)[0], 200)
            self.assertEqual(bytes(self.spool.data), self.data)

    def test_a_repeated_chunk_that_breaks_off_changes_nothing(self):
        response, _ = self.put(
            self.spool, "bytes 0-%d/%d" % (4 * UNIT - 1, len(self.data)), length=str(4 * UNIT), body=io.BytesIO(b"")
        )
        self.check(response, 400, "incomplete_body")
        self.assertEqual(bytes(self.spool.data), self.data[: 2 * UNIT])

    def test_a_full_disk_keeps_what_was_stored_before(self):
        data = pattern(16 * UNIT)[: 16 * UNIT]
        spool = MemorySpool(len(data))
        spool.room = 6 * UNIT
        with self.assertRaises(OSError):
            self.put(spool, "bytes 0-%d/%d" % (len(data) - 1, len(data)), data)
        self.assertEqual(spool.stored % UNIT, 0)
        self.assertEqual(bytes(spool.data), data[: spool.stored])
        spool.room = None
        rest = data[spool.stored :]
        self.check(self.put(spool, "bytes %d-%d/%d" % (spool.stored, len(data) - 1, len(data)), rest)[0], 200)
        self.assertEqual(bytes(spool.data), data)


class Refusals(Protocol):
    def refused(self, status, code, content_range, data=b"", size=2 * UNIT, **more):
        spool = MemorySpool(size)
        self.check(self.put(spool, content_range, data, **more)[0], status, code)
        self.assertEqual((spool.stored, bytes(spool.data), spool.finished), (0, b"", 0))

    def test_a_chunk_that_ends_within_a_unit(self):
        self.refused(400, "invalid_chunk", "bytes 0-99/%d" % (2 * UNIT), b"x" * 100)

    def test_another_total_size(self):
        self.refused(400, "wrong_size", "bytes 0-%d/%d" % (UNIT - 1, 3 * UNIT), b"x" * UNIT)

    def test_a_range_behind_the_end(self):
        self.refused(400, "invalid_range", "bytes 0-%d/%d" % (2 * UNIT, 2 * UNIT), b"x" * (2 * UNIT + 1))

    def test_a_body_of_another_length_than_its_range(self):
        self.refused(400, "wrong_length", "bytes 0-%d/%d" % (UNIT - 1, 2 * UNIT), b"x" * 10)

    def test_a_missing_or_senseless_length(self):
        spool = MemorySpool(3)
        for length in (None, "", "-1", "x", "3, 3", "9" * 30):
            response = answer(spool, "bytes 0-2/3", length, io.BytesIO(b"abc"), LIMIT)
            self.check(response, 411, "length_required")

    def test_a_chunk_over_the_limit(self):
        self.refused(413, "chunk_too_large", "bytes 0-%d/%d" % (2 * UNIT - 1, 2 * UNIT), b"x" * 2 * UNIT, limit=UNIT)

    def test_a_short_file_without_content_range(self):
        self.refused(400, "wrong_size", None, b"x" * 10)
        self.refused(400, "wrong_size", None, b"")

    def test_ranges_of_no_form(self):
        for content_range in (
            "",
            "bytes",
            "bytes 0-1",
            "bytes 1-0/%d" % (2 * UNIT),
            "bytes -1-2/3",
            "bytes 0-1/*",
            "bytes */-1",
            "bytes */1x",
            "bytes 0-1/2/3",
            "items 0-1/2",
            " bytes 0-1/2",
            "bytes 0-1/2\n",
            "bytes */5\n",
            "bytes 0-%s/2" % ("9" * 40),
            "bytes \u0660-\u0661/2",
        ):
            self.refused(400, None, content_range)


class AnyOrder(Protocol):
    """Every sequence of right, repeated, early and broken chunks ends in the same bytes or in a refusal."""

    def test_a_client_that_follows_range_always_arrives(self):
        size = 5 * UNIT + 123
        data = pattern(size)[:size]
        # What each round does: how many units it sends, from how far back, and after how many bytes it breaks off.
        rounds = [
            (units, back, broken)
            for units in (1, 2, 9)
            for back in (0, 1, 3)
            for broken in (None, 0, UNIT - 1, UNIT, UNIT + 1)
        ]
        for start in range(len(rounds)):
            spool = MemorySpool(size)
            steps = 0
            while spool.result is None:
                units, back, broken = rounds[(start + steps * 7) % len(rounds)]
                steps += 1
                first = max(0, spool.stored - back * UNIT)
                end = min(size, first + units * UNIT)
                part = data[first:end]
                if not part:
                    self.put(spool, "bytes */%d" % size)
                    continue
                self.put(
                    spool,
                    "bytes %d-%d/%d" % (first, end - 1, size),
                    length=str(len(part)),
                    body=io.BytesIO(part[:broken]),
                )
                self.assertEqual(bytes(spool.data), data[: spool.stored])
                self.assertLess(steps, 200)
            self.assertEqual(bytes(spool.data), data)


if __name__ == "__main__":
    unittest.main()
