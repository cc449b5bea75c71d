"""Settings: where they come from, and what a bad one says."""

from __future__ import annotations

import os
import subprocess
import sys
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scopeline.adapters.gcp.topics import FLOWS
from scopeline.settings import (
    FUNCTIONS,
    BadSetting,
    Settings,
    default_data_folder,
    load_settings,
    processors,
    read_by,
    settings_table,
)


@pytest.fixture(autouse=True)
def _no_settings_of_this_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in list(os.environ):
        if name.startswith("SCOPELINE_"):
            monkeypatch.delenv(name)


def test_defaults_serve_this_machine_only() -> None:
    settings = load_settings()
    assert (settings.host, settings.port, settings.site_port) == ("127.0.0.1", 8080, 8081)
    assert settings.anonymous is False
    assert settings.data_dir == default_data_folder()
    assert settings.readers == processors() >= 1
    assert settings.settle_after == timedelta(hours=2)


def test_given_settings_come_before_the_environments_and_those_before_the_defaults(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("SCOPELINE_PORT", "9001")
    monkeypatch.setenv("SCOPELINE_HOST", "::1")
    settings = load_settings(port=9002, host=None, data_dir=Path("here"))
    assert (settings.port, settings.host, settings.data_dir) == (9002, "::1", Path("here"))


def test_variables_that_are_no_settings_are_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SCOPELINE_SITE_API_TOKEN", "of the web site")
    load_settings()


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("port", "70000"),
        ("port", "eighty"),
        ("site_port", "-1"),
        ("anonymous", "perhaps"),
        ("max_file_size", "0"),
        ("upload_chunk", "300000"),
        ("upload_chunk", "1024"),
        ("settle_seconds", "-1"),
        ("readers", "0"),
        ("reader_memory", "1"),
        ("reader_seconds", "0"),
        ("attempts", "0"),
        ("public_url", "http://x y"),
        ("public_url", "http://lab.test\n"),
        ("site_url", "lab.test:8080"),
        ("site_url", "ftp://lab.test"),
        ("site_url", "http://"),
        ("site_url", "http:///path"),
        ("records_url", "https://host:99999/"),
        ("records_url", "https://host:0/"),
        ("records_url", "https://host:https/"),
        ("records_url", "https://[::1/"),
        ("site_url", "https://lab.test?x=1"),
        ("site_url", "https://lab.test/?"),
        ("site_url", "https://lab.test/#a"),
        ("site_url", "https://lab.test/a\\b"),
        ("public_url", "http://lab\\x"),
        ("public_url", "http://lab:"),
        ("public_url", "http://[::1]:/"),
        ("records_url", "http://lab..test"),
        ("records_url", "http://.lab.test"),
        ("records_url", "http://."),
        ("records_url", f"http://{'a' * 64}.test"),
    ],
)
def test_bad_setting_is_told_with_its_name_value_and_what_is_expected(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str
) -> None:
    monkeypatch.setenv(f"SCOPELINE_{name.upper()}", value)
    with pytest.raises(BadSetting) as raised:
        load_settings()
    words = str(raised.value)
    assert raised.value.code == "bad_setting"
    assert words.startswith(f"Setting {name} (SCOPELINE_{name.upper()}) has the value {value!r}: ")
    assert len(words) > len(f"Setting {name} (SCOPELINE_{name.upper()}) has the value {value!r}: .")


def test_bad_given_setting_is_told_alike() -> None:
    with pytest.raises(BadSetting, match=r"Setting attempts \(SCOPELINE_ATTEMPTS\) has the value 101"):
        load_settings(attempts=101)


@pytest.mark.parametrize("name", ["public_url", "site_url", "records_url"])
@pytest.mark.parametrize(
    "value",
    [
        "http://127.0.0.1:8080",
        "https://lab.test/records/",
        "http://[::1]:80",
        "https://münchen.test/@me",
        "https://lab.test./a//b:",
        "http://lab_1",
        "",
    ],
)
def test_an_address_is_taken_as_it_is(name: str, value: str) -> None:
    assert getattr(load_settings(**{name: value}), name) == value


@pytest.mark.parametrize("name", ["public_url", "site_url", "records_url"])
@pytest.mark.parametrize("value", ["https://user:pw@host/", "http://u:pw@x y", "u:pw@host", "https://pw@host:99999/"])
def test_a_password_in_an_address_is_refused_and_not_told(name: str, value: str) -> None:
    with pytest.raises(BadSetting, match=rf"\(SCOPELINE_{name.upper()}\) has a value that is not shown: ") as raised:
        load_settings(**{name: value})
    assert "without a user name" in str(raised.value)
    assert "pw" not in str(raised.value)


@given(st.text() | st.text().map(lambda rest: f"http://{rest}"))
def test_any_address_is_taken_or_refused(value: str) -> None:
    try:
        load_settings(site_url=value)
    except BadSetting as error:
        assert error.code == "bad_setting"  # noqa: PT017 (anything else is let through)


def test_every_setting_says_what_it_is() -> None:
    undescribed: list[Any] = [name for name, field in Settings.model_fields.items() if not field.description]
    assert undescribed == []


def test_every_setting_says_who_reads_it() -> None:
    assert {*FUNCTIONS} == {"api", "sweep", *(flow.function for flow in FLOWS)}
    for name, field in Settings.model_fields.items():
        reader = read_by(field)
        assert reader.local or reader.functions, name
        assert {*reader.functions} <= {*FUNCTIONS}, name


def test_the_tables_have_every_setting_once_by_edition() -> None:
    both, local, google = settings_table().split("\n\n## ")
    for name in ("SCOPELINE_ATTEMPTS", "SCOPELINE_PORT", "SCOPELINE_TOPIC_PREFIX"):
        assert settings_table().count(f"`{name}`") == 1
    assert "SCOPELINE_ATTEMPTS" in both
    assert "SCOPELINE_PORT" in local
    assert "| `SCOPELINE_RAW_MOUNT` | none |" in google
    assert settings_table().count("\n| `SCOPELINE_") == len(Settings.model_fields)


def test_settings_are_not_read_when_the_module_is_imported() -> None:
    code = "import scopeline.settings"
    environment = {**os.environ, "SCOPELINE_PORT": "nonsense"}
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, check=False)
    assert (done.returncode, done.stderr) == (0, b"")


def test_a_name_that_is_no_setting_is_refused_with_the_one_that_was_meant(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SCOPELINE_MAX_FILESIZE", "5")
    with pytest.raises(BadSetting, match="Did you mean SCOPELINE_MAX_FILE_SIZE"):
        load_settings()


def test_the_value_of_an_unknown_name_is_not_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SCOPELINE_RECORD_TOKEN", "tell-nobody")
    with pytest.raises(BadSetting) as raised:
        load_settings()
    assert str(raised.value) == "There is no setting SCOPELINE_RECORD_TOKEN. Did you mean SCOPELINE_RECORDS_TOKEN?"


def test_the_value_of_a_secret_is_not_told() -> None:
    with pytest.raises(BadSetting, match=r"Setting records_token \(SCOPELINE_RECORDS_TOKEN\) has a value") as raised:
        load_settings(records_token=["tell-nobody"])
    assert "tell-nobody" not in str(raised.value)


def test_the_page_of_settings_is_up_to_date() -> None:
    page = Path(__file__).resolve().parent.parent / "docs" / "settings.md"
    assert page.read_text(encoding="utf-8").endswith("\n\n" + settings_table())
