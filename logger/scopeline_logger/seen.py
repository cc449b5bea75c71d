"""The catalogue of seen files: one row each, with what is to be done about it."""

import collections
import hashlib
import json

from scopeline_logger import paths
from scopeline_logger.database import Database

# left: not to be sent (there before the logger, no session, or an erased one). ignored: by a pattern. vanished: gone
# before it was sent.
LEFT, WAITING, SENT, REFUSED, IGNORED, VANISHED = "left", "waiting", "sent", "refused", "ignored", "vanished"
STATES = (LEFT, WAITING, SENT, REFUSED, IGNORED, VANISHED)
MAX_ATTEMPTS = 3

Known = collections.namedtuple("Known", "id size mtime_ns state session")
SeenFile = collections.namedtuple(
    "SeenFile", "id root folder name size mtime_ns first_seen session attempts upload sent_size"
)

_COLUMNS = ", ".join(SeenFile._fields)


def path_of(file: SeenFile) -> str:
    """The file's path under its root, as the system has it, with `/`."""
    return paths.join(file.folder, file.name)


def key_of(root: str, path: str) -> str:
    """The stable id of a file on this PC: the same file gets the same one, also after the catalogue was lost."""
    return hashlib.sha256((root + "\0" + path).encode("utf-8")).hexdigest()[:32]


