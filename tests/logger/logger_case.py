"""What the logger's tests share: a server, an instrument PC's folders, and its commands as real processes or calls."""

import json
import logging
import os
import shutil
import subprocess
import sys
import tempfile
import threading
import time
import types
import unittest

PACKAGE = os.path.join(os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__)))), "logger")
if PACKAGE not in sys.path:
    sys.path.insert(0, PACKAGE)

from scopeline_logger import commands, settings  # noqa: E402
from wire_server import TOKEN, WireServer  # noqa: E402

SECONDS = 60
MIB = 1024 * 1024

logging.getLogger("scopeline_logger").addHandler(logging.NullHandler())


def wait_for(condition, what):
    """Poll until `condition()` is true."""
    until = time.monotonic() + SECONDS
    while not condition():
        if time.monotonic() > until:
            raise AssertionError("Waited %d s in vain for %s." % (SECONDS, what))
        time.sleep(0.01)


class LoggerCase(unittest.TestCase):
    """An instrument PC with one watched folder `data`, and a server."""

    def setUp(self):
        self.folder = os.path.realpath(tempfile.mkdtemp())
        self.addCleanup(shutil.rmtree, self.folder)
        self.root = os.path.join(self.folder, "instrument")
        os.mkdir(self.root)
        self.config = os.path.join(self.folder, "pc", "logger.ini")
        os.mkdir(os.path.dirname(self.config))
        self.server = WireServer()
        self.addCleanup(self.stop_server)
        self.configure()

    def stop_server(self):
        if self.server is not None:
            self.server.stop()
            self.server = None

    def start_server(self, port):
        self.server = WireServer(port)

    def configure(self, **more):
        values = dict({"instrument": "titan", "stability": "0", "poll": "0.05"}, **more)
        lines = [
            "[server]",
            "url = " + values.pop("url", self.server.url),
            "token = " + TOKEN,
            "timeout = 10",
            "[logger]",
        ]
        lines += ["%s = %s" % item for item in sorted(values.items())]
        lines += ["[roots]", "data = " + self.root]
        with open(self.config, "w") as file:
            file.write("\n".join(lines))

    def path(self, name):
        return os.path.join(self.root, *name.split("/"))

    def write(self, name, data, mtime=None):
        path = self.path(name)
        if not os.path.isdir(os.path.dirname(path)):
            os.makedirs(os.path.dirname(path))
        with open(path, "wb") as file:
            file.write(data)
        if mtime is not None:
            os.utime(path, (mtime, mtime))
        return path

    def call(self, name, **options):
        """Run a command in this process; (exit code, printed lines)."""
        given = dict(
            user="Ada", title=None, motivation=None, project=None, sample=[], instrument=None, end_open=False,
            text=None, at=None, wait=False, json=False, once=False, until_done=False, all=False, again=False,
        )  # fmt: skip
        given.update(options)
        if name == "note" and not given["sample"]:
            given["sample"] = None
        lines = []
        code = commands.run(
            name, settings.Settings(self.config), types.SimpleNamespace(**given), lines.append, threading.Event()
        )
        return code, lines

    def command(self, *arguments):
        """Run a command as a process; (exit code, standard output, standard error)."""
        process = self.process(*arguments)
        try:
            output, errors = process.communicate(timeout=SECONDS)
        finally:
            if process.poll() is None:
                process.kill()
                process.communicate()
        return process.returncode, output, errors

    def process(self, *arguments):
        environment = dict(os.environ, PYTHONPATH=PACKAGE, PYTHONIOENCODING="utf-8")
        return subprocess.Popen(
            [sys.executable, "-m", "scopeline_logger", "--config", self.config] + list(arguments),
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            universal_newlines=True,
        )

    def stop_process(self, process):
        """End a `sync` that runs, as the system does at shutdown; what it printed."""
        process.terminate()
        return process.communicate(timeout=SECONDS)

    def status(self):
        return json.loads("\n".join(self.call("status", json=True)[1]))

    def names_stored(self):
        """The paths of all confirmed objects, without instrument, session, client and root."""
        return sorted(
            "/".join(name.split("/")[4:])
            for name, versions in self.server.objects.items()
            if versions[-1]["verified"] == "yes"
        )
