"""Lets every edition's test module import the suites that stand beside it."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

# The tests are no package, so the suites are found by their folder.
sys.path.insert(0, str(Path(__file__).parent))
pytest.register_assert_rewrite("object_store_contract", "catalog_contract", "events_contract")
