"""What the server told about itself and this PC, kept for the time when it is away."""

from scopeline_logger import clock
from scopeline_logger.database import Database
from scopeline_logger.errors import Unreachable
from scopeline_logger.ignore import DEFAULT
from scopeline_logger.server import Server


class ServerFacts:
    """The last answer of `/v1/me` that was believed."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def learn(self, server: Server) -> None:
        """Ask the server. Raises Unreachable."""
        before = clock.now()
        answer = server.me()
        after = clock.now()
        client = answer.get("client")
        roots = client.get("roots") if isinstance(client, dict) else None
        ignore = answer.get("ignore")
        self._database.remember(
            "server",
            {
                "offset": _offset(answer, before, after),
                "checked": after,
                "ignore": _texts(ignore) if isinstance(ignore, list) else None,
                "roots": {
                    name: root["instrument"]
                    for name, root in (roots.items() if isinstance(roots, dict) else ())
                    if isinstance(root, dict) and isinstance(root.get("instrument"), str)
                },
                "minimum_version": answer.get("minimum_logger_version"),
                "client": client.get("id") if isinstance(client, dict) else None,
                "instruments": _texts(client.get("instruments")) if isinstance(client, dict) else [],
            },
        )

    def _fact(self, name: str):  # type: ignore[no-untyped-def]
        known = self._database.fact("server")
        return known.get(name) if isinstance(known, dict) else None

    @property
    def offset(self) -> "float | None":
        """The server's clock minus this PC's, in seconds."""
        return self._fact("offset")

    @property
    def checked(self) -> "float | None":
        """When the server last answered, in seconds since 1970."""
        return self._fact("checked")

    @property
    def ignore(self) -> "list[str]":
        """The patterns that the server refuses; the built-in ones until it has told its own."""
        known = self._fact("ignore")
        return list(DEFAULT) if known is None else known

    @property
    def roots(self) -> "dict[str, str]":
        """The instrument of each root that the server knows."""
        return self._fact("roots") or {}

    @property
    def minimum_version(self) -> "str | None":
        """The oldest logger that the server still takes."""
        return self._fact("minimum_version")

    @property
    def client(self) -> "str | None":
        """As which client the server knows this PC; None where the token is no client's."""
        return self._fact("client")

    @property
    def instruments(self) -> "list[str]":
        """The instruments that the server lets this PC serve."""
        return self._fact("instruments") or []


def _texts(values: object) -> "list[str]":
    return [str(value) for value in values] if isinstance(values, list) else []


def _offset(answer: dict, before: float, after: float) -> float:
    try:
        return clock.parse_moment(answer["server_time"]) - (before + after) / 2
    except ValueError:
        raise Unreachable("The server's time %r is no moment." % (answer["server_time"],))
