"""What the logger remembers, opened together: everything in one database in the data folder."""

from scopeline_logger import clock
from scopeline_logger.announcements import Announcements
from scopeline_logger.database import Database
from scopeline_logger.outbox import Outbox
from scopeline_logger.seen import Seen
from scopeline_logger.server_facts import ServerFacts
from scopeline_logger.sessions import Sessions
from scopeline_logger.settings import Settings


class Memory:
    """The database and the views on it."""

    def __init__(self, settings: Settings) -> None:
        self.database = Database(settings.database)
        self.sessions = Sessions(self.database)
        self.outbox = Outbox(self.database)
        self.seen = Seen(self.database)
        self.announcements = Announcements(self.database)
        self.facts = ServerFacts(self.database)

    def forget_erased(self, session: str, reason: str) -> None:
        """The server has erased a session: nothing more of it is sent. Its files in the watched folders stay."""
        with self.database.transaction():
            self.sessions.erase(session, reason, clock.now())
            self.outbox.forget(session)
            self.announcements.forget_session(session)
            self.seen.leave_session(session, reason)

    def close(self) -> None:
        """Close the database."""
        self.database.close()
