"""The folder of a run with emulators of its own: gone at its end, kept where it failed."""

from __future__ import annotations

from pathlib import Path

import pytest

from scopeline.local.cloud_settings import folder_of_a_run


def run(folder: Path, ends_with: BaseException | None) -> None:
    with folder_of_a_run(folder) as made:
        assert list(made.iterdir()) == []
        (made / "functions").mkdir()
        (made / "functions" / "api.log").write_text("what happened")
        if ends_with is not None:
            raise ends_with


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """What a killed run left."""
    (tmp_path / "emulated" / "old").mkdir(parents=True)
    return tmp_path / "emulated"


def test_what_a_run_stored_is_gone_at_its_end(folder: Path) -> None:
    run(folder, None)
    assert not folder.exists()


@pytest.mark.parametrize("signalled", [KeyboardInterrupt(), SystemExit(0)])
def test_it_is_gone_when_a_signal_ends_the_run(folder: Path, signalled: BaseException) -> None:
    with pytest.raises(type(signalled)):
        run(folder, signalled)
    assert not folder.exists()


def test_it_is_kept_for_its_logs_where_the_run_failed_until_the_next_one(
    folder: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with pytest.raises(RuntimeError, match="a function"):
        run(folder, RuntimeError("of a function"))
    assert (folder / "functions" / "api.log").read_text() == "what happened"
    assert str(folder) in caplog.text
    run(folder, None)
    assert not folder.exists()


def test_nothing_is_kept_and_told_where_nothing_was_started(folder: Path, caplog: pytest.LogCaptureFixture) -> None:
    with pytest.raises(RuntimeError), folder_of_a_run(folder):
        raise RuntimeError("no java")
    assert not folder.exists()
    assert caplog.text == ""


def test_what_cannot_be_removed_is_told_and_goes_at_the_next_start(
    folder: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(_folder: Path) -> None:
        raise OSError("Directory not empty")

    with monkeypatch.context() as patched, folder_of_a_run(folder):
        patched.setattr("scopeline.local.cloud_settings.shutil.rmtree", refuse)
    assert "is removed at the next start: Directory not empty" in caplog.text
    assert folder.exists()
    run(folder, None)
    assert not folder.exists()
