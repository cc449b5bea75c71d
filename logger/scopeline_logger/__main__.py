"""The `scopeline-logger` command."""

import argparse
import logging
import os
import signal
import sys
import threading

from scopeline_logger import __version__, commands, settings
from scopeline_logger.errors import LoggerError, WrongUse
from scopeline_logger.log import close_log, open_log

_LOG = logging.getLogger("scopeline_logger")


def main(arguments: "list[str] | None" = None) -> int:
    """Run one command; 0 done, 1 done with listed failures, 2 wrong use."""
    parser = _parser()
    options = parser.parse_args(arguments)
    if options.command is None:
        parser.error("say what to do: start, note, end, status or sync")
    stop = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stop.set())
    try:
        known = settings.Settings(options.config or settings.default_config())
        return _run_logged(known, options, stop)
    except WrongUse as error:
        _complain(error)
        return 2
    except LoggerError as error:
        _complain(error)
        return 1


def _run_logged(known: settings.Settings, options: argparse.Namespace, stop: threading.Event) -> int:
    _make_private_folder(known.data_folder)
    open_log(known.data_folder, "logger-sync.log" if options.command == "sync" else "logger-commands.log")
    try:
        return commands.run(options.command, known, options, _tell, stop)
    except WrongUse:
        raise
    except LoggerError as error:
        _LOG.error("%s ended: %s", options.command, error)
        raise
    except OSError as error:
        _LOG.exception("%s ended", options.command)
        raise LoggerError(
            "%s. Nothing that was queued is lost; see the log in %s." % (error, known.data_folder)
        ) from error
    finally:
        close_log()


def _make_private_folder(folder: str) -> None:
    try:
        if not os.path.isdir(folder):
            os.makedirs(folder, 0o700)
    except OSError as error:
        raise LoggerError(
            "The data folder %s cannot be made: %s. Set data_folder to one that this user may write."
            % (folder, error.strerror or error)
        ) from error


def _tell(line: str) -> None:
    print(_printable(line, sys.stdout), flush=True)


def _complain(error: Exception) -> None:
    print(_printable(str(error), sys.stderr), file=sys.stderr, flush=True)


def _printable(line: str, stream) -> str:  # type: ignore[no-untyped-def]
    """The line with what the terminal's character set lacks escaped."""
    encoding = getattr(stream, "encoding", None) or "ascii"
    return line.encode(encoding, "backslashreplace").decode(encoding)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="scopeline-logger", description="Records sessions at a microscope.")
    parser.add_argument("--version", action="version", version="scopeline-logger " + __version__)
    parser.add_argument(
        "--config", metavar="FILE", help="settings file (default: %s)" % _percent(settings.default_config())
    )
    names = parser.add_subparsers(dest="command", metavar="COMMAND")

    start = names.add_parser("start", help="begin a session")
    start.add_argument("--user", required=True, metavar="NAME", help="who is at the microscope")
    start.add_argument("--title", metavar="TEXT")
    start.add_argument("--motivation", metavar="TEXT", help="why the session is done")
    start.add_argument("--project", metavar="NAME")
    start.add_argument("--sample", action="append", default=[], metavar="NAME", help="may be given more than once")
    start.add_argument("--instrument", metavar="ID")
    start.add_argument("--at", metavar="TIME", help="when it really began: 09:14, or a date and time with offset")
    start.add_argument("--end-open", action="store_true", help="end a session that still runs on the instrument")

    note = names.add_parser("note", help="write a note, or a change of sample or project")
    note.add_argument("text", nargs="?", metavar="TEXT")
    note.add_argument("--sample", metavar="NAME", help="this sample is in the microscope from now on")
    note.add_argument("--project", metavar="NAME", help="this is done for that project from now on")
    note.add_argument("--at", metavar="TIME", help="when it was so: 09:14, or a date and time with offset")
    note.add_argument("--instrument", metavar="ID")

    end = names.add_parser("end", help="end the session")
    end.add_argument("--at", metavar="TIME", help="when it really ended: 09:14, or a date and time with offset")
    end.add_argument("--wait", action="store_true", help="stay until all files of the session were sent")
    end.add_argument("--instrument", metavar="ID")

    status = names.add_parser("status", help="tell how things stand")
    status.add_argument("--json", action="store_true", help="for programs")

    sync = names.add_parser("sync", help="watch the folders and send files")
    how = sync.add_mutually_exclusive_group()
    how.add_argument("--once", action="store_true", help="send what is finished now, then end")
    how.add_argument("--until-done", action="store_true", help="end when nothing waits any more")
    sync.add_argument("--all", action="store_true", help="send also files that were there before the logger")
    sync.add_argument("--again", action="store_true", help="try once more what was refused")
    return parser


def _percent(text: str) -> str:
    return text.replace("%", "%%")


if __name__ == "__main__":
    sys.exit(main())
