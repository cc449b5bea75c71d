"""Ports for servers that are started a moment later."""

from __future__ import annotations

import socket

import pytest

from scopeline.local.unused_ports import CONNECTIONS_FROM, LOWEST, unused_port


def test_a_port_is_free_and_is_given_to_no_connection() -> None:
    for _ in range(20):
        port = unused_port("127.0.0.1")
        assert LOWEST <= port < CONNECTIONS_FROM + 1000
        with socket.create_server(("127.0.0.1", port)):
            pass


def test_a_port_on_which_somebody_listens_is_passed_over(monkeypatch: pytest.MonkeyPatch) -> None:
    taken, free = unused_port("127.0.0.1"), unused_port("127.0.0.1")
    choices = iter([taken, taken, free])
    monkeypatch.setattr("random.SystemRandom.randrange", lambda *_: next(choices))
    with socket.create_server(("127.0.0.1", taken)):
        assert unused_port("127.0.0.1") == free
