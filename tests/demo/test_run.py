"""The demonstration's own session, as it is played."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from scopeline.demo.run import keeps_its_data, realistic_part
from scopeline.settings import Settings


def test_sample_and_note_come_before_the_picture_that_they_are_of(tmp_path: Path) -> None:
    part = realistic_part(tmp_path)
    began = datetime.now(UTC) - part.age
    said = [scene for scene in part.scenes if scene.sample or scene.note]
    assert len(said) >= 2
    for scene in said:
        saved = datetime.fromtimestamp(scene.source.stat().st_mtime, UTC)
        assert scene.at is not None
        # A picture takes some seconds, and its time is that of its beginning.
        assert began - timedelta(minutes=1) < scene.at < saved - timedelta(seconds=45)
    assert part.sample


def test_only_emulators_of_its_own_keep_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    names = ("STORAGE_EMULATOR_HOST", "FIRESTORE_EMULATOR_HOST", "PUBSUB_EMULATOR_HOST")
    for name in names:
        monkeypatch.delenv(name, raising=False)
    assert keeps_its_data(Settings(edition="embedded"))
    assert not keeps_its_data(Settings(edition="gcp"))
    for name in names:
        monkeypatch.setenv(name, "127.0.0.1:1")
    assert keeps_its_data(Settings(edition="gcp"))
