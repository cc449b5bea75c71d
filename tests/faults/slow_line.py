"""A line between a client and a server that can be cut, refuse connections for a while, or fall silent."""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager


class Line:
    """Passes bytes on in both directions, unless it is `cut` or silent."""

    def __init__(self, target: str) -> None:
        host, port = target.rsplit(":", 1)
        self._target = (host, int(port))
        self._listening = socket.create_server(("127.0.0.1", 0))
        self.address = f"127.0.0.1:{self._listening.getsockname()[1]}"
        self.is_cut = False
        self.is_silent = False
        self.refused = 0
        self._ends: set[socket.socket] = set()
        self._lock = threading.Lock()

    def cut(self) -> None:
        """End all connections, and every new one at once."""
        with self._lock:
            self.is_cut = True
            for end in self._ends:
                with contextlib.suppress(OSError):
                    end.shutdown(socket.SHUT_RDWR)

    def silence(self) -> None:
        """Keep all connections, take every new one, and let no byte pass: nobody is told that anything is wrong."""
        self.is_silent = True

    def mend(self) -> None:
        """Let bytes pass again; connections in which some are missing are ended."""
        if self.is_silent:
            self.cut()
        self.is_cut = self.is_silent = False

    def serve(self) -> None:
        """Take connections until the line is closed."""
        while True:
            try:
                near, _ = self._listening.accept()
            except OSError:
                return
            if self.is_cut:
                self.refused += 1
                near.close()
                continue
            if self.is_silent:
                with self._lock:
                    self._ends.add(near)
                continue
            far = socket.create_connection(self._target, timeout=10)
            far.settimeout(None)
            with self._lock:
                self._ends |= {near, far}
            for source, sink in ((near, far), (far, near)):
                threading.Thread(target=self._pass_on, args=(source, sink), daemon=True).start()

    def close(self) -> None:
        """End the line."""
        with contextlib.suppress(OSError):
            self._listening.shutdown(socket.SHUT_RDWR)
        self._listening.close()
        self.cut()

    def _pass_on(self, source: socket.socket, sink: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while data := source.recv(65536):
                if not self.is_silent:
                    sink.sendall(data)
        with contextlib.suppress(OSError):
            sink.shutdown(socket.SHUT_RDWR)
        source.close()
        with self._lock:
            self._ends.discard(source)


@contextmanager
def line_to(target: str) -> Iterator[Line]:
    """A line to `host:port`, for as long as the context lasts."""
    line = Line(target)
    thread = threading.Thread(target=line.serve, daemon=True)
    thread.start()
    try:
        yield line
    finally:
        line.close()
        thread.join(10)
