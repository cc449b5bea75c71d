"""The demonstration's own session, as it is played."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

from scopeline.demo.run import realistic_part


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
