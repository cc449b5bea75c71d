from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from werkzeug.http import parse_options_header

from scopeline.download_headers import content_disposition


@pytest.mark.parametrize(
    ("name", "header"),
    [
        ("a b.dm3", 'attachment; filename="a b.dm3"'),
        ('say "hi".dm3', 'attachment; filename="say \\"hi\\".dm3"'),
        ("µ.dm3", "attachment; filename=.dm3; filename*=UTF-8''%C2%B5.dm3"),
        ("日本", "attachment; filename=file; filename*=UTF-8''%E6%97%A5%E6%9C%AC"),
    ],
)
def test_a_name_is_given_in_ascii_and_whole_in_utf8(name: str, header: str) -> None:
    assert content_disposition(name) == header


@given(st.text(min_size=1))
def test_no_name_breaks_out_of_its_header(name: str) -> None:
    header = content_disposition(name)
    assert header.isascii()
    assert header.isprintable()
    kind, options = parse_options_header(header)
    assert kind == "attachment"
    assert set(options) == {"filename"}


def test_a_store_that_gives_addresses_is_redirected_to(lab: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    lab.start()
    grant = lab.call("POST", "/v1/uploads", lab.upload_body("µ.dm3")).get_json()
    generation = lab.read(grant["object"])
    asked = []

    def download_url(name: str, generation: int, file_name: str, expires: Any) -> str:
        asked.append((name, generation, file_name, expires.total_seconds()))
        return "https://store.test/signed"

    monkeypatch.setattr(lab.backend.raw, "download_url", download_url)
    answer = lab.call("GET", f"/v1/files/{grant['file']}/content", token="site")
    assert (answer.status_code, answer.headers["Location"]) == (302, "https://store.test/signed")
    assert answer.headers["Cache-Control"] == "no-store"
    assert asked == [(grant["object"], generation, "µ.dm3", 300.0)]
