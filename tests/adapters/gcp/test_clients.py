"""Google's clients, where there is nobody to be."""

from __future__ import annotations

from pathlib import Path

import pytest

from scopeline.adapters.gcp.clients import make_clients
from scopeline.domain.errors import Unavailable


def test_missing_credentials_are_told_with_what_to_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("STORAGE_EMULATOR_HOST", "FIRESTORE_EMULATOR_HOST", "PUBSUB_EMULATOR_HOST"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", str(tmp_path / "none.json"))
    with pytest.raises(Unavailable, match=r"none\.json.*gcloud auth application-default login") as raised:
        make_clients("project", "(default)")
    assert raised.value.code == "no_credentials"
