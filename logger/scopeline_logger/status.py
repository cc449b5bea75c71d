"""How things stand: for people in sentences, for programs as JSON."""

from scopeline_logger import __version__, clock, paths
from scopeline_logger.errors import LoggerError, NotLetIn, Unreachable
from scopeline_logger.listing import why_unreadable
from scopeline_logger.memory import Memory
from scopeline_logger.seen import IGNORED, LEFT, REFUSED, SENT, STATES, WAITING
from scopeline_logger.server_facts import ServerFacts
from scopeline_logger.sessions import Session
from scopeline_logger.settings import Settings

LISTED = 50


def gather(settings: Settings, memory: Memory, running: bool, trouble: "LoggerError | None") -> dict:
    """The state as values that JSON can hold. `trouble`: why the server did not tell about itself, or None."""
    facts = memory.facts
    open_sessions = memory.sessions.open()
    session = open_sessions[0] if open_sessions else memory.sessions.latest()
    counts = memory.seen.counts()
    reachable = not isinstance(trouble, Unreachable) or isinstance(trouble, NotLetIn)
    return {
        "version": __version__,
        "config": settings.config,
        "server": {
            "url": settings.url,
            "reachable": reachable,
            "accepts_token": trouble is None if reachable else None,
            "reason": str(trouble) if trouble is not None else None,
            "client": facts.client,
            "instruments": facts.instruments,
            "clock_offset": facts.offset,
            "checked_at": clock.moment_text(facts.checked) if facts.checked is not None else None,
            "minimum_logger_version": facts.minimum_version,
        },
        "sync_running": running,
        "session": _session(memory, session) if session else None,
        "files": dict({state: counts[state] for state in STATES}, bytes_waiting=memory.seen.bytes_waiting()),
        "calls": {"waiting": memory.outbox.waiting(), "refused": len(memory.outbox.refused())},
        "refused": [
            {"session": local_id, "kind": kind, "reason": reason} for local_id, kind, reason in memory.outbox.refused()
        ]
        + _files(memory, REFUSED),
        "held": [file for file in _files(memory, WAITING) if file["reason"]],
        "ignored": _files(memory, IGNORED),
        "roots": [
            {
                "name": name,
                "folder": paths.readable(folder),
                "known_to_server": _known(facts, name),
                "unreadable": why_unreadable(folder),
            }
            for name, folder in sorted(settings.roots.items())
        ],
    }


def _known(facts: ServerFacts, root: str) -> "bool | None":
    return root in facts.roots if facts.checked is not None else None


def _files(memory: Memory, state: str) -> "list[dict]":
    return [
        {"root": root, "path": paths.readable(path), "reason": reason}
        for root, path, reason in memory.seen.listed(state, LISTED)
    ]


def _session(memory: Memory, session: Session) -> dict:
    counts = memory.seen.counts(session.local_id)
    return {
        "id": session.server_id,
        "local_id": session.local_id,
        "instrument": session.instrument,
        "user": session.person,
        "title": session.title,
        "start": clock.moment_text(session.started),
        "end": clock.moment_text(session.ended) if session.ended is not None else None,
        "page": session.page,
        "erased": memory.sessions.erased(session.local_id),
        "files": {state: counts[state] for state in (WAITING, SENT, REFUSED)},
        "calls_waiting": memory.outbox.waiting(session.local_id),
    }


def sentences(state: dict) -> "list[str]":
    """The same for people, one line each."""
    lines = _session_lines(state["session"]) + _server_lines(state["server"])
    files = state["files"]
    lines.append(
        "Files: %d to send (%.1f MB), %d sent, %d refused, %d ignored, %d left alone."
        % (files[WAITING], files["bytes_waiting"] / 1e6, files[SENT], files[REFUSED], files[IGNORED], files[LEFT])
    )
    if state["calls"]["waiting"]:
        lines.append("Messages to send: %d." % state["calls"]["waiting"])
    lines.append("Sync is running." if state["sync_running"] else "Sync is not running; start it with 'sync'.")
    for root in state["roots"]:
        if root["known_to_server"] is False:
            lines.append("The server does not know the root %s. Ask its administrator to add it." % root["name"])
        if root["unreadable"] is not None:
            lines.append(unreadable_sentence(root["folder"], root["name"], root["unreadable"]))
    return lines + trouble_lines(state)


def _session_lines(session: "dict | None") -> "list[str]":
    if session is None:
        return ["No session was started on this PC."]
    what = "Session %s of %s on %s" % (session["id"] or "(not sent yet)", session["user"], session["instrument"])
    lines = ["%s, since %s." % (what, session["start"]) if session["end"] is None else "%s, ended." % what]
    if session["erased"]:
        lines.append("It was erased on the server: nothing more of it is sent. Its files on this PC stay.")
    elif session["page"]:
        lines.append("Record: %s" % session["page"])
    return lines


def _server_lines(server: dict) -> "list[str]":
    if not server["reachable"]:
        return ["The server cannot be used now: %s" % server["reason"]]
    lines = ["The server %s is there." % server["url"]]
    if server["reason"] is not None:
        return lines + ["This PC is not let in: %s" % server["reason"]]
    lines.append(_client_line(server["client"], server["instruments"]))
    if server["clock_offset"] is not None:
        lines.append(clock.offset_sentence(server["clock_offset"]))
    if is_older(__version__, server["minimum_logger_version"]):
        lines.append("This logger is too old. The server wants %s or later." % server["minimum_logger_version"])
    return lines


def _client_line(client: "str | None", instruments: "list[str]") -> str:
    if client is None:
        return "The token is not one of a PC with a logger. Ask for a token of the kind client."
    return "It knows this PC as %s, for %s." % (client, ", ".join(instruments) or "no instrument")


def is_well(state: dict) -> bool:
    """Whether nothing was refused, the server lets this PC in and all folders can be read."""
    roots_well = all(root["unreadable"] is None for root in state["roots"])
    return not state["refused"] and state["server"]["reason"] is None and roots_well


def unreadable_sentence(folder: str, root: str, why: str) -> str:
    """That a watched folder cannot be read."""
    return "Folder %s of root %s cannot be read: %s." % (folder, root, why)


def trouble_lines(state: dict) -> "list[str]":
    """What was refused or is held up, with the reasons."""
    lines = []
    for item in state["refused"]:
        what = item["path"] if "path" in item else item["kind"].upper()
        lines.append("Refused: %s. %s" % (what, item["reason"]))
    lines.extend("Waits: %s. %s" % (item["path"], item["reason"]) for item in state["held"])
    return lines


def is_older(version: str, minimum: "str | None") -> bool:
    """Whether `version` is below `minimum`; numbers between dots are compared, other text is not."""
    return isinstance(minimum, str) and _numbers(version) < _numbers(minimum)


def _numbers(version: str) -> "list[int]":
    return [int(part) for part in version.split(".") if part.isdigit()]