class Seen:
    """The catalogue on disk."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def in_folder(self, root: str, folder: str) -> "dict[str, Known]":
        """What is known of the files of one folder, by name."""
        rows = self._database.rows(
            "SELECT name, id, size, mtime_ns, state, session FROM files WHERE root = ? AND folder = ?", root, folder
        )
        return {row[0]: Known(*row[1:]) for row in rows}

    def add(self, root: str, folder: str, name: str, state: tuple, found: tuple, moment: float) -> None:
        """Keep a new file. `state`: (state, session, reason); `found`: (size, mtime_ns)."""
        values = (root, folder, name) + tuple(found) + (moment,) + tuple(state)
        columns = "root, folder, name, size, mtime_ns, first_seen, state, session, reason"
        statement = "INSERT OR IGNORE INTO files (%s) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)" % columns
        self._database.run(statement, *values)

    def id_of(self, root: str, folder: str, name: str) -> int:
        """The number of a file that is in the catalogue."""
        return int(
            self._database.number("SELECT id FROM files WHERE root = ? AND folder = ? AND name = ?", root, folder, name)
        )

    def change(self, file: int, state: tuple, found: tuple) -> None:
        """The file has another size or time now. An upload that began is of no use any more."""
        statement = "UPDATE files SET state = ?, session = ?, reason = ?, size = ?, mtime_ns = ?, attempts = 0"
        values = tuple(state) + tuple(found) + (file,)
        self._database.run(statement + ", upload = NULL WHERE id = ?", *values)

    def settle(self, file: int, state: str, reason: "str | None" = None) -> None:
        """Nothing more is to be done about the file as it is."""
        self._database.run("UPDATE files SET state = ?, reason = ?, upload = NULL WHERE id = ?", state, reason, file)

    def sent(self, file: SeenFile, md5: str) -> None:
        """The server has confirmed these bytes. Does nothing where the file or its session changed meanwhile."""
        self._database.run(
            "UPDATE files SET state = ?, reason = NULL, upload = NULL, attempts = 0, md5 = ?, sent_size = size"
            " WHERE id = ? AND size = ? AND mtime_ns = ? AND session IS ?",
            SENT,
            md5,
            file.id,
            file.size,
            file.mtime_ns,
            file.session,
        )

    def keep_upload(self, file: int, upload: "dict | None") -> None:
        """Remember the upload that began, or that there is none."""
        self._database.run(
            "UPDATE files SET upload = ? WHERE id = ?", json.dumps(upload) if upload is not None else None, file
        )

    def failed(self, file: int, reason: str) -> int:
        """Count a failed attempt; how many there were."""
        self._database.run(
            "UPDATE files SET attempts = attempts + 1, reason = ?, upload = NULL WHERE id = ?", reason, file
        )
        return int(self._database.number("SELECT attempts FROM files WHERE id = ?", file))

    def hold(self, file: int, reason: str) -> None:
        """The file waits for this reason."""
        self._database.run("UPDATE files SET reason = ? WHERE id = ?", reason, file)

    def waiting(self, after: "tuple[float, int]" = (0.0, 0), limit: int = 200) -> "list[SeenFile]":
        """The files to send, first seen first, from behind (first_seen, id)."""
        rows = self._database.rows(
            "SELECT %s FROM files WHERE state = ? AND (first_seen > ? OR (first_seen = ? AND id > ?))"
            " ORDER BY first_seen, id LIMIT ?" % _COLUMNS,
            WAITING,
            after[0],
            after[0],
            after[1],
            limit,
        )
        return [SeenFile(*row[:9] + (json.loads(row[9]) if row[9] else None,) + row[10:]) for row in rows]

    def folders_waiting(self, root: str) -> "list[str]":
        """The folders of a root in which files wait to be sent."""
        return [
            row[0]
            for row in self._database.rows(
                "SELECT DISTINCT folder FROM files INDEXED BY files_by_state WHERE state = ? AND root = ?",
                WAITING,
                root,
            )
        ]

    def claim(self, session: str, roots: "list[str]", moment: float) -> "list[int]":
        """Give a new session the unsent files without one that were written and first seen after `moment`."""
        marks = ", ".join("?" * len(roots))
        where = "state = ? AND session IS NULL AND first_seen >= ? AND mtime_ns >= ? AND root IN (%s)" % marks
        values = [WAITING, moment, int(moment * 1e9)] + roots
        files = [row[0] for row in self._database.rows("SELECT id FROM files WHERE " + where, *values)]
        self._database.run("UPDATE files SET session = ? WHERE " + where, session, *values)
        return files

    def release(self, session: str, moment: float) -> "list[int]":
        """Take from a session the files, not sent yet, that were written and first seen after `moment`; which."""
        where = "state = ? AND session = ? AND upload IS NULL AND first_seen > ? AND mtime_ns > ?"
        values = (WAITING, session, moment, int(moment * 1e9))
        files = [row[0] for row in self._database.rows("SELECT id FROM files WHERE " + where, *values)]
        self._database.run("UPDATE files SET session = NULL WHERE " + where, *values)
        return files

    def counts(self, session: "str | None" = None) -> "dict[str, int]":
        """How many files are in each state, of one session or of all."""
        rows = self._database.rows(
            "SELECT state, count(*) FROM files WHERE ? IS NULL OR session = ? GROUP BY state", session, session
        )
        return dict({state: 0 for state in STATES}, **dict(rows))

    def count_waiting(self, session: "str | None" = None) -> int:
        """How many files are to be sent, of one session or of all."""
        return int(
            self._database.number(
                "SELECT count(*) FROM files WHERE state = ? AND (? IS NULL OR session = ?)", WAITING, session, session
            )
        )

    def leave_session(self, session: str, reason: str) -> None:
        """Leave alone the files of a session that were to be sent."""
        self._database.run(
            "UPDATE files SET state = ?, reason = ?, upload = NULL WHERE state = ? AND session = ?",
            LEFT,
            reason,
            WAITING,
            session,
        )

    def refuse_other_roots(self, roots: "list[str]") -> int:
        """Refuse the files to send of roots that are no longer watched; how many."""
        marks = ", ".join("?" * len(roots))
        reason = "Its root is no longer in the settings."
        statement = "UPDATE files SET state = ?, reason = ? WHERE state = ? AND root NOT IN (%s)" % marks
        return int(self._database.run(statement, REFUSED, reason, WAITING, *roots))

    def bytes_waiting(self) -> int:
        """The sizes of all files to send."""
        return int(self._database.number("SELECT sum(size) FROM files WHERE state = ?", WAITING))

    def oldest_waiting(self) -> "float | None":
        """When the file was first seen that waits longest, in seconds since 1970."""
        row = self._database.row("SELECT min(first_seen) FROM files WHERE state = ?", WAITING)
        return row[0] if row else None

    def listed(self, state: str, limit: int, session: "str | None" = None) -> "list[tuple]":
        """(root, path, reason) of files in a state, the newest first."""
        rows = self._database.rows(
            "SELECT root, folder, name, reason FROM files WHERE state = ? AND (? IS NULL OR session = ?)"
            " ORDER BY first_seen DESC, id DESC LIMIT ?",
            state,
            session,
            session,
            limit,
        )
        return [(row[0], paths.join(row[1], row[2]), row[3]) for row in rows]

    def send_left(self) -> int:
        """Send also what was left because it was there before; how many files."""
        return int(self._database.run("UPDATE files SET state = ?, reason = NULL WHERE state = ?", WAITING, LEFT))

    def try_refused_again(self) -> int:
        """Send once more what was refused; how many files. Entries that are no files stay refused (size below 0)."""
        return int(
            self._database.run(
                "UPDATE files SET state = ?, reason = NULL, attempts = 0 WHERE state = ? AND size >= 0",
                WAITING,
                REFUSED,
            )
        )
