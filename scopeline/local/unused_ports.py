"""Ports for servers that are started a moment later.

The system gives connections of all programs ports of one range; a port of that range that was free a moment ago may be
somebody's then. So ports below the range are taken.
"""

from __future__ import annotations

import random
import socket
from contextlib import suppress
from pathlib import Path

# Linux's own default where it does not tell: ip(7), ip_local_port_range.
CONNECTIONS_FROM = 32768
LOWEST = 15000
TRIES = 1000


def unused_port(host: str) -> int:
    """A port of this host on which nobody listens, and which no connection is given. Raises OSError."""
    choose = random.SystemRandom()
    for _ in range(TRIES):
        port = choose.randrange(LOWEST, max(LOWEST + TRIES, _connections_from()))
        with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET) as probe, suppress(OSError):
            probe.bind((host, port))
            return port
    raise OSError(f"no unused port on {host}")


def _connections_from() -> int:
    try:
        return int(Path("/proc/sys/net/ipv4/ip_local_port_range").read_text().split()[0])
    except (OSError, ValueError, IndexError):
        return CONNECTIONS_FROM
