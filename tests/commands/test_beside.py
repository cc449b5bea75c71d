"""What commands beside a running service show of what they were given."""

from __future__ import annotations

import pytest

from scopeline.commands.beside import plain


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("Gold on  carbon, 5 µm", "Gold on carbon, 5 µm"),
        ("two\nlines\tof\u2028it", "two lines of it"),
        ("Gold\x1b[2J\x00\u202e", "Gold\ufffd[2J\ufffd\ufffd"),
        ("GET https://ada:pass-word@host.test/ failed", "GET https://***@host.test/ failed"),
        ("sl_0123456789ab_Zk3-averysecretword was sent", "sl_0123456789ab_*** was sent"),
        ("password='two\x1b words', n=1", "password='***', n=1"),
    ],
)
def test_a_text_is_one_line_without_secrets_and_what_a_terminal_obeys(text: str, shown: str) -> None:
    assert plain(text) == shown
