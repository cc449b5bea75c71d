"""Lets tests import `running` of the local edition's tests; tests are no package."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "local"))
pytest.register_assert_rewrite("running")
